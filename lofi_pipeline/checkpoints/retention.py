"""Which checkpoints keep their weights: the best by FAD and the latest; and removing the weights of the others.

Only scores with the same key are compared. A checkpoint that is not valid, or not evaluated yet, is never pruned.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.checkpoints.best import rank
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.manifest import (
    RESUME_FOLDER,
    WEIGHTS_SUFFIX,
    compile_manifest,
    read_record,
    scan_checkpoints,
    write_record,
)
from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline.storage import DataRoot, canonical_json, locked


@dataclass(frozen=True)
class RetentionPlan:
    """By partition key: why a checkpoint keeps its weights, and which ones lose theirs."""

    keep: dict[str, str]
    prune: tuple[str, ...]


def plan_retention(
    records: Sequence[CheckpointRecord], scores: Mapping[str, Scores], keep_best: int
) -> RetentionPlan:
    """Decide, from records and the scores by partition key. Checkpoints pruned before appear in neither list.

    Lineages are judged apart, and within each the scores of each key. Of equal FAD, the earlier step is the better.
    """
    keep: dict[str, str] = {}
    ranked: dict[tuple[str, str], list[CheckpointRecord]] = defaultdict(list)
    present = [record for record in records if not record.pruned]
    latest: dict[str, int] = {}
    latest_valid: dict[str, int] = {}
    for record in present:
        lineage, step = record.lineage.lineage, record.checkpoint.step
        latest[lineage] = max(step, latest.get(lineage, 0))
        if record.checkpoint.is_valid:
            latest_valid[lineage] = max(step, latest_valid.get(lineage, 0))
    for record in present:
        key, lineage = record.partition_key, record.lineage.lineage
        if not record.checkpoint.is_valid:
            keep[key] = "not valid: left for a person to look at"
        elif key not in scores:
            keep[key] = "not evaluated yet"
        else:
            ranked[lineage, canonical_json(scores[key].key)].append(record)
        if record.checkpoint.step in (latest[lineage], latest_valid.get(lineage)):
            keep[key] = "latest"
    prune = []
    for group in ranked.values():
        group.sort(key=lambda record: rank(scores[record.partition_key]))
        for place, record in enumerate(group, start=1):
            key = record.partition_key
            if place <= keep_best:
                keep[key] = f"number {place} by FAD" + (", latest" if key in keep else "")
            elif key not in keep:
                prune.append(key)
    return RetentionPlan(keep, tuple(sorted(prune)))


def retention_of(found: Sequence[CheckpointFolder], keep_best: int) -> RetentionPlan:
    """The plan for the checkpoints in these folders; nothing is removed."""
    records = [item.record for item in found if item.record]
    scores = {item.record.partition_key: item.scores for item in found if item.record and item.scores}
    return plan_retention(records, scores, keep_best)


def prune(root: DataRoot, keep_best: int) -> RetentionPlan:
    """Carry the plan out for the active checkpoints: the weights go; records, scores and samples stay."""
    with locked(root.checkpoints / "retention"):
        found = scan_checkpoints(root)
        plan = retention_of(found, keep_best)
        for item in found:
            # The record says so first: a crash in between leaves files that the next call removes.
            if item.record and item.record.partition_key in plan.prune:
                write_record(item.folder, read_record(item.folder).model_copy(update={"pruned": True}))
                _remove_weights(item.folder)
            elif item.record and item.record.pruned:
                _remove_weights(item.folder)
    compile_manifest(root)
    return plan


def _remove_weights(folder: Path) -> None:
    shutil.rmtree(folder / RESUME_FOLDER, ignore_errors=True)
    for path in folder.glob(f"*{WEIGHTS_SUFFIX}"):
        path.unlink(missing_ok=True)
