"""Drums and tones of the random music in metre_corpus.py, of sine waves and noise."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np

from benchmarks.analysis_corpus import ANALYSIS_RATE

RATE = ANALYSIS_RATE
_LONGEST_TONE = 4.0
_AFTER = RATE // 10
"""Samples of a tone after its length."""


def drum_kit(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The sounds of a kit whose pitches, noise and decays are drawn: float64 [n] by name."""
    t = np.arange(RATE // 3) / RATE
    lowest, fall = rng.uniform(42, 65), rng.uniform(20, 120)
    kick = np.sin(2 * np.pi * (lowest * t + 0.02 * fall * (1 - np.exp(-t / 0.02))))
    kick = kick * np.exp(-t / rng.uniform(0.05, 0.14))
    noise = rng.standard_normal(len(t))
    snare = noise * rng.uniform(0.3, 1) + np.sin(2 * np.pi * rng.uniform(160, 240) * t)
    snare = snare * np.exp(-t / rng.uniform(0.03, 0.09))
    rim = np.sin(2 * np.pi * rng.uniform(1200, 2200) * t) * np.exp(-t / 0.012)
    bright = np.diff(rng.standard_normal(len(t)), prepend=0)
    hat = bright * np.exp(-t / rng.uniform(0.01, 0.05))
    dull = np.convolve(rng.standard_normal(len(t)), np.ones(4) / 4, "same")
    return {
        "kick": kick,
        "snare": snare,
        "rim": rim,
        "hat": hat,
        "open hat": bright * np.exp(-t / 0.15),
        "brush": dull * np.minimum(1, t / 0.04) * np.exp(-t / 0.09),
    }


def tone(timbre: str, frequency: float, seconds: float) -> np.ndarray:
    """A tone of a pad, keys, a plucked string, an organ or a wind instrument, at most 4 s long: float64 [n]."""
    t = np.arange(int(min(seconds, _LONGEST_TONE) * RATE) + _AFTER) / RATE
    turn = 2 * np.pi * frequency * t
    left = len(t) / RATE - t
    if timbre == "pad":
        envelope = np.minimum(1, t / 0.25) * np.minimum(1, left / 0.1)
        voices = ((1.0, 0.0), (1.003, 1.0))
        wave = 0.5 * _sum(
            np.sin(turn * k * detuned + phase) / k**1.5 for k in range(1, 5) for detuned, phase in voices
        )
    elif timbre == "keys":
        envelope = np.minimum(1, t / 0.005) * np.exp(-t / 0.9)
        bell = 0.2 * np.sin(4 * turn) * np.exp(-t / 0.1)
        wave = np.sin(turn + 0.8 * np.exp(-t / 0.2) * np.sin(2 * turn)) + bell
    elif timbre == "pluck":
        envelope = np.minimum(1, t / 0.003) * np.exp(-t / 0.35)
        wave = _sum(np.sin(k * turn) * np.exp(-1.2 * k * t) / k for k in range(1, 7))
    elif timbre == "organ":
        envelope = np.minimum(1, t / 0.015) * np.minimum(1, left / 0.06)
        wave = _sum(weight * np.sin(k * turn) for k, weight in ((1, 1), (2, 0.6), (3, 0.4), (4, 0.3)))
    else:
        envelope = np.minimum(1, t / 0.05) * np.minimum(1, left / 0.08)
        vibrato = 0.3 * np.sin(2 * np.pi * 5.3 * t) * np.minimum(1, t / 0.3)
        wave = _sum(weight * np.sin(k * (turn + vibrato)) for k, weight in ((1, 1), (2, 0.4), (3, 0.2)))
    return wave * envelope


def _sum(waves: Iterable[np.ndarray]) -> np.ndarray:
    return reduce(np.add, waves)
