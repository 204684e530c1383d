"""history_sensor: enters in Dagster's history what stands on disk and is not in it, and ends runs that died, while the UI runs."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from lofi_pipeline.automation.jobs import NOT_OVER
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.automation.unreported import tell_unreported
from lofi_pipeline.entities import few
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256

TICK_SECONDS = 30
WORK_SECONDS = 20.0
"""In one tick, which Dagster ends after a minute: the next one goes on."""


@dg.sensor(
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Enters in the history what stands on disk and is not in it: its run was killed, or it came from elsewhere.",
)
def history_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick. Runs whose process or machine died are ended. Nothing else is looked at while neither the data root nor the runs have
    changed since a tick that was at its end.
    """
    end_orphans(context.instance)
    look, until = _signature(context.instance, workspace.root), time.monotonic() + WORK_SECONDS
    if look == context.cursor:
        return dg.SensorResult(skip_reason=dg.SkipReason("nothing has changed"), cursor=look)
    told: list[str] = []
    for found in tell_unreported(context.instance, workspace):
        told.append(" ".join(filter(None, (found.asset, found.partition))))
        if time.monotonic() > until:
            look = None
            break
    reason = f"entered {few(told)}" if told else "the history tells of all that stands on disk"
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=look)


def _signature(instance: dg.DagsterInstance, root: DataRoot) -> str:
    """Changes with each result that comes or goes, and with each run that begins or ends."""
    runs = (instance.get_runs_count(), instance.get_runs_count(dg.RunsFilter(statuses=NOT_OVER)))
    return content_sha256([runs, [(str(path), path.stat().st_mtime_ns) for path in _watched(root)]])


def _watched(root: DataRoot) -> Iterator[Path]:
    """The folders in which results appear, each by a rename: that changes the folder's time."""
    lineages = [root.checkpoints, *sorted(root.checkpoint_archive.glob("*"))]
    parents = [root.metadata, root.track_records, root.audits, *lineages]
    inside = [path for parent in (root.audits, *lineages) for path in sorted(parent.glob("*"))]
    yield from (path for path in (*parents, *inside) if path.is_dir())
