"""The pipeline's one configuration file, config/pipeline.yaml, as models: a wrong key or value is refused by name."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from lofi_pipeline.entities import Entity, RecordError
from lofi_pipeline.storage import content_sha256

CONFIG_VARIABLE = "LOFI_CONFIG_ROOT"
BASE_VARIABLE = "LOFI_BASE"

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class AudioSettings(Entity):
    """How a file becomes a processed MP3."""

    target_lufs: float = Field(default=-14.0, ge=-40, le=-5)
    true_peak_ceiling_dbtp: float = Field(default=-1.0, ge=-9, le=0)
    max_limiter_db: float = Field(default=3.0, ge=0, le=6)
    mp3_vbr_quality: int = Field(default=2, ge=0, le=9)
    min_seconds: float = Field(default=30.0, ge=30)
    max_seconds: float = Field(default=240.0, le=240)
    max_input_seconds: Positive = 7200.0


class QualitySettings(Entity):
    """Which tracks are good enough to train on."""

    min_score: int = Field(default=40, ge=0, le=100)


class TaggingSettings(Entity):
    """How styles are suggested where nobody declared any."""

    zero_shot: Literal["clap", "nano", "off"] = Field(
        default="clap", description="What listens beside the measurements, where its weights are in place"
    )


class DatasetSettings(Entity):
    """How the data set is split."""

    validation_ratio: float = Field(default=0.1, gt=0, lt=1)
    seed: int = 0


class LicensingSettings(Entity):
    """Which licences may be trained on."""

    profile: Literal["cc", "strict"] = "cc"
    commercial: bool = True


class IngestSettings(Entity):
    """How drops are watched and how tracks are worked on."""

    batch_size: Count = 200
    workers: int = Field(default=0, ge=0, description="0: one for each core")
    max_attempts: Count = 3
    stable_seconds: float = Field(default=10.0, ge=0)


class TrainingPreset(Entity):
    """One way to train a LoRA."""

    checkpoint_interval: Count = 5000
    max_steps: Count
    batch_size: Count
    crop_seconds: Positive
    crops_on_bars: bool = Field(
        default=False, description="Crops start whole bars from the start of a track, else anywhere"
    )
    learning_rate: Positive
    warmup_steps: int = Field(default=100, ge=0)
    lora_rank: Count = 64
    lora_alpha: Count = 128
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: Positive = 1.0
    condition_dropout: Fraction = 0.15
    caption_variants: int = Field(
        default=0, ge=0, le=63, description="Other wordings of each training prompt, trained as often as it"
    )
    timestep: Literal["logit_normal", "turbo8"] = "logit_normal"
    timestep_mean: float = -0.4
    timestep_std: Positive = 1.0
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    validation_batches: Count = 4


TRAINER_VERSION = "1"
"""Raise it when the trainer makes other weights of the same settings."""


def config_hash(preset: TrainingPreset, base_sha256: str) -> str:
    """Hash of all that decides the result beside the data set: preset, base weights, version of the trainer."""
    # Without what is off: a setting that is added later makes no new lineage
    settings = preset.model_dump(
        mode="json", exclude=None if preset.caption_variants else {"caption_variants"}
    )
    return content_sha256({"preset": settings, "base": base_sha256, "trainer": TRAINER_VERSION})


class TrainingSettings(Entity):
    """The training presets, and the one in use."""

    base: str = Field(
        default="nano", min_length=1, description="nano, a hub id, or a folder in diffusers layout"
    )
    base_licence: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Licence of that base, for the audit, where its model card (README.md) names none",
    )
    active: str = "nano"
    presets: dict[str, TrainingPreset]

    @model_validator(mode="after")
    def _active_exists(self) -> TrainingSettings:
        if self.active not in self.presets:
            raise ValueError(
                f"active: no preset {self.active!r}; there are: {', '.join(sorted(self.presets))}"
            )
        return self

    @property
    def preset(self) -> TrainingPreset:
        """The preset in use."""
        return self.presets[self.active]


class EvaluationSettings(Entity):
    """How every checkpoint is scored. Scores with different settings are never compared."""

    embedder: Literal["nano", "vggish", "pann", "clap"] = "nano"
    weights_dir: str | None = Field(
        default=None, description="Folder with the weights of vggish, pann or clap"
    )
    clip_seconds: Positive = 5.0
    validation_prompts: Count = 16
    style_prompts: bool = True
    inference_steps: Count = 16
    guidance_scale: float = Field(default=4.0, ge=1)
    batch_size: Count = 8
    seed: int = 0


class RetentionSettings(Entity):
    """Which checkpoints keep their weights, beside the latest."""

    keep_best: Count = 3


class PipelineConfig(Entity):
    """Everything that can be set."""

    audio: AudioSettings = AudioSettings()
    quality: QualitySettings = QualitySettings()
    tagging: TaggingSettings = TaggingSettings()
    dataset: DatasetSettings = DatasetSettings()
    licensing: LicensingSettings = LicensingSettings()
    ingest: IngestSettings = IngestSettings()
    training: TrainingSettings
    evaluation: EvaluationSettings = EvaluationSettings()
    retention: RetentionSettings = RetentionSettings()


def config_root() -> Path:
    """The folder of the configuration: LOFI_CONFIG_ROOT, else config/ of the project."""
    return Path(os.environ.get(CONFIG_VARIABLE) or Path(__file__).resolve().parents[1] / "config")


def load_config(path: Path | None = None) -> PipelineConfig:
    """Read and validate the configuration.

    Raises:
        RecordError: a wrong key or value, named; or no readable YAML.
    """
    return _load(path or config_root() / "pipeline.yaml")


@cache
def _load(path: Path) -> PipelineConfig:
    return PipelineConfig.parse(read_yaml(path), where=str(path))


def read_yaml(path: Path) -> object:
    """The YAML value in `path`.

    Raises:
        RecordError: no such file, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(
            f"{path}: no such file; set {CONFIG_VARIABLE} to the folder of the configuration"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: is not YAML: {error}") from error
