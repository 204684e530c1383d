"""What can be set: config/pipeline.yaml as one model, and where the files of the configuration are."""

from lofi_pipeline.config.files import PIPELINE_FILE, config_file, config_root, read_yaml
from lofi_pipeline.config.load import base_name, load_config
from lofi_pipeline.config.settings import (
    CLIP_SCORER_GROUP,
    EMBEDDER_GROUP,
    EMBEDDERS,
    AudioSettings,
    DatasetSettings,
    EvaluationSettings,
    IngestSettings,
    LicensingSettings,
    PipelineConfig,
    QualitySettings,
    RetentionSettings,
    TaggingSettings,
    TrainingPreset,
    TrainingSettings,
    config_hash,
)

__all__ = [
    "CLIP_SCORER_GROUP",
    "EMBEDDERS",
    "EMBEDDER_GROUP",
    "PIPELINE_FILE",
    "AudioSettings",
    "DatasetSettings",
    "EvaluationSettings",
    "IngestSettings",
    "LicensingSettings",
    "PipelineConfig",
    "QualitySettings",
    "RetentionSettings",
    "TaggingSettings",
    "TrainingPreset",
    "TrainingSettings",
    "base_name",
    "config_file",
    "config_hash",
    "config_root",
    "load_config",
    "read_yaml",
]
