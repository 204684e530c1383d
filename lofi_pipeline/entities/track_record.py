"""What is known of one track on its way: the record its worker writes, metadata/tracks/<track_id>.json."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from lofi_pipeline.entities.base import (
    Entity,
    Identifier,
    Name,
    RelativePath,
    Sha256,
    StyleId,
    Timestamp,
    TrackId,
    absent,
)
from lofi_pipeline.entities.file_tags import CREDITED, Credits, FileTags
from lofi_pipeline.entities.kept_file import KeptFile
from lofi_pipeline.entities.metre import Metre
from lofi_pipeline.entities.review import Review
from lofi_pipeline.entities.style import Tag
from lofi_pipeline.entities.tag_support import SupportedTag
from lofi_pipeline.entities.track import TrackState


class TrackStatus(StrEnum):
    """What came of a track so far. Refusal is data; a failure is a fault and is retried."""

    PENDING = "pending"
    OK = "ok"
    REJECTED = "rejected"
    FAILED = "failed"


class TrackOrigin(Entity):
    """One place the same bytes were found in, with what its drop says about the file."""

    source_id: Identifier
    path: RelativePath = Field(description="Relative to the data root, under raw/")
    licence: Name = Field(description="Canonical licence id as judged")
    title: str | None = None
    artist: str | None = None
    style_ids: list[StyleId] = Field(default_factory=list)
    lyrics_path: RelativePath | None = Field(default=None, description="Relative to the data root")
    language: str | None = None
    vocals: bool | None = None
    url: str | None = None
    credited: FileTags | None = Field(
        default=None, description="Album, ISRC and copyright notice, where said"
    )
    stems: bool | None = Field(default=None, description="Whether one part of a recording alone is meant")
    bpm: int | None = Field(default=None, exclude_if=absent)
    key: str | None = Field(default=None, exclude_if=absent, description='Such as "A minor"')
    time_signature: Metre | None = Field(default=None, exclude_if=absent)
    caption: str | None = Field(default=None, exclude_if=absent)
    tags: list[Tag] | None = Field(default=None, exclude_if=absent)


class QualityPart(Entity):
    """One deduction from the quality score, with a sentence for people. Without a penalty it is a mark alone."""

    name: str
    penalty: float = Field(ge=0, le=100)
    sentence: str


class QualityReport(Entity):
    """Quality score 0-100 and what it is made of."""

    score: int = Field(ge=0, le=100)
    parts: list[QualityPart] = Field(default_factory=list)


class TrackMeasurements(Entity):
    """What was heard in a track. None: not listened for (a record of an earlier version).

    On steady music beat k lies at `beat_offset_s` + k * 60 / `tempo_bpm` seconds from beginning to end. How far each of
    these can be trusted is measured in docs/analysis.md.
    """

    tempo_bpm: float = Field(
        gt=0, description="Tempo of quarter notes (6/8: dotted ones) as measured, octave not folded"
    )
    tempo_confidence: float = Field(ge=0, le=1)
    key: str = Field(description='Tonic, such as "A" or "C#"')
    mode: Literal["major", "minor"]
    key_confidence: float = Field(ge=0, le=1)
    time_signature: Metre = "4/4"
    time_signature_confidence: float = Field(ge=0, le=1)
    brightness_hz: float = Field(ge=0, description="Mean spectral centroid")
    onset_density: float = Field(ge=0, description="Onsets per second")
    tempo_alternatives: list[float] = Field(
        default_factory=list, description="What else the tempo might be, best first"
    )
    beat_offset_s: float | None = Field(default=None, ge=0, description="The first beat")
    downbeat: int = Field(default=0, ge=0, le=6, description="Which of the first beats opens a bar")
    beat_confidence: float = Field(
        default=0.0, ge=0, le=1, description="That the grid lies on beats, not between"
    )
    beat_steadiness: float = Field(
        default=0.0, ge=0, le=1, description="How far one grid fits the whole track"
    )
    swing: float | None = Field(
        default=None, description="Where the second eighth of a beat falls: 0.5 straight, 0.667 triplets"
    )
    swing_confidence: float = Field(default=0.0, ge=0, le=1)
    voice: float | None = Field(default=None, ge=0, le=1, description="Probability that there is a voice")
    drums: float | None = Field(default=None, ge=0, le=1, description="Probability of drums or percussion")
    crackle: float | None = Field(default=None, ge=0, le=1, description="Probability of vinyl crackle")
    rain: float | None = Field(default=None, ge=0, le=1, description="Probability of rain")
    noise: float | None = Field(
        default=None, ge=0, le=1, description="Probability of a bed of noise: hiss, rain, wind, waves"
    )
    timbre: list[float] = Field(
        default_factory=list, description="See lofi_pipeline/audio/analysis/timbre.py"
    )


class CutInfo(Entity):
    """Which part of an over-long file was kept, and why it was cut there."""

    source_seconds: float
    kept_seconds: float
    reason: str


class ProcessedFacts(Entity):
    """The processed MP3 of a track, and what was measured on the way."""

    audio_path: RelativePath
    audio_sha256: Sha256
    duration: float = Field(gt=0)
    sample_rate: Literal[48000] = 48000
    quality: QualityReport
    measurements: TrackMeasurements
    input_lufs: float
    output_lufs: float
    true_peak_dbtp: float
    gain_db: float
    loudness_shortfall_db: float = Field(
        default=0.0, ge=0, description="How far the target was missed, on purpose"
    )
    source_rate: int
    source_channels: int
    source_codec: str
    lost_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the declared audio that was damaged"
    )
    trimmed_start_seconds: float = Field(default=0.0, ge=0, description="Silence taken off the beginning")
    trimmed_end_seconds: float = Field(default=0.0, ge=0, description="Silence taken off the end")
    cut: CutInfo | None = None


class TimedLine(Entity):
    """A line of lyrics and when it is sung."""

    seconds: float = Field(ge=0, description="From the beginning of the original file")
    text: str


class LyricsTiming(Entity):
    """What an LRC says beside the words: they are trained on, this is kept."""

    headers: dict[str, str] = Field(
        default_factory=dict, description="Such as ar (artist), ti (title), offset"
    )
    lines: list[TimedLine] = Field(default_factory=list)


def _none_of(listed: list[object]) -> bool:
    return not listed


class TaggedFacts(Entity):
    """Styles, prompt and lyrics of a track."""

    style_ids: list[StyleId] = Field(min_length=1)
    styles_declared: bool = Field(description="False: suggested from measurements, not verified")
    style_confidence: float = Field(ge=0, le=1)
    needs_review: bool = Field(default=False, description="Suggested without enough confidence: look at it")
    prompt: str
    lyrics: str
    language: str
    bpm: int = Field(ge=30, le=300, description="Tempo folded into the preset's range")
    prompt_path: RelativePath
    lyrics_path: RelativePath
    lyrics_timing: LyricsTiming | None = Field(
        default=None, description="Headers and times that the lyrics file held"
    )
    tags: list[SupportedTag] = Field(
        default_factory=list,
        exclude_if=_none_of,
        description="The prompt's tags and what supports each; none in records of an earlier version",
    )
    offered: list[SupportedTag] = Field(
        default_factory=list,
        exclude_if=_none_of,
        description="What may be true as well, for the person who looks at the track: in no prompt",
    )
    disputed: list[str] = Field(
        default_factory=list,
        exclude_if=_none_of,
        description="Sentences for that person: what was claimed of the track and measured otherwise",
    )
    caption: str | None = Field(
        default=None, exclude_if=absent, description="A sentence on the track, by source.json or a person"
    )
    keyscale: str | None = Field(
        default=None, exclude_if=absent, description="By source.json or a person; none: as it was measured"
    )
    time_signature: Metre | None = Field(
        default=None, exclude_if=absent, description="By source.json or a person; none: as it was measured"
    )

    @property
    def prompt_tags(self) -> list[str]:
        """The tags of the prompt; records of an earlier version say them in the prompt alone."""
        return [tag.tag for tag in self.tags] or [tag for tag in self.prompt.split(", ") if tag]

    @property
    def says_tempo(self) -> bool:
        """Whether the tempo is sure enough to be said. Prompts of an earlier version say it always."""
        return not self.tags or any(tag.tag.endswith(" bpm") for tag in self.tags)


class TrackRecord(Entity):
    """All that is known of one track.

    `inputs` holds, by stage, the hash of everything the stage depends on (bytes, configuration, code version):
    a stage whose hash is unchanged is not done again.
    """

    track_id: TrackId
    sha256: Sha256 = Field(description="Of the original file")
    origins: list[TrackOrigin] = Field(min_length=1)
    state: TrackState = TrackState.RAW
    status: TrackStatus = TrackStatus.PENDING
    reason: str | None = None
    failed_stage: str | None = None
    attempts: int = Field(default=0, ge=0, description="Failed attempts with the present inputs")
    inputs: dict[str, Sha256] = Field(default_factory=dict)
    processed: ProcessedFacts | None = None
    tagged: TaggedFacts | None = None
    human_verified: bool = False
    review: Review | None = Field(
        default=None,
        exclude_if=absent,
        description="What people said of it, as far as the record rests on it",
    )
    found: TaggedFacts | None = Field(
        default=None,
        exclude_if=absent,
        description="What `tagged` would be without that; none where there is no review",
    )
    updated: Timestamp
    kept_files: dict[RelativePath, KeptFile] = Field(
        default_factory=dict,
        description="Each file that the track rests on, as it was written; none in records of an earlier version",
    )

    tags: FileTags | None = Field(
        default=None, description="What the tags of the original say of the music; none, or not read"
    )

    @property
    def credits(self) -> Credits | None:
        """What is to be credited beside the origin's title and artist: the rest that it says, and what only the tags say."""
        origin = self.origins[0]
        said = (origin.credited or FileTags()).model_dump()
        known = {**said, "title": origin.title, "artist": origin.artist, "language": origin.language}
        from_tags = [
            name
            for name in CREDITED
            if not known[name] and self.tags is not None and getattr(self.tags, name)
        ]
        found = {**said, **{name: getattr(self.tags, name) for name in from_tags}}
        return Credits(**found, from_tags=from_tags) if any(found.values()) else None

    @property
    def source_id(self) -> str:
        """The source that stands for the track: the one with the strictest licence comes first."""
        return self.origins[0].source_id

    @property
    def filename(self) -> str:
        """The original file's name without path."""
        return self.origins[0].path.rsplit("/", 1)[-1]
