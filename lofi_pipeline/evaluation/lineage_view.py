"""All that is known of a training's checkpoints, as one value: what the studio's page of a lineage shows, and its report as files.

Nothing is measured here and no model is loaded: it is read from records, scores, the loss log and people's votes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lofi_pipeline.checkpoints.best import Best, is_separable
from lofi_pipeline.checkpoints.compare import clap_interval
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.lineages import LineageFolder
from lofi_pipeline.checkpoints.loss_log import LOG_NAME, LogEntry, read_training_log
from lofi_pipeline.checkpoints.retention import retention_of
from lofi_pipeline.checkpoints.votes import Preference
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import CheckpointRecord, Lineage, Scores
from lofi_pipeline.evaluation.heard import warnings_of
from lofi_pipeline.evaluation.names import ScoreNames, score_names
from lofi_pipeline.evaluation.records import read_base_scores
from lofi_pipeline.evaluation.report import LossPoint
from lofi_pipeline.evaluation.sample_grid import SampleGrid, base_column, column_of, model_name, sample_grid
from lofi_pipeline.evaluation.scoreboard import Scoreboard, scoreboard
from lofi_pipeline.storage import DataRoot

MOST_POINTS = 120
"""Of a curve of losses: of more steps, means of equal parts."""


@dataclass(frozen=True)
class CheckpointView:
    """One checkpoint: its record and scores, whether its weights stay and why, and what it is to the best."""

    key: str
    step: int
    record: CheckpointRecord
    scores: Scores | None
    interval: tuple[float, float] | None
    """95 % of its CLAP score."""
    is_best: bool
    is_comparable: bool
    """Whether it was scored as the best was."""
    is_separable: bool
    """Whether its FAD is told from the best's by more than noise."""
    weights: str
    """Whether they are kept, and why."""
    named_best: str | None
    """Why a person named it the best."""
    pinned: str | None
    """Why a person has its weights kept."""
    fault: str | None
    preferences: tuple[Preference, ...]

    @property
    def fad(self) -> float | None:
        """Frechet audio distance."""
        return self.scores.metrics.fad_score if self.scores else None

    @property
    def fad_se(self) -> float | None:
        """Its standard error."""
        return self.scores.precision.fad_se if self.scores and self.scores.precision else None

    @property
    def clap(self) -> float | None:
        """How it follows prompts."""
        return self.scores.metrics.clap_score if self.scores else None

    @property
    def memorised(self) -> int | None:
        """Samples that repeat a training track; None: not looked for."""
        if self.scores is None or self.scores.memorised is None:
            return None
        return len({row.sample for row in self.scores.memorised})


@dataclass(frozen=True)
class StyleRow:
    """How a style came out, by partition key of each checkpoint that was asked for it; None: it has no such clips."""

    style_id: str
    recognizable: dict[str, bool]
    ranks: dict[str, list[int]]


@dataclass(frozen=True)
class LineageView:
    """All that is known of a lineage."""

    folder: LineageFolder
    board: Scoreboard
    names: ScoreNames
    base: Scores | None
    base_interval: tuple[float, float] | None
    checkpoints: tuple[CheckpointView, ...]
    losses: tuple[LossPoint, ...]
    styles: tuple[StyleRow, ...]
    grid: SampleGrid
    preferences: tuple[Preference, ...]
    warnings: tuple[str, ...]

    @property
    def lineage(self) -> Lineage:
        """What its checkpoints are made from."""
        return self.folder.lineage

    @property
    def best(self) -> CheckpointView | None:
        """The best checkpoint."""
        return next((item for item in self.checkpoints if item.is_best), None)

    def name_of(self, key: str) -> str:
        """What people call a checkpoint of this lineage, or its base; of another lineage, its partition key."""
        return model_name(key) if key.startswith(f"{self.folder.short}-") else key

    @property
    def styled(self) -> tuple[CheckpointView, ...]:
        """The checkpoints that were asked for every style."""
        return tuple(
            it for it in self.checkpoints if it.scores and it.scores.metrics.style_coverage is not None
        )


def lineage_view(root: DataRoot, folder: LineageFolder, settings: RetentionSettings) -> LineageView:
    """What is known of the lineage in `folder`.

    Raises:
        RecordError: the base's scores were damaged.
    """
    best, base = folder.best, base_scores_of(root, folder)
    kept = retention_of(folder.found, settings).keep
    board = scoreboard(root, None if folder.is_active else folder.folder)
    faults = {line.step: line.fault for line in board.checkpoints if line.imported is None}
    checkpoints = [_checkpoint(it, best, folder, kept, faults.get(it.step)) for it in _recorded(folder)]
    log = read_training_log(folder.folder / LOG_NAME)
    return LineageView(
        folder=folder,
        board=board,
        names=score_names(best.scores.key if best else None),
        base=base,
        base_interval=clap_interval(base) if base else None,
        checkpoints=tuple(checkpoints),
        losses=tuple(_losses(log) or [LossPoint.of(it.record) for it in checkpoints]),
        styles=tuple(_styles(checkpoints)),
        grid=grid_of(root, folder, base),
        preferences=tuple(_each_once(checkpoints)),
        warnings=tuple(_warnings(board, folder, best)),
    )


def base_scores_of(root: DataRoot, folder: LineageFolder) -> Scores | None:
    """The scores of a lineage's base, made as those of its best were.

    Raises:
        RecordError: they were damaged.
    """
    best = folder.best
    return read_base_scores(root, folder.lineage.base.sha256, best.scores.key) if best else None


def grid_of(root: DataRoot, folder: LineageFolder, base: Scores | None) -> SampleGrid:
    """The clips of a lineage, those of its base first."""
    lineage = folder.lineage
    columns = [base_column(root, lineage.partition_key(0), lineage.base.sha256, base)] if base else []
    return sample_grid([*columns, *(column for it in folder.found if (column := column_of(root, it)))])


def _recorded(folder: LineageFolder) -> Iterator[CheckpointFolder]:
    return (it for it in folder.found if it.record)


def _each_once(checkpoints: Sequence[CheckpointView]) -> Iterator[Preference]:
    """What people preferred of each pair, seen from the earlier step; from a checkpoint where the other is the base."""
    told: set[frozenset[str]] = set()
    for it in (preference for view in checkpoints for preference in view.preferences):
        if (pair := frozenset((it.one, it.other))) not in told:
            told.add(pair)
            yield it


def _checkpoint(
    item: CheckpointFolder,
    best: Best | None,
    folder: LineageFolder,
    kept: dict[str, str],
    fault: str | None,
) -> CheckpointView:
    assert item.record
    scores = item.measured
    alike = bool(scores and best and scores.key == best.scores.key)
    if item.record.pruned:
        weights = "removed by retention"
    elif not folder.is_active:
        weights = "kept: archived, nothing of it is removed"
    else:
        weights = f"kept: {kept[item.key]}" if item.key in kept else "removed at the next run"
    return CheckpointView(
        key=item.key,
        step=item.step,
        record=item.record,
        scores=scores,
        interval=clap_interval(scores) if scores else None,
        is_best=best is not None and best.found.key == item.key,
        is_comparable=alike,
        is_separable=bool(scores and best and alike and is_separable(scores, best.scores, best.among)),
        weights=weights,
        named_best=item.pin.why if item.pin else None,
        pinned=item.kept.why if item.kept else None,
        fault=fault,
        preferences=item.preferences,
    )


def _losses(log: Sequence[LogEntry]) -> list[LossPoint]:
    """The losses of every step as `MOST_POINTS` means, and each held-out loss where it was measured."""
    trained = [entry for entry in log if entry.loss is not None]
    parts = min(MOST_POINTS, len(trained))
    edges = [round(place * len(trained) / parts) for place in range(parts + 1)] if parts else []
    means = [
        LossPoint(part[-1].step, sum(it.loss or 0.0 for it in part) / len(part))
        for start, end in pairwise(edges)
        if (part := trained[start:end])
    ]
    held_out = [LossPoint(it.step, None, it.validation_loss) for it in log if it.validation_loss is not None]
    return sorted([*means, *held_out], key=lambda point: point.step)


def _styles(checkpoints: Sequence[CheckpointView]) -> Iterator[StyleRow]:
    covered = {
        it.key: it.scores.metrics.style_coverage
        for it in checkpoints
        if it.scores and it.scores.metrics.style_coverage
    }
    ranks = {
        it.key: {style: found.ranks for style, found in it.scores.styles.styles.items()}
        for it in checkpoints
        if it.scores and it.scores.styles
    }
    for style in sorted({style for coverage in covered.values() for style in coverage}):
        yield StyleRow(
            style,
            {key: it[style].recognizable for key, it in covered.items() if style in it},
            {key: it[style] for key, it in ranks.items() if style in it},
        )


def _warnings(board: Scoreboard, folder: LineageFolder, best: Best | None) -> Iterator[str]:
    """What is weak in the scores and wrong with the best's samples, then what is wrong with others."""
    yield from board.warnings
    for item in folder.found:
        if item.error:
            yield item.error
        elif item.record and not item.record.checkpoint.is_valid:
            yield f"Step {item.step} is not valid: {item.record.invalid_reason}"
        elif item.scores and not (best and best.found.key == item.key):
            yield from (f"Step {item.step}: {sentence}" for sentence in warnings_of(item.scores))
