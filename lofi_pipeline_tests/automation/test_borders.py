"""Sensors at their borders: what makes another run key, and from when on something has stopped changing."""

import dagster as dg
import pytest

from lofi_pipeline.automation.stability import Watch, still_changing
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.entities import CHECKPOINT_RECORD, checkpoint_id_of
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.automation.test_checkpoint_sensor import Ticks, landed


def test_a_checkpoint_that_was_trained_anew_with_other_files_is_asked_for_anew(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    tick = Ticks(instance)
    key = landed(root, instance, 10)
    ((first, *_),) = tick()
    folder = root.checkpoint(checkpoint_id_of(10))
    record = read_record(folder)
    other = dict.fromkeys(record.files, "0" * 64)
    write_json_atomic(folder / CHECKPOINT_RECORD, record.model_copy(update={"files": other}))
    ((second, again, _),) = tick()
    assert again == key and second != first


@pytest.mark.parametrize(("waited", "changing"), [(0.0, True), (9.99, True), (10.0, False), (11.0, False)])
def test_what_has_stood_still_for_stable_seconds_has_stopped(waited: float, changing: bool) -> None:
    assert still_changing(100.0, 100.0 + waited, 10.0) is changing
    assert not still_changing(100.0, 100.0 + waited, 0.0)


def test_the_waiting_begins_anew_with_each_change() -> None:
    watch = Watch(seen={"one": ("as it was", 5.0)})
    assert watch.since("one", "as it was", 20.0) == 5.0
    assert watch.since("one", "changed", 20.0) == 20.0
    assert watch.since("two", "as it was", 20.0) == 20.0
    assert watch.settling(14.9, 10.0) and not watch.settling(15.0, 10.0)
