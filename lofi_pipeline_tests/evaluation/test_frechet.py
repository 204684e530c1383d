"""The Frechet distance: against scipy's matrix root, against what is known on paper, and on what must be refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline.evaluation import Gaussian, NotFinite, TooFewWindows, frechet_distance


def _by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    covariances = [np.cov(rows, rowvar=False) for rows in (a, b)]
    shared = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    apart = a.mean(0) - b.mean(0)
    return float(
        apart @ apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(shared).real
    )


@pytest.mark.parametrize(("dimension", "rows"), [(1, 40), (5, 60), (32, 300)])
def test_agrees_with_the_matrix_root(dimension: int, rows: int) -> None:
    random = np.random.default_rng(dimension)
    mixing = random.normal(size=(dimension, dimension))
    a = random.normal(size=(rows, dimension)) @ mixing
    b = random.normal(0.3, 1.4, size=(rows + 17, dimension))
    if dimension == 1:
        expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    else:
        expected = _by_matrix_root(a, b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_known_gaussians() -> None:
    """Diagonal covariances: |m_a - m_b|^2 + sum (s_a - s_b)^2, here on sets whose moments are exact."""

    def exact(mean: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        dimension = len(mean)
        spread = np.sqrt((2 * dimension - 1) / 2)
        return mean + spread * np.concatenate([np.diag(deviations), -np.diag(deviations)])

    a = exact(np.array([0.0, 1.0, -2.0]), np.array([1.0, 2.0, 3.0]))
    b = exact(np.array([1.0, 1.0, 0.0]), np.array([1.5, 2.0, 1.0]))
    assert frechet_distance(a, b) == pytest.approx((1 + 4) + (0.25 + 0 + 4))


def test_a_shift_counts_squared_and_a_set_is_at_no_distance_from_itself() -> None:
    a = np.random.default_rng(0).normal(size=(50, 16))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 0.5) == pytest.approx(16 * 0.25)


def test_fewer_rows_than_dimensions_is_exact() -> None:
    """Three points in 512 dimensions span two; turned into those two, the distance is the same."""
    random = np.random.default_rng(1)
    plane, _ = np.linalg.qr(random.normal(size=(512, 4)))
    small_a, small_b = random.normal(size=(3, 4)), random.normal(size=(40, 4))
    wide = frechet_distance(small_a @ plane.T, small_b @ plane.T)
    assert wide == pytest.approx(frechet_distance(small_a, small_b), rel=1e-6)


@settings(max_examples=60)
@given(
    st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 30), st.integers(1, 20), st.floats(1e-6, 1e6)
)
def test_never_negative_always_finite_and_symmetric(
    seed: int, n: int, m: int, dimension: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    a, b = scale * random.normal(size=(n, dimension)), scale * random.normal(size=(m, dimension))
    there, back = frechet_distance(a, b), frechet_distance(b, a)
    assert np.isfinite(there) and there >= 0
    assert there == pytest.approx(back, rel=1e-6, abs=1e-9 * scale**2)


def test_identical_rows_are_a_point() -> None:
    assert frechet_distance(np.ones((4, 3)), np.zeros((5, 3))) == pytest.approx(3)


def test_statistics_of_the_reference_are_made_once() -> None:
    random = np.random.default_rng(2)
    reference, others = random.normal(size=(90, 12)), random.normal(1, 2, size=(3, 30, 12))
    gaussian = Gaussian.of(reference)
    for other in others:
        assert gaussian.distance(Gaussian.of(other)) == frechet_distance(reference, other)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(rows: int) -> None:
    with pytest.raises(TooFewWindows, match="at least 2"):
        frechet_distance(np.zeros((rows, 4)), np.zeros((9, 4)))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(poison: float) -> None:
    rows = np.zeros((6, 4))
    rows[3, 1] = poison
    with pytest.raises(NotFinite, match="1 of 6"):
        frechet_distance(rows, np.zeros((6, 4)))


def test_other_dimensions() -> None:
    with pytest.raises(ValueError, match="4 and 5 dimensions"):
        frechet_distance(np.ones((6, 4)), np.ones((6, 5)))
