"""An immutable version of the data set: metadata/datasets/<hash>.json, kept for ever so that it can be audited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer

from lofi_pipeline.entities.base import Entity, Identifier, Sha256, TrackId, absent
from lofi_pipeline.entities.dataset import Dataset
from lofi_pipeline.entities.file_tags import Credits
from lofi_pipeline.entities.ledger_head import LedgerHead
from lofi_pipeline.entities.source import SourceRecord
from lofi_pipeline.entities.track import Split, Track
from lofi_pipeline.entities.verdict import Provenance


class VersionTrack(Entity):
    """One track as this version holds it: what was trained on, and where it came from."""

    track: Track
    sha256: Sha256 = Field(description="Of the original file")
    audio_sha256: Sha256 = Field(description="Of the processed MP3")
    processing: Sha256 = Field(
        description="Of the original, the audio settings and the code version: what made the MP3"
    )
    prompt: str
    caption: str | None = Field(
        default=None,
        exclude_if=absent,
        description="A sentence that somebody wrote, trained on beside the prompt; counts in the version's hash where there is one",
    )
    lyrics: str
    language: str
    bpm: int | None = Field(
        description="None: the tempo was not measured surely enough to be said, and is trained as unknown"
    )
    keyscale: str = Field(description='Key and mode, such as "A minor"')
    time_signature: str = Field(
        description='The metre as ACE-Step takes it, such as "4"; "N/A" for one that it does not know'
    )
    bar_beats: float | None = Field(
        default=None,
        gt=0,
        description="Beats of `bpm` in a bar, where `time_signature` does not say so; counts in the version's hash then",
    )
    licence: str = Field(description="Canonical licence id, the strictest of its sources")
    source_ids: list[Identifier] = Field(min_length=1)
    title: str | None = None
    artist: str | None = None
    url: str | None = None
    credits: Credits | None = Field(
        default=None,
        description="What is to be credited besides; counts in the version's hash where there is any",
    )

    @property
    def beats_in_a_bar(self) -> float:
        """Beats of `bpm` from one bar line to the next."""
        return self.bar_beats or int(self.time_signature)

    @property
    def credited_title(self) -> str | None:
        """The title by source.json, else by the file's tags."""
        return self.title or (self.credits.title if self.credits else None)

    @property
    def credited_artist(self) -> str | None:
        """The artist by source.json, else by the file's tags."""
        return self.artist or (self.credits.artist if self.credits else None)


class DatasetVersion(Entity):
    """The data set entity, its tracks in the order of their ids, and the sources that stand behind them."""

    dataset: Dataset
    tracks: Sequence[VersionTrack]
    sources: list[SourceRecord]
    provenance: list[Provenance] = Field(default_factory=list, description="Of each source, in their order")
    ledger: LedgerHead | None = Field(default=None, description="Of the seals where and when it was built")

    @field_serializer("tracks", mode="wrap")
    def _dumped(self, tracks: Sequence[VersionTrack], dump: SerializerFunctionWrapHandler) -> Any:
        return dump(list(tracks))  # packed ones (packed.py) as well

    def side(self, split: Split) -> list[VersionTrack]:
        """The tracks on one side of the split."""
        return [track for track in self.tracks if track.track.split is split]


class Captions(Entity):
    """metadata/captions/<hash>-<variants>.json: what a training with caption variants says of each track."""

    dataset_hash: Sha256
    variants: int = Field(ge=1, description="Other wordings that were asked for, of each training prompt")
    captions: dict[TrackId, list[str]] = Field(description="By track: its prompt, then the other wordings")
