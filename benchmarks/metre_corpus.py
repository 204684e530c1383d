"""Random music of known metre, of sine waves and noise: what the metres are fitted on beside this project's own loops.

Tempo, feel, drums, harmony, accompaniment, bass and lead are drawn one by one, most of them within the bars of the metre, some
across them. Each piece is 40 to 90 s long and begins somewhere within its first bar. A seed and a metre always give the same piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.metre_sounds import RATE, drum_kit, tone
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, Metre

Part = Literal["fit", "held back"]
_SEEDS: dict[Part, tuple[range, ...]] = {
    "fit": (range(110), range(200, 330)),
    "held back": (range(5000, 5040),),
}
_SECOND = 100_000
"""Added to a seed for the second piece in 4/4: music in four is twice as frequent as that of any other metre."""
_ORDER: tuple[Metre, ...] = ("4/4", "3/4", "6/8", "5/4", "7/8")
"""The place of a metre is part of the seed."""
_TEMPOS: dict[Metre, tuple[int, int]] = {
    "4/4": (58, 105), "3/4": (60, 108), "6/8": (42, 85), "5/4": (60, 108), "7/8": (58, 108),
}  # fmt: skip
_FEELS: dict[Metre, tuple[str, ...]] = {
    "4/4": ("straight", "straight", "straight", "swing", "swing", "triplet"),
    "3/4": ("straight", "straight", "swing"),
    "5/4": ("straight", "straight", "swing"),
}
_SEVENTHS = ((2, 2, 3), (3, 2, 2), (2, 3, 2))
_KICK_CHANCE: dict[Metre, float] = {"4/4": 0.22, "3/4": 0.15, "6/8": 0.15, "5/4": 0.18, "7/8": 0.18}
_HATS = ("all", "all", "beats", "off", "sparse", "sixteenths", "none")
_CHORDS = ((0, 3, 7, 10), (0, 4, 7, 11), (0, 4, 7, 9), (0, 3, 7), (0, 4, 7, 10), (0, 5, 7, 10))
_STEPS_OF_ROOTS = (0, 2, 3, 5, 7, 8, 9, 10)
_SCALE = np.array([0, 2, 3, 5, 7, 8, 10, 12])
_MIDDLE_C = 261.63
_NEAR = 0.01


class Hit(NamedTuple):
    """A stroke of a drum: its name, its position in beats from the start of the bar, its strength."""

    drum: str
    position: float
    strength: float


class Stroke(NamedTuple):
    """Notes that begin together: position and length in beats, semitones above the root."""

    position: float
    beats: float
    semitones: Sequence[int]


@dataclass(frozen=True)
class RandomPiece:
    """A seed and a metre."""

    seed: int
    metre: Metre

    def render(self) -> tuple[np.ndarray, float]:
        """The piece as float32 [n] at 22.05 kHz, and its beats per minute (in 6/8 of dotted quarters)."""
        rng = np.random.default_rng([self.seed, _ORDER.index(self.metre), 77])
        seconds = float(rng.choice([40.0, 60.0, 90.0]))
        bar = _bar(rng, self.metre)
        session = _Session(rng, bar, seconds)
        drums = session.play_drums()
        session.play_harmony(drums)
        session.play_lead()
        return session.mixed(drums, seconds), bar.bpm


def random_pieces(part: Part) -> Iterator[RandomPiece]:
    """All pieces of a part; every six of them are a piece of each metre, and a second one in 4/4."""
    for seeds in _SEEDS[part]:
        for seed in seeds:
            for metre in _ORDER:
                yield RandomPiece(seed, metre)
                if metre == "4/4":
                    yield RandomPiece(seed + _SECOND, metre)


@dataclass(frozen=True)
class Bar:
    """How a bar is divided: `steps`, the shortest ones that are played, and `groups`, where accents fall, in beats from its start."""

    metre: Metre
    feel: str
    bpm: float
    steps: tuple[float, ...]
    groups: tuple[float, ...]

    @property
    def length(self) -> float:
        """Beats in the bar."""
        return BEATS_IN_A_BAR[self.metre]

    @property
    def beat_seconds(self) -> float:
        """Seconds of a beat."""
        return 60 / self.bpm

    @property
    def seconds(self) -> float:
        """Seconds of the bar."""
        return self.length * self.beat_seconds

    @property
    def beats(self) -> tuple[float, ...]:
        """Where one would tap; in 7/8 the groups."""
        return self.groups if self.metre == "7/8" else tuple(float(beat) for beat in range(ceil(self.length)))

    @property
    def backbeats(self) -> tuple[float, ...]:
        """The second and fourth beat of 4/4, the groups of other metres."""
        return (1.0, 3.0) if self.metre == "4/4" else self.groups


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return rng.random() < probability


def _bar(rng: np.random.Generator, metre: Metre) -> Bar:
    bpm = float(rng.uniform(*_TEMPOS[metre]))
    if metre == "6/8":
        return Bar(metre, "compound", bpm, tuple(step / 3 for step in range(6)), (0.0, 1.0))
    if metre == "7/8":
        first, second, _ = _SEVENTHS[rng.integers(len(_SEVENTHS))]
        steps = tuple(step / 2 for step in range(7))
        return Bar(metre, "straight", bpm, steps, (0.0, first / 2, (first + second) / 2))
    feel = str(rng.choice(_FEELS[metre]))
    swung = float(rng.uniform(0.58, 0.68))
    within = {"straight": (0, 0.5), "swing": (0, swung), "triplet": (0, 1 / 3, 2 / 3)}[feel]
    steps = tuple(beat + share for beat in range(int(BEATS_IN_A_BAR[metre])) for share in within)
    if metre == "5/4":
        return Bar(metre, feel, bpm, steps, (0.0, 3.0 if _chance(rng, 0.65) else 2.0))
    return Bar(metre, feel, bpm, steps, (0.0, 2.0) if metre == "4/4" else (0.0,))


def _pattern(rng: np.random.Generator, bar: Bar, drums: str) -> list[Hit]:
    """What the drums do in a bar."""
    if drums == "kit":
        return _kit_pattern(rng, bar)
    if drums == "brush":
        return _brush_pattern(rng, bar)
    return _percussion_pattern(rng, bar) if drums == "percussion" else []


def _kit_pattern(rng: np.random.Generator, bar: Bar) -> list[Hit]:
    snares = _snares(rng, bar)
    kicks = _kicks(rng, bar, snares)
    hits = [Hit("kick", 0.0, 1.0)]
    hits += [Hit("snare", position, 0.9) for position in snares]
    hits += [Hit("kick", position, 0.8) for position in kicks]
    hits += _hats(rng, bar)
    return [*hits, Hit("open hat", bar.steps[-1], 0.6)] if _chance(rng, 0.2) else hits


def _snares(rng: np.random.Generator, bar: Bar) -> list[float]:
    if bar.metre == "4/4":
        snares = [2.0] if _chance(rng, 0.2) else [1.0, 3.0]
        return [] if _chance(rng, 0.15) else snares
    if bar.metre == "6/8":
        return [1.0] if _chance(rng, 0.85) else []
    accents = [*bar.groups[1:]]
    options: list[list[float]]
    if bar.metre == "7/8":
        options = [accents[:1], accents[1:], accents]
    elif bar.metre == "5/4":
        options = [[1.0, 3.0], [1.0, 4.0], [2.0, 4.0], accents, [3.0], [1.0, 2.0, 4.0]]
    else:
        options = [[1.0, 2.0], [2.0], [1.0], []]
    return options[rng.integers(len(options))]


def _kicks(rng: np.random.Generator, bar: Bar, snares: list[float]) -> list[float]:
    kicks = [step for step in bar.steps if step not in snares and _chance(rng, _KICK_CHANCE[bar.metre])]
    if bar.metre == "5/4" and bar.groups[1] not in snares and _chance(rng, 0.7):
        kicks.append(bar.groups[1])
    if bar.metre != "4/4":
        return kicks
    if _chance(rng, 0.3) and bar.feel == "straight":
        kicks = [1.5, 3.0]
    if _chance(rng, 0.2):
        kicks = [1.0, 2.0, 3.0]
    return [*kicks, 2.0] if _chance(rng, 0.4) else kicks


def _hats(rng: np.random.Generator, bar: Bar) -> list[Hit]:
    kind = str(rng.choice(_HATS))
    steps = bar.steps
    if kind == "all":
        return [Hit("hat", step, 1.0 if _on_a_beat(step) else 0.6) for step in steps]
    if kind == "beats":
        return [Hit("hat", beat, 1.0) for beat in bar.beats]
    if kind == "off":
        return [Hit("hat", step, 1.0) for step in steps if step not in bar.beats]
    if kind == "sparse":
        return [Hit("hat", step, 1.0) for step in steps if _chance(rng, 0.6)]
    if kind == "sixteenths":
        between = [(one + other) / 2 for one, other in zip(steps, (*steps[1:], bar.length), strict=True)]
        return [*(Hit("hat", at, 0.7) for at in between), *(Hit("hat", step, 1.0) for step in steps)]
    return []


def _brush_pattern(rng: np.random.Generator, bar: Bar) -> list[Hit]:
    hits = [Hit("brush", beat, 1.0 if beat in bar.backbeats else 0.6) for beat in bar.beats]
    hits += [Hit("kick", 0.0, 0.4)] if _chance(rng, 0.7) else []
    hits += [Hit("hat", beat, 0.3) for beat in (bar.backbeats if bar.metre == "4/4" else bar.beats[1:])]
    return hits + ([Hit("brush", step, 0.3) for step in bar.steps] if _chance(rng, 0.5) else [])


def _percussion_pattern(rng: np.random.Generator, bar: Bar) -> list[Hit]:
    count = min(int(rng.integers(2, 5)), len(bar.steps))
    hits = [Hit("rim", 0.0, 1.0)]
    hits += [Hit("rim", float(step), 0.7) for step in rng.choice(bar.steps, count, replace=False)]
    hits += [Hit("kick", 0.0, 0.7)]
    hits += [Hit("kick", bar.groups[-1], 0.6)] if _chance(rng, 0.6) else []
    return hits + ([Hit("hat", step, 0.6) for step in bar.steps] if _chance(rng, 0.6) else [])


def _on_a_beat(position: float) -> bool:
    return abs(position - round(position)) < _NEAR


@dataclass(frozen=True)
class _Time:
    """A stretch of one chord: its start and length in s, its number, the steps and groups in it in beats."""

    start: float
    seconds: float
    number: int
    steps: list[float]
    groups: list[float]


class _Session:
    """Plays a piece, track by track."""

    def __init__(self, rng: np.random.Generator, bar: Bar, seconds: float) -> None:
        self._rng, self._bar = rng, bar
        self._bars = ceil(seconds / bar.seconds) + 2
        length = int((self._bars + 1) * bar.seconds * RATE) + 5 * RATE
        self._tracks = {name: np.zeros(length) for name in ("drums", "bass", "chords", "lead")}
        self._loose = float(rng.choice([0, 0.003, 0.008, 0.014]))
        self._tones: dict[tuple[str, float, float], np.ndarray] = {}
        self._root = 0

    def play_drums(self) -> str:
        """A pattern or two that return, with variations, gaps, fills and perhaps an intro without. Returns who plays."""
        rng, bar = self._rng, self._bar
        drums = str(rng.choice(["kit", "kit", "kit", "brush", "none", "percussion"]))
        kit = drum_kit(rng)
        patterns = [_pattern(rng, bar, drums)]
        if _chance(rng, 0.3):
            patterns.append(_pattern(rng, bar, drums))
        varied = float(rng.choice([0, 0.1, 0.25]))
        intro = int(rng.choice([0, 0, 0, 4]))
        for number in range(self._bars if drums != "none" else 0):
            last_of_four = number % 4 == 3
            if number < intro or (_chance(rng, 0.06) and last_of_four):
                continue
            for drum, position, strength in patterns[number % len(patterns)]:
                if not (_chance(rng, varied) and position > 0):
                    self._hit(number, position, kit[drum], strength * rng.uniform(0.75, 1))
            if _chance(rng, varied):
                self._hit(number, float(rng.choice(bar.steps)), kit["snare"], 0.4)
            if last_of_four and _chance(rng, 0.3):
                for step in bar.steps[-3:]:
                    self._hit(number, step, kit["snare"], 0.6)
        return drums

    def play_harmony(self, drums: str) -> None:
        """A loop of chords (sometimes none returns), an accompaniment and a bass."""
        rng, bar = self._rng, self._bar
        self._root = int(rng.integers(0, 12))
        loop = [self._chord(_STEPS_OF_ROOTS) for _ in range(int(rng.choice([2, 4, 4, 4, 8])))]
        loop[0] = (self._root, loop[0][1])
        through_composed = _chance(rng, 0.12)
        bars_each = float(rng.choice([1, 1, 1, 2, 0.5] if bar.metre == "4/4" else [1, 1, 1, 2]))
        timbre = str(rng.choice(["pad", "keys", "keys", "pluck", "organ"]))
        straight_four = bar.feel == "straight" and bar.metre == "4/4"
        last = ("none" if drums == "kit" else "hold", "threes" if straight_four else "groups")
        manner = str(rng.choice(["hold", "hold", "groups", "arpeggio", "off", "beats", *last]))
        bass = str(rng.choice(["root", "groups", "walk", "random", "root" if manner == "none" else "none"]))
        riff = sorted({0.0, *map(float, rng.choice(bar.steps, 2))})
        for time in self._times(bars_each):
            root, chord = self._chord(range(12)) if through_composed else loop[time.number % len(loop)]
            root = (root + 3) % 12 - 8
            for stroke in _accompaniment(manner, time, chord, time.seconds / bar.beat_seconds):
                gain = 0.5 if manner in ("arpeggio", "threes") else 0.3
                self._strike("chords", time.start, timbre, root, stroke, gain)
            for stroke in self._bass_line(bass, time, chord, riff):
                sound = "organ" if bass == "root" and timbre != "pad" else "pluck"
                self._strike("bass", time.start, sound, root - 24, stroke, 0.7)

    def play_lead(self) -> None:
        """A motif that returns every other time, or none."""
        rng, bar = self._rng, self._bar
        if not _chance(rng, 0.45):
            return
        timbre = str(rng.choice(["wind", "keys", "pluck"]))
        motif = self._melody(0.4)
        for number in range(self._bars):
            notes = motif if _chance(rng, 0.5) else self._melody(0.35)
            for position, semitone in notes:
                beats = float(rng.choice([0.5, 1]))
                stroke = Stroke(position, beats, (semitone,))
                self._strike("lead", number * bar.seconds, timbre, self._root, stroke, 0.4)

    def mixed(self, drums: str, seconds: float) -> np.ndarray:
        """The tracks at levels that are drawn, from somewhere in the first bar, with faint noise: float32 [n]."""
        rng = self._rng
        limits = {"drums": (0.4, 1.1), "bass": (0.5, 1), "chords": (0.5, 1.1), "lead": (0.4, 0.9)}
        levels = {name: float(rng.uniform(*limits[name])) for name in self._tracks}
        levels["drums"] *= 0.5 if drums == "brush" else 1
        mix = np.sum([levels[name] * track for name, track in self._tracks.items()], axis=0)
        start = int(rng.uniform(0, self._bar.seconds) * RATE)
        mix = mix[start : start + int(seconds * RATE)]
        noise = rng.standard_normal(len(mix))
        mix = mix + noise * np.sqrt(np.mean(mix**2)) * 10 ** (-rng.uniform(25, 60) / 20)
        return (0.3 * mix / (np.abs(mix).max() + 1e-9)).astype(np.float32)

    def _chord(self, steps: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        root = self._root + int(self._rng.choice(steps))
        return root, _CHORDS[self._rng.integers(len(_CHORDS))]

    def _times(self, bars_each: float) -> Iterator[_Time]:
        bar = self._bar
        seconds = bar.seconds * bars_each
        starts = range(max(1, int(bars_each)))

        def inside(positions: tuple[float, ...]) -> list[float]:
            found = (start * bar.length + position for start in starts for position in positions)
            return [position for position in found if position * bar.beat_seconds < seconds - 1e-6]

        steps, groups = inside(bar.steps), inside(bar.groups)
        for number in range(ceil(self._bars / bars_each)):
            yield _Time(number * seconds, seconds, number, steps, groups)

    def _bass_line(
        self, kind: str, time: _Time, chord: tuple[int, ...], riff: list[float]
    ) -> Iterator[Stroke]:
        if kind == "root":
            yield Stroke(0.0, 0.9 * time.seconds / self._bar.beat_seconds, (0,))
        elif kind == "groups":
            for number, position in enumerate(time.groups):
                yield Stroke(position, 1.0, (7 * (number % 2),))
        elif kind == "walk":
            for number, position in enumerate(filter(_on_a_beat, time.steps)):
                yield Stroke(position, 0.9, (chord[number % len(chord)],))
        elif kind == "random":
            for position in time.steps:
                if any(abs(position % self._bar.length - step) < _NEAR for step in riff):
                    yield Stroke(position, 0.8, (0,))

    def _melody(self, density: float) -> list[tuple[float, int]]:
        rng = self._rng
        return [(step, int(rng.choice(_SCALE))) for step in self._bar.steps if _chance(rng, density)]

    def _hit(self, number: int, position: float, sound: np.ndarray, gain: float) -> None:
        self._add("drums", number * self._bar.seconds + position * self._bar.beat_seconds, sound, gain)

    def _strike(self, track: str, start: float, timbre: str, root: int, stroke: Stroke, gain: float) -> None:
        beat = self._bar.beat_seconds
        for semitone in stroke.semitones:
            frequency = _MIDDLE_C * 2 ** ((root + semitone) / 12)
            sound = self._tone(timbre, frequency, stroke.beats * beat)
            self._add(track, start + stroke.position * beat, sound, gain)

    def _tone(self, timbre: str, frequency: float, seconds: float) -> np.ndarray:
        """A tone; one of nearly the same length is taken again."""
        key = (timbre, round(frequency, 3), round(seconds, 2))
        if key not in self._tones:
            self._tones[key] = tone(timbre, frequency, seconds)
        return self._tones[key]

    def _add(self, track: str, seconds: float, sound: np.ndarray, gain: float) -> None:
        """Adds a sound as exactly as people play."""
        samples = self._tracks[track]
        start = max(0, int((seconds + self._rng.normal(0, self._loose)) * RATE))
        sound = sound[: max(0, len(samples) - start)]
        samples[start : start + len(sound)] += gain * sound


def _accompaniment(manner: str, time: _Time, chord: tuple[int, ...], beats: float) -> Iterator[Stroke]:
    """The strokes in a stretch of so many beats. "threes" runs through three notes whatever the metre is."""
    if manner == "hold":
        yield Stroke(0.0, 0.98 * beats, chord)
    elif manner in ("groups", "beats", "off"):
        positions = time.groups
        if manner != "groups":
            wanted = manner == "beats"
            positions = [step for step in time.steps if _on_a_beat(step) == wanted] or [0.0]
        for position, end in zip(positions, (*positions[1:], beats), strict=True):
            yield Stroke(position, 0.9 * (end - position), chord)
    elif manner in ("arpeggio", "threes"):
        notes = chord[:3] if manner == "threes" else chord
        for number, position in enumerate(time.steps):
            yield Stroke(position, 0.9, (notes[number % len(notes)],))
