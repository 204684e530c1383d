"""What SQLite says of Dagster's history, in a sentence: the disk is full, another program holds it, or a database is damaged.

A damaged database is put aside, never deleted: the next command makes a new one, and enters what lies on disk.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lofi_pipeline.automation.errors import HistoryFault
from lofi_pipeline.automation.server_faults import server_in_words
from lofi_pipeline.storage import DataRoot, in_words, locked, trouble_with

_BELONGING = ("", "-wal", "-shm")
"""What SQLite keeps beside a database, its log and its index of the log."""
_PRIMARY = 0xFF
"""The bits of SQLite's error code that are its kind."""
_MIGRATE = "dagster instance migrate"
"""What Dagster advises where a table is missing that an older version of it did not have."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


@contextmanager
def history_in_words(root: DataRoot) -> Iterator[None]:
    """Turn what SQLite or PostgreSQL raises in the block, wherever it was caught and raised again, into a HistoryFault.

    Raises:
        HistoryFault: the history cannot be read or written; the message says what to do.
    """
    try:
        yield
    except Exception as error:
        if fault := _of_sqlite(error):
            raise HistoryFault(_sentence(root.dagster_home, fault)) from error
        if said := server_in_words(error):
            raise HistoryFault(said) from error
        if _MIGRATE in str(error):
            raise HistoryFault(
                _make_anew(root.dagster_home, "it is of another version of Dagster")
            ) from error
        raise


def _of_sqlite(error: BaseException | None) -> sqlite3.Error | None:
    """SQLite's own error among the causes of another."""
    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__ or error.__context__
    return error


def _sentence(home: Path, fault: sqlite3.Error) -> str:
    kind = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if trouble := _trouble_with_disk(home):
        return in_words(trouble)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{home}: another program holds Dagster's history for too long ({fault}); wait for it, or end it, then give the "
            "same command again. A history on a network disk is often locked: have the data root on a disk of this machine"
        )
    if kind in _DAMAGED and (renamed := _put_aside_damaged(home, str(fault))):
        return (
            f"{' and '.join(renamed)}: this part of Dagster's history was damaged ({fault}) and was renamed to that; give the "
            "same command again: it is made anew from what is on disk"
        )
    return _make_anew(home, str(fault))


def _make_anew(home: Path, why: str) -> str:
    return (
        f"{home}: Dagster's history cannot be used ({why}); move its folders history and schedules to another place, and "
        "give the same command again: they are made anew from what is on disk"
    )


def _trouble_with_disk(home: Path) -> OSError | None:
    """What the disk does not allow, for SQLite does not say it: a full one, one for reading, a file that is another user's."""
    for folder in dict.fromkeys([home, *(database.parent for database in _databases(home))]):
        if trouble := trouble_with(folder):
            return trouble
    for database in _databases(home):
        with suppress(FileNotFoundError):
            try:
                os.close(os.open(database, os.O_RDWR))
            except IsADirectoryError:
                continue
            except OSError as error:
                return error
    return None


def _databases(home: Path) -> list[Path]:
    return sorted(home.glob("history/**/*.db")) + sorted(home.glob("schedules/*.db"))


def _put_aside_damaged(home: Path, said: str) -> list[str]:
    """Rename the databases that are damaged; their new paths."""
    lacking = re.search(r"no such table: (?:\w+\.)?(\w+)", said)
    ending = f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    renamed = []
    with locked(home / "dagster.yaml"):
        for path in _databases(home):
            if _is_damaged(path, lacking[1] if lacking else None):
                renamed.append(f"{path}{ending}")
                for suffix in _BELONGING:
                    with suppress(FileNotFoundError):
                        path.with_name(path.name + suffix).rename(f"{path}{ending}{suffix}")
    return renamed


def _is_damaged(path: Path, lacking: str | None) -> bool:
    """Whether it is no whole database, or has lost the table that Dagster looked for in it."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            whole = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return True
    return not whole or (lacking in _tables_of(path) and lacking not in tables)


def _tables_of(path: Path) -> set[str]:
    """The tables that Dagster keeps in the database of this name."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    kept = {"runs.db": RunStorageSqlMetadata, "schedules.db": ScheduleStorageSqlMetadata}
    return set(kept.get(path.name, SqlEventLogStorageMetadata).tables)
