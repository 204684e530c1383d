"""Trimming of the silence before the first and after the last sound, and of what lies beyond a long silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.mastering.loudness import decibels, loud_level

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
_LONG_SECONDS = 10.0
"""A silence from this length on is no part of the music: it ends there. The quality score takes most off from here on."""


@dataclass(frozen=True)
class Trimmed:
    """A view of what is kept, float32 [2, n] at 48 kHz, and the seconds of silence taken from either end."""

    samples: np.ndarray
    start_seconds: float
    end_seconds: float
    begins_late: bool = False
    ends_early: bool = False
    """Whether there is more than silence before it, or may be after it, beyond a long silence."""

    @property
    def reason(self) -> str | None:
        """Why something else than silence is left out, if it is."""
        reasons = []
        if self.begins_late:
            reasons.append(f"begun after {self.start_seconds:.0f} s of silence")
        if self.ends_early:
            reasons.append(f"ended where {self.end_seconds:.0f} s of silence begin")
        return "; ".join(reasons) or None


def trim(samples: np.ndarray, *, at_end: bool = True, least_seconds: float = 0.0) -> Trimmed:
    """Remove the silence at both ends of float32 [2, n] at 48 kHz; with `at_end` false, more follows on the last sample.

    Silence is below -70 dBFS and 50 dB below the loud passages, in 10 ms of both channels, without the DC offset. Samples
    without any sound are returned as they are: the caller refuses them.

    Of stretches with long silences between them, only the first that lasts `least_seconds` is kept, or else the longest.
    """
    audible = _audible(samples)
    if not len(audible):
        return Trimmed(samples, 0.0, 0.0)
    gaps = 1 + np.flatnonzero(np.diff(audible) > _LONG_SECONDS * _RATE / _BLOCK)
    stretches = [(int(it[0]) * _BLOCK, (int(it[-1]) + 1) * _BLOCK) for it in np.split(audible, gaps)]
    found = [_alone(samples, stretches, number, at_end) for number in range(len(stretches))]
    long_enough = (it for it in found if it.samples.shape[1] >= least_seconds * _RATE)
    return next(long_enough, max(found, key=lambda it: it.samples.shape[1]))


def trim_end(samples: np.ndarray) -> Trimmed:
    """Remove the silence after the last sound alone, where a long track was cut in a pause."""
    audible = _audible(samples)
    last = (int(audible[-1]) + 1) * _BLOCK if len(audible) else samples.shape[1]
    return _alone(samples, [(0, last)], 0, at_end=True)


def _alone(samples: np.ndarray, stretches: list[tuple[int, int]], number: int, at_end: bool) -> Trimmed:
    """One stretch of sound, with a little of the silence around it."""
    count = samples.shape[1]
    is_first, is_last = number == 0, number == len(stretches) - 1
    first, last = stretches[number]
    before = 0 if is_first else stretches[number - 1][1]
    after = count if is_last else stretches[number + 1][0]
    ends_early = not is_last or (not at_end and after - last > _LONG_SECONDS * _RATE)
    start = max(before, first - int(_LEAD_SECONDS * _RATE))
    end = min(after, last + int(_TAIL_SECONDS * _RATE))
    least = int(_WORTH_SECONDS * _RATE)
    start = start if start - before >= least else before
    end = end if (at_end or ends_early) and after - end >= least else after
    silences = (start - before) / _RATE, (after - end) / _RATE
    return Trimmed(samples[:, start:end], *silences, begins_late=not is_first, ends_early=ends_early)


def _audible(samples: np.ndarray) -> np.ndarray:
    """Indices of the blocks of 10 ms in which something sounds."""
    blocks = samples[:, : samples.shape[1] // _BLOCK * _BLOCK].reshape(len(samples), -1, _BLOCK)
    mean = blocks.mean(axis=2, dtype=np.float64)
    power = np.einsum("cbs,cbs->cb", blocks, blocks) / _BLOCK - np.square(mean)
    level = decibels(power.max(axis=0, initial=0.0))
    something = level[level > _NOTHING_DB]
    if not len(something):
        return np.zeros(0, dtype=np.int64)
    threshold = min(
        _SILENT_DB, loud_level(something, silent_db=_SILENT_DB, span_db=_BELOW_LOUD_DB) - _BELOW_LOUD_DB
    )
    return np.flatnonzero(level > threshold)
