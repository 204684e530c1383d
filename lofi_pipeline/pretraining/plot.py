"""Draw the loss curves of the shipped nano models: python -m lofi_pipeline.pretraining.plot (writes docs/nano-loss.png)."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from lofi_pipeline.pretraining.base import BASE_FOLDER, EMBEDDER_FOLDER
from lofi_pipeline.pretraining.measure import REPORT

WINDOW = 15


def curve(path: Path, column: str) -> tuple[list[float], list[float]]:
    """Steps and values of a column of a loss.csv; rows without a value are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (float(row["step"]), float(row[column]))
            for row in csv.DictReader(file)
            if row[column] not in ("", "nan")
        ]
    return [step for step, _ in rows], [value for _, value in rows]


def main() -> None:
    """Read both loss.csv files and draw them side by side."""
    parser = argparse.ArgumentParser(prog="python -m lofi_pipeline.pretraining.plot", description=__doc__)
    parser.add_argument("--out", default=str(REPORT.with_name("nano-loss.png")))
    arguments = parser.parse_args()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    panels = (
        (
            axes[0],
            EMBEDDER_FOLDER,
            ("contrastive", "audio_questions", "text_questions"),
            "nano embedder",
        ),
        (axes[1], BASE_FOLDER, ("loss", "rhythm_loss", "beat_loss"), "nano base"),
    )
    for axis, folder, columns, title in panels:
        for column in columns:
            steps, values = curve(folder / "loss.csv", column)
            width = min(WINDOW, max(1, len(values)))
            smooth = np.convolve(values, np.ones(width) / width, mode="valid")
            axis.plot(steps[width - 1 :], smooth, label=column.replace("_", " "))
        axis.set(title=title, xlabel="step", ylabel="loss (running mean)", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
