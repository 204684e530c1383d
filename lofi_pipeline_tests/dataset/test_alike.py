"""Many copies of one recording: few comparisons for each, and the answers of comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.audio.fingerprint.extract import FRAMES_PER_SECOND
from lofi_pipeline.dataset import alike, duplicates
from lofi_pipeline.dataset.alike import REPRESENTATIVES
from lofi_pipeline.dataset.duplicates import (
    Comparisons,
    compare_tracks,
    copies_among,
    group_related,
    load_comparisons,
)
from lofi_pipeline.dataset.recordings import Recordings
from lofi_pipeline.storage import DataRoot

FRAMES = int(20 * FRAMES_PER_SECOND)
VARIANTS = 6


@cache
def piece(seed: int) -> np.ndarray:
    """The fingerprint of 20 s of invented music: three notes a beat."""
    rng = np.random.default_rng(seed)
    loud = np.zeros((FRAMES + 40, audio.BANDS), np.float32)
    for at in np.arange(0, FRAMES, FRAMES_PER_SECOND * 30 / rng.uniform(60, 95)):
        for note in rng.choice(np.arange(16, audio.BANDS), 3, replace=False):
            loud[int(at) : int(at) + 30, note] += 300 * np.exp(-np.arange(30) / 10)
    loud = loud[:FRAMES] + 2 * rng.random((FRAMES, audio.BANDS), dtype=np.float32)
    return np.minimum(np.rint(np.log1p(loud / 3) * 36), 255).astype(np.uint8)


@cache
def copy_of(seed: int, number: int) -> np.ndarray:
    """A copy of a piece: with noise of its own, every third without its end."""
    rng = np.random.default_rng([seed, number])
    bands = piece(seed).astype(int) + rng.integers(-3, 4, piece(seed).shape)
    return np.clip(bands if number % 3 else bands[: int(0.92 * FRAMES)], 0, 255).astype(np.uint8)


def put(root: DataRoot, marks: Sequence[tuple[int, int]], start: int = 1) -> dict[str, str]:
    """Save copies as the fingerprints of track_001 and so on; by track, the hash of its processing."""
    keys = {}
    for number, (seed, variant) in enumerate(marks, start=start):
        path = root.fingerprint(f"track_{number:03d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, copy_of(seed, variant), allow_pickle=False)
        keys[path.stem] = f"{seed:032d}{variant:032d}"
    return keys


@cache
def _compared(first: bytes, second: bytes) -> audio.Likeness:
    return audio.compare(*(np.frombuffer(it, np.uint8).reshape(-1, audio.BANDS) for it in (first, second)))


@contextmanager
def _temporary_root() -> Iterator[DataRoot]:
    with TemporaryDirectory() as folder:
        yield DataRoot(Path(folder) / "data").create()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts comparisons, each of which is made once only: how long the fingerprints are."""
    counted: list[int] = []

    def compare_at(first: np.ndarray, second: np.ndarray, hints: object) -> audio.Likeness:
        counted.append(len(first))
        return _compared(first.tobytes(), second.tobytes())

    monkeypatch.setattr(duplicates.audio, "compare_at", compare_at)
    return counted


@pytest.fixture
def told_apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts comparisons, each of which takes no time: copies of one piece are the same recording, others have nothing in common."""
    counted: list[int] = []

    def compare_at(first: np.ndarray, second: np.ndarray, hints: object) -> audio.Likeness:
        counted.append(len(first))
        apart = np.abs(first[:50].astype(int) - second[:50]).mean()
        return audio.Likeness(1.0, 0.0, 1.0) if apart < 10 else audio.Likeness(0.0, 1.0, 0.0)

    monkeypatch.setattr(duplicates.audio, "compare_at", compare_at)
    return counted


@pytest.mark.parametrize("count", [50, 100, 200])
def test_each_of_many_copies_is_compared_with_a_few(
    root: DataRoot, count: int, told_apart: list[int]
) -> None:
    """So twice as many copies are twice as many comparisons; and of all but one it is known that they are copies."""
    keys = put(root, [(1, number) for number in range(count)])
    found = compare_tracks(root, keys)
    first = range(REPRESENTATIVES + 1)
    assert len(told_apart) <= sum(first) + REPRESENTATIVES * (count - len(first))
    assert {copy.original for copy in copies_among(list(keys), found).values()} == {"track_001"}
    assert len(copies_among(list(keys), found)) == count - 1
    assert set(group_related(list(keys), found, {}).values()) == {"track_001"}


def test_many_groups_of_many_copies_are_found_among_each_other(root: DataRoot, told_apart: list[int]) -> None:
    keys = put(root, [(number % 6, number) for number in range(90)])
    found = compare_tracks(root, keys)
    assert len(told_apart) < 18 * len(keys)  # comparing with all candidates: 25 for each
    assert len(copies_among(list(keys), found)) == len(keys) - 6
    assert len(set(group_related(list(keys), found, {}).values())) == 6


def test_up_to_one_more_than_a_few_every_pair_is_compared(root: DataRoot, told_apart: list[int]) -> None:
    found = compare_tracks(root, put(root, [(1, number) for number in range(REPRESENTATIVES + 1)]))
    assert len(found.pairs) == len(told_apart) == (REPRESENTATIVES + 1) * REPRESENTATIVES // 2


def test_one_copy_after_the_other_is_the_same_as_all_at_once(root: DataRoot, compared: list[int]) -> None:
    marks = [(number % 2, number) for number in range(30)]
    with _temporary_root() as other:
        wanted = compare_tracks(other, put(other, marks))
    given: dict[str, str] = {}
    for track_id, key in put(root, marks).items():
        given[track_id] = key
        compare_tracks(root, given)
    assert load_comparisons(root) == wanted
    assert wanted.alike


def test_when_all_that_copies_were_compared_with_are_made_anew_the_copies_are_compared_anew(
    root: DataRoot, compared: list[int]
) -> None:
    keys = put(root, [(1, number) for number in range(12)])
    compare_tracks(root, keys)
    keys |= put(root, [(seed, 1) for seed in range(2, 2 + REPRESENTATIVES)])
    found = compare_tracks(root, keys)
    kept = REPRESENTATIVES + 1
    assert {copy.original for copy in copies_among(list(keys), found).values()} == {f"track_{kept:03d}"}
    assert len(copies_among(list(keys), found)) == 12 - kept


def test_copies_are_known_when_those_are_gone_that_all_were_compared_with(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them stays, all share a group, a withdrawn one tells of all others; and how they differ follows."""
    marks = [(1, number) for number in range(10)]
    speed_of = {copy_of(*mark).tobytes(): 1 + 0.01 * mark[1] for mark in marks}

    def compare_at(first: np.ndarray, second: np.ndarray, hints: object) -> audio.Likeness:
        speed = speed_of[first.tobytes()] / speed_of[second.tobytes()]
        return audio.Likeness(1.0, 0.0, 1.0, speed, 12 * float(np.log2(speed)))

    monkeypatch.setattr(duplicates.audio, "compare_at", compare_at)
    ids = list(keys := put(root, marks))
    found = compare_tracks(root, keys)
    left = ids[REPRESENTATIVES:]
    copies = copies_among(left, found)
    assert _originals(left, found) == dict.fromkeys(left[1:], left[0])
    assert set(group_related(left, found, {}).values()) == {left[0]}
    assert set(Recordings(found).same_as([ids[-1]])) == set(ids[:-1])
    pair = copies[ids[-1]].pair
    assert (pair.track_id, pair.other) == (ids[-1], left[0])
    assert pair.speed == pytest.approx(1.09 / 1.04, abs=2e-4)
    assert pair.semitones == pytest.approx(12 * np.log2(1.09 / 1.04), abs=0.02)


def test_an_excerpt_that_is_not_the_same_as_all_of_the_first_few_is_no_copy_of_the_others(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whole recording, six copies of its beginning and three of its end, which have nothing in common with the beginning."""
    cuts = {number: "whole" if not number else "beginning" if number < 7 else "end" for number in range(10)}
    cut_of = {copy_of(1, number).tobytes(): cut for number, cut in cuts.items()}

    def compare_at(first: np.ndarray, second: np.ndarray, hints: object) -> audio.Likeness:
        both = {cut_of[first.tobytes()], cut_of[second.tobytes()]}
        alike = len(both) == 1 or "whole" in both
        return audio.Likeness(1.0, 0.0, 1.0) if alike else audio.Likeness(0.0, 1.0, 0.0)

    monkeypatch.setattr(duplicates.audio, "compare_at", compare_at)
    ids = list(keys := put(root, [(1, number) for number in cuts]))
    found = compare_tracks(root, keys)
    assert set(_originals(ids, found).values()) == {ids[0]}
    for first in range(1, 7):  # whichever of the beginnings is the first that is left
        assert set(_originals(ids[first:], found).values()) <= {ids[first], ids[7]}
        assert ids[7] not in _originals(ids[first:], found)


MARKS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, VARIANTS - 1)), min_size=1, max_size=22)


@settings(max_examples=30)
@given(
    marks=MARKS,
    at_first=st.integers(0, 22),
    gone=st.sets(st.integers(1, 22)),
    out=st.sets(st.integers(1, 22)),
)
def test_what_is_found_is_what_comparing_all_with_all_finds(
    marks: list[tuple[int, int]], at_first: int, gone: set[int], out: set[int]
) -> None:
    """Copies, originals and groups: of all tracks, of those that are left, and as copies of those that are withdrawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            duplicates.audio, "compare_at", lambda one, two, hints: _compared(one.tobytes(), two.tobytes())
        )
        few = _answers(marks, at_first, gone, out)
        for module in (alike, duplicates):
            patch.setattr(module, "REPRESENTATIVES", len(marks))
        assert few == _answers(marks, 0, gone, out)


def _answers(
    marks: list[tuple[int, int]], at_first: int, gone: set[int], out: set[int]
) -> Mapping[str, object]:
    with _temporary_root() as root:
        keys = put(root, marks)
        ids = list(keys)
        compare_tracks(root, {it: keys[it] for it in ids[:at_first]})
        found = compare_tracks(root, keys)

    def named(numbers: set[int]) -> list[str]:
        return [it for it in ids if int(it[6:]) in numbers]

    left = [it for it in ids if it not in named(gone)]
    return {
        "copies": _originals(ids, found),
        "of those left": _originals(left, found),
        "groups": group_related(ids, found, {}),
        "groups of those left": group_related(left, found, {}),
        "of those out": sorted(Recordings(found).same_as(named(out))),
    }


def _originals(track_ids: Sequence[str], found: Comparisons) -> dict[str, str]:
    return {copy.track_id: copy.original for copy in copies_among(track_ids, found).values()}
