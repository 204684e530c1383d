"""The asset graph, in the order of the way from drop to scored checkpoint."""

from lofi_pipeline.assets.configuration import base_model, style_presets, tag_categories
from lofi_pipeline.assets.dataset_manifest import dataset_checks, dataset_manifest
from lofi_pipeline.assets.encoded_dataset import encoded_dataset
from lofi_pipeline.assets.license_audit import license_audit
from lofi_pipeline.assets.lora_checkpoints import lora_checkpoints
from lofi_pipeline.assets.lora_training import lora_training
from lofi_pipeline.assets.quality_metrics import quality_metrics
from lofi_pipeline.assets.source_records import source_records
from lofi_pipeline.assets.tracks import tracks

all_assets = [
    style_presets,
    tag_categories,
    source_records,
    tracks,
    dataset_manifest,
    base_model,
    encoded_dataset,
    lora_training,
    lora_checkpoints,
    quality_metrics,
    license_audit,
]
all_checks = [*dataset_checks]

__all__ = ["all_assets", "all_checks"]
