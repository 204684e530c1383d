"""The metre is heard where the bars tell it, with the tempo of its beats; four stays four, and what tells nothing is not claimed."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline import audio
from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, Metre

RATE = 22_050
CHORDS = ((0, 3, 7), (8, 12, 15), (5, 8, 12), (7, 10, 14))
Pattern = dict[str, str]
"""By voice, what is struck in one bar: a character for each step, "x" for a stroke."""


def struck(kind: str, rng: np.random.Generator) -> np.ndarray:
    """One stroke of the kick, the snare, the hat, the brush or the bell."""
    at = np.arange(RATE // 4) / RATE
    noise = rng.standard_normal(len(at))
    return {
        "kick": np.sin(2 * np.pi * 58 * at) * np.exp(-at / 0.09),
        "snare": 0.5 * noise * np.exp(-at / 0.06),
        "hat": 0.2 * np.diff(noise, prepend=0.0) * np.exp(-at / 0.02),
        "brush": 0.15 * noise * np.minimum(1, at / 0.03) * np.exp(-at / 0.08),
        "chord": np.zeros(1),
    }[kind]


def music(metre: Metre, bpm: float, pattern: Pattern, *, chords: str = "x", seed: int = 0) -> np.ndarray:
    """50 s, float32 [n]: a chord and a bass note where `chords` says, drums by the pattern, each stroke up to 6 ms off."""
    rng = np.random.default_rng([seed, 31])
    bar = BEATS_IN_A_BAR[metre] * 60 / bpm
    count = int(50 / bar)
    out = np.zeros(int((count + 2) * bar * RATE) + RATE)

    def add(at: float, sound: np.ndarray, level: float) -> None:
        start = max(0, int((at + rng.uniform(-0.006, 0.006)) * RATE))
        out[start : start + len(sound)] += level * sound

    for number in range(count):
        notes = CHORDS[number % 4]
        steps = [step for step, sign in enumerate(chords) if sign == "x"]
        for step, after in zip(steps, [*steps[1:], len(chords)], strict=True):
            length = (after - step) / len(chords) * bar
            at = np.arange(int(length * RATE)) / RATE
            shape = np.minimum(1, at / 0.01) * np.exp(-at / 1.5)
            for note in (*notes, notes[0] - 24):
                hertz = 233.1 * 2 ** (note / 12)
                tone = np.sin(2 * np.pi * hertz * at) + 0.25 * np.sin(4 * np.pi * hertz * at)
                add(number * bar + step / len(chords) * bar, tone * shape, 0.12)
        for voice, signs in pattern.items():
            for step, sign in enumerate(signs):
                if sign == "x":
                    add((number + step / len(signs)) * bar, struck(voice, rng), rng.uniform(0.7, 1.0))
    return out[round(0.4 * RATE) :].astype(np.float32)


HEARD: list[tuple[Metre, float, Pattern, str]] = [
    ("6/8", 63, {"kick": "x.....", "snare": "...x..", "hat": "xxxxxx"}, "x"),
    ("5/4", 84, {"kick": "x.....x...", "snare": "..x.....x.", "hat": "xxxxxxxxxx"}, "x"),
    ("5/4", 96, {"kick": "x..x......", "snare": "....x...x.", "hat": ".x.x.x.x.x"}, "x"),
    ("5/4", 76, {"brush": "x.x.x.x.x.", "kick": "x.....x..."}, "x.....x..."),
    ("7/8", 82, {"kick": "x...x..", "snare": "..x...x", "hat": "xxxxxxx"}, "x"),
    ("7/8", 97, {"kick": "x..x...", "snare": ".....x.", "hat": "xxxxxxx"}, "x..x.x."),
    ("7/8", 90, {}, "x.x.x.."),
    ("3/4", 88, {"kick": "x.....", "snare": "..x.x.", "hat": "xxxxxx"}, "x"),
    ("4/4", 78, {"kick": "x.....x.", "snare": "..x...x.", "hat": ".x.x.x.x"}, "x"),
    ("4/4", 82, {"kick": "x.....x.....", "snare": "...x.....x..", "hat": "xxxxxxxxxxxx"}, "x"),
    ("4/4", 74, {"kick": "x.......x...", "snare": "...x.....x..", "hat": "x.xx.xx.xx.x"}, "x"),
    ("4/4", 86, {"kick": "x..x..x.", "snare": "....x...", "hat": "xxxxxxxx"}, "x..x..x."),
]


def hear(metre: Metre, bpm: float, pattern: Pattern, chords: str, seed: int = 0) -> TrackMeasurements:
    return audio.measure(music(metre, bpm, pattern, chords=chords, seed=seed))


@pytest.mark.parametrize(("metre", "bpm", "pattern", "chords"), HEARD)
def test_a_metre_is_heard_with_the_tempo_of_its_beats(
    metre: Metre, bpm: float, pattern: Pattern, chords: str
) -> None:
    """In 6/8 these are dotted quarters: 4/4 with triplets or swing is no 6/8, though its beats have three parts as well."""
    heard = hear(metre, bpm, pattern, chords)
    assert heard.time_signature == metre
    assert heard.tempo_bpm == pytest.approx(bpm, rel=0.01)
    assert heard.beat_offset_s is not None
    assert 0 < heard.time_signature_confidence <= 0.9
    if metre == "6/8":
        assert heard.swing is None and heard.swing_confidence == 0
