"""Ticks of training_sensor: off by default; with automation.train: on_new_version, one training for each data set version."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from lofi_pipeline.automation.training_sensor import VERSION_TAG, training_sensor
from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.definitions import defs
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage

HASH, NEXT = "a" * 64, "b" * 64


def publish(root: DataRoot, dataset_hash: str) -> None:
    write_json_atomic(
        root.dataset_manifest_json,
        {
            "dataset_id": f"dataset-{dataset_hash[:12]}",
            "created": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
            "track_count": 2,
            "train_count": 1,
            "validation_count": 1,
            "total_duration": 0.1,
            "style_distribution": {"core": 2},
            "hash": dataset_hash,
        },
    )


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str]:
    with dg.build_sensor_context(
        instance=instance, definitions=defs, resources={"workspace": Workspace()}
    ) as context:
        data = training_sensor.evaluate_tick(context)
    return list(data.run_requests or []), str(data.skip_message or "")


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOFI_AUTOMATION__TRAIN", "on_new_version")


def test_nothing_is_trained_unless_it_is_asked_for(root: DataRoot, instance: dg.DagsterInstance) -> None:
    publish(root, HASH)
    requests, reason = tick(instance)
    assert not requests and "automation.train is manual" in reason


@pytest.mark.usefixtures("following")
def test_each_version_is_trained_on_once(root: DataRoot, instance: dg.DagsterInstance) -> None:
    requests, reason = tick(instance)
    assert not requests and "run build_dataset" in reason
    publish(root, HASH)
    (first,), _ = tick(instance)
    (again,), _ = tick(instance)
    assert first.run_key == again.run_key  # which the daemon starts once
    publish(root, NEXT)
    (second,), _ = tick(instance)
    assert second.run_key != first.run_key and second.tags[VERSION_TAG] == NEXT


@pytest.mark.usefixtures("following")
def test_it_waits_for_the_jobs_before_and_tries_again_what_failed(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    publish(root, HASH)
    (first,), _ = tick(instance)
    job = defs.resolve_job_def("train")
    run = instance.create_run_for_job(job, tags={VERSION_TAG: HASH}, status=dg.DagsterRunStatus.STARTED)
    requests, reason = tick(instance)
    assert not requests and "train is running" in reason
    instance.report_run_failed(run)
    (second,), _ = tick(instance)
    assert second.run_key != first.run_key
    for _ in range(2):
        instance.create_run_for_job(job, tags={VERSION_TAG: HASH}, status=dg.DagsterRunStatus.FAILURE)
    requests, reason = tick(instance)
    assert not requests and "failed 3 times" in reason


@pytest.mark.usefixtures("following")
def test_a_version_that_was_trained_on_by_hand_is_left_alone(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    lineage = make_lineage()
    activate_lineage(root, lineage)
    publish(root, lineage.dataset_hash)
    requests, reason = tick(instance)  # it has other settings than the configuration, and is not complete
    assert not requests and "with other settings" in reason
    make_folder(root, lineage.max_steps)
    requests, reason = tick(instance)
    assert not requests and "is trained on" in reason
    publish(root, NEXT)
    assert tick(instance)[0]
