"""Music at a level of a test's choice, by the pipeline's own limiter."""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio import true_peak_dbtp
from lofi_pipeline.audio.mastering.limiter import Levelled, level
from lofi_pipeline.audio.mastering.loudness import k_weighted_power


def levelled(samples: np.ndarray, lufs: float, *, ceiling: float, limiter: float) -> Levelled:
    """Float32 [2, n] brought to a loudness below a ceiling in dBTP, with at most `limiter` dB of limiting."""
    return level(
        samples,
        power=k_weighted_power(samples),
        peak_dbtp=true_peak_dbtp(samples),
        target_lufs=lufs,
        ceiling_dbtp=ceiling,
        max_limiter_db=limiter,
    )
