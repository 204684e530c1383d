"""Errors of a Frechet distance and the kernel distance: against brute force, and on sets whose distance is known on paper."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline.checkpoints.compare import jackknife_error
from lofi_pipeline.evaluation import Gaussian
from lofi_pipeline.evaluation.kernel import KernelSums, median_bandwidth
from lofi_pipeline.evaluation.spread import ClipDistances, fad_infinity, floor_by_track, without_each_track

Groups = list[np.ndarray]


def by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    """The referee: scipy's sqrtm of the product of both covariances."""
    one, other = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (a, b))
    shared = scipy.linalg.sqrtm(one @ other)
    return float(
        ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one) + np.trace(other) - 2 * np.trace(shared).real
    )


def groups(
    random: np.random.Generator, count: int, dimension: int, *, most: int = 3, shift: float = 0
) -> Groups:
    """Embeddings of clips or tracks with 1 to `most` windows each."""
    sizes = random.integers(1, most + 1, size=count)
    return [random.normal(shift, 1, size=(size, dimension)).astype(np.float32) for size in sizes]


def joined(parts: Groups, left_out: object = None) -> np.ndarray:
    return np.concatenate([part for number, part in enumerate(parts) if number != left_out]).astype(
        np.float64
    )


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(4, 12), st.integers(3, 6))
def test_without_each_clip_and_track_as_by_brute_force(seed: int, dimension: int, clips: int, tracks: int):
    random = np.random.default_rng(seed)
    ours = groups(random, clips, dimension, shift=0.3)
    theirs = groups(random, tracks, dimension, most=9)
    asked = [number % tracks for number in range(clips)]
    distances = ClipDistances(ours, Gaussian.of(joined(theirs)))
    without = distances.without_each()
    assert without is not None
    expected = [
        Gaussian.of(joined(theirs)).distance(Gaussian.of(joined(ours, clip))) for clip in range(clips)
    ]
    np.testing.assert_allclose(without, expected, rtol=1e-6, atol=1e-6)
    left = [
        (joined(theirs, track), [rows for rows, of in zip(ours, asked, strict=True) if of != track])
        for track in range(tracks)
    ]
    found = without_each_track(ours, asked, theirs)
    if any(len(reference) < 2 or not rows or len(joined(rows)) < 2 for reference, rows in left):
        assert found is None
        return
    expected = [Gaussian.of(reference).distance(Gaussian.of(joined(rows))) for reference, rows in left]
    np.testing.assert_allclose(found or [], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dimension", [3, 40])
def test_agrees_with_scipys_root_with_more_and_with_fewer_windows_than_dimensions(dimension: int):
    random = np.random.default_rng(dimension)
    ours, theirs = groups(random, 20, dimension, most=1), groups(random, 12, dimension, most=8)
    found = ClipDistances(ours, Gaussian.of(joined(theirs))).without_each() or []
    for clip in (0, 7, 19):
        assert found[clip] == pytest.approx(by_matrix_root(joined(ours, clip), joined(theirs)), rel=1e-5)
    without_track = without_each_track(ours, [0] * 20, theirs)
    assert without_track is None  # without that one's clips, none are left
    without_track = without_each_track(ours, [clip % 12 for clip in range(20)], theirs) or []
    rows = np.concatenate([part for clip, part in enumerate(ours) if clip % 12 != 5]).astype(np.float64)
    assert without_track[5] == pytest.approx(by_matrix_root(rows, joined(theirs, 5)), rel=1e-5)


def test_the_error_is_what_new_draws_show():
    """Of a shifted Gaussian: the spread of FAD over new sets of clips, against the error that one set gives of itself."""
    random = np.random.default_rng(0)
    reference = Gaussian.of(random.normal(size=(4000, 4)))
    drawn = [[random.normal(0.4, 1, size=(1, 4)) for _ in range(60)] for _ in range(200)]
    sets = [ClipDistances(clips, reference) for clips in drawn]
    spread = np.std([item.of(range(60)) or 0 for item in sets])
    errors = [jackknife_error(item.without_each()) for item in sets[:40]]
    assert np.mean(np.array(errors, float)) == pytest.approx(spread, rel=0.2)


def test_windows_of_one_clip_do_not_count_as_clips():
    random = np.random.default_rng(1)
    reference = Gaussian.of(random.normal(size=(500, 4)))
    clips = [random.normal(0.3, 1, size=(1, 4)) for _ in range(30)]
    copied = [np.repeat(rows, 5, axis=0) for rows in clips]
    once, again = (jackknife_error(ClipDistances(item, reference).without_each()) for item in (clips, copied))
    assert once is not None and again == pytest.approx(once, rel=0.15)


def test_extrapolated_it_comes_nearer_to_the_truth():
    """True distance 8 * 0.1^2 = 0.08: with 40 clips FAD says ten times that, the line through subsets about twice."""
    random = np.random.default_rng(2)
    reference = Gaussian.of(random.normal(size=(20_000, 8)))
    found = [
        ClipDistances([random.normal(0.1, 1, size=(1, 8)) for _ in range(40)], reference) for _ in range(25)
    ]
    plain = np.mean([item.of(range(40)) or 0 for item in found])
    endless = np.mean([fad_infinity(item) or 0 for item in found])
    assert plain > 0.7 and abs(endless - 0.08) < 0.12
    assert fad_infinity(found[0]) == fad_infinity(found[0])
    assert fad_infinity(ClipDistances([random.normal(size=(1, 8)) for _ in range(7)], reference)) is None


def test_the_floor_by_track_is_above_zero_where_tracks_differ():
    random = np.random.default_rng(3)
    alike = [random.normal(size=(10, 4)) for _ in range(8)]
    apart = [rows + random.normal(0, 2, size=4) for rows in alike]
    floors = [floor_by_track(tracks, 24) for tracks in (alike, apart)]
    assert floors[0] and floors[1] and floors[0][1] == floors[1][1] == 24
    assert floors[1][0][0] > floors[0][0][2]
    assert floors[1][0] == tuple(sorted(floors[1][0]))
    assert floor_by_track(alike[:3], 24) is None
    assert (floor_by_track(alike, 1000) or [0, 0])[1] == 40


def by_pairs(a: np.ndarray, b: np.ndarray, bandwidth: float) -> float:
    """The referee: lemma 6 of Gretton et al., pair by pair."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-np.sum((x - y) ** 2) / (2 * bandwidth**2)))

    def within(rows: np.ndarray) -> float:
        pairs = [k(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    return within(a) + within(b) - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


def test_kad_and_its_parts_as_pair_by_pair():
    random = np.random.default_rng(4)
    ours, theirs = groups(random, 6, 3, shift=0.5), groups(random, 4, 3, most=5)
    bandwidth, asked = median_bandwidth(theirs), [0, 1, 2, 3, 0, 1]
    rows = joined(theirs)
    pairs = [np.linalg.norm(rows[i] - rows[j]) for i in range(len(rows)) for j in range(i)]
    assert bandwidth == pytest.approx(np.median(pairs))
    sums = KernelSums.of(ours, theirs, bandwidth)
    assert sums.distance() == pytest.approx(by_pairs(joined(ours), rows, bandwidth))
    expected = [by_pairs(joined(ours, clip), rows, bandwidth) for clip in range(6)]
    assert sums.without_each_clip() == pytest.approx(expected)
    expected = [
        by_pairs(
            joined([part for part, of in zip(ours, asked, strict=True) if of != track]),
            joined(theirs, track),
            bandwidth,
        )
        for track in range(4)
    ]
    assert sums.without_each_track(asked) == pytest.approx(expected)


def test_kad_does_not_grow_with_fewer_clips_as_fad_does():
    random = np.random.default_rng(5)
    tracks = [random.normal(size=(10, 8)) for _ in range(20)]
    of_few = [
        KernelSums.of([random.normal(size=(1, 8)) for _ in range(12)], tracks, 4.0).distance() or 0
        for _ in range(60)
    ]
    assert abs(np.mean(of_few)) < 3 * np.std(of_few) / np.sqrt(60)
    assert min(of_few) < 0 < max(of_few)
