"""Dagster's history when it is damaged, locked or has no room: a sentence that says what to do, and nothing is deleted."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.errors import HistoryFault
from lofi_pipeline.automation.history_faults import history_in_words
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.rights import as_any_user

RUNS, EVENTS, SCHEDULES = "history/runs.db", "history/runs/index.db", "schedules/schedules.db"


@pytest.fixture(scope="module")
def with_history(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root whose history knows a partition. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("history") / "data").create()
    before = dict(os.environ)
    with open_instance(root) as instance:
        instance.add_dynamic_partitions(str(TRACKS.name), ["track_001"])
    os.environ.clear()
    os.environ.update(before)
    return root


@pytest.fixture
def root(with_history: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of it."""
    shutil.copytree(with_history.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def partitions(root: DataRoot) -> list[str]:
    with open_instance(root) as instance:
        instance.get_runs_count()
        return list(instance.get_dynamic_partitions(str(TRACKS.name)))


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 500)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def drop_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in tables.fetchall():
            if name != "alembic_version":
                connection.execute(f"DROP TABLE {name}")
        connection.commit()


def content(path: Path) -> bytes:
    """What a database holds, whatever its log has taken over by now."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return "\n".join(connection.iterdump()).encode()
    except sqlite3.DatabaseError:
        return path.read_bytes()


@pytest.mark.parametrize("damage", [overwrite, cut, drop_tables])
@pytest.mark.parametrize("name", [RUNS, EVENTS, SCHEDULES])
def test_a_damaged_database_is_put_aside_and_made_anew(
    name: str, damage: Callable[[Path], None], root: DataRoot
) -> None:
    path = root.dagster_home / name
    damage(path)
    damaged = content(path)
    with pytest.raises(HistoryFault) as caught:
        partitions(root)
    (aside,) = path.parent.glob(f"{path.name}.damaged-*Z")
    assert str(caught.value).startswith(f"{aside}: this part of Dagster's history was damaged (")
    assert "give the same command again" in str(caught.value)
    assert (
        damage is drop_tables or content(aside) == damaged
    )  # Dagster adds a table to a database without any
    assert partitions(root) == ([] if name == EVENTS else ["track_001"])


def test_only_what_is_damaged_is_put_aside(root: DataRoot) -> None:
    overwrite(root.dagster_home / RUNS)
    kept = {name: content(root.dagster_home / name) for name in (EVENTS, SCHEDULES)}
    with pytest.raises(HistoryFault):
        partitions(root)
    assert {name: content(root.dagster_home / name) for name in kept} == kept


def lose_events_while_open(root: DataRoot) -> None:
    with open_instance(root) as opened:
        drop_tables(root.dagster_home / EVENTS)
        opened.event_log_storage.get_maximum_record_id()


def test_damage_that_is_met_later_is_said_too(root: DataRoot) -> None:
    with pytest.raises(HistoryFault, match="no such table: event_logs"):
        lose_events_while_open(root)
    assert partitions(root) == []


def test_a_history_that_lacks_what_a_newer_one_has_is_said_with_what_to_do(root: DataRoot) -> None:
    with closing(sqlite3.connect(root.dagster_home / EVENTS)) as connection:
        connection.execute("DROP TABLE dynamic_partitions")
        connection.commit()
    with pytest.raises(HistoryFault, match=r"move its folders history and schedules to another place"):
        partitions(root)


def test_a_history_that_is_held_by_another_program_is_left_alone(root: DataRoot) -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(HistoryFault, match="another program holds Dagster's history"), history_in_words(root):
        raise dg.DagsterError from error
    assert not list(root.dagster_home.rglob("*.damaged-*"))


def test_what_is_no_fault_of_the_history_stays_what_it_is(root: DataRoot) -> None:
    with pytest.raises(ZeroDivisionError), open_instance(root):
        raise ZeroDivisionError


OPEN = "from lofi_pipeline.cli.app import main; main()"


def run_with(preparation: Callable[[], None], root: DataRoot) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OPEN, "run", "--to", "source_records", "--data", str(root.path)]
    return subprocess.run(command, preexec_fn=preparation, capture_output=True, text=True, check=False)


def test_a_history_without_room_is_no_damage_and_goes_on_once_there_is_some(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data").create()
    limit = 100_000  # bytes of a file, less than the history needs

    done = run_with(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), root)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"error {root.dagster_home}: cannot be written, no file may be so large there" in done.stderr
    assert not list(root.dagster_home.rglob("*.damaged-*"))

    assert partitions(root) == []


def test_a_history_that_may_not_be_written_to_is_named(root: DataRoot) -> None:
    path = root.dagster_home / RUNS
    path.chmod(0o444)
    done = run_with(as_any_user, root)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"error {path}: this user (" in done.stderr and "has not the rights" in done.stderr
    assert path.is_file()
