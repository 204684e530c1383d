"""The Dagster instance of a data root: its home lies inside, so that two data roots never share a history."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lofi_pipeline.environment import DATA_ROOT_VARIABLE
from lofi_pipeline.installation import shipped
from lofi_pipeline.storage import DataRoot, locked, write_bytes_atomic

if TYPE_CHECKING:
    import dagster as dg

HOME_VARIABLE = "DAGSTER_HOME"
INSTANCE_FILE = "dagster.yaml"


def use_data_root(root: DataRoot) -> None:
    """Make this data root the one of this process and of those it starts: folders, DAGSTER_HOME, dagster.yaml."""
    root.create()
    home = root.dagster_home / INSTANCE_FILE
    if not home.is_file():
        write_bytes_atomic(home, shipped(INSTANCE_FILE).read_bytes())
    os.environ[DATA_ROOT_VARIABLE] = str(root.path)
    os.environ[HOME_VARIABLE] = str(root.dagster_home)


@contextmanager
def open_instance(root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """The instance, ready for this process."""
    use_data_root(root)
    import dagster as dg

    with ExitStack() as opened:
        with locked(root.dagster_home / INSTANCE_FILE):
            # The first to come makes SQLite's tables; two at once would both try.
            instance = opened.enter_context(dg.DagsterInstance.get())
            instance.get_runs_count()
            instance.event_log_storage.get_maximum_record_id()
            instance.all_instigator_state()
        yield instance
