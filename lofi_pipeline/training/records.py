"""What goes into a training process, what it says while it runs, and what an encoded data set is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from lofi_pipeline.config import Latents, TrainingPreset
from lofi_pipeline.entities import Entity, Split
from lofi_pipeline.entities.base import RelativePath, Sha256, TrackId
from lofi_pipeline.storage import SILENT_SECONDS


class TrainingJob(Entity):
    """Everything the training process needs to know: the file given to `python -m lofi_pipeline.training.run
    --job`.
    """

    data_root: Path
    dataset_hash: Sha256
    base: str = Field(default="nano", description="nano, a hub id, or a folder in diffusers layout")
    base_licence: str | None = Field(default=None, description="Of the base, as the configuration says it")
    preset_name: str
    preset: TrainingPreset
    device: Literal["auto", "cpu", "cuda"] = "auto"
    encode_chunk_seconds: float = Field(
        default=30.0, gt=0, description="Audio that goes through the codec at once"
    )
    latents: Latents = Field(default="files", description="Whether encodings are packed into shards")
    max_bad_steps: int = Field(
        default=20, ge=1, description="Non-finite steps in a row before training stops"
    )
    snapshot_minutes: float = Field(
        default=10.0, ge=0, description="How often state is kept between checkpoints"
    )
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] | None = Field(
        default=None,
        description="Where losses are logged to as well; None: TensorBoard, where it is installed",
    )
    wait_seconds: float = Field(
        default=86_400.0, ge=0, description="How long to wait for another training to end"
    )
    at_once: int = Field(default=1, ge=1, description="How many trainings may work on the data root at once")
    silent_seconds: float = Field(
        default=SILENT_SECONDS,
        gt=0,
        description="How long another training gives no sign of life until its machine counts as dead",
    )


class EventKind(StrEnum):
    """What a training process reports."""

    STARTED = "started"
    PROGRESS = "progress"
    CHECKPOINT = "checkpoint"
    SKIPPED = "skipped"
    FINISHED = "finished"
    RESUMED = "resumed"
    STOPPED = "stopped"
    FAILED = "failed"


class TrainingEvent(Entity):
    """One line of JSON on the training process's standard output."""

    kind: EventKind
    step: int = Field(ge=0, description="Steps done so far, skipped ones included")
    max_steps: int = Field(ge=1)
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    checkpoint_id: str | None = None
    partition_key: str | None = None
    message: str = ""


Emit = Callable[[TrainingEvent], None]


class EncodedCaption(Entity):
    """One caption of a track as the transformer attends to it."""

    condition: RelativePath = Field(description="safetensors with condition, float32 [tokens, width]")
    entry: str = Field(default="", description="What the tensor's name begins with there: its own in a shard")
    tokens: int = Field(ge=1)


class EncodedPlan(EncodedCaption):
    """The plan of a track, in place of silence: the file is as that of a caption, and its tokens are latent frames."""

    window: int = Field(ge=1, description="Frames in each code of it: crops begin with a whole one")
    captions: list[EncodedCaption] = Field(
        min_length=1, description="As of the track, for a model that follows a plan"
    )


class EncodedClip(Entity):
    """Music as the trainer reads it. Paths are relative to the data root, lengths are in latent frames or tokens."""

    latents: RelativePath = Field(description="safetensors with mean and std, float32 [frames, channels]")
    entry: str = Field(default="", description="What the tensors' names begin with there: its own in a shard")
    frames: int = Field(ge=1, description="Of those that crops are drawn from")
    crop_frames: int = Field(ge=1, description="Length of the crops that are trained; never padded")
    bar_frames: float | None = Field(
        gt=0,
        description="Latent frames in a bar, of the tempo and metre in the prompt; None: it says no tempo",
    )
    captions: list[EncodedCaption] = Field(min_length=1, description="Its prompt, then other wordings")
    plan: EncodedPlan | None = None

    @property
    def conditions(self) -> list[EncodedCaption]:
        """All that the transformer is given of it beside its latents."""
        return [*self.captions, *([self.plan, *self.plan.captions] if self.plan else [])]


class EncodedTrack(EncodedClip):
    """One track as the trainer reads it."""

    track_id: TrackId
    split: Split


class EncodedDataset(Entity):
    """A data set version, encoded by one base model for one crop length."""

    dataset_hash: Sha256
    base_sha256: Sha256
    channels: int = Field(ge=1)
    latents_per_second: float = Field(gt=0)
    tracks: list[EncodedTrack]
    encoded: int = Field(ge=0, description="Cache files made this time")
    cached: int = Field(ge=0, description="Cache files that were there already")
    rebuilt: list[str] = Field(default_factory=list, description="Damaged cache files that were made anew")

    def side(self, split: Split) -> list[EncodedTrack]:
        """The tracks on one side of the split."""
        return [track for track in self.tracks if track.split is split]
