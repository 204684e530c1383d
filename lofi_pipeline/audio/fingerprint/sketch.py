"""Sketches: 64 numbers for each 20 s of a fingerprint that depend neither on where the window begins nor on its pitch.

A sketch is made of the window's two-dimensional autocorrelation: which intervals follow which, after what time. On a
logarithmic time axis another speed only shifts it, so a search with a few shifted versions (`query_sketches`) finds copies at
other speeds. A projection on seeded random signs makes it short. The index of sketches is in dataset/sketch_index.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.fft

from lofi_pipeline.audio.fingerprint.extract import BANDS, FRAMES_PER_SECOND, notes_of

SKETCH_VERSION = 1
"""Raise it when sketches change: indexes of older sketches are then made again."""
DIMENSIONS = 64
WINDOW = round(20 * FRAMES_PER_SECOND)
HOP = WINDOW // 2
STEPS_PER_OCTAVE = 12
SPEEDS = np.arange(-4, 5)
"""The speeds that are searched for, in twelfths of an octave: 0.79 to 1.26."""
_INTERVALS = 24
_FIRST_LAG, _LAGS = 4.0, 44
"""From 0.37 s to 4.5 s, twelve to the octave."""
_LAST_LAG = 72


def sketch_starts(frames: int) -> np.ndarray:
    """Where the windows of a fingerprint begin: every 10 s, and one at the end."""
    last = max(0, frames - WINDOW)
    return np.unique(np.append(np.arange(0, last + 1, HOP), last))


def windows_in(frames: int) -> int:
    """How many windows a fingerprint of so many frames has, as `sketch_starts` has them."""
    last = max(0, frames - WINDOW)
    return last // HOP + 1 + (last % HOP > 0)


def autocorrelation(window: np.ndarray) -> np.ndarray:
    """Autocorrelation of notes [frames, 60]: float32 [73, 49], `row` frames later and `column` semitones higher.

    Columns are 0..24, then -24..-1.
    """
    time = int(scipy.fft.next_fast_len(WINDOW + _LAST_LAG + 1, True) or 0)
    spectrum = np.asarray(scipy.fft.rfftn(window, (time, BANDS + _INTERVALS + 6)))
    power = np.square(np.abs(spectrum))
    full = np.asarray(scipy.fft.irfftn(power, (time, BANDS + _INTERVALS + 6)))[: _LAST_LAG + 1]
    return np.concatenate((full[:, : _INTERVALS + 1], full[:, -_INTERVALS:]), axis=1)


def at_speed(autocorrelated: np.ndarray, twelfths: float) -> np.ndarray:
    """An autocorrelation on a logarithmic time axis, shifted to another speed: float32 [44 * 49] of unit length."""
    lag = _FIRST_LAG * 2 ** ((np.arange(_LAGS) + twelfths) / STEPS_PER_OCTAVE)
    below = np.minimum(lag.astype(np.int64), _LAST_LAG - 1)
    share = (np.minimum(lag, _LAST_LAG) - below).astype(np.float32)[:, None]
    moved = autocorrelated[below] * (1 - share) + autocorrelated[below + 1] * share
    moved = (moved - moved.mean(axis=0)).ravel()
    return moved / max(float(np.linalg.norm(moved)), 1e-9)


@cache
def _signs() -> np.ndarray:
    rng = np.random.default_rng(20_240_229)
    size = _LAGS * (2 * _INTERVALS + 1)
    return (rng.integers(0, 2, (size, DIMENSIONS), dtype=np.int8) * 2 - 1).astype(np.float32)


def _short(vectors: np.ndarray) -> np.ndarray:
    short = vectors.astype(np.float32) @ _signs()
    return short / np.maximum(np.linalg.norm(short, axis=-1, keepdims=True), 1e-9)


def windows_of(bands: np.ndarray) -> list[np.ndarray]:
    """The notes of each window of a fingerprint."""
    notes = notes_of(bands)
    return [notes[start : start + WINDOW] for start in sketch_starts(len(bands))]


def sketch(bands: np.ndarray) -> np.ndarray:
    """The sketch of a fingerprint, int8 [windows, 64]: what the index stores."""
    return stored(_short(np.stack([at_speed(autocorrelation(part), 0) for part in windows_of(bands)])))


def query_sketches(bands: np.ndarray) -> np.ndarray:
    """What to search the index with: sketches of a fingerprint at nine speeds, float32 [speeds, windows, 64] of unit length."""
    parts = [autocorrelation(part) for part in windows_of(bands)]
    return _short(np.stack([np.stack([at_speed(part, float(speed)) for part in parts]) for speed in SPEEDS]))


def stored(short: np.ndarray) -> np.ndarray:
    """Unit vectors as int8; their cosine with a unit vector is the dot product times SKETCH_SCALE."""
    return np.rint(np.clip(short / SKETCH_SCALE, -127, 127)).astype(np.int8)


SKETCH_SCALE = 0.5 / 127
"""Step of the stored byte. No number of a unit vector of 64 comes near 0.5, unless there is no music at all."""
