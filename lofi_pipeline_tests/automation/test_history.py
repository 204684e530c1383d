"""Events that are written together: the same history as Dagster's own, in a few commits a track."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import event
from sqlalchemy.engine import Engine

from lofi_pipeline.assets.partitions import TRACKS, add_partitions
from lofi_pipeline.automation.instance import BATCH_VARIABLE
from lofi_pipeline.automation.ranges import RANGE_END, RANGE_START
from lofi_pipeline.automation.unreported import tell_unreported
from lofi_pipeline.definitions import defs
from lofi_pipeline.entities import TrackStatus
from lofi_pipeline.history import Events, together
from lofi_pipeline.ingest import load_record, load_registry
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, write_json_atomic

MOST_COMMITS = 5
STAGES = ("raw_tracks", "processed_audio", "tagged_prompts")
TABLES = {
    "event_logs": "dagster_event_type, step_key, asset_key, partition, event",
    "asset_keys": "asset_key, last_run_id, last_materialization IS NULL",
    "asset_event_tags": "event_id, asset_key, key, value",
}


@pytest.fixture
def root(ready: DataRoot) -> DataRoot:
    """Of tracks that are done, with no history."""
    shutil.rmtree(ready.dagster_home, ignore_errors=True)
    return ready


@contextmanager
def commits() -> Iterator[list[object]]:
    counted: list[object] = []

    def note(connection: object) -> None:
        counted.append(connection)

    event.listen(Engine, "commit", note)
    yield counted
    event.remove(Engine, "commit", note)


def many(root: DataRoot, number: int) -> list[str]:
    """So many tracks, each with the record of the first."""
    registry = load_registry(root)
    first, record = registry.tracks[0], load_record(root, "track_001")
    assert record
    ids = [f"track_{at:03d}" for at in range(1, number + 1)]
    tracks = [first.model_copy(update={"track_id": it}) for it in ids]
    write_json_atomic(root.registry_json, registry.model_copy(update={"tracks": tracks}))
    for track_id in ids:
        write_json_atomic(root.track_record(track_id), record.model_copy(update={"track_id": track_id}))
    return ids


def run(instance: dg.DagsterInstance, root: DataRoot, keys: list[str], failing: str = "") -> str:
    """A run over tracks whose records are there; one of them is told to have failed."""

    def work(_root: object, _config: object, asked: list[str], **_: object):
        for key in asked:
            record = load_record(root, key)
            assert record
            broken = {"status": TrackStatus.FAILED, "failed_stage": "processed_audio", "reason": "asked for"}
            yield record.model_copy(update=broken) if key == failing else record

    with mock.patch("lofi_pipeline.ingest.work_batch", work):
        done = defs.resolve_job_def("ingest").execute_in_process(
            instance=instance, tags={RANGE_START: keys[0], RANGE_END: keys[-1]}, raise_on_error=False
        )
    return done.run_id


def test_a_track_costs_a_run_few_commits_and_keeps_its_truth(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    keys = many(root, 40)
    add_partitions(instance, TRACKS.name, keys)
    costs = []
    for some in (keys[:10], keys):
        with commits() as counted:
            run(instance, root, some, failing="track_003")
        costs.append(len(counted))
    assert costs[1] - costs[0] <= MOST_COMMITS * 30
    for stage in STAGES:
        told = instance.get_status_by_partition(dg.AssetKey(stage), keys, TRACKS)
        assert told
        failed = [key for key, status in told.items() if str(status) == "AssetPartitionStatus.FAILED"]
        assert failed == ([] if stage == "raw_tracks" else ["track_003"])
        assert sum(
            str(status) == "AssetPartitionStatus.MATERIALIZED" for status in told.values()
        ) == 40 - len(failed)


def test_a_history_that_was_lost_is_told_again_in_few_commits(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    keys = many(root, 20)
    with commits() as counted:
        told = list(tell_unreported(instance, Workspace(), STAGES))
    assert {(found.asset, found.partition) for found in told} == {(s, k) for s in STAGES for k in keys}
    assert len(counted) < 2 * len(keys)


def test_what_is_written_together_is_what_dagster_writes_one_by_one(
    root: DataRoot, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    keys = many(root, 5)
    add_partitions(instance, TRACKS.name, keys)
    entries = instance.all_logs(run(instance, root, keys, failing="track_002"))
    assert len(entries) > 30
    dumps = []
    for name, kind in (("one-by-one", SqliteEventLogStorage), ("together", Events)):
        storage = kind(str(tmp_path / name))
        storage.register_instance(instance)
        if isinstance(storage, Events):
            storage.store_event_batch(entries)
        else:
            for entry in entries:
                storage.store_event(entry)
        dumps.append(dump(tmp_path / name))
    assert dumps[0] == dumps[1]


def dump(folder: Path) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    found = {}
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            for table, columns in TABLES.items():
                found[path.name, table] = database.execute(f"SELECT {columns} FROM {table}").fetchall()
    return found


def test_what_is_told_before_a_fault_is_written(root: DataRoot, instance: dg.DagsterInstance) -> None:
    def told() -> int:
        wanted = dg.AssetRecordsFilter(dg.AssetKey("raw_tracks"))
        return len(instance.fetch_materializations(wanted, limit=10).records)

    def tell_and_fail() -> None:
        with together(instance), together(instance):
            instance.report_runless_asset_event(made)
            assert told() == 0
            raise ZeroDivisionError

    made = dg.AssetMaterialization("raw_tracks", partition="track_001")
    with pytest.raises(ZeroDivisionError):
        tell_and_fail()
    assert told() == 1
    instance.report_runless_asset_event(made)
    assert told() == 2


def test_processes_that_are_started_write_together_too(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, Events)
    assert int(os.environ[BATCH_VARIABLE]) > 1
