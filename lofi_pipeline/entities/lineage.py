"""A training lineage (data set x configuration x base), the record of each of its checkpoints, and their scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from lofi_pipeline.entities.base import Entity, RelativePath, Sha256, StyleId, Timestamp, TrackId, absent
from lofi_pipeline.entities.checkpoint import Checkpoint, QualityMetrics
from lofi_pipeline.entities.heard import Nearness, SamplesHeard
from lofi_pipeline.entities.kept_file import KeptFile
from lofi_pipeline.entities.ledger_head import LedgerHead

CHECKPOINT_RECORD = "checkpoint.json"
SCORES_RECORD = "scores.json"

PartitionKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-step[0-9]{6,}$")]


def step_of(partition_key: str) -> int:
    """The step that a partition key says; 0 stands for the base."""
    return int(partition_key.partition("-step")[2])


Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


_LEAST_ROOM_S = 1.0
"""More than one crop must fit into what is left of a track."""


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
    revision: Commit | None = Field(
        default=None, exclude_if=absent, description="The hub's commit that it was; None: it was a folder"
    )


TriggerPosition = Literal["prepend", "append"]


class Trigger(Entity):
    """A word that is put into every caption of a training, so that it calls what was learned."""

    word: str = Field(min_length=1, max_length=100)
    position: TriggerPosition = "prepend"

    def put_into(self, caption: str) -> str:
        """The caption with the word, as ACE-Step's tools write it; one that has it already stays as it is."""
        if self.word.casefold() in (part.strip().casefold() for part in caption.split(",")):
            return caption
        parts = [self.word, caption] if self.position == "prepend" else [caption, self.word]
        return ", ".join(part for part in parts if part)


Claim = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
"""What somebody said, on a line; nothing here proves it."""


class Imported(Entity):
    """A LoRA that was trained elsewhere: the file that was taken in, and what was said of it, which nothing here proves."""

    file: Claim = Field(description="Name of the file, its control characters replaced")
    sha256: Sha256 = Field(description="Of the file's bytes")
    form: Claim = Field(description="How its tensors were named, such as kohya")
    name: Claim | None = Field(default=None, description="Claimed, not proved: what it is called")
    licence: Claim | None = Field(default=None, description="Claimed, not proved: the licence of its weights")
    url: Claim | None = Field(default=None, description="Claimed, not proved: where it is from")

    @property
    def claims(self) -> dict[str, str]:
        """What was said of it, by field."""
        said = {"name": self.name, "licence": self.licence, "from": self.url}
        return {field: value for field, value in said.items() if value}


class StartedFrom(Entity):
    """The LoRA that a training went on from: what it was trained on shaped the new one too."""

    partition_key: PartitionKey
    weights: Sha256 = Field(description="Of its adapter_model.safetensors")
    lineage: Lineage


class HeldOutEnds(Entity):
    """The ends of training tracks that no crop is drawn from: what scores may be measured against beside validation tracks."""

    seconds: float = Field(gt=0, description="Length of each end")
    crop_seconds: float = Field(gt=0, description="Length of the crops that are trained")

    def start(self, duration: float) -> float | None:
        """Where the end of a track of `duration` seconds begins; None: too little would be left, it is trained on whole."""
        left = duration - self.seconds
        return left if left >= self.crop_seconds + _LEAST_ROOM_S else None


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
    trigger: Trigger | None = Field(
        default=None, exclude_if=absent, description="The word in every caption that was trained; None: none"
    )
    imported: Imported | None = Field(
        default=None,
        description="Of a LoRA that was trained elsewhere, whose data set nobody knows: dataset_hash is that of its weights",
    )

    prior_clips: int = Field(
        default=0,
        ge=0,
        exclude_if=lambda clips: clips == 0,
        description="Clips made by the base that were trained on as well: metadata/prior/ holds what they are",
    )
    started_from: StartedFrom | None = Field(
        default=None,
        exclude_if=absent,
        description="The LoRA that was trained on; None: the base alone",
    )

    held_out_ends: HeldOutEnds | None = Field(
        default=None,
        exclude_if=absent,
        description="What of each training track was left out of the training; None: nothing",
    )

    @property
    def before(self) -> list[StartedFrom]:
        """Every LoRA that this one goes back to, the nearest first."""
        found, at = [], self.started_from
        while at is not None:
            found.append(at)
            at = at.lineage.started_from
        return found

    @property
    def datasets(self) -> list[str]:
        """The hashes of all data set versions that shaped it, its own first; of LoRAs from elsewhere nobody knows any."""
        lineages = [self, *(start.lineage for start in self.before)]
        return list(dict.fromkeys(it.dataset_hash for it in lineages if it.imported is None))

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

    ended: str | None = Field(
        default=None,
        exclude_if=absent,
        description="Why the training ended here, before max_steps; None: it did not",
    )

    @property
    def is_last(self) -> bool:
        """Whether its training ended with it: early, or because no further interval fits."""
        lineage = self.lineage
        return bool(self.ended) or self.checkpoint.step + lineage.checkpoint_interval > lineage.max_steps

    @property
    def partition_key(self) -> str:
        """The Dagster partition of this checkpoint."""
        return self.lineage.partition_key(self.checkpoint.step)


class Pin(Entity):
    """A person's word on a checkpoint, and the reason."""

    checkpoint: PartitionKey
    why: str = Field(min_length=1, max_length=500)
    pinned: Timestamp


class Pins(Entity):
    """metadata/pins.json: what persons said of checkpoints."""

    pins: list[Pin] = Field(
        default_factory=list, description="That it is the best of its lineage: one for each"
    )
    kept: list[Pin] = Field(
        default_factory=list,
        exclude_if=lambda kept: not kept,
        description="That its weights are never removed, however it scores",
    )


class ScoreKey(Entity):
    """What a score depends on beside the checkpoint. Scores with different keys are never compared."""

    embedder: str
    embedder_sha256: Sha256
    dimension: int
    window_seconds: float
    reference_sha256: Sha256 = Field(description="Of the validation windows' embeddings' inputs")
    prompts_sha256: Sha256 = Field(description="Of prompts, seeds and generation settings")
    versions: dict[str, str] = Field(description="Packages the number depends on")


class StyleRanks(Entity):
    """How the clips of one style were recognised among all style presets."""

    ranks: list[int] = Field(
        description="Of each clip, the place of its own prompt among those of all presets, 1: nearest"
    )
    nearest: list[StyleId] = Field(description="Of each clip, the style whose prompt is nearest")
    p_value: float = Field(
        ge=0, le=1, description="How likely so many clips are as near to their prompt by chance"
    )


class StyleClips(Entity):
    """What stands behind style_coverage: clips of every style preset, which are no part of other scores."""

    prompts_sha256: Sha256 = Field(description="Of prompts, seeds and generation settings")
    nearest: int = Field(ge=1, description="A clip hits where its own prompt is among as many nearest")
    level: float = Field(description="A style is recognisable where p_value lies below it")
    by_chance: float = Field(
        ge=0,
        description="How many would be recognised if each style's clips were held against another's prompt",
    )
    styles: dict[StyleId, StyleRanks]
    samples: list[Sample]


class Sample(Entity):
    """One generated clip."""

    prompt: str
    style_id: str | None = None
    seed: int
    path: RelativePath | None = Field(default=None, description="Relative to the data root")
    clap: float
    sha256: Sha256 | None = Field(
        default=None, exclude_if=absent, description="Of the file; None: an earlier version wrote it"
    )


class Precision(Entity):
    """How far the scores of one checkpoint can be trusted, and what they were measured on."""

    clips: int = Field(ge=0, description="Clips of validation prompts: what FAD and KAD are measured on")
    reference_tracks: int = Field(ge=0, description="Validation tracks that they are compared with")
    reference_styles: int = Field(ge=0, description="Styles among those tracks")
    reference_ends: int = Field(
        default=0,
        ge=0,
        exclude_if=lambda ends: ends == 0,
        description="Of those tracks, the training tracks whose held-out ends are compared with",
    )
    duplicates: list[list[TrackId]] = Field(
        default_factory=list, description="Pairs of validation tracks that are heard as the same music"
    )
    fad_se_by_clip: float | None = Field(
        default=None,
        ge=0,
        description="Standard error of FAD: other noise and other prompts, the same reference",
    )
    fad_se_by_track: float | None = Field(
        default=None, ge=0, description="Standard error of FAD: other validation tracks, and their prompts"
    )
    fad_infinity: float | None = Field(
        default=None, ge=0, description="FAD that endlessly many clips would have"
    )
    kad: float | None = Field(
        default=None, description="Kernel audio distance, its bandwidth the median distance in the reference"
    )
    kad_se: float | None = Field(default=None, ge=0, description="Standard error of KAD")
    kad_fixed: float | None = Field(default=None, description="Kernel audio distance of a fixed bandwidth")
    clap_interval: tuple[float, float] | None = Field(
        default=None, description="95 % interval of the CLAP score, over clips"
    )
    floor: tuple[float, float, float] | None = Field(
        default=None,
        description="FAD between random halves of the validation tracks: a tenth of the splits lies below, half, a tenth above",
    )
    floor_windows: int | None = Field(
        default=None,
        ge=1,
        description="Windows on each side of that floor: those of the clips, or as many as there are",
    )

    @property
    def fad_se(self) -> float | None:
        """The larger of both standard errors: that of what was drawn at random with the greater effect."""
        known = [value for value in (self.fad_se_by_clip, self.fad_se_by_track) if value is not None]
        return max(known, default=None)


class ClipScore(Entity):
    """What a model of another package gave the clips, each by itself."""

    mean: float
    interval: tuple[float, float] | None = Field(default=None, description="95 %, over clips")
    of_clip: list[float] = Field(description="In the order of the samples")


class LeavingOut(Entity):
    """What FAD is without each part of what it was measured on: of two checkpoints, these give the error of their difference."""

    clips: list[float] = Field(description="Without each clip of a validation prompt, in their order")
    tracks: list[float] = Field(
        description="Without each validation track and the clips of its prompt; empty where too little would be left"
    )


MISTAKEN_SHARE = 0.02
"""Of several hundred clips that copy nothing none was taken for a copy; in other music than that, 1 in 50 is borne with."""


class MemorisedSample(NamedTuple):
    """A clip that repeats a training track, and the share of its length that it does so for."""

    sample: str
    track: str
    share: float


def memorises(repeating: Iterable[MemorisedSample], samples: int) -> bool:
    """Whether more of a checkpoint's samples repeat training tracks than are taken for copies by mistake."""
    return len({row.sample for row in repeating}) > MISTAKEN_SHARE * samples


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
    precision: Precision | None = Field(
        default=None, exclude_if=absent, description="Errors and sizes of the samples; None: not measured"
    )
    fad_leaving_out: LeavingOut | None = Field(
        default=None, exclude_if=absent, description="None: not measured"
    )
    memorised: list[MemorisedSample] | None = Field(
        default=None,
        exclude_if=absent,
        description="Samples that repeat a training track; None: not looked for",
    )
    heard: SamplesHeard | None = Field(
        default=None,
        exclude_if=absent,
        description="What was heard in the samples beside the scores; None: not listened for",
    )
    nearness: Nearness | None = Field(
        default=None,
        exclude_if=absent,
        description="How near samples are to training tracks in the embedder's space; None: not compared, or too few tracks",
    )

    clip_scores: dict[str, ClipScore] | None = Field(
        default=None, exclude_if=absent, description="By evaluation.clip_scorers; None: none was asked"
    )
    styles: StyleClips | None = Field(
        default=None,
        exclude_if=absent,
        description="Clips of all styles, of the last and the best checkpoint; None: not made",
    )

    @property
    def all_samples(self) -> list[Sample]:
        """Those of validation prompts, and those of styles."""
        return [*self.samples, *(self.styles.samples if self.styles else ())]

    @property
    def memorises(self) -> bool:
        """Whether more of the samples repeat training tracks than are taken for copies by mistake."""
        return memorises(self.memorised or (), len(self.all_samples))
