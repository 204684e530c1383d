"""The SQLite tables that the track list is kept in, and how they are opened and written to. They hold nothing that the records do not say."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from lofi_pipeline.dataset.overview import TrackOverview
from lofi_pipeline.dataset.track_query import row_number, searchable, sorted_by
from lofi_pipeline.dataset.worked import Worked
from lofi_pipeline.entities import Entity
from lofi_pipeline.storage import DataRoot, locked

OTHERS_FROM = 10**12
"""The row ids of files that give no track; a track's is its number."""
_TABLES = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
    CREATE TABLE records (
        track_id TEXT PRIMARY KEY, record TEXT NOT NULL DEFAULT '', edits TEXT NOT NULL DEFAULT '', worked TEXT
    ) WITHOUT ROWID;
    CREATE TABLE tracks (
        id INTEGER PRIMARY KEY, track_id TEXT, source_id TEXT, state TEXT, split TEXT,
        unsure INT NOT NULL, waiting INT NOT NULL, refused INT NOT NULL, verified INT NOT NULL,
        title TEXT, confidence REAL, quality INT, tempo INT, duration REAL,
        twice INT NOT NULL, fingerprint INT NOT NULL
    );
    CREATE TABLE said (id INTEGER PRIMARY KEY, row TEXT NOT NULL, barrier TEXT);
    CREATE TABLE styles (style_id TEXT, row INT, PRIMARY KEY (style_id, row)) WITHOUT ROWID;
    CREATE INDEX styles_of ON styles (row);
    CREATE VIRTUAL TABLE words USING fts5 (said, tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3');
    CREATE INDEX by_track ON tracks (track_id);
    CREATE INDEX by_source ON tracks (source_id);
    CREATE INDEX by_state ON tracks (state);
    CREATE INDEX by_split ON tracks (split);
    CREATE INDEX by_flags ON tracks (unsure, waiting, refused, verified);
"""
_TABLES += "".join(
    f"CREATE INDEX {name}_{way or 'asc'} ON tracks ({name} IS NULL, {name} {way}, id);"
    for name in ("title", "confidence", "quality", "tempo", "duration")
    for way in ("", "desc")
)
_FIELDS = [*TrackOverview.model_fields, *Worked.model_fields]
_LAYOUT = zlib.crc32(f"{_TABLES} {_FIELDS}".encode()) >> 1
"""Told by SQLite's user_version: an index of another version of this program is made anew."""
_COLUMNS = (
    *("id", "track_id", "source_id", "state", "split", "unsure", "waiting", "refused", "verified"),
    *("title", "confidence", "quality", "tempo", "duration", "twice", "fingerprint"),
)
_SPARE: dict[Path, TemporaryDirectory[str]] = {}


def index_path(root: DataRoot) -> Path:
    """Where the index lies."""
    return root.cache / "tracks.sqlite"


def place_of(root: DataRoot) -> Path:
    """Where this process keeps the index: in the data root, or where that cannot be written to, in a temporary folder of its own."""
    spare = _SPARE.get(root.path)
    return Path(spare.name) / "tracks.sqlite" if spare else index_path(root)


def keep_elsewhere(root: DataRoot) -> None:
    """Keep the index in a temporary folder from now on, until this process ends."""
    if root.path not in _SPARE:
        _SPARE[root.path] = TemporaryDirectory(prefix="lofi-tracks-", ignore_cleanup_errors=True)


class Kept(Entity):
    """Of what keeps a track out, what does not change with the work on it."""

    refused: str | None
    barred: str | None
    held: bool


@dataclass(frozen=True)
class Row:
    """A line of the table of tracks. Without `kept`: a file that gives no track."""

    number: int
    said: TrackOverview
    kept: Kept | None = None
    twice: bool = False
    fingerprint: bool = False
    compared: ClassVar[tuple[str, ...]] = ("row", "barrier", "twice", "fingerprint")

    @classmethod
    def of(cls, said: TrackOverview, kept: Kept, *, twice: bool = False, fingerprint: bool) -> Row:
        """The line of a track."""
        return cls(row_number(said), said, kept, twice, fingerprint)

    def values(self) -> list[str | float | None]:
        """By `_COLUMNS`."""
        said = self.said
        return [
            *(self.number, said.track_id, said.source_id, said.state, said.split),
            *(said.unsure, said.waits, said.refused and not said.waits, said.verified),
            *sorted_by(said).values(),
            *self.as_compared()[2:],
        ]

    def as_compared(self) -> list[str | float | None]:
        """By `compared`: what tells whether the line is another."""
        kept = self.kept.model_dump_json() if self.kept else None
        return [self.said.model_dump_json(), kept, int(self.twice), int(self.fingerprint)]


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database in a file, with its tables.

    Raises:
        OSError: it cannot be written there.
        sqlite3.DatabaseError: it is damaged, or another one; or it cannot be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "PRAGMA cache_spill = OFF"
        )  # who reads waits for the end of a change, not for all of it
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found != _LAYOUT:
            with locked(path):
                _make_tables(database)
        yield database
    finally:
        database.close()


def _make_tables(database: sqlite3.Connection) -> None:
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        if database.execute("PRAGMA user_version").fetchone()[0] == _LAYOUT:
            return  # another process was faster
        raise sqlite3.DatabaseError("not an index of this version")
    database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_LAYOUT}; COMMIT;")


def throw_away(path: Path) -> None:
    """Remove a damaged or foreign index."""
    with locked(path):
        for name in (path.name, f"{path.name}-journal"):
            path.with_name(name).unlink(missing_ok=True)


@contextmanager
def changing(database: sqlite3.Connection) -> Iterator[None]:
    """All that is written in the block, or nothing of it."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        yield


def remove(database: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take lines out."""
    values = [(number,) for number in numbers]
    for table, column in (("tracks", "id"), ("said", "id"), ("styles", "row"), ("words", "rowid")):
        database.executemany(f"DELETE FROM {table} WHERE {column} = ?", values)


def write(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write lines, in place of those with the same numbers."""
    remove(database, (row.number for row in rows))
    marks = ", ".join("?" * len(_COLUMNS))
    database.executemany(
        f"INSERT INTO tracks ({', '.join(_COLUMNS)}) VALUES ({marks})", (row.values() for row in rows)
    )
    database.executemany(
        "INSERT INTO said VALUES (?, ?, ?)", ((row.number, *row.as_compared()[:2]) for row in rows)
    )
    database.executemany(
        "INSERT INTO styles VALUES (?, ?)",
        ((style, row.number) for row in rows for style in dict.fromkeys(row.said.style_ids)),
    )
    database.executemany(
        "INSERT INTO words (rowid, said) VALUES (?, ?)", ((row.number, searchable(row.said)) for row in rows)
    )
