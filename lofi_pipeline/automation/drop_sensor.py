"""source_drop_sensor: sees that a drop is complete and has stopped changing, registers it, and has its tracks worked on."""

import time

import dagster as dg

from lofi_pipeline.assets.partitions import TRACKS, add_partitions
from lofi_pipeline.automation.attempts import is_exhausted
from lofi_pipeline.automation.jobs import ingest, is_active, register
from lofi_pipeline.automation.quiet import look_of
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.automation.stability import Watch, still_changing
from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.entities import few, track_number
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256, music_elsewhere

TICK_SECONDS = 10
NOTHING_NEW = "nothing new in data/raw"
WORK_TAG = "lofi/work"


def _request(
    instance: dg.DagsterInstance, job_name: str, work: object, attempts: int, tags: dict[str, str]
) -> dg.RunRequest | None:
    """A run for this very work, unless as many runs for it have failed as are to be tried for now."""
    digest = content_sha256(work)[:16]
    failed = dg.RunsFilter(job_name=job_name, tags={WORK_TAG: digest}, statuses=[dg.DagsterRunStatus.FAILURE])
    if is_exhausted(instance, failed, attempts):
        return None
    return dg.RunRequest(job_name=job_name, tags={**tags, WORK_TAG: digest})


@dg.sensor(
    jobs=[register, ingest],
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers drops that are complete and stable, then has every track worked on that needs it.",
)
def source_drop_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick: what has changed on disk is registered; what is registered and not done yet is worked on.

    One run at a time: it has all cores. What comes meanwhile waits for a later tick.
    """
    from lofi_pipeline.ingest import load_registry, pending_tracks
    from lofi_pipeline.ingest.day_changes import load_day_changes

    root, config, instance, moment = workspace.root, workspace.config, context.instance, time.time()
    if sentence := music_elsewhere(root):
        return dg.SensorResult(skip_reason=dg.SkipReason(sentence))
    before, look = Watch.load(context.cursor), look_of(instance, root, config, moment)
    if before.is_quiet(look, moment):
        return dg.SensorResult(skip_reason=dg.SkipReason(NOTHING_NEW), cursor=context.cursor)
    cursor, ready, waiting = _look(root, config, before, moment)
    ordered = list(instance.get_dynamic_partitions(str(TRACKS.name)))
    unknown = sorted({t.track_id for t in load_registry(root).tracks} - set(ordered), key=track_number)
    # Dagster's history was lost, or another data root's files were copied here. Dagster's daemon would look each key up by a query.
    add_partitions(instance, TRACKS.name, unknown)
    request, asked, idle = None, "", False
    if not is_active(instance, register.name) and not is_active(instance, ingest.name):
        attempts = config.ingest.max_attempts
        if ready:
            asked, tags = register.name, {"lofi/drops": ", ".join(ready)[:200]}
            # Once the day to judge for was set, what failed because it was in doubt is tried again
            work = [*ready.items(), len(load_day_changes(root))]
            request = _request(instance, asked, work, attempts, tags)
        elif pending := sorted(pending_tracks(root, config), key=track_number):
            asked, pieces = (
                ingest.name,
                ranges_of(pending, [*ordered, *unknown], most=config.ingest.batch_size),
            )
            request = _request(instance, asked, pending, attempts, pieces[0])
        idle = not asked and not waiting
        if asked and request is None:
            waiting.append(
                f"{asked} failed {attempts} times over the same work; see its runs, and mend it. It is tried again in an hour"
            )
    return dg.SensorResult(
        run_requests=[request] if request else [],
        skip_reason=None if request else dg.SkipReason(few(waiting, between="; ") or NOTHING_NEW),
        cursor=cursor.with_quiet(look if idle else None, moment).model_dump_json(),
    )


def _look(
    root: DataRoot, config: PipelineConfig, before: Watch, moment: float
) -> tuple[Watch, dict[str, str], list[str]]:
    """The new cursor, the drops to register (new, changed or gone) with their signatures, and why others wait."""
    from lofi_pipeline.ingest import changed_signatures, incomplete_reason, load_scan
    from lofi_pipeline.styles import load_presets

    style_ids = set(load_presets())
    seen: dict[str, tuple[str, float]] = {}
    ready: dict[str, str] = {}
    waiting: list[str] = []
    changed = changed_signatures(
        root, load_scan(root), style_ids=style_ids, licensing=config.licensing, base=base_name(config)
    )
    for name, signature in changed.items():
        if signature is None:
            ready[name] = "gone"
            continue
        since = before.since(name, signature, moment)
        seen[name] = (signature, since)
        if missing := incomplete_reason(root, root.path / name, style_ids=style_ids):
            waiting.append(missing)
        elif still_changing(since, moment, config.ingest.stable_seconds):
            waiting.append(f"{name}: still changing")
        else:
            ready[name] = signature
    return Watch(seen=seen), ready, waiting
