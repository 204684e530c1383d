"""What of a sound is compared: the levels of 48 mel bands every 20 ms, and short sketches of each second to search by.

The search is in search.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import soxr

from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes

SOUND_VERSION = 2
"""Raise it when bands or sketches change: what was kept of training tracks is then made again."""
RATE = 22_050
HOP = 441
FRAMES_PER_SECOND = RATE // HOP
BANDS = 48
WINDOW = FRAMES_PER_SECOND
"""Frames of a sketch: one second."""
SKETCH_HOP = 2
DIMENSIONS = 64
SKETCH_SCALE = 0.5 / 127
_SIZE = 1024
_LOWEST, _HIGHEST = 60.0, 9000.0
_FLOOR_DB = 55.0
"""What lies further below the loudest moment of a recording counts as silence."""
_SILENT_DB = -40.0
"""The loudest level of a recording that is silent throughout: an amplitude of 6e-5."""
STEPS_PER_DB = 2.0
"""Steps of the stored byte for each dB."""
_TILT = (33.4, -63.5, -18.0)
"""The usual level of a band below the loudest, in dB: a parabola over the bands from 0 to 1, as lofi music has it."""
_PROJECTED_AT_ONCE = 2048


@dataclass(frozen=True)
class Sound:
    """What is kept of a recording."""

    bands: np.ndarray = field(repr=False)
    """uint8 [frames, 48]: half dB above the floor of this recording; 0 is silence."""
    sketches: np.ndarray = field(repr=False)
    """int8 [windows, 64]: of a window at every second frame."""

    @classmethod
    def of(cls, samples: np.ndarray, rate: int) -> Sound:
        """Of float32 [channels, n] at `rate` Hz."""
        bands = bands_of(mono_of(samples, rate))
        return cls(bands, sketches_of(bands)[::SKETCH_HOP])


def mono_of(samples: np.ndarray, rate: int) -> np.ndarray:
    """Float32 [m] at RATE: the mean of all channels, or the first where they cancel out."""
    middle = samples.mean(axis=0, dtype=np.float32)
    if float(np.square(middle).mean()) < 0.01 * float(np.square(samples).mean()):
        middle = np.ascontiguousarray(samples[0])
    return middle if rate == RATE else soxr.resample(middle, rate, RATE, quality="MQ")


@cache
def _filters() -> np.ndarray:
    """Triangular filters on the mel scale: float32 [bins, 48], each of sum 1."""
    mel = 2595 * np.log10(1 + frequencies(_SIZE, RATE) / 700)
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    edges = np.linspace(low, high, BANDS + 2)
    rising = (mel[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - mel[:, None]) / np.diff(edges)[1:]
    filters = np.minimum(rising, falling).clip(0)
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    filters[np.abs(mel[:, None] - edges[1:-1][empty]).argmin(axis=0), empty] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32)


def bands_of(mono: np.ndarray, *, first: int = 0) -> np.ndarray:
    """uint8 [frames, 48] of float32 [n] at RATE, from sample `first` on: see `Sound.bands`."""
    power = np.square(magnitudes(mono[first:], _SIZE, HOP)) @ _filters()
    level = 10 * np.log10(power + 1e-12)
    above = level - (max(float(level.max()), _SILENT_DB) - _FLOOR_DB)
    return np.rint(np.clip(above * STEPS_PER_DB, 0, 255)).astype(np.uint8)


@cache
def usual() -> np.ndarray:
    """What a band usually holds, as most music has a falling spectrum: float32 [48], in steps of `Sound.bands`."""
    at = np.linspace(0, 1, BANDS)
    below = _TILT[0] * at**2 + _TILT[1] * at + _TILT[2]
    return ((below + _FLOOR_DB) * STEPS_PER_DB).astype(np.float32)


@cache
def _directions() -> np.ndarray:
    rng = np.random.default_rng(20_261_126)
    signs = rng.integers(0, 2, (WINDOW // 2 * BANDS, DIMENSIONS), dtype=np.int8) * 2 - 1
    return signs.astype(np.float32)


def sketches_of(bands: np.ndarray) -> np.ndarray:
    """int8 [frames - 49, 64]: a sketch of the second that begins at each frame; SKETCH_SCALE is their step."""
    count = len(bands) - WINDOW + 1
    if count < 1:
        return np.zeros((0, DIMENSIONS), np.int8)
    values = bands.astype(np.float32) - usual()
    pairs = values[:-1] + values[1:]
    # Window i holds the pairs that begin at i, i + 2, ... i + 48
    windows = np.lib.stride_tricks.sliding_window_view(pairs, WINDOW - 1, axis=0)[:, :, ::2]
    short = [
        _short(windows[start : start + _PROJECTED_AT_ONCE]) for start in range(0, count, _PROJECTED_AT_ONCE)
    ]
    return np.rint(np.clip(np.concatenate(short) / SKETCH_SCALE, -127, 127)).astype(np.int8)


def _short(windows: np.ndarray) -> np.ndarray:
    """Of how each band changes alone: what stays the same for a second, such as rain, says nothing of where it was taken from."""
    changes = windows - windows.mean(axis=2, keepdims=True)
    short = changes.reshape(len(windows), -1) @ _directions()
    return short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-9)
