"""The keys of a partition axis, added by several at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import dagster as dg

from lofi_pipeline.assets.partitions import TRACKS, add_partitions

AT_ONCE = 4
KEYS = [f"track_{number:03}" for number in range(40)]


def test_keys_that_several_add_at_once_are_all_there_once(instance: dg.DagsterInstance) -> None:
    # Dagster looks and then inserts: called as it is, it fails in most of these rounds.
    together = Barrier(AT_ONCE)

    def add_all(_: int) -> None:
        for start in range(len(KEYS) - 3):
            together.wait(timeout=20)
            add_partitions(instance, TRACKS.name, KEYS[start : start + 4])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(add_all, range(AT_ONCE)))
    assert instance.get_dynamic_partitions(str(TRACKS.name)) == KEYS
