"""The jobs people and sensors start."""

from enum import StrEnum

import dagster as dg

from lofi_pipeline.assets.training_choice import one_choice
from lofi_pipeline.environment import Environment


class JobName(StrEnum):
    """What the jobs are called, in Dagster and everywhere else."""

    REGISTER = "register"
    INGEST = "ingest"
    BUILD_DATASET = "build_dataset"
    TRAIN = "train"
    EVALUATE = "evaluate"


ASSETS: dict[str, list[str]] = {
    JobName.REGISTER: ["style_presets", "tag_categories", "source_records"],
    JobName.INGEST: ["raw_tracks", "processed_audio", "tagged_prompts"],
    JobName.BUILD_DATASET: ["source_records", "dataset_manifest"],
    JobName.TRAIN: ["base_model", "encoded_dataset", "lora_training"],
    JobName.EVALUATE: ["lora_checkpoints", "quality_metrics", "license_audit"],
}
"""What each job makes, or may be told to make a part of. Selected as assets: names would have Dagster load a parser."""


NOT_OVER = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Of runs that are not over."""


LAUNCHED_BY = "lofi/launched_by"
SAID_AS = "user"
"""The tag that the UI shows as whoever launched a run; without it: Manually launched."""
DONE_AGAIN, ENDED_AFTER = "dagster/max_retries", "dagster/max_runtime"
BY_COMMAND = {LAUNCHED_BY: "cli", SAID_AS: "lofi (command line)", DONE_AGAIN: "0"}
"""Tags of the runs that the command line starts: whoever started one that died sees it, and gives the command again."""


def is_active(instance: dg.DagsterInstance, job_name: str, tags: dict[str, str] | None = None) -> bool:
    """Whether a run of a job, with these tags, is not over."""
    wanted = dg.RunsFilter(job_name=job_name, tags=tags, statuses=NOT_OVER)
    return bool(instance.get_run_records(wanted, limit=1))


def assets_of(run: dg.DagsterRun) -> set[str]:
    """The assets that a run tells of, as far as it is known: those asked for, or those of its job. Checkpoints land in a training."""
    asked = {key.to_user_string() for key in run.asset_selection or ()}
    assets = asked or set(ASSETS.get(run.job_name, []))
    return assets | {"lora_checkpoints"} if "lora_training" in assets else assets


def in_time(hours: float | None) -> dict[str, object]:
    """Tags of every job: a run whose process or machine died is done again, and goes on from what that one had done.

    One that failed over its work is not (see run_retries in dagster.yaml): sensors try that again, see attempts.py. A run ends
    after so many hours, where they are given.
    """
    return {DONE_AGAIN: "2", **({ENDED_AFTER: str(round(hours * 3600))} if hours else {})}


def on_a_gpu(gpus: int) -> dict[str, object]:
    """Tags that Dagster's launcher for Kubernetes reads: the pod asks for GPUs, and goes where only such pods may."""
    if not gpus:
        return {}
    name = "nvidia.com/gpu"
    return {
        "dagster-k8s/config": {
            "container_config": {"resources": {"limits": {name: str(gpus)}}},
            "pod_spec_config": {"tolerations": [{"key": name, "operator": "Exists"}]},
        }
    }


def gpus_to_train(environment: Environment) -> int:
    """For the run. A training in a pod of its own has them there: two pods that ask for the only one would wait for each other."""
    return 0 if environment.training_pod else environment.kubernetes_gpus


_ENVIRONMENT = Environment.read()
_IN_TIME = in_time(_ENVIRONMENT.most_hours)

register = dg.define_asset_job(
    JobName.REGISTER.value,
    selection=dg.AssetSelection.assets(*ASSETS[JobName.REGISTER]),
    tags=_IN_TIME,
    description="Scan data/raw: judge each drop's licence and give its tracks ids.",
)
ingest = dg.define_asset_job(
    JobName.INGEST.value,
    selection=dg.AssetSelection.assets(*ASSETS[JobName.INGEST]),
    tags=_IN_TIME,
    description="Take a range of tracks from raw to tagged, on all cores of one run.",
)
build_dataset = dg.define_asset_job(
    JobName.BUILD_DATASET.value,
    selection=dg.AssetSelection.assets(*ASSETS[JobName.BUILD_DATASET]),
    tags=_IN_TIME,
    description="Scan the drops again and make the data set of all tracks that are ready.",
)
train = dg.define_asset_job(
    JobName.TRAIN.value,
    selection=dg.AssetSelection.assets(*ASSETS[JobName.TRAIN]),
    config=one_choice,
    tags={**_IN_TIME, **on_a_gpu(gpus_to_train(_ENVIRONMENT))},
    description="Encode what is new and train the LoRA; checkpoints land, and are scored, while it runs.",
)
evaluate = dg.define_asset_job(
    JobName.EVALUATE.value,
    selection=dg.AssetSelection.assets(*ASSETS[JobName.EVALUATE]),
    tags={**_IN_TIME, **on_a_gpu(_ENVIRONMENT.kubernetes_gpus)},
    description="Verify a checkpoint, score it, prune what retention lets go, and audit its licences.",
)
