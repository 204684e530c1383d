"""The jobs people and sensors start."""

from enum import StrEnum

import dagster as dg


class JobName(StrEnum):
    """What the jobs are called, in Dagster and everywhere else."""

    REGISTER = "register"
    INGEST = "ingest"
    BUILD_DATASET = "build_dataset"
    TRAIN = "train"
    EVALUATE = "evaluate"


ACTIVE_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Of runs that are not over."""

register = dg.define_asset_job(
    JobName.REGISTER.value,
    selection=["style_presets", "tag_categories", "source_records"],
    description="Scan data/raw: judge each drop's licence and give its tracks ids.",
)
ingest = dg.define_asset_job(
    JobName.INGEST.value,
    selection=["raw_tracks", "processed_audio", "tagged_prompts"],
    description="Take a range of tracks from raw to tagged, on all cores of one run.",
)
build_dataset = dg.define_asset_job(
    JobName.BUILD_DATASET.value,
    selection=["source_records", "dataset_manifest"],
    description="Scan the drops again and make the data set of all tracks that are ready.",
)
train = dg.define_asset_job(
    JobName.TRAIN.value,
    selection=["base_model", "encoded_dataset", "lora_training"],
    description="Encode what is new and train the LoRA; checkpoints land, and are scored, while it runs.",
)
evaluate = dg.define_asset_job(
    JobName.EVALUATE.value,
    selection=["lora_checkpoints", "quality_metrics", "license_audit"],
    description="Verify a checkpoint, score it, prune what retention lets go, and audit its licences.",
)
