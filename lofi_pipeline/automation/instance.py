"""The Dagster instance of a data root: its home lies inside, so that two data roots never share a history."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.automation.errors import ForeignConfiguration
from lofi_pipeline.automation.history_faults import history_in_words
from lofi_pipeline.environment import DATA_ROOT_VARIABLE, Environment
from lofi_pipeline.installation import shipped
from lofi_pipeline.storage import DataRoot, locked, write_bytes_atomic

if TYPE_CHECKING:
    import dagster as dg

HOME_VARIABLE = "DAGSTER_HOME"
BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
EVENTS_AT_ONCE = 1000
"""Of the events that say what a run is going to make, one for each key and asset: Dagster hands so many over together."""
INSTANCE_FILE, WORKSPACE_FILE = "dagster.yaml", "workspace.yaml"
PUT_ASIDE = "dagster.yaml.replaced"


def use_data_root(root: DataRoot) -> None:
    """Make this data root the one of this process and of those it starts: folders, DAGSTER_HOME, dagster.yaml.

    A dagster.yaml can name any function to call, and a data root may come from anybody: another one that lies in it is
    put aside.
    """
    wanted = _configuration(root).read_bytes()
    root.create()
    in_force = root.dagster_home / INSTANCE_FILE
    with locked(in_force):
        if in_force.is_symlink() or not in_force.is_file() or in_force.read_bytes() != wanted:
            with suppress(FileNotFoundError):
                in_force.replace(in_force.with_name(PUT_ASIDE))
            write_bytes_atomic(in_force, wanted)
    os.environ[DATA_ROOT_VARIABLE] = str(root.path)
    os.environ[HOME_VARIABLE] = str(root.dagster_home)
    os.environ.setdefault(BATCH_VARIABLE, str(EVENTS_AT_ONCE))


def _configuration(root: DataRoot) -> Path:
    """The dagster.yaml to use: the shipped one, or the one asked for, which must lie outside the data root."""
    return _outside(root, Environment.read().dagster_config) or shipped(INSTANCE_FILE)


def workspace_file(root: DataRoot) -> Path:
    """The workspace.yaml to use: the shipped one, or the one asked for, which must lie outside the data root.

    Raises:
        ForeignConfiguration: it lies in the data root.
    """
    return _outside(root, Environment.read().workspace) or shipped(WORKSPACE_FILE)


def _outside(root: DataRoot, asked: Path | None) -> Path | None:
    if asked is not None and asked.resolve().is_relative_to(root.path.resolve()):
        raise ForeignConfiguration(
            f"{asked}: lies in the data root, and a data root is data: such a file can run programs; read it, and copy it "
            "to a place outside"
        )
    return asked


def require_own_environment(root: DataRoot, working_folder: Path) -> None:
    """Refuse to start Dagster's commands where they would take environment variables from a data root.

    Raises:
        ForeignConfiguration: they read a .env in their working folder, and with such variables any program can be run.
    """
    named = working_folder / ".env"
    if os.path.lexists(named) and named.parent.resolve().is_relative_to(root.path.resolve()):
        raise ForeignConfiguration(
            f"{named}: lies in the data root, and Dagster would take environment variables from it, which can run programs; "
            "start this from another folder"
        )


@contextmanager
def open_instance(root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """The instance, ready for this process."""
    use_data_root(root)
    import dagster as dg

    with history_in_words(root), ExitStack() as opened:
        with locked(root.dagster_home / INSTANCE_FILE):
            # The first to come makes SQLite's tables; two at once would both try.
            instance = opened.enter_context(dg.DagsterInstance.get())
            instance.get_runs_count()
            instance.event_log_storage.get_maximum_record_id()
            instance.all_instigator_state()
            _bring_up_to_date(instance)
        yield instance


def _bring_up_to_date(instance: dg.DagsterInstance) -> None:
    """Give a history that an older Dagster wrote the tables of this one, which would say `dagster instance migrate` somewhere.

    One of a newer Dagster stays as it is. A database on a server is left to who cares for it.
    """
    from alembic.util import CommandError
    from dagster._core.storage.event_log import SqliteEventLogStorage

    if not isinstance(instance.event_log_storage, SqliteEventLogStorage):
        return
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    versions = [storage.alembic_version() for storage in storages if storage]
    if any(version and version[0] != version[1] for version in versions):
        with redirect_stdout(sys.stderr), suppress(CommandError):  # a version that this Dagster does not know
            instance.upgrade()
