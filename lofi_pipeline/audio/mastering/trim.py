"""Trimming of the silence before the first and after the last sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.mastering.loudness import decibels

_RATE = 48_000
_BLOCK = _RATE // 100
_SILENT_DB = -70.0
_BELOW_LOUD_DB = 50.0
"""The end of a fade-out: what is quieter is not audible beside the music."""
_NOTHING_DB = -110.0
_LEAD_SECONDS = 0.1
_TAIL_SECONDS = 0.5
"""Silence that is kept before the first sound, and after the last one for its decay."""
_WORTH_SECONDS = 0.5
"""Shorter silences are kept, so that an ordinary export keeps all its samples."""


@dataclass(frozen=True)
class Trimmed:
    """A view of what is kept, float32 [2, n] at 48 kHz, and the seconds taken from either end."""

    samples: np.ndarray
    start_seconds: float
    end_seconds: float


def trim(samples: np.ndarray, *, at_end: bool = True) -> Trimmed:
    """Remove the silence at both ends of float32 [2, n] at 48 kHz; with `at_end` false only at the beginning.

    Silence is below -70 dBFS and 50 dB below the loud passages, in 10 ms of both channels, without the DC offset. Samples
    without any sound are returned as they are: the caller refuses them.
    """
    count = samples.shape[1]
    audible = _audible(samples)
    if not len(audible):
        return Trimmed(samples, 0.0, 0.0)
    start = max(0, int(audible[0]) * _BLOCK - int(_LEAD_SECONDS * _RATE))
    end = min(count, (int(audible[-1]) + 1) * _BLOCK + int(_TAIL_SECONDS * _RATE))
    least = int(_WORTH_SECONDS * _RATE)
    start = start if start >= least else 0
    end = end if at_end and count - end >= least else count
    return Trimmed(samples[:, start:end], start / _RATE, (count - end) / _RATE)


def _audible(samples: np.ndarray) -> np.ndarray:
    """Indices of the blocks of 10 ms in which something sounds."""
    blocks = samples[:, : samples.shape[1] // _BLOCK * _BLOCK].reshape(len(samples), -1, _BLOCK)
    mean = blocks.mean(axis=2, dtype=np.float64)
    power = np.einsum("cbs,cbs->cb", blocks, blocks) / _BLOCK - np.square(mean)
    level = decibels(power.max(axis=0, initial=0.0))
    something = level[level > _NOTHING_DB]
    if not len(something):
        return np.zeros(0, dtype=np.int64)
    threshold = min(_SILENT_DB, float(np.percentile(something, 95)) - _BELOW_LOUD_DB)
    return np.flatnonzero(level > threshold)
