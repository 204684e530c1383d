"""One chart of a training: loss, FAD and text-audio alignment over steps, the base model as step 0. Draws, scores nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lofi_pipeline.checkpoints.best import choose, is_separable
from lofi_pipeline.checkpoints.compare import clap_interval
from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline.evaluation.key import require_comparable
from lofi_pipeline.evaluation.names import score_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    charts = figure.subplots(3, 1, sharex=True)
    _draw_losses(charts[0], sorted(losses, key=lambda point: point.step))
    _draw_fad(charts[1], ordered)
    _draw_alignment(charts[2], ordered)
    if ordered:
        charts[0].set_title(
            f"{len(ordered)} scored{_sizes(ordered[-1])}, embedder {ordered[0].key.embedder}",
            fontsize=10,
            color=_INK,
            loc="left",
        )
    for chart in charts:
        chart.grid(alpha=0.25, linewidth=0.6)
        chart.spines[["top", "right"]].set_visible(False)
        if chart.get_legend_handles_labels()[0]:
            chart.legend(fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _sizes(scores: Scores) -> str:
    precision = scores.precision
    return f" on {precision.clips} clips against {precision.reference_tracks} tracks" if precision else ""


def _draw_losses(chart: Axes, losses: list[LossPoint]) -> None:
    _line(chart, [(point.step, point.loss) for point in losses], "training", _BLUE)
    _line(chart, [(point.step, point.validation_loss) for point in losses], "held out", _ORANGE)
    chart.set_ylabel("loss")


def _draw_fad(chart: Axes, scores: list[Scores]) -> None:
    """FAD with an error of 2 SE on each side, the best marked, and what is not separable from it hollow."""
    name = score_names(scores[0].key if scores else None).fad
    _line(chart, [(item.step, item.metrics.fad_score) for item in scores], name, _BLUE)
    choice = choose([item for item in scores if item.step])
    for item in scores:
        metrics = item.metrics
        error = item.precision.fad_se if item.precision else None
        if error is not None:
            spread = [[min(2 * error, metrics.fad_score)], [2 * error]]
            chart.errorbar(item.step, metrics.fad_score, yerr=spread, color=_BLUE, capsize=3, linewidth=1)
        if (
            choice
            and item is not choice.scores
            and item.step
            and not is_separable(item, choice.scores, choice.among)
        ):
            chart.plot(
                item.step,
                metrics.fad_score,
                "o",
                markersize=4,
                color="white",
                markeredgecolor=_BLUE,
                zorder=4,
            )
    if choice:
        best = choice.scores
        chart.plot(
            best.step,
            best.metrics.fad_score,
            "*",
            markersize=11,
            color=_ORANGE,
            zorder=5,
            label=f"best: {best.step}",
        )
        chart.plot(
            [],
            [],
            "o",
            markersize=4,
            color="white",
            markeredgecolor=_BLUE,
            label="not separable from the best",
        )
    _draw_floor(chart, scores)
    chart.set_ylim(bottom=0)
    chart.set_ylabel(f"{name} +- 2 SE")


def _draw_floor(chart: Axes, scores: list[Scores]) -> None:
    """What real music scores against other real music; of older scores, against the same tracks."""
    bands = [item.precision.floor for item in scores if item.precision]
    band = next((found for found in reversed(bands) if found), None)
    floors = [item.floor_fad for item in scores if item.floor_fad is not None]
    if band:
        low, middle, high = band
        chart.axhspan(low, high, color=_GREY, alpha=0.2, linewidth=0)
        chart.axhline(
            middle, color=_GREY, linestyle="--", linewidth=1, label="floor: halves of the validation tracks"
        )
    elif floors:
        chart.axhline(
            floors[-1], color=_GREY, linestyle="--", linewidth=1, label="floor: two halves of validation"
        )


def _draw_alignment(chart: Axes, scores: list[Scores]) -> None:
    _line(chart, [(item.step, item.metrics.clap_score) for item in scores], "own prompt", _GREEN)
    for item in scores:
        if interval := clap_interval(item):
            value = item.metrics.clap_score
            spread = [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]
            chart.errorbar(item.step, value, yerr=spread, color=_GREEN, capsize=3, linewidth=1)
    _line(chart, [(item.step, item.clap_shuffled) for item in scores], "other prompts", _GREY)
    chart.set_ylabel(score_names(scores[0].key if scores else None).clap)
    chart.set_xlabel("training step (0: base model)")


def _line(chart: Axes, points: list[tuple[int, float | None]], label: str, colour: str) -> None:
    """Draw the points that have a value."""
    known = [(step, value) for step, value in points if value is not None]
    if known:
        chart.plot(
            *zip(*known, strict=True), marker="o", markersize=4, linewidth=1.5, color=colour, label=label
        )
