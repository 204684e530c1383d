"""Everything that can be set, as models: each key with its meaning, unit and range. A wrong key or value is refused by name.

How the files are found and read belongs in `files`; what is only an environment variable, in `lofi_pipeline.environment`.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lofi_pipeline.config.layers import layer_name
from lofi_pipeline.config.section import Count, Decibels, Fraction, Positive, Seconds, Steps
from lofi_pipeline.config.section import Section as _Section
from lofi_pipeline.config.training_features import (
    AdapterChoice,
    Objective,
    OptimiserChoice,
    Plans,
    PriorPreservation,
    Start,
    WhenToStop,
)
from lofi_pipeline.entities import Entity, Publication, Trigger, TriggerPosition
from lofi_pipeline.storage import content_sha256

PREFIX, DELIMITER = "LOFI_", "__"

TriggerWord = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^,\n]+$")
]


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
    tagger: Literal["musicnn", "off"] = Field(
        default="musicnn",
        exclude_if=lambda name: name == "musicnn",  # hashes of these settings stay what they were
        description="What hears instruments and voices for the prompts of such tracks: musicnn is shipped, and needs 1 GB of "
        "memory for each worker",
    )
    caption_command: list[str] = Field(
        default_factory=list,
        exclude_if=lambda command: not command,
        description="A model of yours that writes captions of such tracks, as a command and its arguments; the audio file's path "
        "is added. What it claims is checked (docs/captions.md)",
    )
    caption_url: str | None = Field(
        default=None,
        exclude_if=lambda url: url is None,
        description="The same as a program that listens to HTTP; on this machine, unless caption_remote is set",
    )
    caption_remote: bool = Field(
        default=False,
        exclude_if=lambda remote: not remote,
        description="Let caption_url lead to another machine: your music is sent there",
    )
    caption_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = Field(
        default=120.0,
        exclude_if=lambda seconds: seconds == 120.0,
        description="How long it may take for a track",
    )
    needs_review: Literal["train", "hold"] = Field(
        default="hold",
        exclude_if=lambda what: what == "hold",
        description="What becomes of tracks whose style is unsure, or of which something is disputed, until a person has looked at "
        "them (docs/review.md): hold keeps them out of the data set, train takes them",
    )

    @model_validator(mode="after")
    def _one_captioner_and_here(self) -> Self:
        if self.caption_command and self.caption_url:
            raise ValueError("caption_command and caption_url: give one of them")
        if self.caption_url is not None:
            parts = urlsplit(self.caption_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    f"caption_url: {self.caption_url!r} is no address such as http://127.0.0.1:8000/"
                )
            if not (self.caption_remote or _is_loopback(parts.hostname)):
                raise ValueError(
                    f"caption_url: {parts.hostname} is not this machine, and your music would be sent there; if that is meant, "
                    "set caption_remote: true"
                )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
    backend: Literal["loky", "ray", "dask"] = Field(
        default="loky",
        exclude_if=lambda name: name == "loky",
        description="Who works on tracks: processes on this machine (loky), or a cluster that you started (docs/scaling.md)",
    )
    cluster: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        exclude_if=lambda address: address is None,
        description="Where the cluster is: the address of Dask's scheduler, or of Ray's head. Without it: the Ray that runs here",
    )
    max_attempts: Count = Field(
        default=3, description="How often a track that fails is tried, until its file or the code changes"
    )
    stable_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        description="A drop, or a checkpoint, is taken when nothing in it has changed for this long",
    )


class TrainingPreset(AdapterChoice, Objective, OptimiserChoice, Plans, PriorPreservation, Start, WhenToStop):
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
    holdout_seconds: Seconds = Field(
        default=0.0,
        ge=0,
        exclude_if=lambda seconds: seconds == 0,  # hashes of these settings stay what they were
        description="Length of the end of each training track that no crop is drawn from, for evaluation.reference",
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
        default=("to_q", "to_k", "to_v", "to_out.0"),
        min_length=1,
        description="Layers of the transformer that get a LoRA, by the end of their names: to_q, self_attn.to_q or "
        "layers.3.self_attn.to_q; ACE-Step's own names, such as q_proj, are taken for the same",
    )
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW's")
    max_grad_norm: Positive = Field(default=1.0, description="Longer gradients are scaled down to this norm")
    condition_dropout: Fraction = Field(
        default=0.15, description="Share of the examples that are trained without a prompt, for guidance"
    )
    caption_variants: int = Field(
        default=0, ge=0, le=63, description="Other wordings of each training prompt, trained as often as it"
    )
    timestep: Literal["logit_normal", "turbo8", "uniform"] = Field(
        default="logit_normal",
        description="Which noise levels are trained: logit_normal as ACE-Step 1.5 was; turbo8 only the eight that turbo models "
        "generate with; uniform all alike",
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
    trigger: TriggerWord | None = Field(
        default=None, description="Of this preset alone. Without it: training.trigger"
    )
    trigger_position: TriggerPosition = Field(
        default="prepend", description="Where that one goes in a caption: before its tags, or behind them"
    )

    @field_validator("lora_targets", mode="after")
    @classmethod
    def _targets_are_layers(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer_name(target) for target in targets))

    @property
    def trigger_in_captions(self) -> Trigger | None:
        """The trigger with its place; None without one."""
        return Trigger(word=self.trigger, position=self.trigger_position) if self.trigger else None

    @model_validator(mode="after")
    def _one_average(self) -> TrainingPreset:
        if self.optimizer == "schedule_free" and self.ema_decay:
            raise ValueError("ema_decay: schedule_free averages the weights already; set one of the two")
        return self


TRAINER_VERSION = "1"
"""Raise it when the trainer makes other weights of the same settings."""


def config_hash(preset: TrainingPreset, base_sha256: str, start_sha256: str | None = None) -> str:
    """Hash of all that decides the result beside the data set: preset, base weights, those it starts from, trainer's version."""
    # Without what is off: a setting that is added later makes no new lineage
    off = set() if preset.caption_variants else {"caption_variants"}
    off |= set() if preset.trigger else {"trigger", "trigger_position"}
    settings = preset.model_dump(mode="json", exclude=off)
    start = {"start": start_sha256} if start_sha256 else {}
    return content_sha256({"preset": settings, "base": base_sha256, "trainer": TRAINER_VERSION, **start})


Offload = Literal["auto", "always", "never"]
Latents = Literal["files", "shards"]


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
    trigger: TriggerWord | None = Field(
        default=None,
        description="A word of your own in every caption, so that it calls what was learned; it is put into the prompts of "
        "scoring and of `lofi generate`, too",
    )
    trigger_position: TriggerPosition = Field(
        default="prepend", description="Where it goes in a caption: before its tags, or behind them"
    )
    active: str = Field(default="nano", description="The preset in use")
    encode_chunk_seconds: Seconds = Field(
        default=30.0,
        ge=5,
        description="Audio that goes through the codec at once: 34 s of it take 4 GB beside ACE-Step's codec, 9 s a quarter",
    )
    latents: Latents = Field(
        default="files",
        exclude_if=lambda latents: latents == "files",
        description="Where latents and conditions lie: a file each, or shards of 256 MB with those of many tracks, for thousands "
        "of tracks and for object stores. Trainings see the same crops from both",
    )
    offload: Offload = Field(
        default="auto",
        description="Whether scoring and generating have one part of the base in memory at a time: text encoder, transformer, "
        "codec. auto: where there is no room for all of them",
    )
    launcher: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)] = Field(
        default=1,
        description="How many GPUs, or processes on the CPU, train together; or the configuration file of an accelerate launch. "
        "Each step trains batch_size tracks on each",
    )
    at_once: int = Field(
        default=1,
        ge=1,
        exclude_if=lambda count: count == 1,
        description="How many trainings of different lineages may work at once, each on a GPU of its own; others wait for their turn",
    )
    presets: dict[str, TrainingPreset] = Field(description="Ways to train, by name")
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] | None = Field(
        default=None,
        exclude_if=lambda trackers: trackers is None,
        description="Where losses are logged to as well, in cache/trackers/. Without it: TensorBoard, where it is installed; W&B "
        "stays offline unless WANDB_MODE says otherwise",
    )

    @field_validator("launcher", mode="before")
    @classmethod
    def _number_or_file(cls, launcher: Any) -> Any:
        if isinstance(launcher, bool):
            raise ValueError(f"must be a number or a file, not {str(launcher).lower()}")
        # An environment variable holds text
        return int(launcher) if isinstance(launcher, str) and launcher.isdecimal() else launcher

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
        return self.complete(self.active)

    def complete(self, name: str) -> TrainingPreset:
        """A preset with what is set for all of them."""
        preset = self.presets[name]
        if preset.trigger or not self.trigger:
            return preset
        return preset.model_copy(update={"trigger": self.trigger, "trigger_position": self.trigger_position})


CLIPS_OF_SIZE = {"quick": 24, "standard": 200, "thorough": 400}
"""Clips of validation prompts."""
EMBEDDERS = ("auto", "nano", "musicnn", "vggish", "pann", "clap", "muq")
"""auto: what suits the base model."""
EMBEDDER_GROUP = "lofi_pipeline.embedders"
CLIP_SCORER_GROUP = "lofi_pipeline.clip_scorers"
"""The entry points by which other packages add theirs."""


Variant = Literal["nano", "turbo", "sft", "base"]
"""The kinds of base models, which are generated with in different ways."""
SHIFT = 3.0
"""What diffusers' pipeline takes where it is told nothing, as nano's scores always were."""


class SamplingSettings(_Section):
    """How is generated with one kind of base model: nano, turbo, sft or base. What is left out is as ACE-Step's documents say."""

    inference_steps: int | None = Field(
        default=None, ge=1, description="Steps from noise to music", json_schema_extra={"unit": "steps"}
    )
    guidance_scale: float | None = Field(
        default=None, ge=1, description="How strongly the prompt is followed; 1: no guidance"
    )
    shift: float | None = Field(
        default=None, gt=0, le=10, description="More than 1: more steps at high noise"
    )
    clip_seconds: float | None = Field(
        default=None,
        gt=0,
        description="Length of the clips that are generated to be scored",
        json_schema_extra={"unit": "s"},
    )


class EvaluationSettings(_Section):
    """How every checkpoint is scored. Scores with different settings are never compared."""

    embedder: str = Field(
        default="nano",
        description="What listens to clips for FAD and CLAP scores: nano, musicnn, vggish, pann, clap, muq, one of an installed "
        "package, or auto; vggish, pann, clap and muq need weights of their own, muq a package, too",
    )
    weights_dir: str | None = Field(
        default=None,
        description="Folder with the weights of vggish, pann, clap or muq. Without it: weights/ beside data/",
    )
    allow_unknown_weights: bool = Field(
        default=False,
        exclude_if=lambda allowed: not allowed,  # hashes of these settings stay what they were
        description="Take weights that have the right name and are not the published file; each score names them",
    )
    clip_seconds: Seconds = Field(
        default=5.0,
        gt=0,
        description="Length of the clips that are generated. Without it: 5 with nano, 30 with others",
    )
    validation_prompts: Annotated[int, Field(json_schema_extra={"unit": "clips"})] = Field(
        default=16, ge=1, description="Clips with prompts of validation tracks: what FAD is measured on"
    )
    size: Literal["quick", "standard", "thorough"] | None = Field(
        default=None,
        exclude_if=lambda size: size is None,
        description="In place of validation_prompts: quick is 24 clips, standard 200, thorough 400; the error of FAD falls with "
        "the root of the number, the time to score grows with it",
    )
    reference: Literal["validation", "validation+train-holdout-crops"] = Field(
        default="validation",
        exclude_if=lambda reference: reference == "validation",
        description="What clips are compared with. validation+train-holdout-crops: the ends of training tracks as well, which "
        "holdout_seconds of the preset kept out of the training; of more music, and of music that was trained on",
    )
    clip_scorers: list[str] = Field(
        default=[],
        exclude_if=lambda names: not names,
        description="What else judges each clip by itself: models of installed packages, by name",
    )
    style_prompts: bool = Field(
        default=True,
        description="Once training ended, clips of each style preset by the last and the best checkpoint, for style coverage",
    )
    style_seeds: Annotated[int, Field(ge=2, json_schema_extra={"unit": "clips"})] = Field(
        default=2,
        exclude_if=lambda seeds: seeds == 2,  # hashes of these settings stay what they were
        description="Clips of each style preset; a style is recognisable where more of them than by chance are near to its prompt",
    )
    inference_steps: Steps = Field(
        default=16,
        description="Steps from noise to music. Without it: 16 with nano, 8 with a turbo base, 50 with others",
    )
    guidance_scale: float = Field(
        default=4.0,
        ge=1,
        description="How strongly the prompt is followed; 1: no guidance. Without it: 4 with nano, 7 with others; turbo bases "
        "know none",
    )
    shift: float = Field(
        default=SHIFT,
        gt=0,
        le=10,
        exclude_if=lambda shift: (
            shift == SHIFT
        ),  # scores that were made before it could be set keep their key
        description="More than 1: more steps at high noise. Without it: what the base's scheduler says, else 3 with nano and "
        "turbo bases, 1 with others",
    )
    sampling: dict[Variant, SamplingSettings] = Field(
        default_factory=dict,
        exclude_if=lambda sampling: not sampling,
        description="The same for one kind of base alone; what is set above goes before it",
    )
    batch_size: Annotated[int, Field(json_schema_extra={"unit": "clips"})] = Field(
        default=8, ge=1, description="Clips that are generated together"
    )
    seed: int = Field(default=0, description="Decides the clips' noise; any whole number")

    @field_validator("embedder")
    @classmethod
    def _embedder_exists(cls, value: str) -> str:
        if value in EMBEDDERS:
            return value
        plugins = sorted(entry.name for entry in entry_points(group=EMBEDDER_GROUP))
        if value not in plugins:
            raise ValueError(
                f"no embedder {value!r}; there are: {', '.join((*EMBEDDERS, *plugins))}; install the package that has "
                f"another as an entry point of the group {EMBEDDER_GROUP}"
            )
        return value

    @field_validator("clip_scorers")
    @classmethod
    def _clip_scorers_exist(cls, value: list[str]) -> list[str]:
        there = sorted(entry.name for entry in entry_points(group=CLIP_SCORER_GROUP)) if value else []
        if unknown := [name for name in value if name not in there]:
            raise ValueError(
                f"no clip scorer {unknown[0]!r}; there are: {', '.join(there) or 'none'}; install the package that has it as an "
                f"entry point of the group {CLIP_SCORER_GROUP}"
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


class AutomationSettings(_Section):
    """What the sensors of `lofi ui` start by themselves."""

    train: Literal["manual", "on_new_version"] = Field(
        default="manual",
        description="on_new_version: each data set version that build_dataset gives is trained on, once; manual: when you start "
        "`train`",
    )


class StorageSettings(_Section):
    """Where what is large lies, too."""

    object_store: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\\\s]*)?$",
        description="A place in a bucket, s3://BUCKET/PREFIX: `lofi run` begins with what is new there and ends with putting music, "
        "latents and checkpoints there. Credentials and endpoint are boto3's (AWS_PROFILE, AWS_ENDPOINT_URL_S3, ...)",
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
    automation: AutomationSettings = Field(
        default=AutomationSettings(), exclude_if=lambda settings: settings == AutomationSettings()
    )
    storage: StorageSettings = Field(
        default=StorageSettings(), exclude_if=lambda settings: settings == StorageSettings()
    )
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
