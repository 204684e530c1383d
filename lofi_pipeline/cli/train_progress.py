"""How a training stands, read from its log, its checkpoints and their scores. Nothing is changed, no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field

from lofi_pipeline.checkpoints.best import best_checkpoint
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.loss_log import LogEntry, NoiseBands, read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import active_lineage, scan_checkpoints, training_lock
from lofi_pipeline.config import PipelineConfig, TrainingPreset, config_hash
from lofi_pipeline.entities import Entity, Lineage, now
from lofi_pipeline.errors import LofiError
from lofi_pipeline.evaluation.names import score_names
from lofi_pipeline.storage import DataRoot, is_held
from lofi_pipeline.training.lineage import last_step
from lofi_pipeline.training.stopping import Watch, watch

RECENT_STEPS = 50


class NoTraining(LofiError):
    """Nothing was trained in this data root."""


class CheckpointProgress(Entity):
    """One checkpoint: held-out losses, and scores where it was scored."""

    partition_key: str
    step: int
    is_valid: bool
    pruned: bool
    validation_loss: float | None = None
    beside: float | None = Field(
        default=None, description="Validation loss of the weights that are not published"
    )
    held_out: NoiseBands | None = None
    gap: float | None = None
    fad: float | None = None
    fad_se: float | None = None
    clap: float | None = None
    clap_interval: tuple[float, float] | None = None
    memorised: int | None = Field(default=None, description="Samples that repeat a training track")
    memorises: bool = Field(default=False, description="Whether that is more than is taken so by mistake")


class EarlyStopping(Entity):
    """What ends a training early, and how near that is."""

    metric: str
    patience: int
    best: float | None
    best_step: int | None
    not_better: int = Field(description="Checkpoints in a row since the best")


class TrainingProgress(Entity):
    """Where the active training stands."""

    lineage: str
    preset: str
    base: str
    started_from: str | None = None
    step: int
    end: int = Field(description="The step of the last checkpoint, unless it ends early")
    running: bool
    ended: str | None = Field(default=None, description="Why it ended early")
    steps_per_second: float | None = None
    seconds_left: float | None = None
    loss: list[float] = Field(description="Of every step that counted")
    recent_loss: float | None = Field(default=None, description=f"Mean of the last {RECENT_STEPS} of them")
    learning_rate: float | None = None
    skipped: int
    before: LogEntry | None = Field(default=None, description="What was measured before the first step")
    checkpoints: list[CheckpointProgress]
    best: str | None = Field(default=None, description="Partition key of the best one by its scores")
    why_best: str | None = None
    fad_name: str
    clap_name: str
    early_stopping: EarlyStopping | None = None

    @property
    def complete(self) -> bool:
        """Whether it has come to its end."""
        return bool(self.ended) or self.step >= self.end


def training_progress(root: DataRoot, config: PipelineConfig) -> TrainingProgress:
    """The active training.

    Raises:
        NoTraining: there is none.
    """
    lineage = active_lineage(root)
    if lineage is None:
        raise NoTraining(f"{root.path}: nothing was trained yet; lofi run trains")
    path = training_log(root)
    log = read_training_log(path)
    found = [
        it for it in scan_checkpoints(root) if it.record and it.record.lineage.lineage == lineage.lineage
    ]
    best = best_checkpoint(found)
    names = score_names(best.scores.key if best else None)
    losses = [entry.loss for entry in log if entry.loss is not None]
    step, end = max((entry.step for entry in log), default=0), last_step(lineage)
    ended = next((it.record.ended for it in found if it.record and it.record.ended), None)
    running = is_held(training_lock(root))
    rate = _rate(found, path, step, running)
    preset = _preset_of(lineage, config)
    return TrainingProgress(
        lineage=lineage.lineage,
        preset=lineage.preset,
        base=lineage.base.name,
        started_from=lineage.started_from.partition_key if lineage.started_from else None,
        step=step,
        end=end,
        running=running,
        ended=ended,
        steps_per_second=rate,
        seconds_left=(end - step) / rate if rate and step < end and not ended else None,
        loss=losses,
        recent_loss=sum(losses[-RECENT_STEPS:]) / len(losses[-RECENT_STEPS:]) if losses else None,
        learning_rate=log[-1].learning_rate if log else None,
        skipped=sum(entry.step > 0 and entry.loss is None for entry in log),
        before=log[0] if log and log[0].step == 0 else None,
        checkpoints=[_checkpoint(item, log) for item in found],
        best=best.found.key if best else None,
        why_best=best.why if best else None,
        fad_name=names.fad,
        clap_name=names.clap,
        early_stopping=_early_stopping(log, preset, lineage.checkpoint_interval) if preset else None,
    )


def _rate(found: Sequence[CheckpointFolder], log: Path, step: int, running: bool) -> float | None:
    """Steps a second between the last two moments that are known: checkpoints, and the last line of the log of one that runs."""
    records = [item.record for item in found if item.record]
    moments = [(record.checkpoint.step, record.checkpoint.timestamp) for record in records]
    if running and log.is_file():
        moments.append((step, datetime.fromtimestamp(log.stat().st_mtime, tz=now().tzinfo)))
    moments = sorted(set(moments))[-2:]
    if len(moments) < 2:
        return None
    (first, began), (last, came) = moments
    seconds = (came - began).total_seconds()
    return (last - first) / seconds if seconds > 0 and last > first else None


def _checkpoint(item: CheckpointFolder, log: Sequence[LogEntry]) -> CheckpointProgress:
    assert item.record
    record, scores = item.record, item.scores
    entry = next((it for it in log if it.step == item.step), LogEntry(step=item.step))
    precision = scores.precision if scores else None
    return CheckpointProgress(
        partition_key=record.partition_key,
        step=item.step,
        is_valid=record.checkpoint.is_valid,
        pruned=record.pruned,
        validation_loss=record.validation_loss,
        beside=entry.beside,
        held_out=entry.held_out,
        gap=entry.gap,
        fad=scores.metrics.fad_score if scores else None,
        fad_se=precision.fad_se if precision else None,
        clap=scores.metrics.clap_score if scores else None,
        clap_interval=precision.clap_interval if precision else None,
        memorised=len({row.sample for row in scores.memorised})
        if scores and scores.memorised is not None
        else None,
        memorises=bool(scores and scores.memorises),
    )


def _preset_of(lineage: Lineage, config: PipelineConfig) -> TrainingPreset | None:
    """The preset that the lineage was trained with, where the configuration still has it."""
    start = lineage.started_from.weights if lineage.started_from else None
    presets = map(config.training.complete, config.training.presets)
    return next(
        (it for it in presets if config_hash(it, lineage.base.sha256, start) == lineage.config_hash), None
    )


def _early_stopping(log: Sequence[LogEntry], preset: TrainingPreset, interval: int) -> EarlyStopping | None:
    """As the trainer counts: the base first, then each checkpoint."""
    if preset.stop_on is None:
        return None
    so_far = Watch()
    for entry in log:
        if entry.step % interval == 0:
            so_far = watch(so_far, entry, preset)
    return EarlyStopping(
        metric=preset.stop_on,
        patience=preset.stop_patience,
        best=so_far.best,
        best_step=so_far.best_step,
        not_better=so_far.not_better,
    )
