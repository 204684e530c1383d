"""One worked-on data root for the whole session; each test that changes it gets its own copy."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, song, work

if TYPE_CHECKING:
    import dagster as dg
    from alembic.config import Config

# `make test` tries the same examples each time; `make test-slow` searches for new ones. How long one takes decides nothing.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)

os.environ["NUMBA_CACHE_DIR"] = str(
    Path(__file__).parents[1] / ".pytest_cache" / "numba" / os.environ.get("PYTEST_XDIST_WORKER", "main")
)
"""numba keeps what it compiled beside librosa, and workers that compile at once leave what crashes every later process:
https://github.com/numba/numba/issues/10128"""

LONGEST_PACKAGES = (
    *("training", "end_to_end", "cli", "writes", "web", "audit", "evaluation", "ingest", "audio", "dataset"),
    *("automation", "pretraining", "assets", "packaging", "exporting"),
)
"""The longest first, by the CPU time of their tests."""

WORKER_BYTES = 3 * 1024**3
"""What a worker may take: torch, and a command that it started and that loads torch, too."""
MOST_WORKERS = 8
"""More have nothing to do: the longest package takes an eighth of the time of all."""


def package_of(nodeid: str) -> str:
    """The folder of a test."""
    return Path(nodeid.split("::")[0]).parent.name


class PackageByPackage(LoadScopeScheduling):
    """The tests of a package run in one process, one after the other: they share what is dear to make."""

    def _split_scope(self, nodeid: str) -> str:
        return package_of(nodeid)


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: a sixth of the time a test waits, for a command that it started or for a sensor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = psutil.virtual_memory().available // WORKER_BYTES
    return max(1, min(cores + cores // 2, fitting, MOST_WORKERS))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> PackageByPackage:
    # A scheduler of our own: `--dist loadgroup` of xdist 3.8 sees no groups under pytest 9.2.
    config.option.loadscopereorder = False  # by number of tests, the longest package would come last
    return PackageByPackage(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest packages begin, so that no process is left with one of them at the end."""
    order = {package: place for place, package in enumerate(LONGEST_PACKAGES)}
    items.sort(key=lambda item: order.get(package_of(item.nodeid), len(order)))


def pytest_collection() -> None:
    gc.disable()  # imports make nothing that is to be found


def pytest_collection_finish() -> None:
    """What was imported stays to the end: no search for garbage goes through it, and no fork copies it for one."""
    gc.freeze()
    gc.enable()
    _read_once_what_never_changes()


def _read_once_what_never_changes() -> None:
    """The commands of `lofi`, and the revisions of Dagster's tables: else both are made anew for each command and each history."""
    if "typer.testing" in sys.modules:
        from typer import testing

        testing._get_command = cache(testing._get_command)
    if "alembic.script" in sys.modules:
        from alembic.script import ScriptDirectory

        read, found = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

        def read_once(config: Config) -> ScriptDirectory:
            location = config.get_main_option("script_location")
            return found.get(location) or found.setdefault(location, read(config))

        ScriptDirectory.from_config = read_once


def pytest_sessionstart() -> None:
    """No test cuts the power: what a killed process wrote is there. `storage/test_power_loss.py` says what is synced, and when."""
    os.fsync = lambda _fd: None


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a command sets in the environment of this process, such as its data root, is gone with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty data root."""
    return DataRoot(tmp_path / "data").create()


@pytest.fixture(scope="session")
def worked_on(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Four tracks that are ready, from two drops; and one that is too short. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("worked-on") / "data").create()
    make_drop(root, "first", {"a.wav": song(0), "b.wav": song(1), "short.wav": song(9, 5.0)}, facts())
    source = facts(
        SourceType.COMMISSIONED,
        license_type="AI Training Rights",
        verified_by="tests",
        grant=GRANT,
        defaults={"style_ids": ["SEASON-01"]},
    )
    files = {"c.wav": song(2), "d.wav": song(3), **CONTRACT}
    make_drop(root, "second", files, source, kind=SourceType.COMMISSIONED)
    work(root)
    return root


@pytest.fixture
def ready(worked_on: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `worked_on`."""
    shutil.copytree(worked_on.path, tmp_path / "ready")
    return DataRoot(tmp_path / "ready")


@pytest.fixture(scope="session")
def empty_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an instance writes before anything happens: its tables take three times as long to make as to copy."""
    from lofi_pipeline.automation.instance import open_instance

    root = DataRoot(tmp_path_factory.mktemp("history") / "data").create()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
            patch.setenv(name, str(root.path))  # open_instance changes both: this has them put back
        with open_instance(root):
            return root.path / ".dagster"


@pytest.fixture
def instance(
    root: DataRoot, empty_history: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The real Dagster instance that lies in an empty data root."""
    from lofi_pipeline.automation.instance import (
        open_instance,  # seconds, for the tests that ask for it alone
    )

    shutil.copytree(empty_history, root.path / empty_history.name, dirs_exist_ok=True)
    for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
        monkeypatch.setenv(name, str(root.path))
    with open_instance(root) as opened:
        yield opened


@pytest.fixture
def few_variables() -> Iterator[None]:
    """As many variables in a statement as SQLite itself allows: some systems build it with more."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)

    event.listen(Engine, "connect", limit)
    yield
    event.remove(Engine, "connect", limit)
