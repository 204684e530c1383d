"""One picture of a training: loss, FAD and text-audio alignment over steps, the base model as step 0."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline.evaluation.key import require_comparable

_INK, _BLUE, _ORANGE, _GREEN, _GREY = "#222222", "#2a6fb0", "#c8641e", "#2e8b57", "#8a8a8a"


@dataclass(frozen=True)
class LossPoint:
    """Mean loss since the step before, and on held-out tracks where measured."""

    step: int
    loss: float | None
    validation_loss: float | None = None

    @classmethod
    def of(cls, record: CheckpointRecord) -> LossPoint:
        """The losses that a checkpoint's record holds."""
        return cls(record.checkpoint.step, record.loss, record.validation_loss)


def plot_scores(scores: Sequence[Scores], losses: Sequence[LossPoint] = (), *, dpi: int = 80) -> bytes:
    """A PNG of about 30 kB: three charts over one axis of steps.

    Raises:
        NotComparable: the scores were not made alike.
    """
    require_comparable(scores)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ordered = sorted(scores, key=lambda item: item.step)
    steps = [item.step for item in ordered]
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    top, middle, bottom = figure.subplots(3, 1, sharex=True)

    learned = sorted(losses, key=lambda point: point.step)
    _line(top, [(p.step, p.loss) for p in learned], "training", _BLUE)
    _line(top, [(p.step, p.validation_loss) for p in learned], "held out", _ORANGE)
    top.set_ylabel("loss")

    _line(middle, zip(steps, [item.metrics.fad_score for item in ordered], strict=True), "FAD", _BLUE)
    floors = [item.floor_fad for item in ordered if item.floor_fad is not None]
    if floors:
        middle.axhline(
            floors[-1], color=_GREY, linestyle="--", linewidth=1, label="floor: two halves of validation"
        )
    middle.set_ylim(bottom=0)
    middle.set_ylabel("FAD, lower is better")

    _line(
        bottom, zip(steps, [item.metrics.clap_score for item in ordered], strict=True), "own prompt", _GREEN
    )
    _line(bottom, zip(steps, [item.clap_shuffled for item in ordered], strict=True), "other prompts", _GREY)
    bottom.set_ylabel("text-audio cosine")
    bottom.set_xlabel("training step (0: base model)")

    if ordered:
        top.set_title(
            f"{len(ordered)} scored, embedder {ordered[0].key.embedder}", fontsize=10, color=_INK, loc="left"
        )
    for chart in (top, middle, bottom):
        chart.grid(alpha=0.25, linewidth=0.6)
        chart.spines[["top", "right"]].set_visible(False)
        if chart.get_legend_handles_labels()[0]:
            chart.legend(fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _line(chart, points, label: str, colour: str) -> None:
    known = [(step, value) for step, value in points if value is not None]
    if known:
        chart.plot(
            *zip(*known, strict=True), marker="o", markersize=4, linewidth=1.5, color=colour, label=label
        )
