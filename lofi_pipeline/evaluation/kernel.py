"""Kernel audio distance (KAD): the unbiased squared maximum mean discrepancy of two sets of embeddings.

MMD^2 = mean k(y, y') + mean k(x, x') - 2 mean k(x, y), each pair of different windows once: Gretton et al. 2012, JMLR 13, lemma 6;
on audio embeddings: Chung et al. 2025, arXiv 2502.15602. k(x, y) = exp(-|x - y|^2 / (2 b^2)). Unbiased, it does not grow with fewer
clips, and lies below 0 by chance where the sets are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofi_pipeline.evaluation.spread import complete

FIXED_BANDWIDTH = 10.0
"""That of Jayasumana et al. 2024, arXiv 2401.09603: for numbers that are compared across references."""
_MOST_FOR_MEDIAN = 1000
_CHUNK = 512


@dataclass(frozen=True)
class KernelSums:
    """Sums of k over all pairs of windows, by clip and track: any subset of whole clips and tracks is a sum of these."""

    own: np.ndarray
    """float64 [clips, clips]"""
    reference: np.ndarray
    """float64 [tracks, tracks]"""
    crossed: np.ndarray
    """float64 [clips, tracks]"""
    windows: np.ndarray
    """Of each clip."""
    reference_windows: np.ndarray
    """Of each track."""

    @classmethod
    def of(cls, clips: Sequence[np.ndarray], tracks: Sequence[np.ndarray], bandwidth: float) -> KernelSums:
        """From embeddings [windows, D] of each clip and each track."""
        return cls(
            _sums(clips, clips, bandwidth),
            _sums(tracks, tracks, bandwidth),
            _sums(clips, tracks, bandwidth),
            np.array([len(rows) for rows in clips]),
            np.array([len(rows) for rows in tracks]),
        )

    def distance(self, clips: np.ndarray | None = None, tracks: np.ndarray | None = None) -> float | None:
        """MMD^2 of the clips and tracks whose entry is true, by default of all; None with fewer than 2 windows on a side."""
        kept = np.ones(len(self.windows), bool) if clips is None else clips
        heard = np.ones(len(self.reference_windows), bool) if tracks is None else tracks
        n, m = int(self.windows[kept].sum()), int(self.reference_windows[heard].sum())
        if min(n, m) < 2:
            return None
        # Each window with itself gives 1, and does not count
        own = (self.own[np.ix_(kept, kept)].sum() - n) / (n * (n - 1))
        reference = (self.reference[np.ix_(heard, heard)].sum() - m) / (m * (m - 1))
        return float(own + reference - 2 * self.crossed[np.ix_(kept, heard)].sum() / (n * m))

    def without_each_clip(self) -> list[float] | None:
        """MMD^2 without the first clip, without the second, and so on."""
        numbers = np.arange(len(self.windows))
        return complete([self.distance(numbers != number) for number in numbers])

    def without_each_track(self, track_of_clip: Sequence[int]) -> list[float] | None:
        """MMD^2 without each track's windows and the clips of its prompt."""
        numbers, asked = np.arange(len(self.reference_windows)), np.asarray(track_of_clip)
        return complete([self.distance(asked != number, numbers != number) for number in numbers])


def median_bandwidth(tracks: Sequence[np.ndarray]) -> float:
    """The median distance between two windows of the reference; of at most 1,000, spread evenly. 0: they are all the same."""
    rows = np.concatenate(tracks).astype(np.float64)
    step = -(-len(rows) // _MOST_FOR_MEDIAN)
    rows = rows[::step]
    upper = np.triu_indices(len(rows), 1)
    return float(np.sqrt(np.median(squared_distances(rows, rows)[upper]))) if len(rows) > 1 else 0.0


def _sums(one: Sequence[np.ndarray], other: Sequence[np.ndarray], bandwidth: float) -> np.ndarray:
    """float64 [groups of one, groups of other], a chunk of windows at a time."""
    rows, columns = (np.concatenate(groups).astype(np.float64) for groups in (one, other))
    # Empty groups would break reduceat, and none is: a clip has a window
    starts = np.cumsum([0, *(len(group) for group in other[:-1])])
    by_row = np.concatenate(
        [
            np.add.reduceat(
                np.exp(-squared_distances(rows[at : at + _CHUNK], columns) / (2 * bandwidth**2)),
                starts,
                axis=1,
            )
            for at in range(0, len(rows), _CHUNK)
        ]
    )
    return np.add.reduceat(by_row, np.cumsum([0, *(len(group) for group in one[:-1])]), axis=0)


def squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float64 [n, m], between rows [n, D] and [m, D]."""
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2 * one @ other.T
    return np.maximum(squares, 0.0)
