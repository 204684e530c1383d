"""checkpoint_sensor: has every checkpoint scored and audited as it lands, from this machine's training or copied in from another's."""

import time

import dagster as dg

from lofi_pipeline.assets.partitions import CHECKPOINTS
from lofi_pipeline.automation.jobs import evaluate
from lofi_pipeline.automation.stability import Watch, still_changing
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import content_sha256

TICK_SECONDS = 10
MAX_ATTEMPTS = 3
PARTITION_TAG = "dagster/partition"


@dg.sensor(
    job=evaluate,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Has each checkpoint evaluated once, while training still runs; also those copied in from elsewhere.",
)
def checkpoint_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick. What is to be done follows from storage: whole checkpoints without scores.

    A checkpoint that Dagster knows landed by a rename and is whole. Another may still be being copied: it must be
    unchanged for `stable_seconds`, and is verified before it is scored.
    """
    from lofi_pipeline.checkpoints.manifest import missing_files, scan_checkpoints
    from lofi_pipeline.ingest import drop_signature

    root, moment = workspace.root, time.time()
    before, seen = Watch.load(context.cursor), {}
    registered = context.instance.get_materialized_partitions(dg.AssetKey("lora_checkpoints"))
    scored = context.instance.get_materialized_partitions(dg.AssetKey("quality_metrics"))
    requests, waiting, new_keys = [], [], []
    known_keys = set(context.instance.get_dynamic_partitions(str(CHECKPOINTS.name)))
    for found in scan_checkpoints(root):
        name, record = found.folder.name, found.record
        if record is None:
            waiting.append(found.error or f"{name}: has no record")
            continue
        key = record.partition_key
        if record.pruned or not record.checkpoint.is_valid or (found.scores and key in scored):
            continue
        selection = [dg.AssetKey("quality_metrics"), dg.AssetKey("license_audit")]
        if key not in registered:
            signature = drop_signature(found.folder)
            since = before.since(name, signature, moment)
            seen[name] = (signature, since)
            if absent := missing_files(found.folder, record):
                waiting.append(f"{name}: {absent[0]} is not there yet")
                continue
            if still_changing(since, moment, workspace.config.ingest.stable_seconds):
                waiting.append(f"{name}: still changing")
                continue
            selection.insert(0, dg.AssetKey("lora_checkpoints"))
        attempt = _failures(context.instance, key)
        if attempt >= MAX_ATTEMPTS:
            waiting.append(
                f"{name}: its evaluation failed {attempt} times; see the runs, then evaluate it by hand"
            )
            continue
        if key not in known_keys:
            new_keys.append(key)
        digest = content_sha256(record.files)[:16]
        requests.append(
            dg.RunRequest(run_key=f"{key}@{digest}#{attempt}", partition_key=key, asset_selection=selection)
        )
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None
        if requests
        else dg.SkipReason("; ".join(waiting) or "every checkpoint has its scores"),
        dynamic_partitions_requests=[CHECKPOINTS.build_add_request(new_keys)] if new_keys else None,
        cursor=Watch(seen=seen).model_dump_json(),
    )


def _failures(instance: dg.DagsterInstance, partition_key: str) -> int:
    wanted = dg.RunsFilter(
        job_name=evaluate.name, tags={PARTITION_TAG: partition_key}, statuses=[dg.DagsterRunStatus.FAILURE]
    )
    return len(instance.get_run_records(wanted, limit=MAX_ATTEMPTS))
