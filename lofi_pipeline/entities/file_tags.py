"""What the tags of an audio file say of the music, and how it is credited."""

from __future__ import annotations

from pydantic import Field

from lofi_pipeline.entities.base import Entity

CREDITED = ("title", "artist", "album", "isrc", "language", "copyright")


class FileTags(Entity):
    """Of one file: as its tags have it, cut and without control characters; or as source.json does."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    language: str | None = None
    copyright: str | None = Field(default=None, description="The copyright notice")


class Credits(FileTags):
    """How a track is credited beside the title and artist of its source.json: by more of that, and by tags where it is silent."""

    from_tags: list[str] = Field(
        default_factory=list, description="The fields that stand in the file's tags and not in source.json"
    )
