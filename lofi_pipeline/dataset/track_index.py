"""An index of the track list for pages: what `track_overview` says, kept in SQLite, so that 50,000 tracks are searched in milliseconds.

It lies in cache/, is made of the records alone (track_refresh.py), and may be thrown away at any time. What can be asked of it is in
track_query.py, its tables are in track_tables.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import ValidationError

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.overview import TrackOverview
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
)
from lofi_pipeline.dataset.track_refresh import Progress, Refresh, Refreshed, is_made
from lofi_pipeline.dataset.track_tables import OTHERS_FROM, keep_elsewhere, opened, place_of, throw_away
from lofi_pipeline.storage import DataRoot

Answer = TypeVar("Answer")


class TrackIndex:
    """The index of one data root, open. Use `ask_index`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

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
            "SELECT id FROM tracks WHERE track_id = ? AND id < ?", (track_id, OTHERS_FROM)
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
            f"SELECT track_id FROM tracks WHERE {where} AND id < {OTHERS_FROM} AND {there} ORDER BY {ordered} LIMIT 1",
            [*values, *more],
        ).fetchone()
        return found[0] if found else None

    def ids(self, query: TrackQuery) -> list[str]:
        """The ids of all tracks that are asked for, in their order."""
        where, values = condition(query)
        found = self._database.execute(
            f"SELECT track_id FROM tracks WHERE {where} AND id < {OTHERS_FROM} ORDER BY {order(query)}",
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


def ask_index(root: DataRoot, config: PipelineConfig, question: Callable[[TrackIndex], Answer]) -> Answer:
    """Ask the index, which is brought up to date before, however long that takes.

    Raises:
        RecordError: a record cannot be read; its sentence names the file.
    """

    def asked(database: sqlite3.Connection) -> Answer:
        Refresh(root, config, database)()
        return question(TrackIndex(database))

    return _mended(root, asked)


def refresh_index(
    root: DataRoot, config: PipelineConfig, tell: Callable[[Progress], object] = lambda _: None
) -> Refreshed:
    """Bring the index up to date, and say meanwhile how far that is.

    Raises:
        RecordError: a record cannot be read; its sentence names the file.
    """
    return _mended(root, lambda database: Refresh(root, config, database, tell)())


def ask_index_as_it_is(root: DataRoot, question: Callable[[TrackIndex], Answer]) -> Answer | None:
    """Ask the index without looking for what changed since. None: it was never whole, and is to be made first."""

    def asked(database: sqlite3.Connection) -> Answer | None:
        return question(TrackIndex(database)) if is_made(database) else None

    return _mended(root, asked)


def _mended(root: DataRoot, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Work on the index. A damaged or foreign one is made anew; where none can be kept in the data root, elsewhere."""
    try:
        try:
            with opened(place_of(root)) as database:
                return work(database)
        except (sqlite3.DatabaseError, ValidationError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            throw_away(place_of(root))
            with opened(place_of(root)) as database:
                return work(database)
    except (OSError, sqlite3.DatabaseError):  # a disk that is full, or may not be written to
        keep_elsewhere(root)
        with opened(place_of(root)) as database:
            return work(database)
