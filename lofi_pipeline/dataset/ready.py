"""The tracks that are ready for a data set, and what their records say for it. Of 50,000, the records that did not change are not read again.

What a build needs of each record lies in the index of records (ingest/record_index.py): the little that it decides by is in
memory for all tracks, the texts that it hashes and writes are fetched one at a time. What may be used at all is never asked of the
index: the registry, the verdicts on sources, withdrawals and what people say are read each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import to_json

from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.errors import ChangedTracks
from lofi_pipeline.dataset.version import category_of, on_side, version_track
from lofi_pipeline.dataset.waiting import Waiting
from lofi_pipeline.entities import (
    Entity,
    QualityReport,
    RecordError,
    RegisteredTrack,
    Split,
    StyleCategory,
    TrackOrigin,
    TrackRecord,
    TrackStatus,
    VersionTrack,
    track_number,
)
from lofi_pipeline.entities.base import RelativePath, Sha256, Timestamp, TrackId
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.ingest import fingerprint_path, load_record, load_registry, published_files, sha256_of
from lofi_pipeline.ingest.outputs import look_whole, looks_of
from lofi_pipeline.ingest.record_index import RecordIndex, opened_index
from lofi_pipeline.review import is_unsure
from lofi_pipeline.storage import DataRoot, file_stamp, no_search_for_cycles, plain_json
from lofi_pipeline.styles import load_presets

_TOGETHER = 64
_TEXTS: tuple[str, ...] = ("ready", "looks", "version", "inputs")
"""The long one last: SQLite goes past what lies before a text."""


class ReadyTrack(NamedTuple):
    """What a build decides by, of a track that is ready."""

    track_id: str
    sha256: str
    unsure: bool
    processing: str
    fingerprint: str | None
    category: StyleCategory
    place: int
    """That of its facts."""


class ReadyFacts(Entity):
    """What a build needs of the record of a track that is done, beside its texts."""

    track_id: TrackId
    sha256: Sha256
    origins: str
    """A hash of them, as the record has them."""
    reviewed: bool
    unsure: bool
    processing: Sha256
    fingerprint: Sha256 | None
    category: StyleCategory
    published: dict[RelativePath, Sha256]
    """Audio, prompt and lyrics, each with the hash of its bytes."""
    keeps_times: bool
    """Whether the record says how its files looked."""
    quality: QualityReport
    verified: bool
    updated: Timestamp

    @classmethod
    def of(cls, record: TrackRecord) -> ReadyFacts:
        """What the record of a track says that is done."""
        assert record.processed is not None
        fingerprint = record.kept_files.get(fingerprint_path(record.track_id))
        return cls(
            track_id=record.track_id,
            sha256=record.sha256,
            origins=_hash_of(record.origins),
            reviewed=record.review is not None,
            unsure=is_unsure(record),
            processing=record.inputs["processed"],
            fingerprint=fingerprint.sha256 if fingerprint else None,
            category=category_of(record),
            published={path: sha256_of(record, path) or "" for path in published_files(record)},
            keeps_times=bool(record.kept_files),
            quality=record.processed.quality,
            verified=record.human_verified,
            updated=record.updated,
        )

    def track(self, place: int) -> ReadyTrack:
        """The little of it that is in memory for all tracks."""
        return ReadyTrack(
            self.track_id,
            self.sha256,
            self.unsure,
            self.processing,
            self.fingerprint,
            self.category,
            place,
        )


@dataclass(frozen=True)
class ReadyTracks:
    """The tracks that are ready, by their number, and where the rest of what their records say is found."""

    tracks: list[ReadyTrack]
    _facts: Packed[ReadyFacts]
    _read: _Reader

    def facts(self) -> Iterator[ReadyFacts]:
        """What is to be known of each beside."""
        return map(self.facts_of, self.tracks)

    def facts_of(self, track: ReadyTrack) -> ReadyFacts:
        """What is to be known of a track beside; of neighbours quickly, one after the other."""
        return self._facts[track.place]

    def only(self, tracks: list[ReadyTrack]) -> ReadyTracks:
        """These of them."""
        return replace(self, tracks=tracks)

    def among(self, track_ids: Collection[str]) -> ReadyTracks:
        """Those of them that are among some tracks."""
        return self.only([track for track in self.tracks if track.track_id in track_ids])

    def inputs(self) -> Iterator[str]:
        """Of each, the JSON of what its record says that a data set depends on."""
        return (self._read.text(track.track_id, "inputs") for track in self.tracks)

    def in_version(self, track: ReadyTrack, split: Split, style_ids: set[str]) -> VersionTrack:
        """The entry of a track in a data set version: see `version_track`."""
        if text := self._read.text(track.track_id, "version"):
            found = VersionTrack.model_validate_json(text)
            if style_ids.issuperset(found.track.style_ids):
                return on_side(self._read.root, found, split)
        return version_track(self._read.root, self._read.record(track.track_id), split, style_ids)

    def that_look_changed(self) -> list[TrackRecord]:
        """The records of those of which a file does not look any more as it was written."""
        return [
            self._read.record(track.track_id)
            for track in self.tracks
            if not look_whole(self._read.root, json.loads(self._read.text(track.track_id, "looks")))
        ]

    def records(self, among: Collection[str]) -> list[TrackRecord]:
        """The records of some of them."""
        return [self._read.record(track.track_id) for track in self.tracks if track.track_id in among]


@contextmanager
def ready_tracks(root: DataRoot, eligibility: Eligibility) -> Iterator[ReadyTracks]:
    """The tracks that are done, up to date, permitted, and can be compared.

    Raises:
        RecordError: a record cannot be read.
    """
    registered = load_registry(root).tracks
    present = (track for track in registered if track.origins and eligibility.refusal_reason(track) is None)
    with opened_index(root, "ready", *_TEXTS, tracks=len(registered)) as index:
        read, tracks = _Reader(root, index, {}), list[ReadyTrack]()
        with no_search_for_cycles():
            found = _ready_among(present, read, Waiting(root, eligibility))
            facts = Packed(_noting(found, tracks), together=_TOGETHER)
        index.save()
        tracks.sort(key=lambda track: track_number(track.track_id))
        yield ReadyTracks(tracks, facts, read)


def _noting(ready: Iterable[ReadyFacts], tracks: list[ReadyTrack]) -> Iterator[ReadyFacts]:
    for place, facts in enumerate(ready):
        tracks.append(facts.track(place))
        yield facts


def _ready_among(present: Iterable[RegisteredTrack], read: _Reader, waiting: Waiting) -> Iterator[ReadyFacts]:
    edited = _with_edits(read.root)
    for track in present:
        found = read.ready(track.track_id)
        # A record that is older than the latest facts of its drop waits until the track is worked on again.
        if found is None or found.origins != _hash_of(track.origins):
            continue
        looked_at = found.reviewed or track.track_id in edited
        if looked_at and waiting.for_a_run(read.record(track.track_id)):
            continue
        if not (found.unsure and waiting.holds(track.track_id)):
            yield found


@dataclass(frozen=True)
class _Reader:
    """Reads records, or what the index has of them. Each is taken as it was when it was first asked for."""

    root: DataRoot
    index: RecordIndex
    stamps: dict[str, str]

    def ready(self, track_id: str) -> ReadyFacts | None:
        """What a build decides by; None of a track that is not done."""
        stamp = self.stamps[track_id] = file_stamp(self.root.track_record(track_id))
        text = self.index.find(track_id, stamp, "ready")
        if text is None:
            text = self._noted(track_id, stamp)["ready"]
        return ReadyFacts.model_validate_json(text) if text else None

    def text(self, track_id: str, name: str) -> str:
        """One of the texts that were made of the record of a track that is ready."""
        stamp = self.stamps[track_id]
        found = self.index.find(track_id, stamp, name)
        return found if found is not None else self._noted(track_id, stamp)[name]

    def record(self, track_id: str) -> TrackRecord:
        """The record of a track that is ready.

        Raises:
            ChangedTracks: it is not the one that was read before.
        """
        record = load_record(self.root, track_id)
        if record is None or file_stamp(self.root.track_record(track_id)) != self.stamps[track_id]:
            raise ChangedTracks(
                f"{self.root.relative(self.root.track_record(track_id))}: was written while the data set was made; run it again"
            )
        return record

    def _noted(self, track_id: str, stamp: str) -> dict[str, str]:
        texts = dict.fromkeys(_TEXTS, "")
        if stamp:
            texts = _texts_of(self.root, self.record(track_id))
            self.index.note(track_id, stamp, *map(texts.__getitem__, _TEXTS))
        return texts


def _texts_of(root: DataRoot, record: TrackRecord) -> dict[str, str]:
    """What the index keeps of a record; of a track that is not done, that it is not."""
    if record.status is not TrackStatus.OK:
        return dict.fromkeys(_TEXTS, "")
    version = ""
    with suppress(RecordError):  # whoever wants it in a version is told
        version = version_track(root, record, Split.TRAIN, set(load_presets())).model_dump_json()
    return {
        "ready": ReadyFacts.of(record).model_dump_json(),
        "inputs": plain_json(_said(record)),
        "version": version,
        "looks": json.dumps(looks_of(record)),
    }


def _said(record: TrackRecord) -> dict[str, Any]:
    """What a record says of its track; what is unknown of the fields that came later is left out."""
    left_out: dict[str, Any] = {
        "kept_files": True,
        "tagged": {"lyrics_timing"},
        **({} if record.tags else {"tags": True}),
    }
    said = record.model_dump(mode="json", exclude=left_out)
    for origin in said["origins"]:
        for later in ("credited", "stems"):
            if origin[later] is None:
                del origin[later]
    return said


def _hash_of(origins: Sequence[TrackOrigin]) -> str:
    return sha256(to_json(origins)).hexdigest()


def _with_edits(root: DataRoot) -> set[str]:
    """The tracks that people said something of."""
    with suppress(FileNotFoundError):
        return {name.removesuffix(".jsonl") for name in os.listdir(root.edits)}
    return set()
