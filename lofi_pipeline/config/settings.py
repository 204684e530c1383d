"""Everything that can be set, as models: each key with its meaning, unit and range. A wrong key or value is refused by name.

How the files are found and read belongs in `files`; what is only an environment variable, in `lofi_pipeline.environment`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lofi_pipeline.entities import Entity, Publication
from lofi_pipeline.storage import content_sha256

PREFIX, DELIMITER = "LOFI_", "__"

Decibels = Annotated[float, Field(json_schema_extra={"unit": "dB"})]
Seconds = Annotated[float, Field(json_schema_extra={"unit": "s"})]
Steps = Annotated[int, Field(ge=1, json_schema_extra={"unit": "steps"})]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(Entity):
    """A section of the configuration: where a number is asked for, true is not 1."""

    @model_validator(mode="before")
    @classmethod
    def _no_truth_values(cls, data: Any) -> Any:
        given = data.items() if isinstance(data, dict) else ()
        for name, value in given:
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and field.annotation in (int, float):
                raise ValueError(f"{name}: must be a number, not {str(value).lower()}")
        return data


class AudioSettings(_Section):
    """How a file becomes a processed MP3."""

    target_lufs: Annotated[float, Field(json_schema_extra={"unit": "LUFS"})] = Field(
        default=-14.0, ge=-40, le=-5, description="Integrated loudness that every track is set to"
    )
    true_peak_ceiling_dbtp: Annotated[float, Field(json_schema_extra={"unit": "dBTP"})] = Field(
        default=-1.0, ge=-9, le=0, description="Highest true peak of a processed track"
    )
    max_limiter_db: Decibels = Field(
        default=3.0,
        ge=0,
        le=6,
        description="Most that the limiter takes off a peak; where the target needs more, the track stays quieter and says so",
    )
    mp3_vbr_quality: int = Field(
        default=2, ge=0, le=9, description="LAME's VBR quality: 0 is the best, 2 is about 190 kbit/s"
    )
    min_seconds: Seconds = Field(default=30.0, ge=30, description="Shorter tracks are refused")
    max_seconds: Seconds = Field(
        default=240.0, le=240, description="Longer tracks are cut, at a musically sensible point"
    )
    max_input_seconds: Seconds = Field(
        default=7200.0, gt=0, description="Most that is read of a file; a longer one is refused"
    )


class QualitySettings(_Section):
    """Which tracks are good enough to train on."""

    min_score: int = Field(
        default=40, ge=0, le=100, description="Tracks with a lower quality score are kept out of the data set"
    )


class TaggingSettings(_Section):
    """How styles are suggested where nobody declared any."""

    zero_shot: Literal["clap", "nano", "off"] = Field(
        default="clap",
        description="What listens beside the measurements, where its weights are in place: clap needs 2 to 4 GB of memory "
        "for each worker, nano 1.3 GB",
    )


class DatasetSettings(_Section):
    """How the data set is split."""

    validation_ratio: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Share of the tracks of each style category held out for validation",
    )
    seed: int = Field(default=0, description="Chooses which tracks are held out; any whole number")


class LicensingSettings(_Section):
    """Which licences may be trained on."""

    profile: Literal["cc", "strict"] = Field(
        default="cc",
        description="cc: CC0 and CC BY may be trained on; strict: an explicit grant for each source",
    )
    commercial: bool = Field(
        default=True, description="The LoRA is meant for commercial use: licences that forbid it are refused"
    )


class IngestSettings(_Section):
    """How drops are watched and how tracks are worked on."""

    batch_size: Annotated[int, Field(json_schema_extra={"unit": "tracks"})] = Field(
        default=200, ge=1, description="Most tracks in one Dagster run"
    )
    workers: int = Field(
        default=0, ge=0, description="Processes that work on tracks at the same time; 0: one for each core"
    )
    max_attempts: Count = Field(
        default=3, description="How often a track that fails is tried, until its file or the code changes"
    )
    stable_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        description="A drop, or a checkpoint, is taken when nothing in it has changed for this long",
    )


class TrainingPreset(_Section):
    """One way to train a LoRA."""

    checkpoint_interval: Steps = Field(default=5000, description="A checkpoint lands each so many steps")
    max_steps: Steps = Field(description="Where training ends")
    batch_size: Annotated[int, Field(json_schema_extra={"unit": "tracks"})] = Field(
        ge=1, description="Tracks in each step, on each GPU"
    )
    crop_seconds: Seconds = Field(gt=0, description="Length of the piece of a track that a step trains on")
    crops_on_bars: bool = Field(
        default=False, description="Crops start whole bars from the start of a track, else anywhere"
    )
    learning_rate: Positive = Field(
        description="The highest one: after the warm-up it falls along a cosine to 1 % of it"
    )
    warmup_steps: Annotated[int, Field(json_schema_extra={"unit": "steps"})] = Field(
        default=100,
        ge=0,
        description="Steps in which the learning rate rises from 0, at most 10 % of max_steps",
    )
    lora_rank: Count = Field(default=64, description="Rank of the LoRA's matrices")
    lora_alpha: Count = Field(default=128, description="The LoRA is scaled by lora_alpha / lora_rank")
    lora_targets: tuple[str, ...] = Field(
        default=("to_q", "to_k", "to_v", "to_out.0"), description="Layers of the transformer that get a LoRA"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW's")
    max_grad_norm: Positive = Field(default=1.0, description="Longer gradients are scaled down to this norm")
    condition_dropout: Fraction = Field(
        default=0.15, description="Share of the examples that are trained without a prompt, for guidance"
    )
    caption_variants: int = Field(
        default=0, ge=0, le=63, description="Other wordings of each training prompt, trained as often as it"
    )
    timestep: Literal["logit_normal", "turbo8"] = Field(
        default="logit_normal",
        description="Which noise levels are trained: logit_normal as ACE-Step 1.5 was; turbo8 only the eight that turbo models "
        "generate with",
    )
    timestep_mean: float = Field(
        default=-0.4,
        description="Mean of logit_normal; any number, a higher one trains more of the high noise",
    )
    timestep_std: Positive = Field(default=1.0, description="Standard deviation of logit_normal")
    seed: int = Field(default=0, description="Decides crops, noise and order; any whole number")
    precision: Literal["fp32", "bf16"] = Field(
        default="bf16", description="Of the base's weights while it is trained on"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Less memory for more time: activations are computed again on the way back"
    )
    validation_batches: Annotated[int, Field(json_schema_extra={"unit": "batches"})] = Field(
        default=4, ge=1, description="Batches that the validation loss of a checkpoint is the mean of"
    )


TRAINER_VERSION = "1"
"""Raise it when the trainer makes other weights of the same settings."""


def config_hash(preset: TrainingPreset, base_sha256: str) -> str:
    """Hash of all that decides the result beside the data set: preset, base weights, version of the trainer."""
    # Without what is off: a setting that is added later makes no new lineage
    settings = preset.model_dump(
        mode="json", exclude=None if preset.caption_variants else {"caption_variants"}
    )
    return content_sha256({"preset": settings, "base": base_sha256, "trainer": TRAINER_VERSION})


class TrainingSettings(_Section):
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
    active: str = Field(default="nano", description="The preset in use")
    presets: dict[str, TrainingPreset] = Field(description="Ways to train, by name")

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


CLIPS_OF_SIZE = {"quick": 24, "standard": 200, "thorough": 400}
"""Clips of validation prompts."""
EMBEDDERS = ("auto", "nano", "musicnn", "vggish", "pann", "clap")
"""auto: what suits the base model."""
EMBEDDER_GROUP = "lofi_pipeline.embedders"
"""The entry points by which other packages add theirs."""


class EvaluationSettings(_Section):
    """How every checkpoint is scored. Scores with different settings are never compared."""

    embedder: str = Field(
        default="nano",
        description="What listens to clips for FAD and CLAP scores: nano, musicnn, vggish, pann, clap, one of an installed "
        "package, or auto; vggish, pann and clap need weights of their own",
    )
    weights_dir: str | None = Field(
        default=None,
        description="Folder with the weights of vggish, pann or clap. Without it: weights/ beside data/",
    )
    allow_unknown_weights: bool = Field(
        default=False,
        exclude_if=lambda allowed: not allowed,  # hashes of these settings stay what they were
        description="Take weights that have the right name and are not the published file; each score names them",
    )
    clip_seconds: Seconds = Field(default=5.0, gt=0, description="Length of the clips that are generated")
    validation_prompts: Annotated[int, Field(json_schema_extra={"unit": "clips"})] = Field(
        default=16, ge=1, description="Clips with prompts of validation tracks: what FAD is measured on"
    )
    size: Literal["quick", "standard", "thorough"] | None = Field(
        default=None,
        exclude_if=lambda size: size is None,
        description="In place of validation_prompts: quick is 24 clips, standard 200, thorough 400; the error of FAD falls with "
        "the root of the number, the time to score grows with it",
    )
    style_prompts: bool = Field(
        default=True,
        description="Once training ended, clips of each style preset by the last and the best checkpoint, for style coverage",
    )
    style_seeds: Annotated[int, Field(ge=2, json_schema_extra={"unit": "clips"})] = Field(
        default=3,
        exclude_if=lambda seeds: seeds == 3,  # hashes of these settings stay what they were
        description="Clips of each style preset; a style is recognisable where more of them than by chance are near to its prompt",
    )
    inference_steps: Steps = Field(default=16, description="Steps from noise to music")
    guidance_scale: float = Field(
        default=4.0, ge=1, description="How strongly the prompt is followed; 1: no guidance"
    )
    batch_size: Annotated[int, Field(json_schema_extra={"unit": "clips"})] = Field(
        default=8, ge=1, description="Clips that are generated together"
    )
    seed: int = Field(default=0, description="Decides the clips' noise; any whole number")

    @field_validator("embedder")
    @classmethod
    def _embedder_exists(cls, value: str) -> str:
        plugins = sorted(entry.name for entry in entry_points(group=EMBEDDER_GROUP))
        if value not in (*EMBEDDERS, *plugins):
            raise ValueError(
                f"no embedder {value!r}; there are: {', '.join((*EMBEDDERS, *plugins))}; install the package that has "
                f"another as an entry point of the group {EMBEDDER_GROUP}"
            )
        return value

    @property
    def clips(self) -> int:
        """How many clips FAD is measured on."""
        return CLIPS_OF_SIZE[self.size] if self.size else self.validation_prompts


class RetentionSettings(_Section):
    """Which checkpoints keep their weights, beside the latest and the best. None loses them before 4 of its lineage are scored,
    or training ended.
    """

    keep_best: Count = Field(
        default=3,
        description="How many with the lowest FAD keep theirs; so do those whose FAD is not separable from the last of these",
    )
    keep_most: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Most that keep theirs where more are not separable, at least keep_best; the lower CLAP score goes first. "
        "Without it: no limit",
    )
    max_gb: Annotated[float, Field(gt=0, json_schema_extra={"unit": "GB"})] | None = Field(
        default=None,
        description="Most that weights may take while more than keep_best are kept; the lower CLAP score goes first. "
        "Without it: no limit",
    )


class PipelineConfig(Entity, BaseSettings):
    """Everything that can be set.

    An environment variable LOFI_<SECTION>__<KEY>, such as LOFI_AUDIO__TARGET_LUFS, goes before what the file says. Lists are
    written as JSON there, and names of presets in lower case: LOFI_TRAINING__PRESETS__NANO__LORA_TARGETS='["to_q", "to_k"]'.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_ignore_empty=True, extra="forbid", frozen=True
    )

    audio: AudioSettings = AudioSettings()
    quality: QualitySettings = QualitySettings()
    tagging: TaggingSettings = TaggingSettings()
    dataset: DatasetSettings = DatasetSettings()
    licensing: LicensingSettings = LicensingSettings()
    ingest: IngestSettings = IngestSettings()
    training: TrainingSettings
    evaluation: EvaluationSettings = EvaluationSettings()
    retention: RetentionSettings = RetentionSettings()
    publication: Publication = Publication()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before what is given. No other file is read."""
        return env_settings, init_settings
