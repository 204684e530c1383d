"""One track as it leaves: what the version says of it, under names of ours alone, with its credits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.dataset.version import UNKNOWN_METRE
from lofi_pipeline.entities import TrackRow, VersionTrack
from lofi_pipeline.styles.lyrics import INSTRUMENTAL_LYRICS, is_instrumental


@dataclass(frozen=True)
class Song:
    """A track of a version, and where its processed audio lies, which was hashed and is the version's."""

    item: VersionTrack
    row: TrackRow
    licence_url: str | None
    audio: Path

    @property
    def name(self) -> str:
        """What its files are called: its id. What strangers wrote is in no path."""
        return self.item.track.track_id

    @property
    def file(self) -> str:
        """The name of its audio file."""
        return f"{self.name}.mp3"

    @property
    def caption(self) -> str:
        """Its training prompt, and the sentence that somebody wrote of it."""
        return f"{self.item.prompt}. {self.item.caption}" if self.item.caption else self.item.prompt

    @property
    def has_words(self) -> bool:
        """Whether somebody sings."""
        return not is_instrumental(self.item.lyrics)

    @property
    def lyrics(self) -> str:
        """Words with their section marks, or `[Instrumental]`."""
        return self.item.lyrics.strip() if self.has_words else INSTRUMENTAL_LYRICS

    @property
    def metre(self) -> str:
        """As ACE-Step takes it, such as 4; empty where it has no word for it."""
        return "" if self.item.time_signature == UNKNOWN_METRE else self.item.time_signature

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.item.track.duration

    @property
    def credits(self) -> dict[str, str]:
        """Who made it, and what its licence is: for the fields of a format, and beside them where it has none."""
        row = self.row
        found = {
            "title": row.title or row.filename,
            "artist": row.artist or row.provider,
            "album": row.album,
            "copyright": row.copyright,
            "license": row.licence,
            "license_url": self.licence_url,
            "url": row.url,
        }
        return {name: value for name, value in found.items() if value}
