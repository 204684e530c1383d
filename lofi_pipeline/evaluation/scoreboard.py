"""The scores of a lineage side by side with their errors, and which is best: what `lofi scores` shows, and the pages of the studio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from pydantic import Field

from lofi_pipeline.checkpoints.best import Best, best_checkpoint, is_separable
from lofi_pipeline.checkpoints.compare import clap_difference, clap_interval, fad_difference
from lofi_pipeline.checkpoints.folder import CheckpointFolder, imported_checkpoints, scan_checkpoints
from lofi_pipeline.checkpoints.kept import changed_scores
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    SCORES_RECORD,
    CheckpointRecord,
    Entity,
    HumanEvaluation,
    MemorisedSample,
    Scores,
    few,
)
from lofi_pipeline.evaluation.heard import weak_in
from lofi_pipeline.evaluation.names import score_names
from lofi_pipeline.evaluation.records import read_base_scores
from lofi_pipeline.evaluation.rescore import scored_otherwise_sentences
from lofi_pipeline.storage import DataRoot


class ScoreLine(Entity):
    """The scores of one model with their errors; what was not measured is null."""

    fad: float | None
    fad_se: float | None = Field(description="The larger of its standard errors by clip and by track")
    fad_infinity: float | None = Field(description="For endlessly many clips")
    kad: float | None
    kad_se: float | None
    clap: float | None
    clap_interval: tuple[float, float] | None = Field(description="95 %, over clips")
    clips: int | None = Field(description="Of validation prompts")
    reference_tracks: int | None
    memorised: list[MemorisedSample] = Field(
        description="Sample, training track that it repeats, share of its length"
    )
    clip_scores: dict[str, float] | None = Field(
        default=None,
        exclude_if=lambda found: found is None,
        description="Means of evaluation.clip_scorers; written where there are some",
    )
    separable_from_best: bool = Field(
        description="Whether its FAD differs from the best's by more than noise, as far as that was measured"
    )


class CheckpointLine(ScoreLine):
    """One checkpoint and its scores."""

    checkpoint_id: str
    step: int
    is_valid: bool
    kept: bool
    partition_key: str | None = Field(
        default=None, description="Written of a LoRA that was trained elsewhere"
    )
    imported: str | None = Field(
        default=None, description="What a LoRA that was trained elsewhere is called; written of those alone"
    )
    comparable: bool = Field(default=True, description="Scored as the best is; written where it is not so")
    human_evaluation: HumanEvaluation | None = Field(
        default=None,
        exclude_if=lambda found: found is None,
        description="What listeners found; written where a listening test was scored",
    )
    pinned: str | None = Field(
        default=None, description="Why a person named it the best; written where one did"
    )
    never_pruned: str | None = Field(
        default=None, description="Why a person pinned its weights; written where one did"
    )
    styles_recognizable: int | None = Field(
        default=None,
        description="Of all style presets; written of the last and the best, once training ended",
    )
    styles_by_chance: float | None = Field(
        default=None,
        description="How many would be if each style's clips were held against another's prompt",
    )
    fault: str | None = Field(
        default=None, description="What was changed and can't be made again; written where there is something"
    )


class BestLine(Entity):
    """Which checkpoint is the best, and why."""

    checkpoint_id: str
    why: str


class PairLine(Entity):
    """Two checkpoints, and what their scores say of the first: better, worse, not separable, error not measured."""

    one: str
    other: str
    fad: str
    fad_difference: float
    fad_se: float | None
    more_clips: int | None = Field(
        description="That would separate such a difference; null where it is separable"
    )
    more_tracks: int | None
    clap: str | None
    clap_difference: float | None
    clap_interval: tuple[float, float] | None


class Scoreboard(Entity):
    """The scores of a lineage."""

    base: ScoreLine | None = None
    checkpoints: list[CheckpointLine] = []
    best: BestLine | None = None
    best_checkpoint: str | None = None
    embedder: str | None = Field(default=None, description="Name and first digits of the hash of its weights")
    text_embedder: str | None = None
    fad_name: str | None = Field(default=None, description="What FAD is called after its embedder")
    clap_name: str | None = None
    floor_fad: float | None = None
    floor: tuple[float, float, float] | None = Field(
        default=None,
        description="FAD between random halves of the validation tracks, with as many windows as clips have",
    )
    pairs: list[PairLine] = []
    warnings: list[str] = []

    @property
    def best_line(self) -> CheckpointLine | None:
        """The line of the best checkpoint."""
        own = (line for line in self.checkpoints if line.imported is None)
        return next((line for line in own if line.checkpoint_id == self.best_checkpoint), None)


def scoreboard(
    root: DataRoot,
    folder: Path | None = None,
    *,
    pairs: bool = False,
    config: PipelineConfig | None = None,
) -> Scoreboard:
    """Every checkpoint in a folder, by default the active ones and LoRAs that were trained elsewhere.

    The best of them, and beside it its base, by scores that were made alike; what was trained elsewhere is never the best. With
    the configuration, warnings name the active ones that it asks to be scored otherwise.
    """
    found = scan_checkpoints(root, folder)
    best = best_checkpoint(found)
    beside = imported_checkpoints(root) if folder is None else []
    lines = [_checkpoint_line(item, item.record, best) for item in [*found, *beside] if item.record]
    changed = list(_changed(found))
    if config and folder is None:
        changed += scored_otherwise_sentences(root, config)
    fields: dict[str, object] = {
        "checkpoints": lines,
        "base": None,
        "embedder": None,
        "best": None,
        "warnings": changed,
    }
    if best is None or best.found.record is None:
        return Scoreboard.model_validate(fields)
    names = score_names(best.scores.key)
    precision = best.scores.precision
    name = best.found.folder.name
    fields |= {
        "best_checkpoint": name,
        "best": BestLine(checkpoint_id=name, why=best.why),
        "embedder": names.embedder,
        "text_embedder": names.text_embedder,
        "fad_name": names.fad,
        "clap_name": names.clap,
        "warnings": [*changed, *weak_in(best.scores)],
        "floor": precision.floor if precision else None,
    }
    base = read_base_scores(root, best.found.record.lineage.base.sha256, best.scores.key)
    if base:
        fields |= {"base": ScoreLine.model_validate(_measured(base, best)), "floor_fad": base.floor_fad}
    if pairs:
        fields["pairs"] = list(_pairs([it for item in found if (it := item.measured)], best))
    return Scoreboard.model_validate(fields)


def _changed(found: Sequence[CheckpointFolder]) -> Iterator[str]:
    """A sentence for each checkpoint whose scores or samples are not what was written, and are made again by a run."""
    for item in found:
        if item.record is None or item.record.pruned:
            continue  # of those without weights the line itself says so
        names = changed_scores(item.folder, item.record)
        if names or item.scores_error or (item.scores and not item.measured):
            yield (
                f"{item.folder.name}: {few(names) or SCORES_RECORD} changed or missing since it was scored, so what stands there is not "
                "what was measured; lofi run scores it again."
            )


def _measured(scores: Scores | None, best: Best | None) -> dict[str, object]:
    """The fields of a ScoreLine."""
    if scores is None:
        required = [name for name, field in ScoreLine.model_fields.items() if field.is_required()]
        return dict.fromkeys(required) | {"memorised": [], "separable_from_best": False}
    metrics, precision = scores.metrics, scores.precision
    alike = best is not None and best.scores.key == scores.key
    judged = {name: item.mean for name, item in (scores.clip_scores or {}).items()}
    return {
        "clip_scores": judged or None,
        "fad": metrics.fad_score,
        "fad_se": precision.fad_se if precision else None,
        "fad_infinity": precision.fad_infinity if precision else None,
        "kad": precision.kad if precision else None,
        "kad_se": precision.kad_se if precision else None,
        "clap": metrics.clap_score,
        "clap_interval": clap_interval(scores),
        "clips": sum(sample.style_id is None for sample in scores.samples),
        "reference_tracks": precision.reference_tracks if precision else None,
        "memorised": scores.memorised or [],
        "separable_from_best": best is not None and alike and is_separable(scores, best.scores, best.among),
    }


def _checkpoint_line(found: CheckpointFolder, record: CheckpointRecord, best: Best | None) -> CheckpointLine:
    scores = found.measured
    fields: dict[str, object] = {
        "checkpoint_id": record.checkpoint.checkpoint_id,
        "step": record.checkpoint.step,
        "is_valid": record.checkpoint.is_valid,
        "kept": not record.pruned,
        **_measured(scores, best),
    }
    if scores and best and scores.key != best.scores.key:
        fields["comparable"] = False
    if imported := record.lineage.imported:
        fields |= {"partition_key": record.partition_key, "imported": imported.name or imported.file}
    if scores:
        fields["human_evaluation"] = scores.metrics.human_evaluation
    if found.pin:
        fields["pinned"] = found.pin.why
    if found.kept:
        fields["never_pruned"] = found.kept.why
    if scores and scores.metrics.style_coverage is not None:
        coverage = scores.metrics.style_coverage.values()
        fields["styles_recognizable"] = sum(outcome.recognizable for outcome in coverage)
    if scores and scores.styles:
        fields["styles_by_chance"] = scores.styles.by_chance
    if fault := _fault(found, record):
        fields["fault"] = fault
    return CheckpointLine.model_validate(fields)


def _fault(found: CheckpointFolder, record: CheckpointRecord) -> str | None:
    """What was changed of a checkpoint since it was written, and is not made again by a run."""
    if not record.checkpoint.is_valid:
        return record.invalid_reason
    if not record.pruned:
        return None  # scores and samples are made again
    if changed := changed_scores(found.folder, record):
        return (
            f"{found.folder.name}: {few(changed)} changed or missing, and the weights that could make them again were pruned; "
            "take them back from a backup"
        )
    return found.scores_error


def _pairs(scores: Sequence[Scores], best: Best) -> Iterator[PairLine]:
    alike = [item for item in scores if item.key == best.scores.key]
    for one, other in combinations(alike, 2):
        fad, clap = fad_difference(one, other, best.among), clap_difference(one, other, best.among)
        yield PairLine(
            one=one.metrics.checkpoint_id,
            other=other.metrics.checkpoint_id,
            fad=fad.verdict,
            fad_difference=fad.value,
            fad_se=fad.se,
            more_clips=fad.more_clips,
            more_tracks=fad.more_tracks,
            clap=clap.verdict if clap else None,
            clap_difference=clap.value if clap else None,
            clap_interval=(clap.low, clap.high) if clap else None,
        )
