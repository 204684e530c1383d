"""What supports a tag: why it stands in a track's prompt, or is offered to the person who looks at the track."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from lofi_pipeline.entities.base import Entity
from lofi_pipeline.entities.style import Tag


class Support(StrEnum):
    """Who or what says that a tag is true."""

    DECLARED = "declared"
    """The track's source.json, by a style or by `vocals`."""
    MEASURED = "measured"
    TAGGED = "tagged"
    """A model that listens, above the threshold that it was calibrated to."""
    VERIFIED = "verified"
    """A person, who looked at the track."""
    SUGGESTED = "suggested"
    """A style that was suggested for the track with high confidence."""
    CLAIMED = "claimed"
    """A model of the user's that writes captions; what it claims was checked, where it can be."""
    NOTHING = "nothing"
    """No more than that the music was put here."""


class SupportedTag(Entity):
    """A tag, what supports it, and how surely."""

    tag: Tag
    support: Support
    by: str = Field(description="Such as the style that it is a word of, or the measurement")
    confidence: float = Field(ge=0, le=1)
