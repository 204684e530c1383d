"""An index of the track list for pages: what `track_overview` says, kept in SQLite, so that 50,000 tracks are searched in milliseconds.

It lies in cache/, is made of the records alone, and may be thrown away at any time. What changed since is told by the size, time
and inode of the files that it was made of; only records that changed are read. What can be asked of it is in track_query.py.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import ValidationError

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.dataset.exclusions import Barrier, Barriers, tracks_with_fingerprint, uncompared
from lofi_pipeline.dataset.file_stamps import UNSETTLED, folder_stamp, stamps_in, state_of_inputs
from lofi_pipeline.dataset.overview import TrackOverview, overview, with_work
from lofi_pipeline.dataset.track_query import (
    PAGE_ROWS,
    TrackChoice,
    TrackCounts,
    TrackFilter,
    TrackPage,
    TrackQuery,
    beside,
    condition,
    order,
    row_number,
    searchable,
    sorted_by,
)
from lofi_pipeline.dataset.worked import Worked, load_worked
from lofi_pipeline.entities import Entity
from lofi_pipeline.ingest import load_registry
from lofi_pipeline.storage import DataRoot, locked

_OTHERS_FROM = 10**12
"""The row ids of files that give no track; a track's is its number."""
_LOOK_AGAIN_SECONDS = 30
"""A record that was written to in place leaves its folder's time as it is: what is seen at once is what is renamed into place."""
_FEW_RECORDS = 500
"""These are looked at each time: it takes a few milliseconds."""
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
_RECORDS, _EDITS, _FINGERPRINTS = _FOLDERS = ("record", "edits", "fingerprints")
_SUFFIX = {_RECORDS: ".json", _EDITS: ".jsonl"}
"""Of the files that are looked at one by one."""
Answer = TypeVar("Answer")


def index_path(root: DataRoot) -> Path:
    """Where the index lies."""
    return root.cache / "tracks.sqlite"


class Refreshed(Entity):
    """What was done to bring the index up to date."""

    looked_at: int = 0
    """Records whose size and time were asked."""
    read: int = 0
    """Records that were read."""
    all_anew: bool = False
    """Whether what decides for all tracks was read."""


class _Seen(Entity):
    """The state of the data root that an index was made of."""

    inputs: str
    folders: dict[str, str]
    looked: float

    def is_old(self, now: _Seen) -> bool:
        """Whether everything should be looked at again."""
        return abs(now.looked - self.looked) > _LOOK_AGAIN_SECONDS


class TrackIndex:
    """The index of one data root, open. Use `ask_index`."""

    def __init__(self, root: DataRoot, config: PipelineConfig, database: sqlite3.Connection) -> None:
        self._root, self._config, self._database = root, config, database

    def refresh(self) -> Refreshed:
        """Bring it up to date with the records."""
        seen, now = self._seen(), self._now()
        look = self._to_look_at(seen, now)
        same = seen is not None and seen.inputs == now.inputs
        if same and not look:
            return Refreshed()
        stamps = {
            kind: stamps_in(self._folder(kind), suffix) for kind, suffix in _SUFFIX.items() if kind in look
        }
        fingerprints = tracks_with_fingerprint(self._root) if _FINGERPRINTS in look else None
        looked_at = sum(map(len, stamps.values()))
        settled = same and seen is not None and seen.folders == now.folders and not seen.is_old(now)
        if settled and not (self._changed(stamps) or self._other_fingerprints(fingerprints)):
            return Refreshed(looked_at=looked_at)
        with self._writing():
            changed = self._changed(stamps)
            concerned = changed | self._other_fingerprints(fingerprints)
            self._read(changed, stamps)
            anew = not same or self._concerns_others(concerned)
            if anew:
                self._make_all()
            else:
                self._update(concerned, fingerprints)
            self._database.execute("REPLACE INTO meta VALUES ('seen', ?)", (now.model_dump_json(),))
        return Refreshed(looked_at=looked_at, read=len(changed), all_anew=anew)

    def _folder(self, kind: str) -> Path:
        return {
            _RECORDS: self._root.track_records,
            _EDITS: self._root.edits,
            _FINGERPRINTS: self._root.fingerprint("").parent,
        }[kind]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        path = self._database.execute("PRAGMA database_list").fetchone()[2]
        with locked(Path(path)) if path else nullcontext(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def page(self, query: TrackQuery) -> TrackPage:
        """One page of the tracks that are asked for; beyond the last one, the last."""
        where, values = condition(query)
        total = self.count(query)
        pages = max(1, -(-total // PAGE_ROWS))
        page = min(query.page, pages)
        found = self._database.execute(
            f"SELECT id FROM tracks WHERE {where} ORDER BY {order(query)} LIMIT ? OFFSET ?",
            [*values, PAGE_ROWS, (page - 1) * PAGE_ROWS],
        )
        rows = [self._said(number) for (number,) in found]
        return TrackPage(rows=rows, total=total, page=page, pages=pages)

    def count(self, query: TrackQuery) -> int:
        """How many tracks are asked for."""
        where, values = condition(query)
        return self._database.execute(f"SELECT count(*) FROM tracks WHERE {where}", values).fetchone()[0]

    def rows(self, query: TrackQuery | None = None) -> Iterator[TrackOverview]:
        """Every track that is asked for."""
        query = query or TrackQuery()
        where, values = condition(query)
        for (number,) in self._database.execute(
            f"SELECT id FROM tracks WHERE {where} ORDER BY {order(query)}", values
        ):
            yield self._said(number)

    def row(self, track_id: str) -> TrackOverview | None:
        """What is said of one track; None: there is no such track, or no file of it."""
        found = self._database.execute(
            "SELECT id FROM tracks WHERE track_id = ? AND id < ?", (track_id, _OTHERS_FROM)
        ).fetchone()
        return self._said(found[0]) if found else None

    def _said(self, number: int) -> TrackOverview:
        (row,) = self._database.execute("SELECT row FROM said WHERE id = ?", (number,)).fetchone()
        return TrackOverview.model_validate_json(row)

    def neighbour(self, query: TrackQuery, track_id: str, *, following: bool) -> str | None:
        """The track before or after one, in the order that is asked for."""
        row = self.row(track_id)
        if row is None:
            return None
        where, values = condition(query)
        there, ordered, more = beside(query, row, following=following)
        found = self._database.execute(
            f"SELECT track_id FROM tracks WHERE {where} AND id < {_OTHERS_FROM} AND {there} ORDER BY {ordered} LIMIT 1",
            [*values, *more],
        ).fetchone()
        return found[0] if found else None

    def ids(self, query: TrackQuery) -> list[str]:
        """The ids of all tracks that are asked for, in their order."""
        where, values = condition(query)
        found = self._database.execute(
            f"SELECT track_id FROM tracks WHERE {where} AND id < {_OTHERS_FROM} ORDER BY {order(query)}",
            values,
        )
        return [track_id for (track_id,) in found]

    def counts(self, query: TrackQuery) -> TrackCounts:
        """How many tracks each further filter would leave."""
        where, values = condition(query)
        sums = ", ".join(f"total({kind})" for kind in TrackFilter)
        count, *flags = self._database.execute(
            f"SELECT count(*), {sums} FROM tracks WHERE {where}", values
        ).fetchone()
        return TrackCounts(
            all=count,
            filters={kind: int(flag) for kind, flag in zip(TrackFilter, flags, strict=True)},
            choices={kind: self._choices(query, kind) for kind in TrackChoice},
        )

    def _choices(self, query: TrackQuery, kind: TrackChoice) -> dict[str, int]:
        where, values = condition(query, without=kind)
        if kind is TrackChoice.STYLE:
            which = "" if where == "1" else f"WHERE row IN (SELECT id FROM tracks WHERE {where})"
            asked = f"SELECT style_id, count(*) FROM styles {which} GROUP BY style_id ORDER BY style_id"
        else:
            column = "source_id" if kind is TrackChoice.SOURCE else str(kind)
            asked = f"SELECT {column}, count(*) FROM tracks WHERE {where} GROUP BY {column} ORDER BY {column}"
        return {value: count for value, count in self._database.execute(asked, values) if value}

    def _seen(self) -> _Seen | None:
        found = self._database.execute("SELECT value FROM meta WHERE name = 'seen'").fetchone()
        return _Seen.model_validate_json(found[0]) if found else None

    def _now(self) -> _Seen:
        moment = time.time_ns()
        folders = {kind: folder_stamp(self._folder(kind), moment) for kind in _FOLDERS}
        return _Seen(inputs=state_of_inputs(self._root, self._config), folders=folders, looked=moment / 1e9)

    def _to_look_at(self, seen: _Seen | None, now: _Seen) -> set[str]:
        """The folders in which something may have changed."""
        if seen is None or seen.is_old(now):
            return {*_FOLDERS}
        many = self._database.execute("SELECT 1 FROM records LIMIT 1 OFFSET ?", (_FEW_RECORDS,)).fetchone()
        if not many:
            return {*_FOLDERS}
        return {
            kind
            for kind, stamp in now.folders.items()
            if stamp == UNSETTLED or stamp != seen.folders.get(kind)
        }

    def _changed(self, stamps: Mapping[str, Mapping[str, str]]) -> set[str]:
        """The tracks whose records or edits are others than they were, or gone."""
        changed: set[str] = set()
        for kind, found in stamps.items():
            known = dict(self._database.execute(f"SELECT track_id, {kind} FROM records WHERE {kind} != ''"))
            changed |= {it for it in found.keys() | known.keys() if found.get(it) != known.get(it)}
        return changed

    def _other_fingerprints(self, fingerprints: Collection[str] | None) -> set[str]:
        """The tracks that have a fingerprint now and had none, or the other way round."""
        if fingerprints is None:
            return set()
        known = self._database.execute(f"SELECT track_id, fingerprint FROM tracks WHERE id < {_OTHERS_FROM}")
        return {track_id for track_id, had in known if had != (track_id in fingerprints)}

    def _concerns_others(self, changed: Iterable[str]) -> bool:
        """Whether one of the tracks is the same recording as another: which of them is kept may change."""
        twice = {it for (it,) in self._database.execute("SELECT track_id FROM tracks WHERE twice")}
        return not twice.isdisjoint(changed)

    def _read(self, changed: Collection[str], stamps: Mapping[str, Mapping[str, str]]) -> None:
        """Read the records of tracks, and remember what they say."""
        for track_id in changed:
            worked = load_worked(self._root, track_id)
            self._database.execute(
                "INSERT INTO records (track_id, worked) VALUES (?, ?)"
                " ON CONFLICT (track_id) DO UPDATE SET worked = excluded.worked",
                (track_id, worked.model_dump_json() if worked else None),
            )
        for kind, found in stamps.items():
            self._database.executemany(
                f"UPDATE records SET {kind} = ? WHERE track_id = ?",
                [(found.get(track_id, ""), track_id) for track_id in changed],
            )

    def _worked(self, track_ids: Collection[str] | None = None) -> dict[str, Worked]:
        """What came of tracks; of all of them without a list."""
        if track_ids is None:
            found = self._database.execute("SELECT track_id, worked FROM records WHERE worked IS NOT NULL")
        else:
            found = self._each(
                "SELECT track_id, worked FROM records WHERE worked IS NOT NULL AND track_id = ?", track_ids
            )
        return {track_id: Worked.model_validate_json(said) for track_id, said in found}

    def _each(self, asked: str, track_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
        for track_id in track_ids:
            yield from self._database.execute(asked, (track_id,)).fetchall()

    def _update(self, changed: Collection[str], fingerprints: Collection[str] | None) -> None:
        """Tell again of tracks whose record, edits or fingerprint changed, where nothing else did."""
        known = self._worked(changed)
        listed = self._each(
            "SELECT track_id, row, barrier, fingerprint FROM tracks CROSS JOIN said USING (id)"
            f" WHERE track_id = ? AND id < {_OTHERS_FROM}",
            changed,
        )
        rows = []
        for track_id, said, kept, had in listed:
            barrier = _Kept.model_validate_json(kept)
            having = fingerprints if fingerprints is not None else {track_id} if had else set()
            worked, missing = known.get(track_id), uncompared(track_id, having)
            whole = Barrier(barrier.refused, missing, barrier.barred, barrier.held)
            reason = whole.reason(worked)
            waits = None if reason else whole.waits(worked)
            row = with_work(
                TrackOverview.model_validate_json(said), worked, reason or waits, waits=waits is not None
            )
            rows.append(_Row.of(row, barrier, fingerprint=missing is None))
        self._write(rows)

    def _make_all(self) -> None:
        """Tell anew of all tracks and files; what is said of a track as before is not written."""
        barriers = Barriers.of(self._root, eligibility_of(self._root, self._config))
        known = self._worked()
        tracks = {it.track_id: it for it in load_registry(self._root).tracks if it.origins}
        rows = []
        for number, said in enumerate(overview(self._root, barriers, known.get)):
            track = tracks.pop(said.track_id or "", None)
            if track is None:
                rows.append(_Row(number=_OTHERS_FROM + number, said=said))
                continue
            before = barriers.before(track)
            kept = _Kept(refused=before.refused, barred=before.barred, held=before.held)
            twice, compared = track.track_id in barriers.twice, before.uncompared is None
            rows.append(_Row.of(said, kept, twice=twice, fingerprint=compared))
        self._write_all(rows)

    def _write_all(self, rows: Sequence[_Row]) -> None:
        columns = ", ".join(_Row.compared)
        known = {
            number: kept
            for number, *kept in self._database.execute(
                f"SELECT id, {columns} FROM tracks CROSS JOIN said USING (id)"
            )
        }
        self._remove(known.keys() - {row.number for row in rows})
        self._write([row for row in rows if known.get(row.number) != row.as_compared()])

    def _remove(self, numbers: Iterable[int]) -> None:
        values = [(number,) for number in numbers]
        for table, column in (("tracks", "id"), ("said", "id"), ("styles", "row"), ("words", "rowid")):
            self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", values)

    def _write(self, rows: Sequence[_Row]) -> None:
        self._remove(row.number for row in rows)
        marks = ", ".join("?" * len(_COLUMNS))
        self._database.executemany(
            f"INSERT INTO tracks ({', '.join(_COLUMNS)}) VALUES ({marks})", (row.values() for row in rows)
        )
        self._database.executemany(
            "INSERT INTO said VALUES (?, ?, ?)", ((row.number, *row.as_compared()[:2]) for row in rows)
        )
        self._database.executemany(
            "INSERT INTO styles VALUES (?, ?)",
            ((style, row.number) for row in rows for style in dict.fromkeys(row.said.style_ids)),
        )
        self._database.executemany(
            "INSERT INTO words (rowid, said) VALUES (?, ?)",
            ((row.number, searchable(row.said)) for row in rows),
        )


class _Kept(Entity):
    """Of what keeps a track out, what does not change with the work on it."""

    refused: str | None
    barred: str | None
    held: bool


_COLUMNS = (
    *("id", "track_id", "source_id", "state", "split", "unsure", "waiting", "refused", "verified"),
    *("title", "confidence", "quality", "tempo", "duration", "twice", "fingerprint"),
)


@dataclass(frozen=True)
class _Row:
    """A line of the table of tracks. Without `kept`: a file that gives no track."""

    number: int
    said: TrackOverview
    kept: _Kept | None = None
    twice: bool = False
    fingerprint: bool = False
    compared: ClassVar[tuple[str, ...]] = ("row", "barrier", "twice", "fingerprint")

    @classmethod
    def of(cls, said: TrackOverview, kept: _Kept, *, twice: bool = False, fingerprint: bool) -> _Row:
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


def ask_index(root: DataRoot, config: PipelineConfig, question: Callable[[TrackIndex], Answer]) -> Answer:
    """Ask the index, which is brought up to date before. A damaged or foreign one is made anew; where none can be kept, for once.

    Raises:
        RecordError: a record cannot be read; its sentence names the file.
    """
    path = index_path(root)
    try:
        try:
            with _opened(path) as database:
                return _asked(root, config, database, question)
        except (sqlite3.DatabaseError, ValidationError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            with locked(path):
                _throw_away(path)
            with _opened(path) as database:
                return _asked(root, config, database, question)
    except (OSError, sqlite3.DatabaseError):  # a disk that is full, or may not be written to
        with _opened(None) as database:
            return _asked(root, config, database, question)


def _asked(
    root: DataRoot,
    config: PipelineConfig,
    database: sqlite3.Connection,
    question: Callable[[TrackIndex], Answer],
) -> Answer:
    index = TrackIndex(root, config, database)
    index.refresh()
    return question(index)


@contextmanager
def _opened(path: Path | None) -> Iterator[sqlite3.Connection]:
    """The database in a file, with its tables; without a path, in memory.

    Raises:
        sqlite3.DatabaseError: it is damaged, or another one.
    """
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path or ":memory:", timeout=60, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "PRAGMA cache_spill = OFF"
        )  # who reads waits for the end of a change, not for all of it
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found != _LAYOUT:
            with locked(path) if path else nullcontext():
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


def _throw_away(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal"):
        path.with_name(name).unlink(missing_ok=True)
