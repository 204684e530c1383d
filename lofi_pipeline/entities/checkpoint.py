"""A training snapshot, and what was measured on it."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from lofi_pipeline.entities.base import Entity, RelativePath, Sha256, StyleId, Timestamp

DEFAULT_CHECKPOINT_INTERVAL = 5000
IMPORTED_STEP = 1
"""Of the one checkpoint that a LoRA from elsewhere becomes: how many steps it was trained is not known."""
CHECKPOINT_PATTERN = "epoch=0-step=*_lora"
"""What the folders of checkpoints are called, as a glob."""
CheckpointId = Annotated[str, StringConstraints(pattern=r"^epoch=0-step=[0-9]+_lora$")]


def checkpoint_id_of(step: int) -> str:
    """The data model's id of the checkpoint at a step."""
    return f"epoch=0-step={step}_lora"


def is_checkpoint_id(name: str) -> bool:
    """Whether a folder of this name is meant to be a checkpoint's."""
    return fnmatchcase(name, CHECKPOINT_PATTERN) and _step_in(name).isdecimal()


def step_of_folder(name: str) -> int:
    """The step that the name of a checkpoint's folder says, its id."""
    return int(_step_in(name))


def _step_in(name: str) -> str:
    return name.removeprefix("epoch=0-step=").removesuffix("_lora")


class Checkpoint(Entity):
    """One LoRA checkpoint. The path is relative to the data root.

    `step` must be a multiple of the checkpoint interval: 5000, or `context={"checkpoint_interval": n}`.
    """

    checkpoint_id: CheckpointId = Field(description='Format "epoch=0-step={N}_lora"')
    step: int = Field(ge=0, description="Training step number, a multiple of the checkpoint interval")
    path: RelativePath = Field(description="Relative path to the checkpoint directory")
    timestamp: Timestamp = Field(description="When the checkpoint was saved")
    fad_score: float | None = Field(default=None, ge=0, description="FAD against the validation set")
    clap_score: float | None = Field(default=None, ge=-1, le=1, description="CLAP alignment score")
    is_valid: bool = Field(description="Checkpoint integrity verified by loading it")
    config_hash: Sha256 = Field(description="Hash of the training configuration")
    dataset_hash: Sha256 = Field(description="Hash of the data set version")
    samples_generated: bool = Field(default=False, description="Sample audio generated")

    @model_validator(mode="after")
    def _step_fits(self, info: ValidationInfo) -> Self:
        interval = (info.context or {}).get("checkpoint_interval", DEFAULT_CHECKPOINT_INTERVAL)
        if self.step % interval:
            raise ValueError(f"step: {self.step} is not a multiple of the checkpoint interval {interval}")
        if self.checkpoint_id != checkpoint_id_of(self.step):
            raise ValueError(f"checkpoint_id: step {self.step} wants the id {checkpoint_id_of(self.step)}")
        return self

    @classmethod
    def checked(cls, data: dict[str, Any], *, where: str, checkpoint_interval: int) -> Self:
        """Validate `data` against the checkpoint interval it was trained with."""
        return cls.parse(data, where=where, context={"checkpoint_interval": checkpoint_interval})


class StyleOutcome(Entity):
    """Whether a checkpoint generated a style, and whether the embedder recognises it."""

    generated: bool
    recognizable: bool


def _unknown(value: object) -> bool:
    return value is None


class HumanEvaluation(Entity):
    """Result of a blind listening test."""

    evaluator_count: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    p_value: float = Field(ge=0, le=1)
    date: date
    trials: int | None = Field(
        default=None, ge=1, exclude_if=_unknown, description="Answers that count; None: not said"
    )
    interval: tuple[float, float] | None = Field(
        default=None,
        exclude_if=_unknown,
        description="95 % interval of the accuracy, after Clopper and Pearson",
    )
    indistinguishable: bool | None = Field(
        default=None,
        exclude_if=_unknown,
        description="Whether the accuracy was shown to lie near one half, by an equivalence test; None: not asked",
    )
    test: str | None = Field(default=None, exclude_if=_unknown, description="The listening test it is of")

    @property
    def sentence(self) -> str:
        """What it says, and what it does not: a p above 0.05 is no proof that nobody can tell."""
        of = f" of {self.trials} pairs" if self.trials else ""
        told = f"{self.evaluator_count} listeners told {self.accuracy:.1%}{of} right (p = {self.p_value:.3g}, {self.date})"
        shown = {True: "; shown to be indistinguishable", False: "; not shown to be indistinguishable"}
        return told + (shown[self.indistinguishable] if self.indistinguishable is not None else "")


class QualityMetrics(Entity):
    """Quality evaluation of one checkpoint."""

    checkpoint_id: CheckpointId = Field(description="The checkpoint that was evaluated")
    evaluation_date: Timestamp = Field(description="When the evaluation ran")
    fad_score: float = Field(ge=0, description="Frechet audio distance to the validation set")
    clap_score: float = Field(ge=-1, le=1, description="Mean text-audio cosine")
    style_coverage: dict[StyleId, StyleOutcome] | None = Field(default=None, description="Success by style")
    human_evaluation: HumanEvaluation | None = Field(default=None, description="Listening test")
