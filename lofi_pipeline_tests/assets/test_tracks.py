"""A range of tracks in one real run: every partition tells its own truth."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import soundfile
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.automation.unreported import tell_unreported
from lofi_pipeline.definitions import defs
from lofi_pipeline.entities import TrackRecord
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.audio.music import write
from lofi_pipeline_tests.drops import facts, make_drop, song

MEASURED = ("duration", "tempo_bpm", "output_lufs", "true_peak_dbtp")
STAGES = ("raw_tracks", "processed_audio", "tagged_prompts")


def run(instance: dg.DagsterInstance, job: str, **options: object) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)  # pyright: ignore


def latest(instance: dg.DagsterInstance, stage: str, key: str) -> dg.AssetMaterialization | None:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage), asset_partitions=[key])
    records = instance.fetch_materializations(wanted, limit=5).records
    assert len(records) <= 1, "a success was told twice"
    return records[0].asset_materialization if records else None


def is_rounded(value: object) -> bool:
    """Whether a number has four significant digits at most."""
    return isinstance(value, float) and value == float(f"{value:.3e}")


def test_one_good_one_refused_one_failed_track_in_one_run(
    root: DataRoot, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(song(0))
    mono = write(tmp_path / "mono.wav", np.stack([samples.mean(axis=1)] * 2), rate)
    folder = make_drop(root, "one", {"a.wav": mono, "b.wav": song(9, 5.0), "c.wav": song(1)}, facts())
    make_drop(root, "no<b>", {"x.wav": b"x"}, facts(source_id="x", license_type="CC BY-NC 4.0"))
    assert run(instance, "register").success
    ordered = instance.get_dynamic_partitions(str(TRACKS.name))
    assert ordered == ["track_001", "track_002", "track_003"]
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [
            dg.AssetCheckKey(dg.AssetKey("source_records"), name)
            for name in ("every_accepted_source_permits_training", "no_drop_waits_or_is_refused")
        ]
    )
    assert [record.status.value for _, record in sorted(checks.items())] == ["SUCCEEDED", "FAILED"]
    event = instance.get_latest_materialization_event(dg.AssetKey("source_records"))
    assert event and event.asset_materialization
    table = event.asset_materialization.metadata["table"]
    assert isinstance(table, dg.TableMetadataValue)  # whose cells the UI shows as plain text
    assert any("no<b>" in str(record.data["drop"]) for record in table.records)

    (folder / "c.wav").unlink()  # a fault nobody foresaw: the original vanishes before it is read
    (tags,) = ranges_of(ordered, ordered, most=200)
    result = run(instance, "ingest", tags=tags)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data and "1 of 3 tracks failed: track_003 (raw/creative-commons/one/c.wav)" in (
        data.description or ""
    )

    checks = {check.asset_key.to_user_string(): check for check in result.get_asset_check_evaluations()}
    assert {stage: check.passed for stage, check in checks.items()} == {
        "raw_tracks": True,
        "processed_audio": False,
        "tagged_prompts": True,
    }
    assert all(check.severity is dg.AssetCheckSeverity.WARN for check in checks.values())
    listed = checks["processed_audio"].metadata["tracks"]
    assert isinstance(listed, dg.TableMetadataValue)
    (row,) = (record.data for record in listed.records)
    assert row["track_id"] == "track_002" and row["file"] == "raw/creative-commons/one/b.wav"
    assert "too short" in str(row["reason"])

    for stage in STAGES:
        good = latest(instance, stage, "track_001")
        assert good and good.metadata["status"].value == "ok"
        assert latest(instance, stage, "track_003") is None
        assert instance.get_materialized_partitions(dg.AssetKey(stage)) == {"track_001", "track_002"}
    refused = {stage: latest(instance, stage, "track_002") for stage in STAGES}
    status = {stage: event and event.metadata["status"].value for stage, event in refused.items()}
    assert status == {"raw_tracks": "ok", "processed_audio": "rejected", "tagged_prompts": "rejected"}
    assert refused["processed_audio"] and "too short" in str(
        refused["processed_audio"].metadata["reason"].value
    )
    processed = latest(instance, "processed_audio", "track_001")
    assert processed
    assert {"waveform", "quality_score", "duration", "tempo_bpm", "key", "audio_path"} <= set(
        processed.metadata
    )
    assert all(is_rounded(processed.metadata[name].value) for name in MEASURED)
    score, penalties = processed.metadata["quality_score"].value, str(processed.metadata["quality"].value)
    assert "Both channels are the same: mono" in penalties
    assert str(processed.metadata["waveform"].value).startswith("![](data:image/png;base64,")
    raw = latest(instance, "raw_tracks", "track_001")
    assert raw and raw.metadata["licence"].value == "CC0-1.0"
    assert raw.metadata["path"].value == "raw/creative-commons/one/a.wav"
    assert all(event and event.tags and event.tags.get("dagster/data_version") for event in (processed, raw))

    built = run(instance, "build_dataset")
    assert built.success
    checks = {check.check_name: check.passed for check in built.get_asset_check_evaluations()}
    assert len(checks) == 11
    assert [name for name, passed in sorted(checks.items()) if not passed] == [
        "no_drop_waits_or_is_refused",
        "validation_share_is_near_its_target",  # one track has no second for validation
    ]
    entry = read_json(root.quality_scores_json)["track_001"]
    assert entry["score"] == score
    assert "; ".join(part["sentence"] for part in entry["parts"]) == penalties
    assert 100 - sum(part["penalty"] for part in entry["parts"]) == pytest.approx(score, abs=0.6)
    event = instance.get_latest_materialization_event(dg.AssetKey("dataset_manifest"))
    assert event and event.asset_materialization
    facts_shown = event.asset_materialization.metadata
    assert facts_shown["track_count"].value == 1
    assert (event.asset_materialization.tags or {})["dagster/data_version"] == facts_shown["hash"].value


def test_refused_tracks_fail_the_check_until_they_are_gone_and_never_the_run(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    folder = make_drop(root, "one", {"a.wav": song(9, 5.0)}, facts())
    assert run(instance, "register").success
    assert run(instance, "ingest", partition_key="track_001").success
    assert refused(instance)
    make_drop(root, "two", {"b.wav": song(0)}, facts(source_id="two"))
    assert run(instance, "register").success
    assert run(instance, "ingest", partition_key="track_002").success
    assert refused(instance), "a later batch without refusals hides those before it"
    with dg.DagsterInstance.ephemeral() as lost:  # a history that is made anew tells of them, too
        list(tell_unreported(lost, Workspace(data_root=str(root.path))))
        assert refused(lost)
    (folder / "a.wav").unlink()
    assert run(instance, "register").success
    assert run(instance, "ingest", partition_key="track_002").success
    assert not refused(instance)


def refused(instance: dg.DagsterInstance) -> bool:
    """Whether the page of processed_audio shows that tracks are refused there."""
    key = dg.AssetCheckKey(dg.AssetKey("processed_audio"), "no_track_is_refused")
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
    return record.status is AssetCheckExecutionRecordStatus.FAILED


def test_a_node_of_a_cluster_that_is_spared_is_named_in_the_log_of_the_run(
    root: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    assert run(instance, "register").success

    def spare(*_: object, tell: Callable[[str], None]) -> Iterator[TrackRecord]:
        tell("node m1: is full")
        return iter(())

    monkeypatch.setattr("lofi_pipeline.ingest.work_batch", spare)
    result = run(instance, "ingest", partition_key="track_001")
    lines = {entry.user_message: entry.level for entry in instance.all_logs(result.run_id)}
    assert lines["node m1: is full"] == logging.WARNING


def test_an_empty_data_root_says_what_to_do(root: DataRoot, instance: dg.DagsterInstance) -> None:
    result = run(instance, "build_dataset")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data and "drop music into data/raw" in (data.description or "")
