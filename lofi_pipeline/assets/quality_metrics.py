"""quality_metrics: samples, FAD, CLAP score and style coverage of one checkpoint; then retention."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.lora_checkpoints import base_trained_on, known_checkpoints
from lofi_pipeline.assets.metadata import Facts, checkpoint_page, picture, rounded, shown, table
from lofi_pipeline.assets.partitions import CHECKPOINTS, GPU_POOL, OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import (
    CheckpointRecord,
    DatasetVersion,
    HumanEvaluation,
    QualityMetrics,
    RecordError,
    Scores,
)
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.retention import RetentionPlan

BETTER = "better_than_the_base"
BEST_NOT_WORSE = "best_of_the_training_is_not_worse_than_the_base"


@dg.asset(
    group_name="evaluation",
    kinds={"pytorch", "audio"},
    owners=OWNERS,
    code_version="1",
    pool=GPU_POOL,
    partitions_def=CHECKPOINTS,
    deps=["lora_checkpoints", "dataset_manifest"],
    check_specs=[
        dg.AssetCheckSpec(
            BETTER,
            asset="quality_metrics",
            description="FAD below and text-audio alignment above those of the base model without LoRA.",
        ),
        dg.AssetCheckSpec(
            BEST_NOT_WORSE,
            asset="quality_metrics",
            description="The best checkpoint of the training has no FAD that is above the base's by more than its error.",
        ),
    ],
)
@failing_in_words()
def quality_metrics(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Scores one checkpoint against the validation split, beside its base as step 0, and prunes what retention lets go."""
    from lofi_pipeline.checkpoints.manifest import staying_in_place

    with staying_in_place(workspace.root, context.partition_key) as folder:
        if folder is None:
            raise dg.Failure(
                f"no checkpoint {context.partition_key} under {workspace.root.checkpoints}",
                allow_retries=False,
            )
        return _evaluated(context, workspace, folder)


def _evaluated(context: dg.AssetExecutionContext, workspace: Workspace, folder: Path) -> dg.MaterializeResult:
    from lofi_pipeline.checkpoints.coverage import lacks_styles
    from lofi_pipeline.checkpoints.manifest import read_record
    from lofi_pipeline.checkpoints.retention import prune
    from lofi_pipeline.evaluation.checkpoint import cover_styles, evaluate_checkpoint
    from lofi_pipeline.evaluation.rescore import due_again
    from lofi_pipeline.listening import bring_back_result

    root, config = workspace.root, workspace.config

    def log(message: str) -> None:
        context.log.info(message)
        progress.report("quality_metrics", 0, 0, f"{folder.name}: {message}")

    version = _version_of(root, read_record(folder))
    name, settings = base_trained_on(workspace, folder), config.evaluation
    offload = config.training.offload
    found = evaluate_checkpoint(root, folder, version, name, settings, log, offload=offload)
    # Half of a lineage that is scored anew is no ranking to remove anything by
    others = "others are still to be scored as the configuration asks" if due_again(root, config) else ""
    plan, scores = prune(root, config.retention, hold=others), found.scores
    if scores.metrics.human_evaluation is None:
        scores = bring_back_result(root, found.record.partition_key, log) or scores
    if settings.style_prompts and lacks_styles(root, folder):
        scores = cover_styles(root, folder, version, name, settings, log, offload=offload)
    return _standing(root, folder, found.record, scores, lambda: (found.base, plan)).result()


def standing_scores(workspace: Workspace) -> Iterator[Standing]:
    """The scores of every checkpoint that has them, also of former trainings, in the order they landed."""
    root, retention = workspace.root, workspace.config.retention
    for found, record in known_checkpoints(root):
        if found.scores and record.checkpoint.is_valid:
            behind = cache(partial(_base_and_plan, root, found.folder, record, found.scores, retention))
            yield _standing(root, found.folder, record, found.scores, behind)


def _base_and_plan(
    root: DataRoot, folder: Path, record: CheckpointRecord, scores: Scores, retention: RetentionSettings
) -> "tuple[Scores, RetentionPlan]":
    """The base's scores and what retention decides. The evaluation is not over while one of them is to be made still."""
    from lofi_pipeline.checkpoints.folder import scan_checkpoints
    from lofi_pipeline.checkpoints.retention import retention_of
    from lofi_pipeline.evaluation.errors import EvaluationError
    from lofi_pipeline.evaluation.records import read_base_scores

    base = read_base_scores(root, record.lineage.base.sha256, scores.key)
    plan = retention_of(scan_checkpoints(root, folder.parent), retention)
    to_be_pruned = plan.prune and not record.pruned and folder.parent == root.checkpoints
    if base is None or to_be_pruned:
        raise EvaluationError(f"{folder.name}: its evaluation was ended before it was complete")
    return base, plan


def _standing(
    root: DataRoot,
    folder: Path,
    record: CheckpointRecord,
    scores: Scores,
    behind: "Callable[[], tuple[Scores, RetentionPlan]]",
) -> Standing:
    """Scores, with those of the base and the plan of retention looked up when they are told."""
    metrics = scores.metrics

    def told() -> Facts:
        base, plan = behind()
        return {
            "studio": checkpoint_page(record),
            **_facts(scores, base),
            **_history(root, folder.parent, scores, base),
            "kept": table(["checkpoint_id", "why"], sorted(plan.keep.items())),
            "pruned": ", ".join(plan.prune),
            "samples": dg.MetadataValue.path(root.relative(folder / "samples")),
        }

    return Standing(
        "quality_metrics",
        content_sha256(
            [scores.key, metrics.fad_score, metrics.clap_score, *filter(None, [metrics.human_evaluation])]
        ),
        told,
        checks=lambda: [
            _better(metrics, behind()[0].metrics),
            _best_not_worse(root, folder.parent, behind()[0]),
        ],
        partition=record.partition_key,
    )


def _better(metrics: QualityMetrics, base: QualityMetrics) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=BETTER,
        passed=metrics.fad_score < base.fad_score and metrics.clap_score > base.clap_score,
        severity=dg.AssetCheckSeverity.WARN,
    )


def _best_not_worse(root: DataRoot, parent: Path, base: Scores) -> dg.AssetCheckResult:
    from lofi_pipeline.checkpoints.best import best_checkpoint, is_separable
    from lofi_pipeline.checkpoints.folder import scan_checkpoints

    best = best_checkpoint(
        [it for it in scan_checkpoints(root, parent) if it.scores and it.scores.key == base.key]
    )
    worse = bool(
        best
        and best.scores.metrics.fad_score > base.metrics.fad_score
        and is_separable(best.scores, base, best.among)
    )
    facts: Facts = {"base_fad_score": rounded(base.metrics.fad_score)}
    if best:
        facts["checkpoint_id"] = best.scores.metrics.checkpoint_id
        facts["fad_score"] = rounded(best.scores.metrics.fad_score)
        facts["why_best"] = best.why
    return dg.AssetCheckResult(check_name=BEST_NOT_WORSE, passed=not worse, metadata=shown(facts))


def _facts(scores: Scores, base: Scores) -> Facts:
    """The scores of a checkpoint and of its base, by the data model's names."""
    from lofi_pipeline.evaluation.names import score_names

    metrics, names = scores.metrics, score_names(scores.key)
    return {
        "checkpoint_id": metrics.checkpoint_id,
        "step": scores.step,
        "evaluation_date": dg.MetadataValue.timestamp(metrics.evaluation_date),
        "fad_score": rounded(metrics.fad_score),
        "clap_score": rounded(metrics.clap_score),
        "clap_shuffled": rounded(scores.clap_shuffled),
        "base_fad_score": rounded(base.metrics.fad_score),
        "base_clap_score": rounded(base.metrics.clap_score),
        "floor_fad": "not enough validation audio" if scores.floor_fad is None else rounded(scores.floor_fad),
        **_style_facts(scores),
        **_human_facts(metrics.human_evaluation),
        "embedder": f"{scores.key.embedder} ({scores.key.embedder_sha256[:12]})",
        "names": f"fad_score is {names.fad}, clap_score is {names.clap}",
        **_precision_facts(scores),
    }


def _style_facts(scores: Scores) -> Facts:
    """How many styles are made and recognised, and which are taken for which; nothing where that was not measured."""
    from lofi_pipeline.evaluation.confusion import plot_confusion

    coverage = scores.metrics.style_coverage
    if coverage is None:
        return {}
    facts: Facts = {
        "styles_generated": sum(outcome.generated for outcome in coverage.values()),
        "styles_recognizable": sum(outcome.recognizable for outcome in coverage.values()),
        "style_coverage": table(
            ["style_id", "generated", "recognizable"],
            [(name, _yes(it.generated), _yes(it.recognizable)) for name, it in sorted(coverage.items())],
        ),
    }
    if scores.styles:
        facts["styles_recognizable_by_chance"] = rounded(scores.styles.by_chance)
        facts["style_confusion"] = picture(plot_confusion(scores.styles, coverage))
    return facts


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _human_facts(found: HumanEvaluation | None) -> Facts:
    """What the listening test gave; nothing where there was none."""
    if found is None:
        return {}
    return {
        "human_evaluation": table(
            ["evaluator_count", "accuracy", "p_value", "date"],
            [(found.evaluator_count, f"{found.accuracy:.4g}", f"{found.p_value:.4g}", found.date)],
        )
    }


def _precision_facts(scores: Scores) -> Facts:
    """Errors, and what is weak; numbers that were not measured are left out."""
    from lofi_pipeline.checkpoints.compare import clap_interval
    from lofi_pipeline.evaluation.heard import weak_in

    precision, interval = scores.precision, clap_interval(scores)
    facts: Facts = {}
    if interval:
        facts["clap_interval"] = f"{interval[0]:.4g} to {interval[1]:.4g}"
    if precision:
        shown = ("fad_se_by_clip", "fad_se_by_track", "fad_infinity", "kad", "kad_se", "kad_fixed")
        values = {name: getattr(precision, name) for name in ("fad_se", *shown)}
        facts |= {name: rounded(value) for name, value in values.items() if value is not None}
        facts |= {"clips": precision.clips, "reference_tracks": precision.reference_tracks}
        if precision.floor:
            facts["floor_by_track"] = " / ".join(f"{value:.4g}" for value in precision.floor)
    if scores.memorised:
        rows = [(item.sample, item.track, f"{item.share:.0%}") for item in scores.memorised]
        facts["memorised"] = table(["sample", "training track", "share"], rows)
    if weak := weak_in(scores):
        facts["warnings"] = table(["what is weak in these scores"], [[sentence] for sentence in weak])
    return facts


def _version_of(root: DataRoot, record: CheckpointRecord) -> DatasetVersion:
    """The data set version the checkpoint was trained on; the current one when it came from a machine with another.

    Of a LoRA that was trained elsewhere, that of the training that it is scored beside.
    """
    from lofi_pipeline.checkpoints.manifest import active_lineage
    from lofi_pipeline.dataset import load_version

    active = active_lineage(root) if record.lineage.imported else None
    try:
        return load_version(root, active.dataset_hash if active else record.checkpoint.dataset_hash)
    except RecordError:
        return load_version(root)


def _history(root: DataRoot, parent: Path, scores: Scores, base: Scores) -> Facts:
    """The scores and losses of the training up to now, as a table, which the UI shows in place, and as a picture."""
    from lofi_pipeline.checkpoints.manifest import scan_checkpoints
    from lofi_pipeline.evaluation import LossPoint, plot_scores

    found = [item for item in scan_checkpoints(root, parent) if item.record]
    alike = [item.scores for item in found if item.scores and item.scores.key == scores.key]
    losses = [LossPoint.of(item.record) for item in found if item.record]
    held_out = {point.step: point.validation_loss for point in losses if point.validation_loss is not None}
    rows = [
        (
            it.step,
            f"{it.metrics.fad_score:.4g}",
            f"{it.metrics.clap_score:.4g}",
            f"{held_out[it.step]:.4g}" if it.step in held_out else "",
        )
        for it in sorted([base, *alike], key=lambda it: it.step)
    ]
    return {
        "scores": table(["step", "fad_score", "clap_score", "validation_loss"], rows),
        "history": picture(plot_scores([base, *alike], losses)),
    }
