"""The tree over sketches: the same in whatever pieces it grows, bounded work where all is alike, and no copy that it may pass over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline import audio
from lofi_pipeline.dataset import sketch_tree
from lofi_pipeline.dataset.duplicates import Comparisons, compare_tracks
from lofi_pipeline.dataset.sketch_index import SketchIndex
from lofi_pipeline.dataset.sketch_tree import SketchTree
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.dataset.test_duplicates import kinships, put


@pytest.fixture
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch_tree, "LEAF", 40)
    monkeypatch.setattr(sketch_tree, "BRANCHES", 4)
    monkeypatch.setattr(sketch_tree, "LEAVES", 6)


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every library is large, and the tree finds nothing."""
    monkeypatch.setattr("lofi_pipeline.dataset.sketch_index.EXACT_UP_TO", 0)
    monkeypatch.setattr(SketchTree, "leaves", lambda self, queries: iter(()))


def sketches(count: int, noise: float = 40.0) -> np.ndarray:
    rng = np.random.default_rng(count)
    centres = rng.normal(0, 30, (20, audio.DIMENSIONS))
    drawn = centres[rng.integers(0, 20, count)] + rng.normal(0, noise / 4, (count, audio.DIMENSIONS))
    return np.clip(np.rint(drawn), -127, 127).astype(np.int8)


def seen(tree: SketchTree, queries: np.ndarray) -> list[tuple[list[int], list[int]]]:
    return [(rows.tolist(), asking.tolist()) for rows, asking in tree.leaves(queries)]


def test_one_by_one_or_at_once_the_tree_is_the_same(small_leaves: None) -> None:
    rows, given = np.arange(1500, dtype=np.int32), sketches(1500)
    at_once, one_by_one, in_pieces = SketchTree(), SketchTree(), SketchTree()
    at_once.insert(given, rows)
    for row in rows:
        one_by_one.insert(given, rows[row : row + 1])
    for piece in np.split(rows, [7, 300, 301, 900]):
        in_pieces.insert(given, piece)
    wanted = seen(at_once, given[:100])
    assert wanted == seen(one_by_one, given[:100]) == seen(in_pieces, given[:100])
    assert sum(len(asking) for _, asking in wanted) == 100 * sketch_tree.LEAVES


def test_nearly_every_sketch_is_found_by_itself_in_few_leaves(small_leaves: None) -> None:
    tree, given = SketchTree(), sketches(3000)
    tree.insert(given, np.arange(3000, dtype=np.int32))
    looked, lost = 0, 0
    for row in range(0, 3000, 10):
        rows = np.concatenate([rows for rows, _ in tree.leaves(given[row : row + 1])])
        looked, lost = looked + len(rows), lost + (row not in rows)
    assert lost <= 3 and looked / 300 < 3000 / 8


@pytest.mark.parametrize("kind", ["equal", "all but equal", "silent"])
def test_of_sketches_that_are_all_alike_few_are_looked_at(kind: str, small_leaves: None) -> None:
    given = np.repeat(sketches(1), 5000, axis=0)
    if kind == "silent":
        given[:] = 0
    elif kind == "all but equal":
        given[:, 0] += np.random.default_rng(0).integers(-1, 2, 5000, dtype=np.int8)
    tree = SketchTree()
    tree.insert(given, np.arange(5000, dtype=np.int32))
    looked = [rows for rows, _ in tree.leaves(given[-1:])]
    assert 0 < sum(map(len, looked)) <= sketch_tree.LEAF * sketch_tree.LEAVES
    assert 0 in np.concatenate(looked)  # the first ones stand for the others


def an_index(folder: Path) -> SketchIndex:
    index, given = SketchIndex(folder), sketches(400)
    for number in range(100):
        index.add(f"track_{number:03d}", "", 400, given[4 * number : 4 * number + 3])
    return index


def as_queries(sketch: np.ndarray) -> np.ndarray:
    return (sketch.astype(np.float32) * audio.SKETCH_SCALE)[None]


def test_a_large_index_finds_what_the_scan_finds(
    tmp_path: Path, small_leaves: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, given = an_index(tmp_path), sketches(400)
    index.add("track_007", "again", 400, given[200:203])  # made anew
    index.remove("track_060")
    queries = as_queries(given[200:203])
    wanted = [it.track_id for it in index.likely(queries, 400, without=["track_050"])]
    monkeypatch.setattr("lofi_pipeline.dataset.sketch_index.EXACT_UP_TO", 10)
    found = [it.track_id for it in index.nearby(queries, 400, without=["track_050"])]
    assert found[:1] == wanted[:1] == ["track_007"]
    assert "track_060" not in found and set(found[:3]) <= set(wanted)
    index.add("track_200", "", 400, given[200:203])
    assert {it.track_id for it in index.nearby(queries, 400)[:3]} == {"track_007", "track_050", "track_200"}


def test_what_is_watched_is_found_wherever_the_tree_leads(tmp_path: Path, blind: None) -> None:
    index, given = an_index(tmp_path), sketches(400)
    index.add("refused_001", "", 400, given[200:203])
    queries = as_queries(given[200:203])
    assert index.nearby(queries, 400) == []
    index.watch([])
    assert [it.track_id for it in index.nearby(queries, 400)] == ["refused_001"]
    index.watch(["track_050", "track_051"])
    found = {it.track_id for it in index.nearby(queries, 400)}
    assert found >= {"refused_001", "track_050"} and found <= {"refused_001", "track_050", "track_051"}


@pytest.mark.parametrize("barred", [[], ["track_001"]])
def test_a_copy_of_what_was_barred_later_is_found_though_the_tree_passed_it_over(
    root: DataRoot, blind: None, barred: list[str]
) -> None:
    keys = put(root, (0, 1, 4, 5))  # a piece, its kin, and two edits of the first
    assert not compare_tracks(root, keys).pairs
    found = compare_tracks(root, keys, barred=barred)
    same = {pair for pair, kinship in kinships(found).items() if kinship == "same recording"}
    assert same >= ({("track_003", "track_001"), ("track_004", "track_001")} if barred else set())
    assert found.scanned.keys() >= ({"track_001", "track_003", "track_004"} if barred else set())
    assert bool(found.scanned) == bool(barred)


def test_what_comes_later_is_compared_with_what_is_barred_and_with_its_copies(
    root: DataRoot, blind: None
) -> None:
    keys = put(root, (0, 2, 4, 5))
    early = {it: keys[it] for it in ("track_001", "track_002")}
    compare_tracks(root, early, barred=["track_001"])
    found = compare_tracks(root, keys, barred=["track_001"])
    assert {("track_003", "track_001"), ("track_004", "track_001")} <= kinships(found).keys()
    again = compare_tracks(root, keys, barred=["track_001"])
    assert again == found
    free = compare_tracks(root, keys)
    assert not free.scanned and not free.searched  # barred once more, it is looked for once more


def test_a_chain_of_copies_is_followed_to_its_end(
    root: DataRoot, blind: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each recording the scan shows the next one alone: the copy of a copy is reached by way of the copy."""
    keys = put(root, (0, 4, 5))
    compare_tracks(root, keys)
    nearest = SketchIndex.likely
    monkeypatch.setattr(
        SketchIndex,
        "likely",
        lambda self, queries, frames, *, without=(): nearest(self, queries, frames, without=without)[:1],
    )
    found = compare_tracks(root, keys, barred=["track_001"])
    assert found.scanned.keys() == keys.keys()


def test_in_a_small_library_nothing_of_it_is_recorded(root: DataRoot) -> None:
    found = compare_tracks(root, put(root, (0, 4)), barred=["track_001"])
    assert "scanned" not in found.model_dump() and Comparisons().scanned == {}
