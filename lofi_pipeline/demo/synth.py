"""A deterministic synthesizer: renders a SongSpec to audio whose tempo, key and instruments are known.

The first sample is the downbeat of bar one. Every tag of a spec is audible: instruments by timbre (instruments.py,
drums.py), mood by register, density, chord length and reverberation, production by effects.py, atmosphere by textures.py.
Which pieces are rendered is not decided here: see drop.py and distributions.py.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lofi_pipeline.demo import effects
from lofi_pipeline.demo.drums import kit, pattern
from lofi_pipeline.demo.effects import Stereo
from lofi_pipeline.demo.instruments import TIMBRES, VOICES, Role, note
from lofi_pipeline.demo.textures import atmosphere

RATE = 48_000
KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
# Roots by scale degree; each begins on the tonic, so that the key is audible.
PROGRESSIONS = {
    "major": (
        (0, 5, 3, 4),
        (0, 3, 0, 4),
        (0, 2, 3, 4),
        (0, 4, 5, 3),
        (0, 3, 1, 4),
        (0, 5, 1, 4),
    ),
    "minor": (
        (0, 5, 2, 6),
        (0, 3, 0, 4),
        (0, 5, 3, 4),
        (0, 6, 5, 4),
        (0, 3, 6, 2),
        (0, 2, 5, 4),
    ),
}


@dataclass(frozen=True)
class Mood:
    """How a mood is played: shift of the register in semitones, notes a beat, short chords or long, level of the reverberation
    and of the drums, cut-off of the tone in Hz."""

    shift: int
    density: float
    stabs: bool
    reverb: float
    drums: float
    cutoff: float


_STILL = Mood(shift=0, density=0.25, stabs=False, reverb=0.45, drums=0.45, cutoff=5000)
_DARK = Mood(shift=-7, density=0.5, stabs=False, reverb=0.3, drums=0.8, cutoff=3500)
_WARM = Mood(shift=-2, density=0.75, stabs=False, reverb=0.15, drums=0.8, cutoff=5500)
_AIRY = Mood(shift=5, density=0.5, stabs=False, reverb=0.6, drums=0.6, cutoff=9000)
_LIVELY = Mood(shift=7, density=1.5, stabs=True, reverb=0.1, drums=1.0, cutoff=12000)
MOODS: dict[str, Mood] = {
    **dict.fromkeys(("calm", "peaceful", "relaxing", "sleepy", "focused"), _STILL),
    **dict.fromkeys(("melancholic", "sad", "lonely", "bittersweet", "mysterious"), _DARK),
    **dict.fromkeys(("chill", "mellow", "cozy", "warm", "soulful", "romantic"), _WARM),
    **dict.fromkeys(("dreamy", "nostalgic", "hopeful"), _AIRY),
    **dict.fromkeys(("uplifting", "playful", "groovy", "festive", "happy"), _LIVELY),
}


@dataclass(frozen=True)
class SongSpec:
    """What to play. Tags are canonical tags of config/tag_categories.yaml.

    `groove` is the drum pattern ("four", "backbeat", "boom bap", "half"); `swing` is where the second eighth of a
    beat falls (0.5 straight, 0.62 heavy). `production` may be empty: then nothing is filtered and nothing hisses.
    """

    seed: int
    bpm: float
    key: str
    mode: str
    seconds: float
    instruments: tuple[str, ...]
    mood: str = "chill"
    production: tuple[str, ...] = ()
    atmosphere: str | None = None
    vocal_type: str | None = None
    genre: str = "lofi"
    groove: str = "boom bap"
    swing: float = 0.5

    def __post_init__(self) -> None:
        unknown = [tag for tag in self.instruments if tag not in TIMBRES]
        if unknown or not self.instruments:
            raise ValueError(f"instruments: no timbre for {', '.join(unknown) or 'an empty list'}")
        if self.mood not in MOODS:
            raise ValueError(f"mood: {self.mood!r} is not one of {', '.join(sorted(MOODS))}")
        if self.key not in KEYS or self.mode not in SCALES:
            raise ValueError(f"key: {self.key} {self.mode} is not a key")


@dataclass(frozen=True)
class Song:
    """Audio, float32 [2, n] at `rate`, and what is true of it."""

    samples: NDArray[np.float32]
    rate: int
    spec: SongSpec

    @property
    def truth(self) -> dict[str, object]:
        """The facts to compare a measurement with."""
        spec = self.spec
        return {
            "bpm": spec.bpm,
            "key": spec.key,
            "mode": spec.mode,
            "seconds": self.samples.shape[1] / self.rate,
            "instruments": list(spec.instruments),
            "tags": [
                spec.genre,
                spec.mood,
                *spec.instruments,
                *spec.production,
                *filter(None, (spec.atmosphere,)),
            ],
        }


class _Bus:
    """A stereo mix that notes are added to; equal notes are rendered once."""

    def __init__(self, frames: int, rate: int) -> None:
        self.mix = np.zeros((2, frames), np.float32)
        self.rate = rate
        self._notes: dict[tuple[str, float, int], NDArray[np.float32]] = {}

    def play(
        self,
        instrument: str,
        midi: float,
        at: float,
        seconds: float,
        level: float,
        pan: float = 0.0,
    ) -> None:
        key = (instrument, midi, int(seconds * 1000))
        if key not in self._notes:
            self._notes[key] = note(TIMBRES[instrument], midi, seconds, self.rate)
        self.add(self._notes[key], at, level, pan)

    def add(self, sound: NDArray[np.float32], at: float, level: float, pan: float = 0.0) -> None:
        start = round(at * self.rate)
        sound = sound[: max(0, self.mix.shape[1] - start)]
        if len(sound):
            angle = (pan + 1) * np.pi / 4
            self.mix[0, start : start + len(sound)] += sound * np.float32(level * 1.414 * np.cos(angle))
            self.mix[1, start : start + len(sound)] += sound * np.float32(level * 1.414 * np.sin(angle))


@dataclass(frozen=True)
class Cast:
    """The instruments of a piece, by their part."""

    chords: tuple[str, ...]
    leads: tuple[str, ...]
    bass: str | None
    drums: tuple[str, ...]


def _cast(spec: SongSpec) -> Cast:
    by_role: dict[Role, list[str]] = {role: [] for role in Role}
    for tag in spec.instruments:
        by_role[TIMBRES[tag].role].append(tag)
    if spec.vocal_type in VOICES and spec.vocal_type is not None:
        by_role[TIMBRES[spec.vocal_type].role].append(spec.vocal_type)
    chords, leads = by_role[Role.CHORDS], by_role[Role.LEAD]
    if not chords and not leads:
        chords = ["rhodes"]
    drums = [] if "no drums" in spec.production else by_role[Role.DRUMS]
    # A second chord instrument takes the melody, so that each tag is audible alone at times.
    if len(chords) > 1 and not leads:
        chords, leads = chords[:1], chords[1:]
    return Cast(tuple(chords), tuple(leads), (by_role[Role.BASS] or [None])[0], tuple(drums))


@dataclass(frozen=True)
class Arrangement:
    """What the players of a piece share: `beat` in seconds, `swing` as a share of the beat, and the number of bars."""

    spec: SongSpec
    cast: Cast
    mood: Mood
    beat: float
    bars: int
    swing: float

    @property
    def progression(self) -> tuple[int, ...]:
        """The roots of the chords, one a bar, as scale degrees."""
        rng, pool = _stream(self.spec, "progression"), PROGRESSIONS[self.spec.mode]
        first, second = rng.integers(0, len(pool), 2)
        return pool[first] if rng.random() < 0.5 else pool[first] + pool[second]


def arrange(spec: SongSpec) -> Arrangement:
    """Decide who plays what, at which speed and for how long; the notes follow from it."""
    beat = 60.0 / spec.bpm
    swing = max(spec.swing, 0.62) if "swung drums" in spec.production else spec.swing
    bars = int(np.ceil(spec.seconds / (4 * beat)))
    return Arrangement(spec, _cast(spec), MOODS[spec.mood], beat, bars, swing)


def _stream(spec: SongSpec, part: str) -> np.random.Generator:
    return np.random.default_rng([spec.seed & 0xFFFFFFFF, zlib.crc32(part.encode())])


def render(spec: SongSpec, rate: int = RATE) -> Song:
    """Play a spec. The same spec at the same rate gives the same samples, bit for bit; peak 0.89 at most."""
    frames, piece = int(round(spec.seconds * rate)), arrange(spec)
    music, low, drums = (_Bus(frames, rate) for _ in range(3))
    _play_harmony(music, piece)
    _play_melody(music, piece)
    _play_bass(low, piece)
    for name in piece.cast.drums:
        _play_drums(drums, name, piece)
    return Song(_produce(music.mix, low.mix, drums.mix, piece, rate), rate, spec)


def _tonic(spec: SongSpec) -> int:
    """The tonic nearest below middle C's octave, as a MIDI number from 48 to 59."""
    return 48 + KEYS.index(spec.key)


def _degree(spec: SongSpec, degree: int) -> int:
    scale = SCALES[spec.mode]
    return _tonic(spec) + scale[degree % 7] + 12 * (degree // 7)


def _voicing(spec: SongSpec, root: int, mood: Mood) -> list[int]:
    """Root, third, fifth and sometimes seventh, folded into one octave around the mood's register."""
    centre = 58 + mood.shift
    steps = (0, 2, 4, 6) if mood.density < 1 else (0, 2, 4)
    notes = [_degree(spec, root + step) for step in steps]
    return sorted({n + 12 * round((centre - n) / 12) for n in notes})


def _play_harmony(bus: _Bus, piece: Arrangement) -> None:
    mood, beat, progression = piece.mood, piece.beat, piece.progression
    players = piece.cast.chords or piece.cast.leads[:1]
    for bar in range(piece.bars):
        chord = _voicing(piece.spec, progression[bar % len(progression)], mood)
        for index, player in enumerate(players):
            for at, length in _chord_strokes(mood, player, index, piece.swing):
                level = (0.34 if at % 2 == 0 else 0.24) / len(players)
                for voice, midi in enumerate(chord):
                    pan = 0.2 * (voice - 1.5)
                    bus.play(player, midi, (4 * bar + at) * beat, length * beat, level, pan)


def _chord_strokes(mood: Mood, player: str, index: int, swing: float) -> list[tuple[float, float]]:
    """(start, length) in beats of the chords of a bar, for the player with this index."""
    sustained = TIMBRES[player].attack > 0.1
    if mood.stabs and not sustained:
        return [(b + off, 0.4) for b in range(4) for off in ((0.0, swing) if index == 0 else (0.0,))]
    if mood.density >= 0.5 and not sustained:
        return [(0.0, 1.9), (2.0, 1.9)]
    return [(0.0, 3.9)]


def _play_melody(bus: _Bus, piece: Arrangement) -> None:
    mood, beat, leads = piece.mood, piece.beat, piece.cast.leads
    progression, rng = piece.progression, _stream(piece.spec, "melody")
    positions = [b + off for b in range(4) for off in (0.0, piece.swing)]
    wanted = max(2, round(4 * mood.density * 1.2))
    phrases = [_phrase(rng, positions, wanted) for _ in range(4)]
    for index, player in enumerate(leads):
        for bar in range(piece.bars):
            if len(leads) > 1 and bar % len(leads) != index:
                continue
            chord = _voicing(piece.spec, progression[bar % len(progression)], mood)
            phrase = phrases[(bar + index) % 4]
            for (at, step), (following, _) in zip(phrase, phrase[1:] + [(4.0, 0)]):
                midi = chord[step % len(chord)] + 12 * (step // len(chord))
                length = min(1.9, following - at) * 0.92
                bus.play(player, midi, (4 * bar + at) * beat, length * beat, 0.42, 0.25)


def _phrase(rng: np.random.Generator, positions: list[float], wanted: int) -> list[tuple[float, int]]:
    """(beat of the bar, step of the chord) of the notes of one bar, in order."""
    count = len(positions)
    chosen = {0, *rng.choice(count, min(wanted, count) - 1, replace=False).tolist()}
    return [(positions[i], int(rng.integers(1, 6))) for i in sorted(chosen)]


def _play_bass(bus: _Bus, piece: Arrangement) -> None:
    mood, beat, progression, player = piece.mood, piece.beat, piece.progression, piece.cast.bass
    if player is None:
        return
    if mood.density >= 1:
        strokes = [(0.5 * k, 0.42) for k in range(8)]
    elif mood.density >= 0.5:
        strokes = [(0.0, 1.4), (1.5, 0.45), (2.0, 1.4)]
    else:
        strokes = [(0.0, 3.6)]
    for bar in range(piece.bars):
        root = _degree(piece.spec, progression[bar % len(progression)])
        midi = 28 + (root - 28) % 12
        for at, length in strokes:
            bus.play(player, midi, (4 * bar + at) * beat, length * beat, 0.5)


def _play_drums(bus: _Bus, name: str, piece: Arrangement) -> None:
    spec, rng = piece.spec, _stream(piece.spec, name)
    sounds = kit(name, rng, bus.rate)
    groove = "half" if "half-time drums" in spec.production else spec.groove
    for bar in range(piece.bars):
        for hit in pattern(name, groove, piece.swing, bar, rng):
            bus.add(
                sounds[hit.sound],
                (4 * bar + hit.beat) * piece.beat,
                0.75 * hit.level * (0.92 + 0.16 * rng.random()),
                0.15 if hit.sound != "kick" else 0.0,
            )


def _produce(music: Stereo, low: Stereo, drums: Stereo, piece: Arrangement, rate: int) -> Stereo:
    """Mix the three buses and apply the production and atmosphere tags."""
    spec, mood, beat = piece.spec, piece.mood, piece.beat
    tags, rng, frames = set(spec.production), _stream(spec, "production"), music.shape[1]
    music = _treat_music(music, tags, mood, beat, rate, rng)
    if "sidechain compression" in tags:
        music = music * _ducking(frames, rate, beat)
        low = low * _ducking(frames, rate, beat)
    if "dusty drums" in tags:
        drums = effects.lowpass(np.tanh(2.5 * drums), rate, 3500)
    mix = _treat_mix(music + low + mood.drums * drums, tags, rate)
    mix = mix * np.float32(0.16 / max(1e-6, float(np.sqrt(np.mean(mix**2)))))
    if "vinyl crackle" in tags:
        mix = mix + effects.crackle(frames, rate, rng)
    if "tape hiss" in tags:
        mix = mix + effects.hiss(frames, rate, rng)
    if spec.atmosphere:
        mix = mix + atmosphere(spec.atmosphere, frames, rate)
    return _finish(mix, rate)


def _treat_music(
    music: Stereo, tags: set[str], mood: Mood, beat: float, rate: int, rng: np.random.Generator
) -> Stereo:
    """Tone, gate and reverberation of everything but bass and drums."""
    seconds, wet = 0.9, 0.0 if "dry close mix" in tags else mood.reverb
    if "spacious reverb" in tags:
        seconds, wet = 2.6, 0.9
    music = effects.lowpass(music, rate, mood.cutoff, order=1)
    if "chopped samples" in tags:
        music = effects.chop(music, rate, beat)
    return effects.reverb(music, rate, seconds, wet, rng)


def _treat_mix(mix: Stereo, tags: set[str], rate: int) -> Stereo:
    """The effects on the whole mix, in the order of a signal chain."""
    if "tape saturation" in tags or "warm analog" in tags:
        mix = effects.lowpass(np.tanh(2.2 * mix), rate, 6500, order=1)
    if "bit crushed" in tags:
        mix = effects.crush(mix, rate)
    if "low-pass filtered" in tags:
        mix = effects.lowpass(mix, rate, 1800, order=3)
    if "muted highs" in tags:
        mix = effects.lowpass(mix, rate, 3200, order=2)
    if "tape wobble" in tags:
        mix = effects.wobble(mix, rate)
    if "wide stereo" in tags:
        mix = effects.widen(mix, rate)
    if "mono warmth" in tags:
        middle = effects.lowpass(mix, rate, 4500, order=1).mean(axis=0, keepdims=True)
        mix = np.repeat(middle, 2, axis=0)
    return mix


def _ducking(frames: int, rate: int, beat: float) -> NDArray[np.float32]:
    t = np.arange(frames, dtype=np.float32) / rate
    return (1 - 0.75 * np.exp(-(t % np.float32(beat)) / np.float32(0.35 * beat))).astype(np.float32)


def _finish(mix: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    mix = np.tanh(mix * np.float32(1.1)) * np.float32(0.89)
    fade = int((1.5 if mix.shape[1] > 20 * rate else 0.02) * rate)
    mix[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return mix.astype(np.float32)
