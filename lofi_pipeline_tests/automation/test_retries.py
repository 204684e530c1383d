"""A run whose process died is done again; one that failed over its work, or that somebody started by a command, is not."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG

from lofi_pipeline.automation.jobs import BY_COMMAND, JobName, in_time
from lofi_pipeline.definitions import defs


def failed(
    instance: dg.DagsterInstance,
    job: JobName,
    tags: dict[str, str] | None = None,
    after: dg.DagsterRun | None = None,
) -> dg.DagsterRun:
    """A run of a job that has failed; the one after another, as Dagster's daemon does that again."""
    definition, kept = defs.resolve_job_def(job), tags or {}
    first = (after.root_run_id or after.run_id) if after else None
    if after and first:
        kept = {**kept, ROOT_RUN_ID_TAG: first, PARENT_RUN_ID_TAG: after.run_id}
    return instance.create_run_for_job(
        definition,
        tags={**definition.run_tags, **kept},
        status=DagsterRunStatus.FAILURE,
        root_run_id=first,
        parent_run_id=after.run_id if after else None,
    )


@pytest.mark.parametrize("job", list(JobName))
def test_a_run_whose_process_died_is_done_again_twice_at_most(
    instance: dg.DagsterInstance, job: JobName
) -> None:
    assert instance.run_retries_enabled
    run = failed(instance, job)
    for _ in range(2):
        assert auto_reexecution_should_retry_run(instance, run, RunFailureReason.UNKNOWN)
        run = failed(instance, job, after=run)
    assert not auto_reexecution_should_retry_run(instance, run, RunFailureReason.UNKNOWN)


def test_one_that_failed_over_its_work_is_not(instance: dg.DagsterInstance) -> None:
    run = failed(instance, JobName.INGEST)
    assert not auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE)


def test_nor_is_one_that_somebody_started_by_a_command(instance: dg.DagsterInstance) -> None:
    run = failed(instance, JobName.TRAIN, BY_COMMAND)
    assert not auto_reexecution_should_retry_run(instance, run, RunFailureReason.UNKNOWN)


def test_runs_end_after_some_hours_only_where_that_is_asked_for() -> None:
    assert "dagster/max_runtime" not in defs.resolve_job_def(JobName.TRAIN).run_tags
    assert in_time(1.5)["dagster/max_runtime"] == "5400"
