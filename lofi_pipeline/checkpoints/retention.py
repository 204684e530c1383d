"""Which checkpoints keep their weights: the best by FAD, the latest, and what people pinned or prefer; and removing the weights of the others.

Only scores with the same key are compared, and only what they can tell apart is removed: noise in a score deletes nothing. A
checkpoint that is not valid, or not evaluated yet, is never pruned.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lofi_pipeline.checkpoints.best import best_checkpoint, choose, rank
from lofi_pipeline.checkpoints.compare import Verdict, fad_difference
from lofi_pipeline.checkpoints.folder import COMFYUI_FOLDER, CheckpointFolder
from lofi_pipeline.checkpoints.manifest import (
    RESUME_FOLDER,
    WEIGHTS_SUFFIX,
    compile_manifest,
    read_record,
    scan_checkpoints,
    write_record,
)
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline.storage import DataRoot, canonical_json, locked

_PRUNED_FOLDERS = (RESUME_FOLDER, COMFYUI_FOLDER)
FEWEST_SCORED = 4
"""Of a lineage that is still trained: with fewer, there is little to choose from."""


@dataclass(frozen=True)
class RetentionPlan:
    """By partition key: why a checkpoint keeps its weights, and which ones lose theirs."""

    keep: dict[str, str]
    prune: tuple[str, ...]


def plan_retention(
    records: Sequence[CheckpointRecord],
    scores: Mapping[str, Scores],
    settings: RetentionSettings,
    sizes: Mapping[str, int] | None = None,
    by_hand: Mapping[str, str] | None = None,
) -> RetentionPlan:
    """Decide, from records, and by partition key: the scores, the bytes of weights, and why people have some kept.

    Checkpoints pruned before appear in neither list.

    Lineages are judged apart, and within each the scores of each key. Of equal FAD, the earlier step is the better. Those that
    are kept only because nothing tells them apart give way to the limits that are set, the lower CLAP score first.
    """
    present = [record for record in records if not record.pruned]
    keep = _kept_without_scores(present, scores) | {
        record.partition_key: by_hand[record.partition_key]
        for record in present
        if by_hand and record.partition_key in by_hand
    }
    spared = _too_few_scored(records, scores)
    ranked: dict[tuple[str, str], list[CheckpointRecord]] = defaultdict(list)
    for record in present:
        key, lineage = record.partition_key, record.lineage.lineage
        if record.checkpoint.is_valid and key in scores:
            ranked[lineage, canonical_json(scores[key].key)].append(record)
    sorted_out = [_sort_out(group, scores, settings, keep, spared) for group in ranked.values()]
    _make_room(sorted_out, settings, dict(sizes or {}))
    for group in sorted_out:
        keep |= group.spared | group.keep
    return RetentionPlan(keep, tuple(sorted(key for group in sorted_out for key in group.prune)))


def _kept_without_scores(present: Sequence[CheckpointRecord], scores: Mapping[str, Scores]) -> dict[str, str]:
    """What stays whatever was scored: the latest, what is not valid, what is not evaluated."""
    latest: dict[str, int] = {}
    latest_valid: dict[str, int] = {}
    for record in present:
        lineage, step = record.lineage.lineage, record.checkpoint.step
        latest[lineage] = max(step, latest.get(lineage, 0))
        if record.checkpoint.is_valid:
            latest_valid[lineage] = max(step, latest_valid.get(lineage, 0))
    keep: dict[str, str] = {}
    for record in present:
        key, lineage = record.partition_key, record.lineage.lineage
        if not record.checkpoint.is_valid:
            keep[key] = "not valid: left for a person to look at"
        elif key not in scores:
            keep[key] = "not evaluated yet"
        if record.checkpoint.step in (latest[lineage], latest_valid.get(lineage)):
            keep[key] = "latest"
    return keep


def _too_few_scored(records: Sequence[CheckpointRecord], scores: Mapping[str, Scores]) -> set[str]:
    """The lineages of which nothing is removed yet."""
    scored: dict[str, int] = defaultdict(int)
    ended = set()
    for record in records:
        scored[record.lineage.lineage] += record.partition_key in scores
        if record.is_last:
            ended.add(record.lineage.lineage)
    return {lineage for lineage, count in scored.items() if count < FEWEST_SCORED} - ended


@dataclass
class _SortedOut:
    """Checkpoints of one lineage and one key, by what becomes of their weights."""

    keep: dict[str, str] = field(default_factory=dict)
    spared: dict[str, str] = field(default_factory=dict)
    """Kept because nothing tells them apart from the last that is kept, the first to go first."""
    prune: list[str] = field(default_factory=list)


def _sort_out(
    group: list[CheckpointRecord],
    scores: Mapping[str, Scores],
    settings: RetentionSettings,
    kept: Mapping[str, str],
    too_few: set[str],
) -> _SortedOut:
    scored = sorted(
        (scores[record.partition_key] for record in group),
        key=lambda item: (item.memorises, rank(item)),
    )
    key_of = {record.checkpoint.step: record.partition_key for record in group}
    chosen = choose(scored)
    last = scored[min(settings.keep_best, len(scored)) - 1]
    found = _SortedOut()
    spared: list[Scores] = []
    for place, item in enumerate(scored, start=1):
        key = key_of[item.step]
        if place <= settings.keep_best:
            found.keep[key] = f"number {place} by FAD" + (f", {kept[key]}" if key in kept else "")
        elif chosen and item is chosen.scores:
            found.keep[key] = f"the best: {chosen.why}"
        elif key in kept:
            continue
        elif group[0].lineage.lineage in too_few:
            found.keep[key] = f"fewer than {FEWEST_SCORED} are scored yet"
        elif all(fad_difference(item, other).verdict is Verdict.WORSE for other in (scored[0], last)):
            found.prune.append(key)
        else:
            spared.append(item)
    for item in sorted(
        spared, key=lambda item: (item.metrics.clap_score, -item.metrics.fad_score, -item.step)
    ):
        found.spared[key_of[item.step]] = _why_spared(item, last)
    return found


def _why_spared(item: Scores, last: Scores) -> str:
    between = fad_difference(item, last)
    if between.verdict is Verdict.UNKNOWN:
        return f"worse than step {last.step} by FAD, but the error of that was not measured ({between})"
    return f"not separable from step {last.step} by FAD ({between})"


def _make_room(groups: Sequence[_SortedOut], settings: RetentionSettings, sizes: Mapping[str, int]) -> None:
    """Let go of those that are only spared, until the limits are met or none is left."""
    for group in groups:
        while settings.keep_most and group.spared and len(group.keep | group.spared) > settings.keep_most:
            _let_go(group)
        pruned = {key for each in groups for key in each.prune}
        used = sum(size for key, size in sizes.items() if key not in pruned)
        while settings.max_gb and group.spared and used > settings.max_gb * 1e9:
            used -= sizes.get(_let_go(group), 0)


def _let_go(group: _SortedOut) -> str:
    key = next(iter(group.spared))
    del group.spared[key]
    group.prune.append(key)
    return key


def retention_of(found: Sequence[CheckpointFolder], settings: RetentionSettings) -> RetentionPlan:
    """The plan for the checkpoints in these folders; nothing is removed."""
    records = [item.record for item in found if item.record]
    scores = {item.record.partition_key: it for item in found if item.record and (it := item.measured)}
    sizes = {
        item.record.partition_key: sum(path.stat().st_size for path in _weights(item.folder))
        for item in found
        if item.record and settings.max_gb
    }
    return plan_retention(records, scores, settings, sizes, _kept_by_people(found))


def _kept_by_people(found: Sequence[CheckpointFolder]) -> dict[str, str]:
    """What a person named the best, pinned, or what votes make the best; and why."""
    best = best_checkpoint(found)
    by_votes = best and any(it.preferred == best.found.key for it in best.found.preferences)
    voted = {best.found.key: f"the best: {best.why}"} if best and by_votes else {}
    kept = {item.key: f"pinned by a person: {item.kept.why}" for item in found if item.kept}
    named = {item.key: f"named the best by a person: {item.pin.why}" for item in found if item.pin}
    return voted | kept | named


def prune(root: DataRoot, settings: RetentionSettings, *, hold: str = "") -> RetentionPlan:
    """Carry the plan out for the active checkpoints: the weights go; records, scores and samples stay. `hold`: why none go now."""
    with locked(root.checkpoints / "retention"):
        found = scan_checkpoints(root)
        plan = retention_of(found, settings)
        if hold:
            plan = RetentionPlan(plan.keep | dict.fromkeys(plan.prune, hold), ())
        for item in found:
            # The record says so first: a crash in between leaves files that the next call removes.
            if item.record and item.record.partition_key in plan.prune:
                write_record(item.folder, read_record(item.folder).model_copy(update={"pruned": True}))
                _remove_weights(item.folder)
            elif item.record and item.record.pruned:
                _remove_weights(item.folder)
    compile_manifest(root)
    return plan


def _weights(folder: Path) -> list[Path]:
    """What pruning removes, file by file."""
    inside = [path for name in _PRUNED_FOLDERS for path in (folder / name).glob("**/*") if path.is_file()]
    return [*folder.glob(f"*{WEIGHTS_SUFFIX}"), *inside]


def _remove_weights(folder: Path) -> None:
    for name in _PRUNED_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob(f"*{WEIGHTS_SUFFIX}"):
        path.unlink(missing_ok=True)
