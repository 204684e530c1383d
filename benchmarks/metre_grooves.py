"""Grooves written by hand, played by a General MIDI sound font: music of known metre that no weight is fitted on.

Needs `pip install tinysoundfont` and a sound font, such as TimGM6mb.sf2 of Debian's package timgm6mb-soundfont. A seed and a metre
always give the same notes. The drums play one of the patterns below; chords, bass and lead are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.metre_sounds import RATE
from lofi_pipeline.entities.metre import Metre

_EACH = 44
"""Pieces of each metre."""
_SECONDS = 50.0
_CHORDS, _BASS, _LEAD, _DRUMS, _BRUSHES = 0, 1, 2, 9, 10
"""Channels."""
_DRUM_BANK, _BRUSH_KIT = 128, 40
_KEYS = {
    "kick": (_DRUMS, 36),
    "rim": (_DRUMS, 37),
    "snare": (_DRUMS, 38),
    "hat": (_DRUMS, 42),
    "foot": (_DRUMS, 44),
    "tom": (_DRUMS, 45),
    "open": (_DRUMS, 46),
    "ride": (_DRUMS, 51),
    "shaker": (_DRUMS, 70),
    "tap": (_BRUSHES, 38),
    "sweep": (_BRUSHES, 39),
}
"""Channel and key of each drum."""
_ACCENTED = ("kick", "rim", "snare", "tap")
_CHORD_PROGRAMS, _BASS_PROGRAMS, _LEAD_PROGRAMS = (
    (0, 4, 24, 26, 11, 48, 21, 16), (33, 32, 38), (73, 65, 40, 26, 12, 71),
)  # fmt: skip


@dataclass(frozen=True)
class Pattern:
    """A bar of drums: its name, its steps and beats, whether every second step may be late, the strokes of each drum ("x")."""

    name: str
    steps: int
    beats: float
    swings: bool = False
    drums: tuple[tuple[str, str], ...] = ()


def _pattern(name: str, steps: int, beats: float, swings: bool = False, **drums: str) -> Pattern:
    return Pattern(name, steps, beats, swings, tuple(drums.items()))


_PATTERNS: dict[Metre, tuple[Pattern, ...]] = {
    "4/4": (
        _pattern("boom bap", 16, 4, True, kick="x.....x.x.......", snare="....x.......x...", hat="x.x.x.x.x.x.x.x."),
        _pattern("busy boom bap", 16, 4, True, kick="x..x......x.....", snare="....x..x.x..x...", hat="x.x.x.xxx.x.x.x."),
        _pattern("bossa", 16, 4, kick="x..xx..xx..xx..x", rim="x..x..x...x..x..", shaker="xxxxxxxxxxxxxxxx"),
        _pattern("off-beat hat", 8, 4, kick="x...x...", snare="..x...x.", open=".x.x.x.x"),
        _pattern("jazz", 12, 4, ride="x..x.xx..x.x", foot="...x.....x..", kick="x..........."),
        _pattern("shuffle", 12, 4, hat="x.xx.xx.xx.x", snare="...x.....x..", kick="x.....x.x..."),
        _pattern("slow blues", 12, 4, hat="xxxxxxxxxxxx", snare="...x.....x..", kick="x.....xx...."),
        _pattern("half time", 16, 4, True, kick="x.....x.........", snare="........x.......", hat="x.x.x.x.x.x.x.x."),
        _pattern("3+3+2", 8, 4, kick="x..x..x.", snare="....x...", hat="xxxxxxxx"),
        _pattern("four on the floor", 8, 4, kick="x.x.x.x.", snare="..x...x.", hat=".x.x.x.x"),
        _pattern("brushes", 12, 4, sweep="x..x.xx..x.x", tap="...x.....x..", kick="x..........."),
        _pattern("no drums", 8, 4),
        _pattern("no drums, arpeggio", 8, 4),
    ),
    "3/4": (
        _pattern("waltz", 6, 3, kick="x.....", snare="..x.x.", hat="x.x.x."),
        _pattern("jazz waltz", 9, 3, ride="x..x.xx..", foot="...x.....", kick="x.......x"),
        _pattern("hip hop waltz", 12, 3, True, kick="x......x....", snare="....x.......", hat="x.x.x.x.x.x."),
        _pattern("late snare", 6, 3, kick="x..x..", snare="....x.", hat="xxxxxx"),
        _pattern("brushes", 9, 3, sweep="x..x.xx..", tap="......x..", kick="x........"),
        _pattern("no drums", 6, 3),
        _pattern("bass and two chords", 6, 3),
    ),
    "6/8": (
        _pattern("ballad", 6, 2, kick="x.....", snare="...x..", hat="xxxxxx"),
        _pattern("ballad of two bars", 12, 4, kick="x....xx.....", snare="...x.....x..", hat="xxxxxxxxxxxx"),
        _pattern("jig", 6, 2, kick="x..x..", rim="..x..x", hat="x.xx.x"),
        _pattern("bell", 12, 4, kick="x.....x.....", rim="x.x.xx.x.x.x", snare="...x.....x.."),
        _pattern("rock", 12, 2, True, kick="x...x.......", snare="......x.....", hat="x.x.x.x.x.x."),
        _pattern("brushes", 6, 2, sweep="x.xx.x", tap="...x..", kick="x....."),
        _pattern("no drums, arpeggio", 6, 2),
    ),
    "5/4": (
        _pattern("jazz", 15, 5, ride="x..x.xx..x..x.x", foot="...x.....x.....", kick="x........x....."),
        _pattern("hip hop", 20, 5, True, kick="x.....x.....x.......", snare="....x...........x...", hat="x.x.x.x.x.x.x.x.x.x."),
        _pattern("3+2", 10, 5, kick="x..x..x...", snare="..x.....x.", hat="xxxxxxxxxx"),
        _pattern("2+3", 10, 5, kick="x...x.....", snare="..x...x...", hat="x.x.x.x.x."),
        _pattern("brushes", 10, 5, sweep="x.xxx.xxx.", tap="..x...x...", kick="x.....x..."),
        _pattern("no drums", 10, 5),
    ),
    "7/8": (
        _pattern("2+2+3", 7, 3.5, kick="x...x..", snare="..x...x", hat="xxxxxxx"),
        _pattern("3+2+2", 7, 3.5, kick="x......", rim="...x.x.", hat="x.xx.x."),
        _pattern("rock", 14, 3.5, True, kick="x.....x...x...", snare="....x.......x.", hat="x.x.x.x.x.x.x."),
        _pattern("2+3+2", 7, 3.5, kick="x....x.", snare="..x....", ride="xxxxxxx"),
        _pattern("brushes", 7, 3.5, sweep="x.x.x.x", tap="..x...x", kick="x......"),
        _pattern("no drums", 7, 3.5),
    ),
}  # fmt: skip
_GROUPS: dict[Metre, tuple[float, ...]] = {
    "4/4": (0, 1 / 2), "3/4": (0, 1 / 3, 2 / 3), "6/8": (0, 1 / 2), "5/4": (0, 3 / 5), "7/8": (0, 2 / 7, 4 / 7),
}  # fmt: skip
"""Where accents fall, in bars."""
_MINOR, _MAJOR, _MINOR_7, _MAJOR_7, _SEVENTH = (
    (0, 3, 7),
    (0, 4, 7),
    (0, 3, 7, 10),
    (0, 4, 7, 11),
    (0, 4, 7, 10),
)
_PROGRESSIONS = (
    ((2, _MINOR_7), (7, _SEVENTH), (0, _MAJOR_7), (9, _MINOR_7)),
    ((0, _MAJOR_7), (9, _MINOR_7), (5, _MAJOR_7), (7, _SEVENTH)),
    ((0, _MINOR_7), (8, _MAJOR_7), (3, _MAJOR), (10, _SEVENTH)),
    ((0, _MAJOR), (7, _MAJOR), (9, _MINOR), (5, _MAJOR)),
    tuple((root, _SEVENTH) for root in (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7)),
    ((0, _MINOR_7), (5, (0, 3, 7, 9))),
    ((0, _MINOR), (10, _MAJOR), (8, _MAJOR), (7, _MAJOR)),
)


class Note(NamedTuple):
    """A note that begins or ends; in order of time."""

    seconds: float
    begins: int
    channel: int
    key: int
    velocity: int


@dataclass(frozen=True)
class Groove:
    """A seed and a metre, for a sound font."""

    seed: int
    metre: Metre
    sound_font: Path

    def render(self) -> tuple[np.ndarray, float]:
        """The piece as float32 [n] at 22.05 kHz, and its beats per minute (in 6/8 of dotted quarters)."""
        return _Band(self.seed, self.metre).play(self.sound_font)


def grooves(sound_font: Path) -> list[Groove]:
    """All grooves, one of each metre after another.

    Raises: SystemExit where the file or the player of sound fonts is missing.
    """
    if not sound_font.is_file():
        raise SystemExit(f"{sound_font} is no file: name a General MIDI sound font (.sf2)")
    _player()
    return [Groove(seed, metre, sound_font) for seed in range(_EACH) for metre in _PATTERNS]


class _Band:
    """Draws what a piece consists of, and plays it bar by bar."""

    def __init__(self, seed: int, metre: Metre) -> None:
        self._rng = rng = np.random.default_rng([seed, list(_PATTERNS).index(metre), 991])
        self._metre = metre
        self._pattern = pattern = _PATTERNS[metre][seed % len(_PATTERNS[metre])]
        self._bpm = float(rng.uniform(46, 80) if metre == "6/8" else rng.uniform(62, 104))
        self._beat = 60 / self._bpm
        self._bar = pattern.beats * self._beat
        self._late = float(rng.uniform(0, 0.24)) if pattern.swings else 0.0
        self._progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
        self._root = int(rng.integers(48, 60))
        self._programs = tuple(
            int(rng.choice(programs)) for programs in (_CHORD_PROGRAMS, _BASS_PROGRAMS, _LEAD_PROGRAMS)
        )
        self._manner = str(rng.choice(["hold", "groups", "arpeggio", "free"]))
        self._has_lead = bool(rng.random() < 0.6)
        if "arpeggio" in pattern.name or pattern.name == "bass and two chords":
            self._manner = pattern.name.removeprefix("no drums, ")
        bass = str(rng.choice(["root", "groups", "walk", "none"]))
        self._bass = "root" if bass == "none" and not pattern.drums else bass
        major = 4 in self._progression[0][1]
        self._scale = (0, 2, 4, 7, 9, 12) if major else (0, 3, 5, 7, 10, 12)
        self._phrase = self._melody(0.4)
        self._fills, self._begins_without = bool(rng.random() < 0.4), bool(rng.random() < 0.3)
        two_bars = metre == "6/8" and pattern.beats == 4
        self._groups = (0, 1 / 4, 1 / 2, 3 / 4) if two_bars else _GROUPS[metre]
        self._free: list[int] = []
        self._notes: list[Note] = []

    def play(self, sound_font: Path) -> tuple[np.ndarray, float]:
        """The piece from somewhere in its first bar, and its tempo."""
        for number in range(int(_SECONDS / self._bar) + 2):
            start = number * self._bar
            if not (self._begins_without and number < 4):
                self._drums(start, number)
            root, chord = self._progression[number % len(self._progression)]
            self._chords(start, number, self._root + root, chord)
            self._bass_line(start, self._root + root, chord)
            if self._has_lead:
                self._lead(start)
        first = float(self._rng.uniform(0, self._bar))
        return _played(self._notes, self._programs, sound_font, first), self._bpm

    def _at(self, step: int) -> float:
        """Seconds from the start of a bar."""
        return (step + (self._late if step % 2 else 0)) * self._bar / self._pattern.steps

    def _melody(self, density: float) -> list[tuple[int, int]]:
        rng, steps = self._rng, range(self._pattern.steps)
        return [(step, int(rng.choice(self._scale))) for step in steps if rng.random() < density]

    def _drums(self, start: float, number: int) -> None:
        steps = self._pattern.steps
        each = max(1, round(steps / self._pattern.beats))
        for drum, strokes in self._pattern.drums:
            for step, stroke in enumerate(strokes):
                if stroke == "x":
                    velocity = 100 if drum in _ACCENTED else 62 if step % each else 85
                    self._note(start + self._at(step), *_KEYS[drum], velocity, 0.1)
        if self._fills and number % 8 == 7:
            for step in range(steps * 2 // 3, steps):
                self._note(start + self._at(step), *_KEYS["tom"], 80, 0.1)

    def _chords(self, start: float, number: int, root: int, chord: tuple[int, ...]) -> None:
        beat, bar, steps = self._beat, self._bar, self._pattern.steps
        if self._manner == "hold":
            self._together(start, root, chord, 70, 0.95 * bar)
        elif self._manner == "groups":
            for group in self._groups:
                self._together(start + group * bar, root, chord, 70, 0.3 * bar)
        elif self._manner == "arpeggio":
            notes = [*chord, 12, *reversed(chord)]
            for step in range(0, steps, 2 if steps in (14, 16, 20) else 1):
                semitone = notes[step % 8 % (len(chord) + 2)]
                self._note(start + self._at(step), _CHORDS, root + semitone, 72, 2 * bar / steps)
        elif self._manner == "free":
            if number % 4 == 0 or self._rng.random() < 0.3:
                self._free = sorted(map(int, self._rng.choice(steps, 3, replace=False)))
            for step in self._free:
                self._together(start + self._at(step), root, chord, 68, 0.5 * beat)
        else:
            self._note(start, _CHORDS, root - 12, 80, beat)
            for number_of_beat in (1, 2):
                self._together(start + number_of_beat * beat, root, chord, 65, 0.6 * beat)

    def _bass_line(self, start: float, root: int, chord: tuple[int, ...]) -> None:
        beat, bar = self._beat, self._bar
        if self._bass == "root":
            self._note(start, _BASS, root - 12, 95, 0.9 * bar)
        elif self._bass == "groups":
            for number, group in enumerate(self._groups):
                self._note(start + group * bar, _BASS, root - 12 + 7 * (number % 2), 95, 0.3 * bar)
        elif self._bass == "walk":
            each = 0.5 if self._metre == "7/8" else 1.0
            for position in np.arange(0, self._pattern.beats, each):
                key = root - 12 + int(self._rng.choice(chord))
                self._note(start + float(position) * beat, _BASS, key, 90, 0.9 * beat)

    def _lead(self, start: float) -> None:
        notes = self._phrase if self._rng.random() < 0.6 else self._melody(0.3)
        for step, semitone in notes:
            seconds = self._beat * float(self._rng.choice([0.4, 0.8]))
            self._note(start + self._at(step), _LEAD, self._root + 12 + semitone, 85, seconds)

    def _together(self, at: float, root: int, chord: tuple[int, ...], velocity: int, seconds: float) -> None:
        for semitone in chord:
            self._note(at, _CHORDS, root + semitone, velocity, seconds)

    def _note(self, at: float, channel: int, key: int, velocity: int, seconds: float) -> None:
        """A note as exactly and as evenly as people play."""
        at = max(0.0, at + float(self._rng.normal(0, 0.005)))
        velocity = int(np.clip(velocity + self._rng.normal(0, 8), 10, 127))
        self._notes.append(Note(at, 1, channel, key, velocity))
        self._notes.append(Note(at + seconds, 0, channel, key, 0))


@cache
def _player() -> Any:
    try:
        return import_module("tinysoundfont")
    except ImportError as error:
        raise SystemExit("Grooves need a player of sound fonts: pip install tinysoundfont") from error


def _played(notes: list[Note], programs: tuple[int, ...], sound_font: Path, first: float) -> np.ndarray:
    """50 s of the notes from `first` on: float32 [n]."""
    synth = _player().Synth(samplerate=RATE, gain=-6)
    font = synth.sfload(str(sound_font))
    for channel, program in enumerate(programs):
        synth.program_select(channel, font, 0, program)
    synth.program_select(_DRUMS, font, _DRUM_BANK, 0, True)
    synth.program_select(_BRUSHES, font, _DRUM_BANK, _BRUSH_KIT, True)
    parts: list[np.ndarray] = []
    now = 0
    for note in sorted(notes):
        at = int(note.seconds * RATE)
        if at > now:
            stereo = np.frombuffer(synth.generate(at - now), np.float32).reshape(-1, 2)
            parts.append(stereo.mean(axis=1))
            now = at
        if now > (first + _SECONDS) * RATE:
            break
        if note.begins:
            synth.noteon(note.channel, note.key, note.velocity)
        else:
            synth.noteoff(note.channel, note.key)
    mono = np.concatenate(parts)[int(first * RATE) : int((first + _SECONDS) * RATE)]
    return (0.3 * mono / (np.abs(mono).max() + 1e-9)).astype(np.float32)
