"""Embedding many windows with a network that takes a few at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

BATCH = 8


@torch.no_grad()
def embed_in_batches(
    samples: np.ndarray,
    embed: Callable[[torch.Tensor], torch.Tensor],
    dimension: int,
    *,
    batch: int = BATCH,
) -> np.ndarray:
    """float32 [windows, frames] to float32 [windows, dimension]; `embed` does it for at most `batch` windows."""
    rows = [
        embed(torch.from_numpy(samples[start : start + batch]).float()).cpu()
        for start in range(0, len(samples), batch)
    ]
    return torch.cat(rows).numpy() if rows else np.zeros((0, dimension), np.float32)
