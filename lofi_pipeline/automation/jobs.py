"""The jobs people and sensors start."""

import dagster as dg

from lofi_pipeline.assets.partitions import CHECKPOINTS, TRACKS

register = dg.define_asset_job(
    "register",
    selection=["style_presets", "tag_categories", "source_records"],
    description="Scan data/raw: judge each drop's licence and give its tracks ids.",
)
ingest = dg.define_asset_job(
    "ingest",
    selection=["raw_tracks", "processed_audio", "tagged_prompts"],
    partitions_def=TRACKS,
    description="Take a range of tracks from raw to tagged, on all cores of one run.",
)
build_dataset = dg.define_asset_job(
    "build_dataset",
    selection=["source_records", "dataset_manifest"],
    description="Scan the drops again and make the data set of all tracks that are ready.",
)
train = dg.define_asset_job(
    "train",
    selection=["base_model", "encoded_dataset", "lora_training"],
    description="Encode what is new and train the LoRA; checkpoints land, and are scored, while it runs.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=["lora_checkpoints", "quality_metrics", "license_audit"],
    partitions_def=CHECKPOINTS,
    description="Verify a checkpoint, score it, prune what retention lets go, and audit its licences.",
)
