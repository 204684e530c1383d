"""Two people, or a person and a sensor, do the same at the same moment: it is done once, and both are told the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.ingest import load_registry
from lofi_pipeline.storage import DataRoot, require_sealed, version_files
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song

T = TypeVar("T")
PEOPLE = 3


def together(work: Callable[[], T]) -> list[T]:
    """What each of them gets who begin at the same moment; the locks are those between processes."""
    begin = threading.Barrier(PEOPLE)

    def one(_number: int) -> T:
        begin.wait(60)
        return work()

    with ThreadPoolExecutor(PEOPLE) as people:
        return list(people.map(one, range(PEOPLE)))


def test_a_drop_that_is_registered_by_several_at_once_is_registered_once(root: DataRoot) -> None:
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1)}, facts())
    together(lambda: register(root))
    found = load_registry(root).tracks
    assert [track.track_id for track in found] == ["track_001", "track_002"]
    assert [len(track.origins) for track in found] == [1, 1]
    require_sealed(root)
    register(root)
    assert load_registry(root).tracks == found


def test_a_data_set_that_is_built_by_several_at_once_is_one_version(ready: DataRoot) -> None:
    built = together(lambda: build_dataset(ready, settings()))
    assert sorted(str(it.is_new) for it in built) == ["False", "False", "True"]
    (only,) = {it.version.dataset.hash for it in built}
    assert load_version(ready).dataset.hash == only and len(version_files(ready)) == 1
    require_sealed(ready)
