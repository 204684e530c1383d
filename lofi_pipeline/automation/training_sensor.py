"""training_sensor: has each new data set version trained on, where `automation.train` says so; off by default."""

import dagster as dg

from lofi_pipeline.automation.attempts import is_exhausted
from lofi_pipeline.automation.jobs import JobName, is_active, train
from lofi_pipeline.resources import Workspace

TICK_SECONDS = 60
VERSION_TAG = "lofi/dataset_hash"
BEFORE_TRAINING = (JobName.REGISTER, JobName.INGEST, JobName.BUILD_DATASET, JobName.TRAIN)
"""Jobs that are waited for: the version may be another when they are over."""


@dg.sensor(
    job=train,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains on each new data set version as the configuration says, if automation.train is on_new_version.",
)
def training_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick: a run for each version that no training was begun on, however the data set was built."""
    if workspace.config.automation.train == "manual":
        return _wait(
            "automation.train is manual: start the job `train` yourself, or set it to on_new_version"
        )
    instance = context.instance
    if busy := [job.value for job in BEFORE_TRAINING if is_active(instance, job.value)]:
        return _wait(f"{busy[0]} is running")
    wanted, reason = _wanted(workspace)
    if wanted is None:
        return _wait(reason)
    failed = dg.RunsFilter(
        job_name=train.name, tags={VERSION_TAG: wanted}, statuses=[dg.DagsterRunStatus.FAILURE]
    )
    if is_exhausted(instance, failed, attempts := workspace.config.ingest.max_attempts):
        return _wait(f"the training failed {attempts} times; see its runs. It is tried again in an hour")
    run_key = f"{wanted}#{instance.get_runs_count(failed)}"
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key, tags={VERSION_TAG: wanted})])


def _wait(reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason))


def _wanted(workspace: Workspace) -> tuple[str | None, str]:
    """The hash of the data set version to train on, or why there is none."""
    from lofi_pipeline.assets.lora_training import asked_for
    from lofi_pipeline.checkpoints.manifest import active_lineage
    from lofi_pipeline.dataset import current_hash
    from lofi_pipeline.training.lineage import last_checkpoint

    current, active = current_hash(workspace.root), active_lineage(workspace.root)
    if current is None:
        return None, "there is no data set yet: run build_dataset"
    if active is None or active.dataset_hash != current:
        return current, ""
    if last_checkpoint(workspace.root, active):
        return None, "the newest data set version is trained on"
    if not asked_for(workspace, active):
        return (
            None,
            "a training with other settings was begun on the newest version: go on with it, or start `train`",
        )
    return current, ""
