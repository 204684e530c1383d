"""A history that Dagster 1.2.7 wrote: two runs, of source_records and of raw_tracks [track_001], and two partitions.

It was made with that version in an environment of its own: two assets of these names were materialized, and its SQLite files packed.
"""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.instance import open_instance, use_data_root
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import facts, make_drop

ARCHIVE = Path(__file__).with_name("history-dagster-1.2.7.tar.xz")


@pytest.fixture
def old(root: DataRoot) -> DataRoot:
    """A data root with that history."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root.dagster_home, filter="data")
    return root


def databases(root: DataRoot) -> list[Path]:
    return sorted(root.dagster_home.rglob("*.db"))


def revisions(root: DataRoot) -> set[str]:
    """What the databases say of which version of Dagster they are."""
    found = set()
    for path in databases(root):
        with closing(sqlite3.connect(path)) as connection:
            found |= {
                revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")
            }
    return found


def require_whole(root: DataRoot, newest: str) -> None:
    """The history is of this Dagster, and holds what it held."""
    with open_instance(root) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
        assert all(instance.all_logs(run.run_id) for run in runs)
        assert list(instance.get_dynamic_partitions(str(TRACKS.name))) == ["track_001", "track_002"]
        assert instance.get_materialized_partitions(dg.AssetKey("raw_tracks")) == {"track_001"}
        assert instance.get_latest_materialization_event(dg.AssetKey("source_records"))
        assert instance.event_log_storage.get_asset_check_summary_records([]) == {}
    assert revisions(root) == {newest}


@pytest.fixture
def newest(tmp_path: Path) -> str:
    """What a new history says."""
    new = DataRoot(tmp_path / "new").create()
    with open_instance(new):
        pass
    (revision,) = revisions(new)
    return revision


def test_a_history_of_an_older_dagster_is_brought_up_to_date_once(
    old: DataRoot, newest: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert revisions(old) != {newest}
    require_whole(old, newest)
    assert capfd.readouterr().out == ""  # that is for what was asked for
    monkeypatch.delattr(dg.DagsterInstance, "upgrade")
    require_whole(old, newest)


def test_one_that_was_brought_up_to_date_in_part_is_finished(old: DataRoot, newest: str) -> None:
    use_data_root(old)
    with dg.DagsterInstance.get() as instance:
        instance.run_storage.upgrade()  # type: ignore[attr-defined]
    assert len(revisions(old)) == 2
    require_whole(old, newest)


def test_one_of_a_newer_dagster_is_left_as_it_is(root: DataRoot) -> None:
    with open_instance(root) as instance:
        instance.add_dynamic_partitions(str(TRACKS.name), ["track_001"])
    for path in databases(root):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'fffffffffff'")
            connection.commit()
    with open_instance(root) as instance:
        assert list(instance.get_dynamic_partitions(str(TRACKS.name))) == ["track_001"]
    assert revisions(root) == {"fffffffffff"}


def test_a_command_works_on_with_it(old: DataRoot) -> None:
    make_drop(old, "one", {"a.wav": b"no music"}, facts())
    for said in ("1 Dagster runs", "Nothing was to be done"):
        done = lofi("run", "--data", old.path, "--to", "source_records")
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
