"""Which tracks have something to be done, and which were refused. Of many tracks, what their records say of it is kept in an index: 50,000 are looked through in seconds.

The index lies in cache/, is made of the records alone, and may be thrown away at any time. A record is read again when its size,
time or inode is another; whether the files that were made of a track are still as written is asked of the disk each time.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import RecordError, RegisteredTrack, TrackRecord, TrackStatus
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.outcome import Outcome
from lofi_pipeline.ingest.process_track import load_record
from lofi_pipeline.ingest.registry import load_registry
from lofi_pipeline.storage import DataRoot, file_stamp, locked, require_music

_FEW = 500
"""So many records are read each time."""
_TABLES = "CREATE TABLE outcomes (track_id TEXT PRIMARY KEY, stamp TEXT, said TEXT) WITHOUT ROWID"
_LAYOUT = zlib.crc32(f"{_TABLES} {Outcome.model_fields}".encode()) >> 1
"""Told by SQLite's user_version: an index of another version of this program is made anew."""


def pending_tracks(root: DataRoot, config: PipelineConfig) -> list[str]:
    """The ids of the tracks that have something to be done, in the order they were registered."""
    require_music(root)
    context = ProcessingContext.open(config)
    with _outcomes(root) as (present, outcome_of):
        return [
            track.track_id
            for track in present
            if (outcome := outcome_of(track.track_id)) is None or outcome.needs_work(root, track, context)
        ]


def refused_tracks(root: DataRoot) -> list[TrackRecord]:
    """The records of the tracks that lie in data/raw and that policy refused, in the order they were registered."""
    refused: list[TrackRecord] = []
    with _outcomes(root) as (present, outcome_of):
        for track in present:
            with suppress(
                RecordError, OSError
            ):  # the next work on the track says what is wrong with its record
                outcome = outcome_of(track.track_id)
                if outcome and outcome.status is TrackStatus.REJECTED:
                    refused += filter(None, [load_record(root, track.track_id)])
    return refused


@contextmanager
def _outcomes(root: DataRoot) -> Iterator[tuple[list[RegisteredTrack], Callable[[str], Outcome | None]]]:
    """The tracks that lie in data/raw, and what tells what came of one."""
    present = [track for track in load_registry(root).tracks if track.origins]
    if len(present) <= _FEW:
        yield present, partial(_read, root)
        return
    known = _Index.open(root.cache / "due.sqlite")

    def outcome_of(track_id: str) -> Outcome | None:
        stamp = file_stamp(root.track_record(track_id))
        found = known.outcome(track_id, stamp)
        if found is None and (found := _read(root, track_id)):
            known.note(track_id, stamp, found)
        return found

    yield present, outcome_of
    known.save()


def _read(root: DataRoot, track_id: str) -> Outcome | None:
    record = load_record(root, track_id)
    return Outcome.of(record) if record else None


@dataclass
class _Index:
    """What the records said when they were read last, each with how its file looked then."""

    path: Path
    _known: Mapping[str, tuple[str, str]]
    _new: dict[str, tuple[str, str]]

    @classmethod
    def open(cls, path: Path) -> _Index:
        """The index in a file; empty where there is none, or one that cannot be read."""
        if not path.is_file():
            return cls(path, {}, {})
        try:
            with closing(sqlite3.connect(path, timeout=60)) as database:
                (layout,) = database.execute("PRAGMA user_version").fetchone()
                rows = database.execute("SELECT * FROM outcomes") if layout == _LAYOUT else []
                return cls(path, {track_id: (stamp, said) for track_id, stamp, said in rows}, {})
        except sqlite3.Error:  # it is damaged
            return cls(path, {}, {})

    def outcome(self, track_id: str, stamp: str) -> Outcome | None:
        """What the record of a track says, if it is the one that was read."""
        before = self._known.get(track_id)
        return Outcome.model_validate_json(before[1]) if before and stamp and before[0] == stamp else None

    def note(self, track_id: str, stamp: str, outcome: Outcome) -> None:
        """Keep what a record says that looked so before it was read."""
        self._new[track_id] = stamp, outcome.model_dump_json()

    def save(self) -> None:
        """Write what is new. Where that cannot be done, it is read once more the next time."""
        if not self._new:
            return
        with suppress(OSError, sqlite3.Error):
            self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path):
            if not self._known:
                self.path.unlink(missing_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as database, database:
                if not self._known:
                    database.execute(_TABLES)
                    database.execute(f"PRAGMA user_version = {_LAYOUT}")
                rows = [(track_id, *said) for track_id, said in self._new.items()]
                database.executemany("REPLACE INTO outcomes VALUES (?, ?, ?)", rows)
