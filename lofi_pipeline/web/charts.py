"""Charts over training steps as geometry: what chart.html draws as SVG, without a script. Nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lofi_pipeline.evaluation.lineage_view import CheckpointView, LineageView
from lofi_pipeline.evaluation.report import LossPoint

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 36
TICKS = 5
ERRORS_SHOWN = 2
"""Standard errors on each side of a FAD."""


@dataclass(frozen=True)
class Point:
    """A value at a step, with the ends of its error bar."""

    step: int
    value: float
    said: str
    """The value in words, for who can't see the chart."""
    low: float | None = None
    high: float | None = None
    kind: Literal["plain", "best", "hollow"] = "plain"


@dataclass(frozen=True)
class Curve:
    """Points that belong together."""

    name: str
    style: Literal["first", "second", "faint"]
    points: tuple[Point, ...]
    has_dots: bool = True


class Tick(NamedTuple):
    """A line of the grid: where it lies, and the number beside it."""

    at: float
    text: str


class Drawn(NamedTuple):
    """A point in the picture."""

    x: float
    y: float
    low: float | None
    high: float | None
    point: Point


@dataclass(frozen=True)
class Chart:
    """Curves over the same steps, and a band of values to compare them with."""

    name: str
    title: str
    curves: tuple[Curve, ...]
    band: tuple[float, float, float] | None = None
    """Low, middle, high."""
    band_name: str = ""
    notes: tuple[str, ...] = ()
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)

    @property
    def points(self) -> list[Point]:
        """Of all curves."""
        return [point for curve in self.curves for point in curve.points]

    @property
    def has_best(self) -> bool:
        """Whether one is marked as the best."""
        return any(point.kind == "best" for point in self.points)

    @property
    def has_hollow(self) -> bool:
        """Whether some are marked as not separable from it."""
        return any(point.kind == "hollow" for point in self.points)

    @property
    def steps(self) -> list[Tick]:
        """The grid's vertical lines."""
        last = max((point.step for point in self.points), default=1)
        return [Tick(self.x(step), f"{step:,}") for step in _round_values(0, last)]

    @property
    def values(self) -> list[Tick]:
        """The grid's horizontal lines."""
        low, high = self._range
        found = _round_values(low, high)
        digits = max(0, -math.floor(math.log10(found[1] - found[0]))) if len(found) > 1 else 2
        return [Tick(self.y(value), f"{value:.{digits}f}") for value in found]

    def x(self, step: float) -> float:
        """Where a step lies."""
        last = max((point.step for point in self.points), default=1) or 1
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(self, value: float) -> float:
        """Where a value lies; what lies outside is drawn at the edge."""
        low, high = self._range
        share = (min(max(value, low), high) - low) / ((high - low) or 1)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    def drawn(self, curve: Curve) -> list[Drawn]:
        """A curve's points in the picture."""
        return [
            Drawn(
                self.x(it.step),
                self.y(it.value),
                None if it.low is None else self.y(it.low),
                None if it.high is None else self.y(it.high),
                it,
            )
            for it in curve.points
        ]

    def line(self, curve: Curve) -> str:
        """A curve as the points of a polyline."""
        return " ".join(f"{it.x},{it.y}" for it in self.drawn(curve))

    @property
    def _range(self) -> tuple[float, float]:
        ends = [end for it in self.points for end in (it.value, it.low, it.high) if end is not None] + list(
            self.band or ()
        )
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        margin = (high - low) * 0.06 or abs(high) * 0.1 or 0.1
        return low - margin, high + margin


def _round_values(low: float, high: float) -> list[float]:
    """About `TICKS` round numbers between two values."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def charts_of(view: LineageView) -> list[Chart]:
    """Losses, FAD and how prompts are followed over the steps of a lineage; those of which there is something to draw."""
    found = (_losses(view.losses), _fad(view), _clap(view))
    return [chart for chart in found if chart.points]


def _losses(losses: Sequence[LossPoint]) -> Chart:
    training = [Point(it.step, it.loss, f"{it.loss:.4f}") for it in losses if it.loss is not None]
    held_out = [
        Point(it.step, it.validation_loss, f"{it.validation_loss:.4f}")
        for it in losses
        if it.validation_loss is not None
    ]
    curves = (
        Curve("training tracks", "faint", tuple(training), has_dots=False),
        Curve("held-out tracks", "first", tuple(held_out)),
    )
    return Chart("loss", "Loss", tuple(curve for curve in curves if curve.points))


def _comparable(view: LineageView) -> Iterator[CheckpointView]:
    return (it for it in view.checkpoints if it.scores and it.is_comparable)


def _fad(view: LineageView) -> Chart:
    """FAD with two standard errors on each side, the best marked, and what is not separable from it hollow."""
    points = []
    if view.base:
        metrics, precision = view.base.metrics, view.base.precision
        points.append(_fad_point(0, metrics.fad_score, precision.fad_se if precision else None, "plain"))
    for it in _comparable(view):
        kind = "best" if it.is_best else "plain" if it.is_separable else "hollow"
        points.append(_fad_point(it.step, it.fad or 0.0, it.fad_se, kind))
    band, name = view.board.floor, "between halves of the validation tracks"
    floor = view.board.floor_fad
    if band is None and floor is not None:
        band, name = (floor, floor, floor), "between two halves of the validation tracks"
    notes = (
        () if any(it.low is not None for it in points) else ("The errors of these scores were not measured.",)
    )
    return Chart(
        "fad",
        f"{view.names.fad}, lower is better",
        (Curve(f"{view.names.fad} ± {ERRORS_SHOWN} standard errors", "first", tuple(points)),)
        if points
        else (),
        band if points else None,
        f"floor: {view.names.fad} {name}",
        notes,
    )


def _fad_point(step: int, fad: float, error: float | None, kind: Literal["plain", "best", "hollow"]) -> Point:
    if error is None:
        return Point(step, fad, f"{fad:.4f}", kind=kind)
    spread = ERRORS_SHOWN * error
    return Point(step, fad, f"{fad:.4f} ± {spread:.4f}", max(0.0, fad - spread), fad + spread, kind)


def _clap(view: LineageView) -> Chart:
    own, other = [], []
    scored = [(it.step, it.scores, it.interval, it.is_best) for it in _comparable(view)]
    if view.base:
        scored.insert(0, (0, view.base, view.base_interval, False))
    for step, scores, interval, is_best in scored:
        assert scores
        value = scores.metrics.clap_score
        said = f"{value:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")
        low, high = interval or (None, None)
        own.append(Point(step, value, said, low, high, "best" if is_best else "plain"))
        other.append(Point(step, scores.clap_shuffled, f"{scores.clap_shuffled:.4f}"))
    curves = (
        Curve("own prompt, with 95 % interval", "first", tuple(own)),
        Curve("other prompts: chance", "faint", tuple(other)),
    )
    return Chart("clap", f"{view.names.clap}, higher is better", curves if own else ())
