"""What an audit of a checkpoint or of a data set version found: report.json, and what every other file is made from.

Findings and their codes are in entities/finding.py. Every text that people gave (provider, title, notes, prompts) stands here
as it was given: whoever shows it escapes it.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lofi_pipeline.entities.base import Entity, Identifier, RelativePath, Sha256, StyleId, Timestamp, TrackId
from lofi_pipeline.entities.checkpoint import QualityMetrics
from lofi_pipeline.entities.dataset import Dataset
from lofi_pipeline.entities.finding import Finding, Severity
from lofi_pipeline.entities.ledger_head import LedgerHead
from lofi_pipeline.entities.lineage import (
    BaseModelFacts,
    CheckpointRecord,
    Imported,
    Lineage,
    MemorisedSample,
    Precision,
    ScoreKey,
    absent,
)
from lofi_pipeline.entities.publication import Publication
from lofi_pipeline.entities.source import SourceRecord
from lofi_pipeline.entities.track import Split
from lofi_pipeline.entities.verdict import Obligation, Provenance, Verdict

DISCLAIMER = "This is a working tool, not legal advice: it applies the licence policy of this project to what the records say."


class SubjectKind(StrEnum):
    """What can be audited."""

    CHECKPOINT = "checkpoint"
    DATASET = "dataset"


class AuditSubject(Entity):
    """What was audited."""

    kind: SubjectKind
    id: Identifier = Field(description="The checkpoint's id, or the data set's")
    hash: Sha256 = Field(description="Of the checkpoint's files as they landed, or of the data set version")
    partition_key: str | None = Field(
        default=None, description="Of a checkpoint, such as 1a2b3c4d-step000500"
    )
    path: RelativePath = Field(
        description="Checkpoint folder or version file, as it lies now under the data root"
    )
    record: CheckpointRecord | None = Field(default=None, description="checkpoint.json of a checkpoint")
    metrics: QualityMetrics | None = Field(
        default=None, description="Scores of a checkpoint that was evaluated"
    )
    score_key: ScoreKey | None = Field(default=None, description="What those scores were measured with")
    precision: Precision | None = Field(
        default=None, exclude_if=absent, description="How far those scores can be trusted; None: not measured"
    )
    samples: int | None = Field(
        default=None, exclude_if=absent, description="Clips that those scores were measured on"
    )
    memorised: list[MemorisedSample] | None = Field(
        default=None,
        exclude_if=absent,
        description="Samples that repeat a training track; None: not looked for",
    )

    @property
    def lineage(self) -> Lineage | None:
        """What a checkpoint was made from: data set, configuration, base model."""
        return self.record.lineage if self.record else None

    @property
    def name(self) -> str:
        """How the subject is named in titles: the partition key of a checkpoint, the id of a data set."""
        return self.partition_key or self.id


class AuditVerdict(Entity):
    """What the licences of all sources come to, as of one day."""

    day: date
    permitted: bool = Field(description="Whether every source permitted training on that day")
    commercial_use: bool = Field(
        description="Whether what was trained may be used commercially, as far as every source says"
    )
    obligations: tuple[Obligation, ...] = ()
    policy: Sha256 | None = Field(
        default=None, description="Policy and settings that judged; None: several, or not recorded"
    )
    recorded: bool = Field(
        description="True: as recorded on the day. False: judged now, by today's policy, for that day"
    )
    sentence: str


class SourceRow(Entity):
    """One source that fed the subject."""

    record: SourceRecord = Field(description="As the data set version keeps it")
    provenance: Provenance | None = Field(
        default=None, description="Grant, evidence and verdict as the version keeps them; None in old ones"
    )
    tracks: int = Field(ge=0, description="Tracks of this version that come from it, also from it")
    seconds: float = Field(ge=0, description="Of processed audio")
    verdict_then: Verdict
    then_recorded: bool = Field(description="False: the version has no verdict; judged by today's policy")
    verdict_now: Verdict
    withdrawn: date | None = Field(default=None, description="The day the source was taken out, if it was")
    withdrawn_reason: str | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """What its grant limits, then and now, one sentence each."""
        return tuple(dict.fromkeys([*self.verdict_then.terms, *self.verdict_now.terms]))


# Of these an audit holds as many as there are tracks: with slots a row takes 0.5 kB less than as an Entity
_A_ROW = ConfigDict({key: value for key, value in Entity.model_config.items() if key != "frozen"})  # pyright: ignore


@dataclass(config=_A_ROW, frozen=True, slots=True, kw_only=True)
class TrackRow:
    """One track that fed the subject."""

    track_id: TrackId
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    language: str | None = None
    copyright: str | None = Field(default=None, description="The copyright notice, where one is known")
    from_tags: list[str] = Field(
        default_factory=list, description="Which of these stand in the file's tags and not in source.json"
    )
    filename: str = Field(description="Of the original")
    split: Split
    style_ids: list[StyleId]
    seconds: float
    licence: str = Field(description="Canonical id, the strictest of its sources")
    source_ids: list[Identifier] = Field(description="The strictest first")
    provider: str
    url: str | None = None
    original_sha256: Sha256
    audio_sha256: Sha256 = Field(description="Of the processed MP3")
    audio_path: RelativePath | None = Field(default=None, description="Of the processed MP3")
    prompt_sha256: Sha256
    prompt: str
    has_lyrics: bool = False
    human_verified: bool = Field(
        default=False, description="Whether a person looked at it, and did not reject it"
    )
    obligations: tuple[Obligation, ...] = ()
    terms: tuple[str, ...] = Field(default=(), description="What the grants of its sources limit")


class ObligationRow(Entity):
    """One obligation, and what brings it."""

    obligation: Obligation
    sentence: str = Field(description="What is to be done")
    source_ids: list[Identifier]
    tracks: int = Field(ge=0)


@dataclass(config=_A_ROW, frozen=True, slots=True, kw_only=True)
class Attribution:
    """One entry of the attribution text: a track whose licence asks for it."""

    track_id: TrackId
    title: str = Field(description="The file's name where no title is known")
    artist: str = Field(description="The provider where no artist is known")
    album: str | None = None
    isrc: str | None = None
    copyright: str | None = Field(default=None, description="The copyright notice, where one is known")
    from_tags: list[str] = Field(
        default_factory=list, description="Which of these stand in the file's tags and not in source.json"
    )
    source_id: Identifier
    provider: str
    licence: str
    licence_url: str | None = None
    url: str | None = Field(default=None, description="Where the track, or else its source, can be found")


class BaseModelRow(Entity):
    """The base model, or a LoRA that training began from."""

    facts: BaseModelFacts
    licence: str | None = Field(default=None, description="SPDX id or name; None: not known here")
    licence_text: str | None = None
    sentence: str = Field(description="Where it comes from, and what is not known")


class CaptionFacts(Entity):
    """Where prompts, tags and lyrics came from."""

    sentence: str
    prompts: int = Field(ge=0, description="Different prompts")
    tags: dict[str, int] = Field(description="Tracks by tag")
    with_lyrics: int = Field(ge=0, description="Tracks that have lyrics of their own")
    variants: int = Field(
        default=0, ge=0, description="Other wordings of the prompts that were trained as well"
    )


class CacheFacts(Entity):
    """Latents and conditions that were kept of the music: copies that a withdrawal must reach too."""

    path: RelativePath
    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sentence: str


class TrainingFacts(Entity):
    """How the training went, as far as it is on record."""

    steps: int = Field(ge=0, description="Steps up to the subject")
    skipped_steps: int = Field(ge=0)
    logged_steps: int = Field(ge=0, description="Of those, in the training log")
    sentence: str = Field(description="Whether a resumed training can bring in other music")
    synthetic: str | None = Field(
        default=None,
        exclude_if=absent,
        description="What the base itself made and was trained on beside the music",
    )


class IntegrityFacts(Entity):
    """What was re-hashed."""

    checked: bool = Field(description="False: asked not to (--quick); only sizes and records were read")
    files: int = Field(default=0, ge=0, description="Files whose bytes were hashed")
    bytes: int = Field(default=0, ge=0)
    absent_originals: int = Field(
        default=0, ge=0, description="Originals that no longer lie under raw/; their hashes stay"
    )
    ledger: LedgerHead | None = Field(
        default=None,
        description="Of the ledger of seals: proves the ledger of this day to whoever keeps this report",
    )


class AuditReport(Entity):
    """All that an audit found."""

    subject: AuditSubject
    made: Timestamp
    dataset: Dataset
    seconds: float = Field(ge=0, description="Of processed audio in all tracks")
    validation_seconds: float = Field(ge=0, description="Of these, held out as evaluation reference")
    trained: date = Field(
        description="The day of training: when the checkpoint was saved, or the version was made"
    )
    then: AuditVerdict = Field(description="As of the day of training")
    now: AuditVerdict = Field(description="As of the day of the audit")
    profile: str = Field(description="Profile of the policy: cc or strict")
    commercial: bool = Field(description="Whether the project means to use results commercially")
    policy: Sha256 | None = Field(default=None, description="Of the policy and its settings as of today")
    cost: float = Field(ge=0, description="What all sources cost, in USD, where a cost is known")
    sources: list[SourceRow]
    tracks: list[TrackRow]
    licences: dict[str, float] = Field(description="Seconds by canonical licence id")
    obligations: list[ObligationRow]
    attribution: list[Attribution]
    base: BaseModelRow | None = Field(default=None, description="None for a data set")
    parent: BaseModelRow | None = Field(
        default=None, description="A LoRA that training began from; this project begins from none"
    )
    captions: CaptionFacts
    caches: list[CacheFacts] = Field(default_factory=list)
    training: TrainingFacts | None = None
    configuration: dict[str, str] = Field(
        default_factory=dict, description="The training preset's settings, where the lineage's hash is theirs"
    )
    base_metrics: QualityMetrics | None = Field(
        default=None, description="Of the base model without the LoRA, measured with the subject's score_key"
    )
    base_precision: Precision | None = Field(
        default=None, exclude_if=absent, description="How far those of the base can be trusted"
    )
    reference: list[TrackId] = Field(
        default_factory=list, description="Tracks whose clips were used as reference of the evaluation"
    )
    integrity: IntegrityFacts
    findings: list[Finding]
    languages: dict[str, int] = Field(
        default_factory=dict, description="Tracks with lyrics of their own, by language"
    )
    publication: Publication = Publication()
    disclaimer: str = DISCLAIMER

    @property
    def imported(self) -> Imported | None:
        """What is known of a LoRA that was trained elsewhere; None of what was trained here."""
        return self.subject.lineage.imported if self.subject.lineage else None

    @property
    def limited(self) -> list[SourceRow]:
        """The sources whose grants limit something."""
        return [row for row in self.sources if row.terms]

    @property
    def clean(self) -> bool:
        """Whether nothing was found that is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)

    def of_severity(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity is severity]
