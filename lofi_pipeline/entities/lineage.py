"""A training lineage (data set x configuration x base), the record of each of its checkpoints, and their scores."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from lofi_pipeline.entities.base import Entity, RelativePath, Sha256
from lofi_pipeline.entities.checkpoint import Checkpoint, QualityMetrics
from lofi_pipeline.entities.heard import SamplesHeard
from lofi_pipeline.entities.kept_file import KeptFile
from lofi_pipeline.entities.ledger_head import LedgerHead

CHECKPOINT_RECORD = "checkpoint.json"
SCORES_RECORD = "scores.json"

PartitionKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-step[0-9]{6,}$")]


class BaseModelFacts(Entity):
    """Which base model was used, the hash of its weights, and its licence as somebody said it."""

    name: str
    sha256: Sha256 = Field(description="Over all weight and configuration files")
    sampling_rate: int
    latents_per_second: float
    licence: str | None = Field(default=None, max_length=200, description="None: nobody said")
    licence_from: str | None = Field(
        default=None, max_length=200, description="Who says so: its model card, or the configuration"
    )


class Lineage(Entity):
    """What a checkpoint is made from. Two checkpoints are comparable steps of one training only within a lineage."""

    dataset_hash: Sha256
    config_hash: Sha256 = Field(description="Of the training preset and the base model's hash")
    lineage: Sha256 = Field(description="Of data set hash and configuration hash")
    base: BaseModelFacts
    preset: str
    checkpoint_interval: int = Field(ge=1)
    max_steps: int = Field(ge=1)
    caption_variants: int = Field(
        default=0,
        ge=0,
        description="Other wordings of each prompt that were trained: metadata/captions/ holds them",
    )

    def partition_key(self, step: int) -> str:
        """The Dagster partition of this lineage's checkpoint at `step`."""
        return f"{self.lineage[:8]}-step{step:06d}"


class CheckpointRecord(Entity):
    """checkpoint.json in a checkpoint's folder: the data model's record, its lineage, and every file's hash."""

    checkpoint: Checkpoint
    lineage: Lineage
    files: dict[RelativePath, Sha256] = Field(description="Relative to the checkpoint folder")
    loss: float | None = Field(default=None, description="Mean training loss since the last checkpoint")
    validation_loss: float | None = None
    skipped_steps: int = Field(
        default=0, ge=0, description="Non-finite steps so far, skipped and never saved"
    )
    invalid_reason: str | None = None
    pruned: bool = Field(default=False, description="Weights removed by retention; the record stays")
    ledger: LedgerHead | None = Field(default=None, description="Of the seals where and when it landed")
    kept_files: dict[RelativePath, KeptFile] = Field(
        default_factory=dict,
        description="Files, scores and samples in the folder, as they were written; none in records of an earlier version",
    )

    @property
    def partition_key(self) -> str:
        """The Dagster partition of this checkpoint."""
        return self.lineage.partition_key(self.checkpoint.step)


class ScoreKey(Entity):
    """What a score depends on beside the checkpoint. Scores with different keys are never compared."""

    embedder: str
    embedder_sha256: Sha256
    dimension: int
    window_seconds: float
    reference_sha256: Sha256 = Field(description="Of the validation windows' embeddings' inputs")
    prompts_sha256: Sha256 = Field(description="Of prompts, seeds and generation settings")
    versions: dict[str, str] = Field(description="Packages the number depends on")


class Sample(Entity):
    """One generated clip."""

    prompt: str
    style_id: str | None = None
    seed: int
    path: RelativePath | None = Field(default=None, description="Relative to the data root")
    clap: float


class MemorisedSample(NamedTuple):
    """A clip that repeats a training track, and the share of its length that it does so for."""

    sample: str
    track: str
    share: float


class Scores(Entity):
    """scores.json in a checkpoint's folder (or of the base model as step 0): QualityMetrics and what stands behind."""

    metrics: QualityMetrics
    step: int
    key: ScoreKey
    clap_shuffled: float = Field(
        description="CLAP score of the same clips with shuffled prompts: the chance level"
    )
    floor_fad: float | None = Field(
        default=None, description="FAD between two halves of the validation split"
    )
    reference_windows: int
    generated_windows: int
    samples: list[Sample]
    memorised: list[MemorisedSample] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Samples that repeat a training track; None: not looked for",
    )
    heard: SamplesHeard | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="What was heard in the samples beside the scores; None: not listened for",
    )
