"""Cutting audio into fixed windows at an embedder's rate, the same way for generated clips and for the reference."""

from __future__ import annotations

import numpy as np
import soxr

from lofi_pipeline.evaluation.embedders.protocol import Embedder

PREPARATION = "mono, soxr HQ, windows without overlap, v1"
"""How audio becomes windows; part of every cache entry and score key."""
MAX_PADDING = 0.05
"""Share of the last window that may be missing (codecs round lengths) and is filled with silence."""


def window_seconds(embedder: Embedder, clip_seconds: float) -> float:
    """The window both sides are cut into: the embedder's own, or the clip's length where that is shorter."""
    return min(embedder.window_seconds, clip_seconds)


def cut_windows(samples: np.ndarray, rate: int, embedder: Embedder, seconds: float) -> np.ndarray:
    """Mix `samples` (float [channels, n] at `rate`) to mono, resample, and cut: float32 [windows, frames].

    Windows do not overlap; a rest shorter than a window is left out, unless at most MAX_PADDING of it is missing.
    """
    mono = np.asarray(samples, dtype=np.float32).mean(axis=0)
    if rate != embedder.sample_rate:
        mono = soxr.resample(mono, rate, embedder.sample_rate)
    frames = round(seconds * embedder.sample_rate)
    count = int(len(mono) / frames + MAX_PADDING)
    windows = np.zeros((count, frames), dtype=np.float32)
    kept = mono[: count * frames]
    windows.reshape(-1)[: len(kept)] = kept
    return windows
