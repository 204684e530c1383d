"""What was heard in the samples of a checkpoint beside its scores: copies of training tracks, sameness, faults of stereo."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from lofi_pipeline.entities.base import Entity, TrackId


class StereoFault(StrEnum):
    """What can be wrong with two channels; whoever listens to their mean does not hear it."""

    DEAD_CHANNEL = "dead channel"
    INVERTED = "inverted channels"
    MONO = "mono"


class CopiedPassage(Entity):
    """A stretch of a sample that is one of a training track. Times are in seconds."""

    sample: str = Field(description="Name of its file")
    track: TrackId
    start: float = Field(ge=0)
    end: float = Field(ge=0)
    track_start: float = Field(ge=0, description="Where in the track it begins")
    correlation: float = Field(
        ge=-1, le=1.001, description="Of the levels of both, in bands, where it is highest"
    )


class Diversity(Entity):
    """How far apart samples are: those of one prompt with other seeds, and those of different prompts."""

    prompts: int = Field(ge=1, description="Prompts that have several samples")
    within: float = Field(ge=0, description="Mean distance of two samples of one prompt, in dB by band")
    between: float | None = Field(
        default=None, ge=0, description="Of two samples of different prompts; None: there is one prompt"
    )
    same: list[str] = Field(default_factory=list, description="Prompts whose samples are all the same")

    @property
    def ratio(self) -> float | None:
        """`within` by `between`: near 0 where the seed makes no difference."""
        return self.within / self.between if self.between else None


class SamplesHeard(Entity):
    """What was heard in samples beside the scores."""

    tracks_searched: int = Field(ge=0, description="Training tracks that the samples were compared with")
    tracks_missing: list[TrackId] = Field(
        default_factory=list, description="Training tracks whose audio is gone or was changed"
    )
    passages: list[CopiedPassage] = Field(default_factory=list, description="What samples copy")
    stereo_faults: dict[StereoFault, list[str]] = Field(
        default_factory=dict, description="By fault, the files that have it"
    )
    diversity: Diversity | None = Field(default=None, description="None: no prompt has several samples")
    silent_reference: list[TrackId] = Field(
        default_factory=list, description="Validation tracks that are silent for most of their length"
    )
    clipped_reference: list[TrackId] = Field(
        default_factory=list,
        exclude_if=lambda tracks: not tracks,
        description="Validation tracks that were found clipped when they were taken in",
    )


class NearestTrack(NamedTuple):
    """A sample, the training track that is nearest to it in an embedder's space, and the cosine of the nearest windows."""

    sample: str
    track: str
    similarity: float


class Nearness(Entity):
    """How near samples are to training tracks in an embedder's space, beside how near these are to each other."""

    embedder: str
    tracks: int = Field(ge=1, description="Training tracks that the samples were compared with")
    limit: float = Field(
        ge=-1.001,
        le=1.001,
        description="Of a thousand windows of training tracks, 999 are less like the nearest window of another track",
    )
    nearest: list[NearestTrack] = Field(description="A row for each sample")

    @property
    def beyond(self) -> list[NearestTrack]:
        """The samples that are nearer to a training track than training tracks are to each other."""
        return [row for row in self.nearest if row.similarity > self.limit]
