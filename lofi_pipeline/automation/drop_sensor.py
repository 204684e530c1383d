"""source_drop_sensor: sees that a drop is complete and has stopped changing, registers it, and has its tracks worked on."""

import time

import dagster as dg

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.jobs import ingest, register
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.automation.stability import Watch
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot

TICK_SECONDS = 10
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _is_active(instance: dg.DagsterInstance, job_name: str) -> bool:
    return bool(instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=_ACTIVE), limit=1))


@dg.sensor(
    jobs=[register, ingest],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers drops that are complete and stable, then has every track worked on that needs it.",
)
def source_drop_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick: what has changed on disk is registered; what is registered and not done yet is worked on."""
    from lofi_pipeline.dataset import pending_tracks

    root, config = workspace.root, workspace.config
    cursor, ready, waiting = _look(root, config, Watch.load(context.cursor), time.time())
    requests: list[dg.RunRequest] = []
    # One at a time: what comes while a drop is registered, or worked on, waits for a later tick.
    if not _is_active(context.instance, register.name):
        if ready:
            requests.append(dg.RunRequest(job_name=register.name, tags={"lofi/drops": ", ".join(ready)[:200]}))
        elif not _is_active(context.instance, ingest.name):
            ordered = context.instance.get_dynamic_partitions(str(TRACKS.name))
            pending = pending_tracks(root, config) if ordered else []
            pieces = ranges_of(pending, ordered, most=config.ingest.batch_size)
            requests += [dg.RunRequest(job_name=ingest.name, tags=tags) for tags in pieces]
    skip = None if requests else dg.SkipReason("; ".join(waiting) or "nothing new in data/raw")
    return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=cursor.model_dump_json())


def _look(
    root: DataRoot, config: PipelineConfig, before: Watch, moment: float
) -> tuple[Watch, list[str], list[str]]:
    """The new cursor, the drops to register (new, changed or gone), and why others wait."""
    from lofi_pipeline.dataset import changed_drops, drop_signature, incomplete_reason, load_scan
    from lofi_pipeline.styles import load_presets

    style_ids = set(load_presets())
    seen: dict[str, tuple[str, float]] = {}
    ready, waiting = [], []
    for name in changed_drops(root, load_scan(root), style_ids=style_ids, licensing=config.licensing):
        folder = root.inside(name)
        if not folder.is_dir():
            ready.append(name)
            continue
        signature = drop_signature(folder)
        since = before.since(name, signature, moment)
        seen[name] = (signature, since)
        if missing := incomplete_reason(root, folder, style_ids=style_ids):
            waiting.append(missing)
        elif moment - since < config.ingest.stable_seconds:
            waiting.append(f"{name}: still changing")
        else:
            ready.append(name)
    return Watch(seen=seen), ready, waiting
