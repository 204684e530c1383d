"""What stands on disk and is not in the history is entered there by the next run, once, and made by nobody again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from lofi_pipeline.assets import all_assets
from lofi_pipeline.assets.lora_checkpoints import INTEGRITY
from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.assets.tracks import standing_tracks
from lofi_pipeline.automation.checkpoint_sensor import checkpoint_sensor
from lofi_pipeline.automation.drop_sensor import source_drop_sensor
from lofi_pipeline.automation.history_sensor import history_sensor
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.unreported import ALL_ASSETS, tell_unreported
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.definitions import defs
from lofi_pipeline.entities import CHECKPOINT_RECORD, TrackRecord
from lofi_pipeline.ingest import load_record, load_registry, record_index
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.compatibility.old_root import unpack
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import history
from lofi_pipeline_tests.end_to_end.test_foreign_ui import queue
from lofi_pipeline_tests.end_to_end.test_whole_way import files_of

TRACK_STAGES = ("raw_tracks", "processed_audio", "tagged_prompts")
Told = tuple[str, str | None]


def told_in(instance: dg.DagsterInstance, *assets: str) -> Counter[Told]:
    """How often the history tells of each result."""
    return Counter(
        (asset, record.partition_key)
        for asset in (assets or sorted(ALL_ASSETS))
        for record in instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    )


def tell(instance: dg.DagsterInstance) -> list[Told]:
    return [(found.asset, found.partition) for found in tell_unreported(instance, Workspace())]


# A data root in which everything stands that there can be, but for the latents


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("complete"))


@pytest.fixture
def complete(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    shutil.copytree(unpacked / "data", tmp_path / "data")
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(unpacked / "config"))
    return DataRoot(tmp_path / "data")


@pytest.fixture
def its_history(complete: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
        monkeypatch.setenv(name, str(complete.path))  # open_instance changes both: this has them put back
    with open_instance(complete) as instance:
        yield instance


def test_every_asset_is_told_of() -> None:
    assert {spec.key.to_user_string() for asset in all_assets for spec in asset.specs} == ALL_ASSETS


def test_a_history_that_tells_of_everything_is_left_alone(its_history: dg.DagsterInstance) -> None:
    before = told_in(its_history)
    assert tell(its_history) == []
    assert told_in(its_history) == before


@pytest.mark.parametrize("asset", sorted(ALL_ASSETS - {"encoded_dataset"}))
def test_what_the_history_lacks_is_told_once_as_its_run_told_it(
    asset: str, its_history: dg.DagsterInstance
) -> None:
    def versions() -> dict[str | None, str]:
        """Of the latest event of each partition."""
        records = its_history.fetch_materializations(dg.AssetKey(asset), limit=1000, ascending=True).records
        events = [record.asset_materialization for record in records]
        return {event.partition: (event.tags or {})["dagster/data_version"] for event in events if event}

    before = versions()
    assert before
    its_history.wipe_assets([dg.AssetKey(asset)])
    assert set(tell(its_history)) == {(asset, partition) for partition in before}
    assert told_in(its_history, asset) == Counter((asset, partition) for partition in before)
    assert versions() == before
    assert tell(its_history) == []


def test_another_version_is_told_and_its_checks_with_it(
    complete: DataRoot, its_history: dg.DagsterInstance
) -> None:
    """Not that something is there counts, but that it is this."""
    key = dg.AssetKey("dataset_manifest")
    elsewhere = dg.AssetMaterialization(key, tags={"dagster/data_version": "0" * 64})
    its_history.report_runless_asset_event(elsewhere)
    assert tell(its_history) == [("dataset_manifest", None)]
    latest = its_history.get_latest_materialization_event(key)
    assert latest and latest.asset_materialization
    assert latest.asset_materialization.metadata["track_count"].value == 4
    checks = its_history.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(key, name) for name in ("evidence_is_intact", "every_licence_permits_training")]
    )
    assert {check.run_id for check in checks.values()} == {""}  # told now, by no run
    assert {check.status.value for check in checks.values()} == {"SUCCEEDED"}


def test_what_is_not_whole_is_not_told(complete: DataRoot, its_history: dg.DagsterInstance) -> None:
    active = sorted(complete.checkpoints.glob("epoch=*"))
    (active[0] / "adapter_model.safetensors").write_bytes(b"other")
    base_scores = next((complete.metadata / "base_scores").glob("*.json"))
    base_scores.unlink()
    for page in complete.audits.glob("*/croissant.json"):
        page.unlink()
    (complete.metadata / "sources.json").write_text("[]")
    wiped = ("lora_checkpoints", "quality_metrics", "license_audit", "source_records", "encoded_dataset")
    its_history.wipe_assets([dg.AssetKey(asset) for asset in wiped])
    lacking = read_record(active[0]).partition_key
    told = tell(its_history)
    assert {asset for asset, _ in told} == {"lora_checkpoints"}
    assert len(told) == 3 and ("lora_checkpoints", lacking) not in told


def test_a_checkpoint_that_nobody_scored_is_left_to_its_evaluation(
    complete: DataRoot, its_history: dg.DagsterInstance
) -> None:
    fresh, invalid = sorted(complete.checkpoints.glob("epoch=*"))
    (fresh / "scores.json").unlink()
    record = read_record(invalid)
    (invalid / "scores.json").unlink()
    checkpoint = record.checkpoint.model_copy(update={"is_valid": False})
    write_json_atomic(
        invalid / CHECKPOINT_RECORD,
        record.model_copy(update={"checkpoint": checkpoint, "invalid_reason": "truncated"}),
    )
    its_history.wipe_assets([dg.AssetKey("lora_checkpoints")])
    keys = {partition for _, partition in tell(its_history)}
    assert record.partition_key in keys and read_record(fresh).partition_key not in keys
    check = dg.AssetCheckKey(dg.AssetKey("lora_checkpoints"), INTEGRITY)
    (found,) = its_history.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert found.status.value == "FAILED"


def test_an_audit_that_found_no_record_is_not_hidden_by_the_one_before(
    its_history: dg.DagsterInstance,
) -> None:
    key = next(iter(its_history.get_materialized_partitions(dg.AssetKey("license_audit"))))
    without_record = dg.AssetMaterialization("license_audit", partition=key, metadata={"not_audited": "why"})
    its_history.report_runless_asset_event(without_record)
    assert tell(its_history) == []


def test_the_assets_of_a_run_that_goes_on_are_left_to_it(
    complete: DataRoot, its_history: dg.DagsterInstance
) -> None:
    told = {"source_records", *TRACK_STAGES}
    its_history.wipe_assets([dg.AssetKey(asset) for asset in ("lora_training", "lora_checkpoints", *told)])
    job = defs.resolve_job_def("train")
    queue(its_history, complete)  # it waits, for ever where no daemon is, and has made no source_records
    run = its_history.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert {asset for asset, _ in tell(its_history)} == told
    its_history.report_run_failed(run)
    assert {asset for asset, _ in tell(its_history)} == {"lora_training", "lora_checkpoints"}


def test_looking_costs_as_many_queries_for_many_tracks_as_for_few(
    complete: DataRoot, its_history: dg.DagsterInstance
) -> None:
    def statements() -> int:
        seen: list[object] = []

        def note(*arguments: object) -> None:
            seen.append(arguments)

        event.listen(Engine, "before_cursor_execute", note)
        assert tell(its_history) == []
        event.remove(Engine, "before_cursor_execute", note)
        return len(seen)

    few = statements()
    registry = load_registry(complete)
    first, record = registry.tracks[0], load_record(complete, "track_001")
    assert record
    ids = [f"track_{number}" for number in range(100, 120)]
    more = [first.model_copy(update={"track_id": track_id}) for track_id in ids]
    write_json_atomic(
        complete.registry_json, registry.model_copy(update={"tracks": [*registry.tracks, *more]})
    )
    for track_id in ids:
        write_json_atomic(complete.track_record(track_id), record.model_copy(update={"track_id": track_id}))
    for stage in TRACK_STAGES:
        (version,) = {
            found.data_version
            for found in standing_tracks(Workspace())
            if (found.asset, found.partition) == (stage, "track_100")
        }
        for track_id in ids:
            told = dg.AssetMaterialization(stage, partition=track_id, tags={"dagster/data_version": version})
            its_history.report_runless_asset_event(told)
    assert statements() == few


# The daemon's way


def tick(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition, cursor: str | None = None
) -> tuple[str | None, str]:
    """The cursor after it, and what it says."""
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, resources={"workspace": Workspace()}
    ) as context:
        data = sensor.evaluate_tick(context)
    assert not data.run_requests
    return data.cursor, data.skip_message or ""


def test_while_the_ui_runs_a_sensor_tells_it(
    ready: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOFI_DATA_ROOT", str(ready.path))
    before = files_of(ready)
    cursor, said = tick(instance, history_sensor)
    assert said.startswith("entered style_presets, ")
    tracks = set(instance.get_dynamic_partitions(str(TRACKS.name)))
    assert len(tracks) == 5
    assert told_in(instance, *TRACK_STAGES) == Counter(
        (stage, key) for stage in TRACK_STAGES for key in tracks
    )
    assert told_in(instance, "source_records") == Counter([("source_records", None)])
    assert tick(instance, history_sensor, cursor) == (cursor, "nothing has changed")
    assert tick(instance, history_sensor)[1] == "the history tells of all that stands on disk"
    assert tick(instance, source_drop_sensor)[1] == "nothing new in data/raw"  # no work over it
    assert files_of(ready) == before
    record = load_record(ready, "track_001")
    assert record
    write_json_atomic(ready.track_record("track_001"), record.model_copy(update={"human_verified": True}))
    assert tick(instance, history_sensor, cursor)[1] == "the history tells of all that stands on disk"


def test_a_checkpoint_that_was_evaluated_is_told_and_not_evaluated_again(
    complete: DataRoot, its_history: dg.DagsterInstance
) -> None:
    evaluated = ("lora_checkpoints", "quality_metrics", "license_audit")
    before = set(told_in(its_history, *evaluated))
    its_history.wipe_assets([dg.AssetKey(asset) for asset in evaluated])
    assert tick(its_history, checkpoint_sensor)[1] == "every checkpoint has its scores"
    assert told_in(its_history, *evaluated) == Counter(before)


# Killed between the result and the history

KILLED = """
import importlib, os, signal, sys
place, name, data, last = sys.argv[1:]
module = importlib.import_module(place)
work = getattr(module, name)

def killed_after(*arguments, **options):
    done = work(*arguments, **options)
    list(done) if hasattr(done, "__next__") else done
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, name, killed_after)
from lofi_pipeline.cli.app import app
app(["run", "--data", data, "--to", last])
"""


@pytest.mark.slow
def test_runs_that_are_killed_before_they_tell(root: DataRoot) -> None:
    make_drop(root, "one", {"short.wav": song(9, 5.0)}, facts())
    killed_after(root, "lofi_pipeline.ingest", "register_sources", to="source_records")
    assert not told_by_history(root, "source_records")
    killed_after(root, "lofi_pipeline.ingest", "work_batch", to="raw_tracks")
    assert not told_by_history(root, *TRACK_STAGES)
    run_without_work(root, to="raw_tracks")
    every_result = [("source_records", None), *((stage, "track_001") for stage in TRACK_STAGES)]
    assert told_by_history(root, "source_records", *TRACK_STAGES) == Counter(every_result)


def test_a_run_that_is_killed_when_the_data_set_was_written(ready: DataRoot) -> None:
    killed_after(ready, "lofi_pipeline.dataset", "build_dataset", to="dataset_manifest")
    assert not told_by_history(ready, "dataset_manifest")
    for _ in range(2):
        run_without_work(ready, to="dataset_manifest")
        assert told_by_history(ready, "dataset_manifest") == Counter([("dataset_manifest", None)])


def killed_after(root: DataRoot, place: str, name: str, *, to: str) -> None:
    command = [sys.executable, "-c", KILLED, place, name, str(root.path), to]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr


def run_without_work(root: DataRoot, *, to: str) -> None:
    before = files_of(root)
    done = lofi("run", "--data", root.path, "--to", to)
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_of(root) == before


def told_by_history(root: DataRoot, *assets: str) -> Counter[Told]:
    with history(root) as instance:
        return told_in(instance, *assets)


def test_only_the_records_that_changed_are_read_to_know_what_is_not_told(
    ready: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOFI_DATA_ROOT", str(ready.path))
    monkeypatch.setattr(record_index, "FEW", 1)
    cursor, _ = tick(instance, history_sensor)
    read: list[str] = []

    def noted(root: DataRoot, track_id: str) -> TrackRecord | None:
        read.append(track_id)
        return load_record(root, track_id)

    monkeypatch.setattr("lofi_pipeline.ingest.load_record", noted)
    record = load_record(ready, "track_001")
    assert record
    touched = record.model_copy(update={"human_verified": True})
    write_json_atomic(ready.track_record("track_001"), touched)
    cursor, said = tick(instance, history_sensor, cursor)
    assert (said, set(read)) == ("the history tells of all that stands on disk", {"track_001"})
    read.clear()
    anew = {**record.inputs, "processed": "0" * 64}
    write_json_atomic(ready.track_record("track_002"), record_of(ready, "track_002", anew))
    assert "processed_audio track_002" in tick(instance, history_sensor, cursor)[1]
    assert set(read) == {"track_002"}
    assert told_in(instance, "processed_audio")["processed_audio", "track_002"] == 2


def record_of(root: DataRoot, track_id: str, inputs: dict[str, str]) -> TrackRecord:
    record = load_record(root, track_id)
    assert record
    return record.model_copy(update={"inputs": inputs})
