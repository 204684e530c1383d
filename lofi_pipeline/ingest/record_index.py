"""What the records of tracks said when they were read last, in SQLite, so that of 50,000 only those are read that changed since.

It lies in cache/due.sqlite, is made of the records alone by this very code, and may be thrown away at any time. A record is read
again when its size, one of its times or its inode is another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from lofi_pipeline.entities import track_number
from lofi_pipeline.installation import code_version
from lofi_pipeline.storage import DataRoot

FEW = 500
"""Of so many tracks nothing is kept: their records are read each time."""
_SAVE_EVERY = 1000
_AT_ONCE = 128
"""Tracks of which a text is fetched together: they are asked for in their order, and each alone takes five times as long."""
_WAIT_SECONDS = 0.5
"""For another process that writes to it: to read a record once more costs less."""


def index_path(root: DataRoot) -> Path:
    """Where it lies."""
    return root.cache / "due.sqlite"


class RecordIndex:
    """One table of it, open: by track, texts that were made of its record."""

    def __init__(self, database: sqlite3.Connection, table: str, texts: Sequence[str]) -> None:
        self._database, self._table = database, table
        self._unsaved, self._can_be_written = 0, True
        self._fetched: dict[str, tuple[int, dict[int, tuple[str, str]]]] = {}
        """By text, which of the pieces of the table was fetched last, and what it held: stamp and text by track."""
        self._texts = tuple(texts)
        self._insert = f"REPLACE INTO {table} VALUES ({', '.join('?' * (len(texts) + 2))})"
        with suppress(sqlite3.Error), database:
            columns = "".join(f", {text} TEXT" for text in texts)
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, stamp TEXT{columns})"
            )

    def find(self, track_id: str, stamp: str, text: str) -> str | None:
        """A text of a track, if its record looks as it did when the text was made of it."""
        number = track_number(track_id)
        with suppress(sqlite3.Error):
            found = self._piece(number // _AT_ONCE, text).get(number)
            if found and stamp and found[0] == stamp:
                return found[1]
        return None

    def _piece(self, piece: int, text: str) -> dict[int, tuple[str, str]]:
        fetched = self._fetched.get(text)
        if fetched is None or fetched[0] != piece:
            first = piece * _AT_ONCE
            rows = self._database.execute(
                f"SELECT id, stamp, {text} FROM {self._table} WHERE id >= ? AND id < ?",
                (first, first + _AT_ONCE),
            )
            fetched = self._fetched[text] = (piece, {number: (stamp, it) for number, stamp, it in rows})
        return fetched[1]

    def _have_fetched(self, number: int, stamp: str, texts: Sequence[str]) -> None:
        for name, text in zip(self._texts, texts, strict=True):
            piece, rows = self._fetched.get(name, (None, {}))
            if piece == number // _AT_ONCE:
                rows[number] = stamp, text

    def note(self, track_id: str, stamp: str, *texts: str) -> None:
        """Keep what was made of a record that looked so before it was read."""
        if not (stamp and self._can_be_written):
            return
        try:
            self._database.execute(self._insert, (track_number(track_id), stamp, *texts))
            self._have_fetched(track_number(track_id), stamp, texts)
        except sqlite3.Error:  # another process writes to it, or the disk is full: this is tried once
            self._can_be_written = False
        self._unsaved += 1
        if self._unsaved >= _SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Have it on the disk, and let others write. Where that cannot be done, records are read once more the next time."""
        with suppress(sqlite3.Error):
            self._database.commit()
        self._unsaved = 0


@contextmanager
def opened_index(root: DataRoot, table: str, *texts: str, tracks: int) -> Iterator[RecordIndex]:
    """A table of the index, with these texts of each track. Of few tracks, or where it cannot be kept, it is for once."""
    with closing(_database(index_path(root)) if tracks > FEW else sqlite3.connect(":memory:")) as database:
        index = RecordIndex(database, table, texts)
        try:
            yield index
        finally:
            index.save()


def _database(path: Path) -> sqlite3.Connection:
    """The file, made anew where it is damaged, or of other code; in memory where there can be none."""
    layout = int(code_version()[:7], 16)
    for _ in range(2):
        with suppress(OSError, sqlite3.Error):
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=_WAIT_SECONDS)
            with suppress(sqlite3.DatabaseError):
                if database.execute("PRAGMA user_version").fetchone()[0] == layout:
                    database.execute("SELECT count(*) FROM sqlite_master").fetchone()
                    return database
                if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                    database.execute(f"PRAGMA user_version = {layout}")
                    return database
            database.close()
            path.unlink()
    return sqlite3.connect(":memory:")
