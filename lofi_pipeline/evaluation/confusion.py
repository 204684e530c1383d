"""A picture of style coverage: what each style's clips are taken for. Draws, scores nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from lofi_pipeline.entities import StyleClips, StyleOutcome


def plot_confusion(styles: StyleClips, coverage: Mapping[str, StyleOutcome], *, dpi: int = 80) -> bytes:
    """A PNG: a row for each style that was asked for, a column for each it may be taken for, dark where its clips are nearest.

    Names of styles that are recognisable are set in bold.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(styles.styles)
    shares = confusion(styles)
    figure = Figure(figsize=(8.4, 8.2), layout="constrained")
    FigureCanvasAgg(figure)
    chart = figure.subplots()
    chart.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    chart.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    chart.set_yticks(range(len(names)), names, fontsize=7)
    for label, name in zip(chart.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name in coverage and coverage[name].recognizable else "normal")
    chart.set_xlabel("nearest prompt")
    chart.set_ylabel("asked for (bold: recognisable)")
    recognised = sum(outcome.recognizable for outcome in coverage.values())
    chart.set_title(
        f"{recognised} of {len(names)} styles recognisable, {styles.by_chance:.1f} by chance",
        fontsize=10,
        loc="left",
    )
    chart.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def confusion(styles: StyleClips) -> np.ndarray:
    """float64 [asked, nearest]: the share of a style's clips that lie nearest to each style's prompt, in the order of `styles`."""
    places = {style: place for place, style in enumerate(styles.styles)}
    shares = np.zeros((len(places), len(places)))
    for style, found in styles.styles.items():
        for nearest in found.nearest:
            shares[places[style], places[nearest]] += 1 / len(found.nearest)
    return shares
