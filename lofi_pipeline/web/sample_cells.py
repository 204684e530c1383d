"""The cells of a row of clips as a page shows them: where the audio and the picture are, and the gain that makes all equally loud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.evaluation.clip_sound import ClipLevel, clip_level, matched_gains, spectrogram
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.evaluation.sample_grid import GridClip, GridColumn, GridRow, SampleGrid
from lofi_pipeline.storage import DataRoot


@dataclass(frozen=True)
class Cell:
    """One clip of a row. Addresses are as the page needs them."""

    name: str
    clip: GridClip
    audio: str
    picture: str
    gain_db: float
    fault: str | None = None
    """Why it can't be heard."""


Addressed = Callable[[GridRow, GridColumn, Path], str]
"""The address of a clip's file, or of its picture."""


def cells_of(
    root: DataRoot, grid: SampleGrid, row: GridRow, audio: Addressed, picture: Addressed
) -> list[Cell | None]:
    """The cells of a row, measured now where they were not before. None where there is no clip."""
    levels = [_level(root, clip) if clip else None for clip in row.clips]
    gains = matched_gains([level if isinstance(level, ClipLevel) else None for level in levels])
    cells: list[Cell | None] = []
    for column, clip, level, gain in zip(grid.columns, row.clips, levels, gains, strict=True):
        if clip is None:
            cells.append(None)
        elif isinstance(level, str):
            cells.append(Cell(column.name, clip, "", "", 0.0, level))
        else:
            drawn = spectrogram(root, clip.file)
            cells.append(
                Cell(column.name, clip, audio(row, column, clip.file), picture(row, column, drawn), gain)
            )
    return cells


def _level(root: DataRoot, clip: GridClip) -> ClipLevel | str:
    try:
        return clip_level(root, clip.file)
    except EvaluationError as error:
        return str(error)
