"""Runs whose process was killed: Dagster takes them for running for ever, and everything that waits for them waits too."""

import platform
import re
import time
from contextlib import suppress

import dagster as dg
import psutil
from dagster._core.events import EngineEventData
from dagster._core.storage.runs import SqliteRunStorage

from lofi_pipeline.resources import OWNER_TAG, identity_of, running_mark
from lofi_pipeline.storage import holder_file, holder_of, is_held, lock_file

_RUNNING = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SILENT_SECONDS = 600
"""So long nothing was written of a run that names no process, before the process in its events is asked for."""


def _is_gone(instance: dg.DagsterInstance, run_id: str, owner: str) -> bool:
    """Whether the process certainly is no more, or works on another copy of this data root.

    Anybody may have stored the tag: what `owner_tag` does not write names no process, so that nobody would end its run.
    """
    named = re.fullmatch(r"(?P<host>.*) (?P<pid>[0-9]{1,9}) [0-9]{1,12}", owner, re.DOTALL)
    if named is None:
        return True
    if named["host"] != platform.node():
        mark = running_mark(instance, run_id)
        is_known = _lies_in_the_data_root(instance) or holder_of(mark) is not None
        return is_known and not is_held(mark)
    try:
        process = psutil.Process(int(named["pid"]))
        return identity_of(process) != owner or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _lies_in_the_data_root(instance: dg.DagsterInstance) -> bool:
    """Whether who sees the history sees all that lies beside it; not where it is in a database on a server."""
    return isinstance(instance.run_storage, SqliteRunStorage)


def end_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs failed whose process was killed, so that their work is asked for again. Returns their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_RUNNING)):
        owner = _owner(instance, run)
        if _is_gone(instance, run.run_id, owner) if owner else _is_left_behind(instance, run.run_id):
            instance.report_run_failed(run, "The process of this run was killed; what it had done is kept.")
            mark = running_mark(instance, run.run_id)
            for file in (lock_file(mark), holder_file(mark)):
                file.unlink(missing_ok=True)
            ended.append(run.run_id)
    _free_pools(instance)
    return ended


def _is_left_behind(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run is over that names no process: what began it was an earlier version, or was killed before the run named it.

    Nothing was written of it for a while, nobody holds its lease, and no process that its events name is alive here.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None or not _lies_in_the_data_root(instance) or is_held(running_mark(instance, run_id)):
        return False
    written = max(
        [record.create_timestamp.timestamp()]
        + [it.timestamp for it in instance.get_records_for_run(run_id, limit=1, ascending=False).records]
    )
    return time.time() - written > SILENT_SECONDS and not _has_process(instance, run_id)


def _has_process(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a process is alive here that a run's events name, and that had begun when they did."""
    for event in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records:
        said = event.event_log_entry.get_dagster_event().event_specific_data
        pid = said.metadata.get("pid") if isinstance(said, EngineEventData) else None
        with suppress(psutil.Error, ValueError, OverflowError):
            process = psutil.Process(int(str(pid.value))) if pid else None
            if (
                process
                and process.create_time() <= event.timestamp
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                return True
    return False


def _owner(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Who a run says it lives in. A run that is done again has the tags of the first: those name somebody else."""
    owner = run.tags.get(OWNER_TAG)
    first = instance.get_run_by_id(run.parent_run_id) if owner and run.parent_run_id else None
    return None if first and first.tags.get(OWNER_TAG) == owner else owner


def _free_pools(instance: dg.DagsterInstance) -> None:
    """Give back the pool slots of runs that are over: a killed one held them, and others would wait for ever."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
