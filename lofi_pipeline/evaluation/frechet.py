"""Frechet distance between two sets of embeddings, seen as Gaussians: exact, real and never negative.

d^2 = |m_a - m_b|^2 + tr(C_a) + tr(C_b) - 2 tr((C_a C_b)^(1/2))     Dowson and Landau 1982, 10.1016/0047-259X(82)90077-X
Used on audio embeddings it is the Frechet audio distance: Kilgour et al. 2019, arXiv 1812.08466.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lofi_pipeline.evaluation.errors import NotFinite, TooFewWindows


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of a set of embeddings, kept as a root: covariance = root.T @ root.

    Make one of the reference with `Gaussian.of(embeddings)` and compare many sets with it.
    """

    mean: np.ndarray = field(repr=False)
    """float64 [D]"""
    root: np.ndarray = field(repr=False)
    """float64 [k, D], k at most min(n, D)"""
    count: int
    """How many embeddings stand behind it."""

    @classmethod
    def of(cls, embeddings: np.ndarray) -> Gaussian:
        """The sample mean and the unbiased (n - 1) sample covariance of `embeddings` [n, D].

        Raises:
            TooFewWindows: fewer than 2 rows.
            NotFinite: a value is NaN or infinite.
        """
        values = np.asarray(embeddings, dtype=np.float64)
        if values.ndim != 2:
            raise ValueError(f"embeddings must be [n, D], not of shape {values.shape}")
        if len(values) < 2:
            raise TooFewWindows(
                f"a Frechet distance needs at least 2 embeddings on each side, not {len(values)}; "
                "add validation tracks, or raise evaluation.validation_prompts"
            )
        if not np.isfinite(values).all():
            broken = int((~np.isfinite(values)).any(axis=1).sum())
            raise NotFinite(
                f"{broken} of {len(values)} embeddings are not finite; the audio behind them is broken: make it again"
            )
        mean = values.mean(axis=0)
        centred = (values - mean) / np.sqrt(len(values) - 1)
        # With more rows than dimensions, R of a QR has the same R.T @ R in D rows.
        root = np.asarray(np.linalg.qr(centred, mode="r")) if len(values) > values.shape[1] else centred
        return cls(mean, root, len(values))

    @property
    def trace(self) -> float:
        """tr(C)"""
        return float(np.sum(self.root**2))

    def distance(self, other: Gaussian) -> float:
        """The squared Frechet distance to `other`, as FID and FAD report it."""
        if self.mean.shape != other.mean.shape:
            raise ValueError(
                f"embeddings of {len(self.mean)} and {len(other.mean)} dimensions cannot be compared"
            )
        # tr((A'A B'B)^(1/2)) is the nuclear norm of A B': no product of covariances, so no imaginary parts,
        # and N < D needs nothing added to a diagonal.
        shared = float(np.linalg.svd(self.root @ other.root.T, compute_uv=False).sum())
        apart = float(np.sum((self.mean - other.mean) ** 2))
        # In exact arithmetic never below 0; rounding may leave a few ulps.
        return max(0.0, apart + self.trace + other.trace - 2 * shared)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance between embeddings `a` [n, D] and `b` [m, D].

    Raises:
        TooFewWindows: fewer than 2 rows on a side.
        NotFinite: a value is NaN or infinite.
    """
    return Gaussian.of(a).distance(Gaussian.of(b))
