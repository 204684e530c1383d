"""`lofi run` asks the real sensor what is to be scored; training and scoring themselves are stood in for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest

from lofi_pipeline.automation.jobs import JobName
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.cli.job_process import run_job
from lofi_pipeline.cli.run import POLL_SECONDS, Failure, Headless
from lofi_pipeline.config import load_config
from lofi_pipeline.definitions import defs
from lofi_pipeline.resources import OWNER_TAG, owner_tag
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_folder
from lofi_pipeline_tests.end_to_end.lofi import write_config


class KilledAfterLanding(Headless):
    """Its training lands a checkpoint and is killed before Dagster knows of it; what would run is noted."""

    ran: list[tuple[str | None, list[str] | None]]

    def _training_is_complete(self) -> bool:
        return False

    @contextmanager
    def _training(self) -> Iterator[Callable[[], bool]]:
        looks = iter([True, False])  # what lies there before the first look is taken to stand still
        yield lambda: next(looks)
        make_folder(self.root, 20)
        self.outcome.failures.append(Failure(JobName.TRAIN, "the training process ended with code -9"))

    def _job(
        self,
        job: JobName,
        *,
        partition_key: str | None = None,
        assets: list[str] | None = None,
        tags: dict[str, str] | None = None,
        **_: Any,
    ) -> None:
        self.ran.append((partition_key, assets))
        self.instance.create_run_for_job(defs.resolve_job_def(job), tags=tags)


@pytest.mark.parametrize("last", ["lora_checkpoints", "quality_metrics"])
def test_a_checkpoint_that_training_was_killed_before_telling_of_is_entered_in_the_same_run(
    last: str, root: DataRoot, instance: dg.DagsterInstance, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than from one look to the next, or it would stand still by then already.
    config = write_config(tmp_path / "config", ingest={"stable_seconds": 3 * POLL_SECONDS})
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(config))
    way = KilledAfterLanding(root, load_config(), instance)
    way.ran = []
    way._train_and_evaluate(last)
    key = read_record(root.checkpoint("epoch=0-step=20_lora")).partition_key
    every = ["lora_checkpoints", "quality_metrics", "license_audit"]
    assert way.ran == [(key, every if last == "quality_metrics" else every[:1])]


def train(root: DataRoot, instance: dg.DagsterInstance) -> tuple[int, Failure]:
    """Runs that Dagster knows after a training that fails, and what `lofi run` says of it."""
    way = Headless(root, load_config(), instance)
    with way._training() as is_running:
        while is_running():
            time.sleep(0.05)
    (failure,) = way.outcome.failures
    assert failure.job is JobName.TRAIN
    return way.outcome.dagster_runs, failure


def test_training_is_a_run_in_a_process_of_its_own_that_says_why_it_fails(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    runs, failure = train(root, instance)
    (run,) = instance.get_runs()
    assert (runs, run.job_name, run.status) == (1, JobName.TRAIN, dg.DagsterRunStatus.FAILURE)
    assert run.tags[OWNER_TAG] != owner_tag()[OWNER_TAG]
    assert "no data set yet; materialize dataset_manifest" in failure.reason
    assert "Traceback" not in failure.reason


def test_a_training_that_does_not_reach_dagster_says_why(
    root: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = root.path / "lofi_pipeline"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(root.path))  # it is found there first
    runs, failure = train(root, instance)
    assert (runs, instance.get_runs_count()) == (0, 0)
    assert failure.reason.endswith("ImportError: half installed")


def test_a_run_is_seen_to_live_also_from_another_machine(
    root: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[list[str]] = []

    def look(*_: object, **__: object) -> None:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("platform.node", lambda: "another machine")
            ended.append(end_orphans(instance))
        raise OSError("it is killed")

    monkeypatch.setattr("lofi_pipeline.ingest.register_sources", look)
    run_job(instance, JobName.REGISTER)
    assert ended == [[]]
    assert not list((root.dagster_home / "running").iterdir())
