"""Dagster's history in a real PostgreSQL: deploy/postgres as a person follows its README."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline import history
from lofi_pipeline.automation.errors import HistoryFault
from lofi_pipeline.automation.history_faults import history_in_words
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.deploy import postgres
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import Lofi, write_config

CONFIGURATION = PROJECT_ROOT / "deploy" / "postgres" / "dagster.yaml"
TRACKS = 3


def test_but_for_storage_the_configuration_is_the_shipped_one() -> None:
    own = yaml.safe_load(CONFIGURATION.read_text())
    shipped = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    assert own.pop("storage") == {"postgres": {"postgres_url": "postgresql+psycopg2://"}}
    assert shipped.pop("storage")["custom"]["module"] == history.__name__
    assert own == shipped


def test_a_missing_package_is_named_with_what_to_install(root: DataRoot) -> None:
    with pytest.raises(HistoryFault, match=r"dagster_postgres.*lofi-pipeline\[postgres\]"):
        with history_in_words(root):
            raise ModuleNotFoundError("No module named 'dagster_postgres'", name="dagster_postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.server() as running:
        yield running


@pytest.fixture
def lofi(
    server: postgres.Server, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Lofi:
    """The command line on a data root of three tracks, and on a database of its own."""
    database = f"of_{sha256(request.node.name.encode()).hexdigest()[:8]}"
    for name, value in server.database(database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOFI_DAGSTER_CONFIG", str(CONFIGURATION))
    root = DataRoot(tmp_path / "data").create()
    make_drop(root, "one", {f"{number}.wav": song(number) for number in range(TRACKS)}, facts())
    return Lofi(root, write_config(tmp_path / "config"), Path("nano"))


def materialized(server: postgres.Server) -> list[str]:
    """The tracks that the history says were tagged, once for each time."""
    statement = (
        "SELECT partition FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' "
        "AND asset_key = '[\"tagged_prompts\"]' ORDER BY partition"
    )
    return server.sql(statement, os.environ["PGDATABASE"]).split()


def tracks_in(said: dict[str, Any]) -> int:
    """How many tracks are in the data set, by what `lofi run --json` wrote."""
    return said["dataset"]["train_count"] + said["dataset"]["validation_count"]


IDS = [f"track_{number:03d}" for number in range(1, TRACKS + 1)]
TO = ("--to", "dataset_manifest")


@pytest.mark.slow
def test_a_run_keeps_its_history_there_and_the_next_does_no_work(lofi: Lofi, server: postgres.Server) -> None:
    said = lofi.run(*TO)
    assert said["dagster_runs"] == 3 and tracks_in(said) == TRACKS
    assert materialized(server) == IDS
    assert not list(lofi.root.dagster_home.glob("history/**/*.db"))
    assert not [path for path in lofi.root.path.rglob("*.yaml") if postgres.PASSWORD in path.read_text()]
    assert lofi.run(*TO)["dagster_runs"] == 0


@pytest.mark.slow
def test_two_runs_at_once_lose_nothing(lofi: Lofi, server: postgres.Server) -> None:
    both = [lofi.start("run", *TO), lofi.start("run", *TO)]
    ends = [running.finish() for running in both]
    assert [end.code for end in ends] == [0, 0], "\n".join(end.said for end in ends)
    assert lofi.run(*TO)["dagster_runs"] == 0
    assert sorted(set(materialized(server))) == IDS


@pytest.mark.slow
def test_a_server_that_goes_away_in_the_middle_is_named_and_the_next_run_goes_on(
    lofi: Lofi, server: postgres.Server
) -> None:
    running = lofi.start("run", *TO)
    running.wait_for(lambda: list(lofi.root.track_records.glob("*.json")), "first track")
    server.stop("immediate")
    try:
        end = running.finish()
    finally:
        server.start()
    assert end.code == 1
    assert "the database of Dagster's history, of_" in end.said and "Traceback" not in end.said, end.said
    said = lofi.run(*TO)
    assert tracks_in(said) == TRACKS
    assert lofi.run(*TO)["dagster_runs"] == 0
    assert set(materialized(server)) == set(IDS)
