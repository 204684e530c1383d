"""Ending a training early: what is watched, and when it has been no better for long enough. Torch-free.

What was the best so far is part of the training's state, so that a resumed training ends where an undisturbed one does.
"""

from __future__ import annotations

from lofi_pipeline.checkpoints.loss_log import LogEntry
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import Entity


class Watch(Entity):
    """How the metric that is watched has done so far."""

    best: float | None = None
    best_step: int | None = None
    not_better: int = 0
    """Checkpoints in a row since the best."""


def watched_value(entry: LogEntry, metric: str) -> float | None:
    """What a line of the log says of a metric, less is better."""
    if metric == "validation_loss":
        return entry.validation_loss
    if metric == "gap":
        return entry.gap
    return getattr(entry.held_out, metric) if entry.held_out else None


def watch(so_far: Watch, entry: LogEntry, preset: TrainingPreset) -> Watch:
    """What is known after another checkpoint, or after the base at step 0. What was not measured counts as no better."""
    value = watched_value(entry, preset.stop_on) if preset.stop_on else None
    if value is not None and (so_far.best is None or value < so_far.best - preset.stop_margin):
        return Watch(best=value, best_step=entry.step)
    return so_far.model_copy(update={"not_better": so_far.not_better + 1})


def why_to_end(so_far: Watch, preset: TrainingPreset) -> str | None:
    """A sentence, where training is to end now."""
    if preset.stop_on is None or so_far.not_better < preset.stop_patience:
        return None
    best = f"{so_far.best:.4f} at step {so_far.best_step}" if so_far.best is not None else "never measured"
    return (
        f"{preset.stop_on} was no better for {so_far.not_better} checkpoints in a row; the best was {best} "
        f"(stop_on, stop_patience {preset.stop_patience})"
    )
