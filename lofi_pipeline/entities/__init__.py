"""The data model: every record the pipeline reads or writes, as frozen pydantic models."""

from lofi_pipeline.entities.base import Entity, RecordError, describe_errors, now, track_number
from lofi_pipeline.entities.checkpoint import (
    Checkpoint,
    HumanEvaluation,
    QualityMetrics,
    StyleOutcome,
    checkpoint_id_of,
)
from lofi_pipeline.entities.dataset import Dataset
from lofi_pipeline.entities.dataset_version import DatasetVersion, VersionTrack
from lofi_pipeline.entities.drop import Drop, DropAudio, DropStatus, RegisteredTrack, Registry, Scan
from lofi_pipeline.entities.lineage import (
    CHECKPOINT_RECORD,
    SCORES_RECORD,
    BaseModelFacts,
    CheckpointRecord,
    Lineage,
    Sample,
    ScoreKey,
    Scores,
)
from lofi_pipeline.entities.source import (
    RAW_FOLDER,
    SOURCE_TYPE_OF_FOLDER,
    DropFile,
    DropManifest,
    SourceRecord,
    SourceType,
)
from lofi_pipeline.entities.style import StyleCategory, StylePreset, TagCategory, TagKind, category_of_style
from lofi_pipeline.entities.track import Split, Track, TrackState
from lofi_pipeline.entities.track_record import (
    CutInfo,
    ProcessedFacts,
    QualityPart,
    QualityReport,
    TaggedFacts,
    TrackMeasurements,
    TrackOrigin,
    TrackRecord,
    TrackStatus,
)

__all__ = [
    "CHECKPOINT_RECORD",
    "RAW_FOLDER",
    "SCORES_RECORD",
    "SOURCE_TYPE_OF_FOLDER",
    "BaseModelFacts",
    "Checkpoint",
    "CheckpointRecord",
    "CutInfo",
    "Dataset",
    "DatasetVersion",
    "Drop",
    "DropAudio",
    "DropFile",
    "DropManifest",
    "DropStatus",
    "Entity",
    "HumanEvaluation",
    "Lineage",
    "ProcessedFacts",
    "QualityMetrics",
    "QualityPart",
    "QualityReport",
    "RecordError",
    "RegisteredTrack",
    "Registry",
    "Sample",
    "Scan",
    "ScoreKey",
    "Scores",
    "SourceRecord",
    "SourceType",
    "Split",
    "StyleCategory",
    "StyleOutcome",
    "StylePreset",
    "TagCategory",
    "TagKind",
    "TaggedFacts",
    "Track",
    "TrackMeasurements",
    "TrackOrigin",
    "TrackRecord",
    "TrackState",
    "TrackStatus",
    "VersionTrack",
    "category_of_style",
    "checkpoint_id_of",
    "describe_errors",
    "now",
    "track_number",
]
