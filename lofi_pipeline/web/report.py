"""A lineage's page as files that open from the disk and can be sent: data/reports/<lineage>/index.html, with its clips beside it.

The parts of the page are those of the studio. Nothing in it needs a server, and no host is named.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lofi_pipeline.checkpoints.lineages import LineageFolder
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import now
from lofi_pipeline.evaluation.lineage_view import CheckpointView, LineageView, lineage_view
from lofi_pipeline.evaluation.sample_grid import GridColumn, GridRow
from lofi_pipeline.storage import DataRoot, commit_folder, locked, temporary_folder
from lofi_pipeline.web.charts import charts_of
from lofi_pipeline.web.rendering import templates
from lofi_pipeline.web.sample_cells import Cell, cells_of

CLIPS = 12
"""Rows of clips in a report, beside those in which something was heard that is wrong."""
_STATIC = Path(__file__).with_name("static")
_PAGE_FILES = ("studio.css", "checkpoints.css", "clips.js")


def report_folder(root: DataRoot, folder: LineageFolder) -> Path:
    """Where the report of a lineage belongs."""
    return root.reports / folder.lineage.lineage


def write_report(
    root: DataRoot, folder: LineageFolder, settings: RetentionSettings, clips: int = CLIPS
) -> Path:
    """Write the report of a lineage, whole or not at all; a former one is replaced. Returns its index.html.

    Raises:
        OSError: the disk is full or cannot be written; a former report is as it was.
        RecordError: a record was damaged.
    """
    view, target = lineage_view(root, folder, settings), report_folder(root, folder)
    with locked(target), temporary_folder(root.reports, target.name) as work:
        with commit_folder(work / "new") as made:
            _write(root, view, chosen_rows(view, clips), made)
        if target.exists():
            target.rename(work / "former")
        try:
            (work / "new").rename(target)
        except OSError:
            if (work / "former").exists():
                (work / "former").rename(target)
            raise
    return target / "index.html"


def report_as_zip(root: DataRoot, folder: LineageFolder, settings: RetentionSettings, place: Path) -> Path:
    """Write the report of a lineage into an archive in `place`, a folder that may lie outside the data root. Returns its path."""
    view = lineage_view(root, folder, settings)
    made = place / f"lineage-{folder.short}"
    made.mkdir()
    _write(root, view, chosen_rows(view, CLIPS), made)
    return Path(shutil.make_archive(str(made), "zip", place, made.name))


def chosen_rows(view: LineageView, clips: int) -> list[GridRow]:
    """The first rows, and as many of those in which a clip is a training track's, or is near to one."""
    first, rest = view.grid.rows[:clips], view.grid.rows[clips:]
    wrong = [row for row in rest if any(clip and (clip.passages or clip.beyond) for clip in row.clips)]
    return [*first, *wrong[:clips]]


def _write(root: DataRoot, view: LineageView, rows: Iterable[GridRow], made: Path) -> None:
    for name in ("audio", "pictures"):
        (made / name).mkdir()

    def audio(row: GridRow, column: GridColumn, file: Path) -> str:
        return _copied(file, made, f"audio/{row.number:03d}-step{column.step}{file.suffix}")

    def picture(row: GridRow, column: GridColumn, file: Path) -> str:
        return _copied(file, made, f"pictures/{row.number:03d}-step{column.step}.png")

    shown = [(row, _turned_down(cells_of(root, view.grid, row, audio, picture))) for row in rows]
    for item in view.styled:
        if styles := confusion_of(item):
            (made / "pictures" / f"styles-{item.step}.png").write_bytes(styles)
    for name in _PAGE_FILES:
        _copied(_STATIC / name, made, name)
    page = templates().get_template("report.html")
    text = page.render(view=view, charts=charts_of(view), rows=shown, written=now())
    (made / "index.html").write_text(text, encoding="utf-8")


def confusion_of(item: CheckpointView) -> bytes | None:
    """What the clips of each style are taken for, a PNG; None: the checkpoint was not asked for styles."""
    from lofi_pipeline.evaluation.confusion import plot_confusion

    if item.scores is None or item.scores.styles is None:
        return None
    return plot_confusion(item.scores.styles, item.scores.metrics.style_coverage or {})


def _copied(file: Path, made: Path, name: str) -> str:
    shutil.copyfile(file, made / name)
    return name


def _turned_down(cells: list[Cell | None]) -> list[Cell | None]:
    """The cells of a row with gains of at most 0 dB: from the disk, a browser can make a clip quieter, and not louder."""
    most = max((cell.gain_db for cell in cells if cell), default=0.0)
    down = max(0.0, most)
    return [cell and replace(cell, gain_db=round(cell.gain_db - down, 2)) for cell in cells]
