"""How clips of a test are made alike: rate, channels, length, fades, loudness, and 16-bit WAV files of one size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from lofi_pipeline.audio import SAMPLE_RATE, integrated_loudness, true_peak_dbtp, write_wav

TARGET_LUFS = -20.0
LOWEST_LUFS = -36.0
"""A clip that can't be as loud as this without clipping is silence, or nothing but peaks."""
CEILING_DBTP = -1.0
FADE_SECONDS = 0.05
_ALL_FILES_TIME = 1_000_000_000
"""Every clip has the same time, which says nothing of the order in which they were made."""


def stereo(samples: np.ndarray, rate: int) -> np.ndarray:
    """float32 [2, n] at 48 kHz of [c, n] at any rate."""
    import soxr

    found = samples if rate == SAMPLE_RATE else soxr.resample(samples.T, rate, SAMPLE_RATE).T
    return np.ascontiguousarray(np.broadcast_to(found[:2], (2, found.shape[1])), dtype=np.float32)


def excerpt(samples: np.ndarray, start: float, seconds: float) -> np.ndarray:
    """So many seconds from `start` on, faded in and out; silence where there is less."""
    first, length = round(start * SAMPLE_RATE), round(seconds * SAMPLE_RATE)
    part = samples[:, first : first + length]
    return faded(np.pad(part, ((0, 0), (0, length - part.shape[1]))))


def faded(samples: np.ndarray, seconds: float = FADE_SECONDS) -> np.ndarray:
    """With half a cosine at each end."""
    length = min(round(seconds * SAMPLE_RATE), samples.shape[1] // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    found = samples.copy()
    found[:, :length] *= ramp
    found[:, -length:] *= ramp[::-1]
    return found


def loudest(samples: np.ndarray) -> float | None:
    """The loudness in LUFS that a clip can be given without clipping; None for silence."""
    loudness = integrated_loudness(samples)
    return None if loudness is None else loudness + CEILING_DBTP - true_peak_dbtp(samples)


def common_lufs(clips: list[np.ndarray]) -> float:
    """The loudness that all of them can have. Each is fit: see `is_fit`."""
    return min(TARGET_LUFS, *(loudest(clip) or LOWEST_LUFS for clip in clips))


def is_fit(samples: np.ndarray) -> bool:
    """Whether a clip can be made as loud as others are."""
    reached = loudest(samples)
    return reached is not None and reached >= LOWEST_LUFS


def levelled(samples: np.ndarray, lufs: float) -> np.ndarray:
    """At this loudness."""
    loudness = integrated_loudness(samples)
    assert loudness is not None, "silence was left out before"
    return (samples * np.float32(10 ** ((lufs - loudness) / 20))).astype(np.float32)


def write_clip(path: Path, samples: np.ndarray, noise: np.random.Generator) -> None:
    """A WAV without tags. Noise of a bit makes files of the same sound differ, so that nobody finds them by their bytes."""
    dither = (noise.random(samples.shape, np.float32) - noise.random(samples.shape, np.float32)) / 32767
    write_wav(path, samples + dither, SAMPLE_RATE)
    os.utime(path, (_ALL_FILES_TIME, _ALL_FILES_TIME))
