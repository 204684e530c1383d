"""What the tags of an audio file say of the music, and how it is credited."""

from __future__ import annotations

from pydantic import Field

from lofi_pipeline.entities.base import Entity

CREDITED = ("title", "artist", "album", "isrc", "language", "copyright")


class FileTags(Entity):
    """Of one file, as its tags have it; texts are cut, and hold no control characters."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    isrc: str | None = None
    language: str | None = None
    copyright: str | None = Field(default=None, description="The copyright notice")


class Credits(FileTags):
    """How a track is credited: by source.json, and by the file's tags where that is silent."""

    from_tags: list[str] = Field(default_factory=list, description="The fields that only the tags say")
