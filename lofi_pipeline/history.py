"""Dagster's history in SQLite, in the files that Dagster's own storage makes, with events written together where they come together.

Dagster writes each event by itself: a commit in the file of its run, and another one in the index of all runs. A run tells of each
track in three assets, so that would be thirteen commits a track.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby
from threading import local

from dagster import DagsterInstance, EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection


class History(DagsterSqliteStorage):
    """What dagster.yaml names as `storage`: runs, events and ticks, where Dagster itself would put them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = Events(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig
    ) -> History:
        """As Dagster calls it: its own class would make one of its own."""
        return cls.from_local(**config_value, inst_data=inst_data)


class Events(SqliteEventLogStorage):
    """The events, written one by one, or many in one go."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._held = _Held()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread stores in the block is written at its end; at that of the outer one of two."""
        if self._held.events is not None:
            yield
            return
        self._held.events = []
        try:
            yield
        finally:
            self._let_go()

    def _let_go(self) -> None:
        held, self._held.events = self._held.events, None
        self.store_event_batch(held or [])

    def store_event(self, event: EventLogEntry) -> None:
        """Write an event, or hold it for the end of the block."""
        if self._held.events is None:
            super().store_event(event)
        else:
            self._held.events.append(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events in their order; those of one run that stand together and only tell something, in one go."""
        for (run_id, many), some in groupby(events, key=lambda it: (it.run_id, _only_tells(it))):
            if many:
                self._store_together(run_id, list(some))
            else:
                for event in some:
                    super().store_event(event)

    def _store_together(self, run_id: str, events: list[EventLogEntry]) -> None:
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), [self._event_to_row(it) for it in events])
        of_assets = [event for event in events if event.dagster_event_type in ASSET_EVENTS]
        if of_assets:
            with self.index_transaction() as connection:
                self._enter_in_index(connection, of_assets)

    def _enter_in_index(self, connection: Connection, events: list[EventLogEntry]) -> None:
        insert = SqlEventLogStorageTable.insert()
        inserted = [connection.execute(insert, self._event_to_row(it)).inserted_primary_key for it in events]
        numbers = [key[0] for key in inserted if key]
        self._store_asset_event_tags(connection, events, numbers)
        # What is kept of an asset beside its events is what the last one of a kind says
        last = {(it.get_dagster_event().asset_key, it.dagster_event_type): at for at, it in enumerate(events)}
        for at in sorted(last.values()):
            self._store_asset_event(connection, events[at], numbers[at])


class _Held(local):
    events: list[EventLogEntry] | None = None


def _only_tells(event: EventLogEntry) -> bool:
    """Whether it is a line of the log, or tells of an asset: of checks and of the state of runs Dagster keeps more than events."""
    return not event.is_dagster_event or event.dagster_event_type in ASSET_EVENTS


def together(instance: DagsterInstance) -> AbstractContextManager[None]:
    """A block at whose end is written what this thread tells in it, where the history lies in SQLite as this project sets it up."""
    events = instance.event_log_storage
    return events.together() if isinstance(events, Events) else nullcontext()
