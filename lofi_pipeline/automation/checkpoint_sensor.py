"""checkpoint_sensor: has every checkpoint scored and audited as it lands, from this machine's training or copied in from another's;
and again when the configuration asks for other scores."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline.assets.partitions import CHECKPOINTS, add_partitions
from lofi_pipeline.automation.attempts import is_exhausted
from lofi_pipeline.automation.jobs import ASSETS, JobName, evaluate, is_active
from lofi_pipeline.automation.stability import Watch, still_changing
from lofi_pipeline.automation.unreported import tell_unreported
from lofi_pipeline.entities import few
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import content_sha256

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.folder import CheckpointFolder
    from lofi_pipeline.entities import CheckpointRecord, ScoreKey
    from lofi_pipeline.evaluation.rescore import ScoredOtherwise

TICK_SECONDS = 10
MAX_ATTEMPTS = 3
PARTITION_TAG = "dagster/partition"


@dg.sensor(
    job=evaluate,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Has each checkpoint evaluated once, while training still runs; also those copied in from elsewhere; and again "
    "when the configuration asks for other scores.",
)
def checkpoint_sensor(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
    """One tick: see `look_at_checkpoints`. What failed a few times is tried again an hour later."""
    return look_at_checkpoints(context, workspace, attempts=MAX_ATTEMPTS)


def look_at_checkpoints(
    context: dg.SensorEvaluationContext, workspace: Workspace, *, attempts: int | None, again: bool = True
) -> dg.SensorResult:
    """One tick, which asks for work however often it failed where `attempts` is None.

    What is to be done follows from storage: checkpoints that have no scores, were not audited, look changed, lack coverage of
    styles, or were scored otherwise than the configuration asks for by now, unless `again` is False.

    What was done and only the history does not know of is told, not done again.
    """
    from lofi_pipeline.checkpoints.folder import imported_checkpoints, scan_checkpoints
    from lofi_pipeline.checkpoints.manifest import trained_beside

    root = workspace.root
    own = scan_checkpoints(root)
    others = chain.from_iterable(scan_checkpoints(root, home) for home in trained_beside(root))
    checkpoints = [*own, *others, *imported_checkpoints(root)]
    beside = _Beside.of(workspace, own)
    otherwise = _scored_otherwise(workspace, checkpoints) if again else {}
    look = _Look(context, workspace, attempts, beside, otherwise)
    if any(found.scores and found.record and look.wants(found, found.record) for found in checkpoints):
        list(tell_unreported(context.instance, workspace, ASSETS[JobName.EVALUATE]))
        look = _Look(context, workspace, attempts, beside, otherwise)
    requests, waiting, keys = [], [], []
    for found in checkpoints:
        if found.record is None:
            waiting.append(found.error or f"{found.folder.name}: has no record")
        elif look.wants(found, found.record):
            if reason := look.reason_to_wait(found, found.record):
                waiting.append(f"{found.folder.name}: {reason}")
                continue
            requests.append(look.request(found, found.record))
            keys.append(found.record.partition_key)
    add_partitions(context.instance, CHECKPOINTS.name, keys)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None
        if requests
        else dg.SkipReason(few(waiting, between="; ") or "every checkpoint has its scores"),
        cursor=Watch(seen=look.seen).model_dump_json(),
    )


class _Look:
    """What one tick goes by: what Dagster knows of checkpoints now, and how their folders looked a tick ago.

    A checkpoint that Dagster knows landed by a rename and is whole. Another may still be being copied, and so may one that
    looks otherwise than it was written: it must be unchanged for `stable_seconds`, and is verified before it is scored.
    """

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        workspace: Workspace,
        attempts: int | None,
        beside: "_Beside",
        otherwise: "Mapping[Path, ScoredOtherwise]",
    ) -> None:
        from lofi_pipeline.checkpoints.coverage import without_styles

        self._instance, self._moment, self._attempts = context.instance, time.time(), attempts
        self._home = workspace.root.checkpoints
        self._stable_seconds = workspace.config.ingest.stable_seconds
        self._before = Watch.load(context.cursor)
        self._registered = self._instance.get_materialized_partitions(dg.AssetKey("lora_checkpoints"))
        self._scored = self._latest("quality_metrics")
        self._audited = self._latest("license_audit")
        self._beside, self._otherwise = beside, otherwise
        self._lacks_styles = (
            without_styles(workspace.root) if workspace.config.evaluation.style_prompts else set()
        )
        self.seen: dict[str, tuple[str, float]] = {}

    def wants(self, found: "CheckpointFolder", record: "CheckpointRecord") -> bool:
        """Whether it can be scored and audited, and was not, or looks otherwise than when it was."""
        if not record.checkpoint.is_valid:
            return False
        if record.lineage.imported and record.lineage.base.sha256 != self._beside.base_sha256:
            return False  # there is nothing to compare it with
        lacks_audit = self._is_scored(found, record) and not self._is_audited(record)
        if found.folder in self._lacks_styles:
            return True
        if found.folder in self._otherwise and not (record.pruned and _looks_changed(found, record)):
            return True
        if record.pruned:  # maybe by the very run that was to audit it
            return lacks_audit and not _looks_changed(found, record)
        return lacks_audit or not self._is_scored(found, record) or _looks_changed(found, record)

    def _latest(self, asset: str) -> Mapping[str, int]:
        """By partition, the place of the latest result in the order of the history."""
        return self._instance.get_latest_storage_id_by_partition(
            dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
        )

    def _is_audited(self, record: "CheckpointRecord") -> bool:
        """Whether an audit came after its latest scores: of one that failed nothing is told, and the one before knew others."""
        key = record.partition_key
        return self._audited.get(key, 0) > self._scored.get(key, 0)

    def _is_scored(self, found: "CheckpointFolder", record: "CheckpointRecord") -> bool:
        if found.scores and record.lineage.imported and self._beside.key not in (None, found.scores.key):
            return False
        if found.folder in self._otherwise:
            return False
        return found.scores is not None and record.partition_key in self._scored

    def reason_to_wait(self, found: "CheckpointFolder", record: "CheckpointRecord") -> str | None:
        """Why it is not its turn yet; how a folder looks that may still be being copied is noted in `seen`."""
        from lofi_pipeline.checkpoints.manifest import missing_files
        from lofi_pipeline.ingest import drop_signature

        is_known, changed = record.partition_key in self._registered, _looks_changed(found, record)
        if not is_known or changed:
            try:
                signature = drop_signature(found.folder)
            except FileNotFoundError:  # a training that begins moves those of another lineage to the archive
                return "was moved while it was looked at"
            # Those that were taken in, or trained beside others, have folders of one name
            name = found.folder.name if found.folder.parent == self._home else found.key
            since = self._before.since(name, signature, self._moment)
            self.seen[name] = (signature, since)
            if not is_known and (absent := missing_files(found.folder, record)):
                return f"{absent[0]} is not there yet"
            if still_changing(since, self._moment, self._stable_seconds):
                return "still changing"
            if changed and is_active(self._instance, evaluate.name, {PARTITION_TAG: record.partition_key}):
                return "is being evaluated"
        otherwise = self._otherwise.get(found.folder)
        if self._attempts and otherwise and otherwise.lacking:
            return otherwise.lacking
        if self._attempts and is_exhausted(self._instance, _failed(record.partition_key), self._attempts):
            return f"its evaluation failed {self._attempts} times; see the runs. It is tried again in an hour"
        return None

    def request(self, found: "CheckpointFolder", record: "CheckpointRecord") -> dg.RunRequest:
        """One run for each content and attempt.

        What landed elsewhere, or looks changed since, is verified first; what was scored and is unchanged is only audited.
        """
        from lofi_pipeline.checkpoints.kept import appearance

        key, changed = record.partition_key, _looks_changed(found, record)
        assets = ["quality_metrics", "license_audit"]
        if self._is_scored(found, record) and not changed and found.folder not in self._lacks_styles:
            assets = ["license_audit"]
        if changed or key not in self._registered:
            assets.insert(0, "lora_checkpoints")
        run_key = f"{key}@{content_sha256(record.files)[:16]}#{self._instance.get_runs_count(_failed(key))}"
        if changed or key in self._scored:  # it was asked for before, as it was then
            run_key += f"~{appearance(found, record)[:16]}"
        if otherwise := self._otherwise.get(found.folder):
            run_key += f" {content_sha256(otherwise.asked)[:16]}"
        return dg.RunRequest(
            run_key, partition_key=key, asset_selection=[dg.AssetKey(name) for name in assets]
        )


def _scored_otherwise(
    workspace: Workspace, checkpoints: "Sequence[CheckpointFolder]"
) -> "dict[Path, ScoredOtherwise]":
    """By folder, those that are to be scored again because the configuration asks for other scores by now, and can be."""
    from lofi_pipeline.evaluation.rescore import scored_otherwise

    looked = ((it.folder, scored_otherwise(workspace.root, it, workspace.config)) for it in checkpoints)
    return {folder: found for folder, found in looked if found and found.hindrance is None}


@dataclass(frozen=True)
class _Beside:
    """The training that LoRAs from elsewhere are scored beside, where it is of the base model in use."""

    base_sha256: str | None = None
    key: "ScoreKey | None" = None
    """Of its scores; what is scored otherwise cannot be compared with it, and is scored again."""

    @classmethod
    def of(cls, workspace: Workspace, own: "Sequence[CheckpointFolder]") -> "_Beside":
        """The active training, with the key that its checkpoints were scored by last."""
        from lofi_pipeline.checkpoints.best import best_checkpoint
        from lofi_pipeline.checkpoints.manifest import active_lineage
        from lofi_pipeline.training.bases import shown_name

        active = active_lineage(workspace.root)
        if active is None or active.base.name != shown_name(base_name(workspace.config)):
            return cls()
        best = best_checkpoint(own)
        return cls(active.base.sha256, best.scores.key if best and best.scores else None)


def _looks_changed(found: "CheckpointFolder", record: "CheckpointRecord") -> bool:
    from lofi_pipeline.checkpoints.kept import files_that_look_changed

    if found.scores_error is not None or (found.scores and not found.measured):
        return True
    return bool(files_that_look_changed(found.folder, record))


def _failed(partition_key: str) -> dg.RunsFilter:
    """The evaluations of a checkpoint that failed."""
    return dg.RunsFilter(
        job_name=evaluate.name, tags={PARTITION_TAG: partition_key}, statuses=[dg.DagsterRunStatus.FAILURE]
    )
