"""One audio file of the training set, with its metadata, and the states it goes through."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from lofi_pipeline.entities.base import Entity, Identifier, Name, RelativePath, StyleId, TrackId, few
from lofi_pipeline.entities.errors import RecordError

MIN_SECONDS = 30.0
MAX_SECONDS = 240.0
SAMPLE_RATE = 48_000


class Split(StrEnum):
    """The side of the data set a track is on, for life."""

    TRAIN = "train"
    VALIDATION = "validation"


class TrackState(StrEnum):
    """How far a track has come."""

    RAW = "RAW"
    PROCESSED = "PROCESSED"
    TAGGED = "TAGGED"
    VERIFIED = "VERIFIED"
    TRAINING_READY = "TRAINING_READY"

    def to(self, following: TrackState) -> TrackState:
        """The following state, if the data model allows the step; verification is optional.

        Raises:
            RecordError: the data model knows no such transition.
        """
        if following not in TRANSITIONS[self]:
            allowed = ", ".join(TRANSITIONS[self]) or "none, it is final"
            raise RecordError(f"no transition {self} -> {following}; from {self} go: {allowed}")
        return following


TRANSITIONS: dict[TrackState, tuple[TrackState, ...]] = {
    TrackState.RAW: (TrackState.PROCESSED,),
    TrackState.PROCESSED: (TrackState.TAGGED,),
    TrackState.TAGGED: (TrackState.VERIFIED, TrackState.TRAINING_READY),
    TrackState.VERIFIED: (TrackState.TRAINING_READY,),
    TrackState.TRAINING_READY: (),
}


class Track(Entity):
    """A track that is ready for training. Paths are relative to the data root.

    With `context={"style_ids": {...}}` the style ids must be among those.
    """

    track_id: TrackId = Field(description='Unique identifier, such as "track_001"')
    filename: Name = Field(
        description="Audio filename without path", json_schema_extra={"pattern": r"^[^/\\]+$"}
    )
    audio_path: RelativePath = Field(description="Relative path to the processed MP3")
    prompt_path: RelativePath = Field(description="Relative path to the prompt text")
    lyrics_path: RelativePath = Field(description="Relative path to the lyrics text")
    duration: float = Field(ge=MIN_SECONDS, le=MAX_SECONDS, description="Duration in seconds")
    sample_rate: Literal[48000] = Field(description="Samples a second, always 48000")
    quality_score: int = Field(ge=0, le=100, description="Automated quality score")
    style_ids: list[StyleId] = Field(min_length=1, description="Assigned styles, at least one")
    source_id: Identifier = Field(description="The SourceRecord this track comes from")
    human_verified: bool = Field(default=False, description="Manual review completed")
    split: Split = Field(default=Split.TRAIN, description="Side of the data set")

    @field_validator("filename")
    @classmethod
    def _without_path(cls, value: str) -> str:
        if "/" in value or "\\" in value:
            raise ValueError("must be a filename without path")
        return value

    @field_validator("style_ids")
    @classmethod
    def _known_styles(cls, value: list[str], info: ValidationInfo) -> list[str]:
        known = (info.context or {}).get("style_ids")
        unknown = [style for style in value if known is not None and style not in known]
        if unknown:
            raise ValueError(f"unknown style ids: {few(unknown)}")
        return value

    @classmethod
    def checked(cls, data: object, *, style_ids: set[str]) -> Self:
        """Validate `data`, its style ids against the presets that exist."""
        where = data.get("track_id", "track") if isinstance(data, dict) else "track"
        return cls.parse(data, where=str(where), context={"style_ids": style_ids})
