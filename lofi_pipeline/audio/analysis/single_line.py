"""Whether one note sounds at a time, as when a voice, a flute or a guitar's line is alone.

In each frame the harmonics of one note hold nearly all of the power, and the note changes. Chords, a second hand, a bass or drums
leave power between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LOWEST_HZ, _HIGHEST_HZ = 75, 5000
_HIGHEST_NOTE_HZ = 1300
_MOST_FRAMES = 240
_AUDIBLE = 0.01
"""Share of the power of loud frames (their 95 % quantile)."""
_CANDIDATES = 5
_SPREAD = 0.03
"""How far a harmonic may lie from its place, as a share of its frequency: vibrato moves the upper ones most."""
_WIDEST = 0.15
"""How far at most, as a share of the note's frequency."""
_PEAK_BINS = 2.5
_ALONE = 0.85


@dataclass(frozen=True)
class SingleLine:
    """The share of the audible frames, 0 to 1, in which the harmonics of one note hold 85 % of the power.

    `notes`: how many these are; `semitones`: from the lowest twentieth of them to the highest.
    """

    share: float
    notes: int
    semitones: float


def single_line(power: np.ndarray, hertz: np.ndarray) -> SingleLine:
    """Of the power, float64 [frames, bins], at frequencies from 0 Hz on, evenly spaced."""
    within = (hertz > _LOWEST_HZ) & (hertz < _HIGHEST_HZ)
    power, hertz = power[:, within], hertz[within]
    total = power.sum(axis=1)
    audible = np.flatnonzero(total > _AUDIBLE * np.percentile(total, 95))
    if not len(audible):
        return SingleLine(0.0, 0, 0.0)
    chosen = audible[np.linspace(0, len(audible) - 1, min(len(audible), _MOST_FRAMES)).astype(int)]
    frames, step = power[chosen], hertz[1] - hertz[0]
    best, note = np.zeros(len(frames)), np.zeros(len(frames))
    for peak in _strongest_peaks(frames[:, hertz < _HIGHEST_NOTE_HZ]).T:
        found = hertz[0] + peak * step
        held = _held(frames, hertz, found)
        note = np.where(held > best, found, note)
        best = np.maximum(held, best)
    alone = best >= _ALONE
    if not alone.any():
        return SingleLine(0.0, 0, 0.0)
    pitches = 12 * np.log2(note[alone] / 440)
    low, high = np.percentile(pitches, (5, 95))
    return SingleLine(float(alone.mean()), len(np.unique(np.rint(pitches))), float(high - low))


def _strongest_peaks(frames: np.ndarray) -> np.ndarray:
    """The places, between bins, of the strongest peaks of each frame: float64 [frames, 5]."""
    middle, rows = frames[:, 1:-1], np.arange(len(frames))[:, None]
    peaks = np.where((middle > frames[:, :-2]) & (middle >= frames[:, 2:]), middle, 0)
    at = 1 + np.argsort(-peaks, axis=1)[:, :_CANDIDATES]
    left, top, right = (np.log(frames[rows, at + away] + 1e-20) for away in (-1, 0, 1))
    return at + np.clip(0.5 * (left - right) / (left - 2 * top + right - 1e-12), -0.5, 0.5)


def _held(frames: np.ndarray, hertz: np.ndarray, note: np.ndarray) -> np.ndarray:
    """The share of each frame's power at the harmonics of its note, float64 [frames] in Hz."""
    number = np.maximum(1, np.rint(hertz / note[:, None]))
    away = np.abs(hertz - number * note[:, None])
    near = np.maximum(
        _PEAK_BINS * (hertz[1] - hertz[0]), np.minimum(_SPREAD * hertz, _WIDEST * note[:, None])
    )
    return np.where(away < near, frames, 0).sum(axis=1) / np.maximum(frames.sum(axis=1), 1e-30)
