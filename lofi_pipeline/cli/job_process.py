"""A Dagster run of one job, in this process or in one of its own: `python -m lofi_pipeline.cli.job_process JOB RUN_ID`.

In a process of its own the run ends with whoever started it. SIGTERM has Dagster interrupt it, which asks a training to
keep its state. Standard output then carries one Progress in JSON a line.
"""

import sys
from collections.abc import Mapping, Sequence
from uuid import uuid4

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.jobs import BY_COMMAND, JobName
from lofi_pipeline.definitions import defs
from lofi_pipeline.errors import LofiError
from lofi_pipeline.processes import end_with_parent, messages_apart
from lofi_pipeline.resources import owned
from lofi_pipeline.storage import DataRoot, in_words

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(
    instance: dg.DagsterInstance,
    job: JobName,
    *,
    run_id: str | None = None,
    assets: Sequence[str] | None = None,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Run the job, or some of its assets, to its end. Returns the id by which the instance knows what came of it."""
    run_id = run_id or str(uuid4())
    with owned(instance, run_id) as owner:
        defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            partition_key=partition_key,
            tags={**BY_COMMAND, **owner, **(tags or {})},
            run_config={"quiet": True} if job is JobName.TRAIN else _QUIET,
            raise_on_error=False,
        )
    return run_id


def main(job: JobName, run_id: str) -> None:
    """The run of a job in this process, whose exit code is 1 where a fault is told on standard error."""
    messages = messages_apart()
    end_with_parent()
    try:
        with open_instance(DataRoot.find()) as instance, progress.listening(progress.to_lines(messages)):
            run_job(instance, job, run_id=run_id)
    except (LofiError, OSError) as error:
        sys.exit(in_words(error))


if __name__ == "__main__":
    main(JobName(sys.argv[1]), sys.argv[2])
