"""`lofi ui` on a data root that somebody else made: neither its history nor its file names do harm."""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from lofi_pipeline.automation.jobs import JobName
from lofi_pipeline.definitions import defs
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop
from lofi_pipeline_tests.end_to_end.lofi import TIMEOUT, Lofi, write_config
from lofi_pipeline_tests.end_to_end.test_ui import free_port

LOCATION = "lofi_pipeline.definitions"
ESCAPES = "\x1b]0;owned\x07 \x9b31m \x1b[2J"


def queue(instance: dg.DagsterInstance, other: DataRoot) -> str:
    """Leave a run in the history that waits to be started, and is to work on another data root."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION, attribute="defs")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=f"{LOCATION}:defs")
    job = defs.resolve_job_def(JobName.REGISTER)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JobName.REGISTER.value)
    return instance.create_run_for_job(
        job,
        run_config={"resources": {"workspace": {"config": {"data_root": str(other.path)}}}},
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin,
    ).run_id


@pytest.mark.slow
def test_no_run_that_waits_in_a_foreign_history_reaches_another_data_root_and_no_name_the_terminal(
    root: DataRoot, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    make_drop(root, f"drop {ESCAPES}", {f"{ESCAPES}.wav": b"no music"}, facts())
    other = DataRoot(tmp_path / "other").create()
    make_drop(other, "theirs", {"a.wav": b"no music"}, facts())
    before = sorted(other.path.rglob("*"))
    waiting = queue(instance, other)
    server = Lofi(root, write_config(tmp_path / "config"), Path("nowhere")).start(
        "ui", "--port", str(free_port())
    )
    try:

        def said_why() -> str:
            run = instance.get_run_by_id(waiting)
            if run is None or run.status is not dg.DagsterRunStatus.FAILURE:
                return ""
            return "\n".join(str(entry.dagster_event) for entry in instance.all_logs(waiting))

        reason = server.wait_for(said_why, "end of the run that waited")
        assert f"{other.path}: the configuration of this run names this data root" in reason
        server.wait_for(lambda: "owned" in server.said, "log line with the name")
    finally:
        server.process.terminate()
        server.process.wait(timeout=TIMEOUT)
    assert sorted(other.path.rglob("*")) == before
    assert not {"\x1b", "\x9b", "\x07"} & set(server.said), server.said
