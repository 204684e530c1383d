"""What `lofi scores` does beside its table: a person's pin is set or taken back, and the picture of styles is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lofi_pipeline.cli.console import console
from lofi_pipeline.entities import CheckpointRecord, few
from lofi_pipeline.storage import DataRoot, write_bytes_atomic

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.folder import CheckpointFolder


def pin_by_hand(
    root: DataRoot, folder: Path | None, pin_id: str | None, why: str | None, unpin_id: str | None
) -> None:
    """Set or take back a pin among the checkpoints in `folder`, by default the active ones.

    Raises:
        typer.BadParameter: no such checkpoint, one that can't be the best, or no reason is given.
    """
    from lofi_pipeline.checkpoints.folder import scan_checkpoints
    from lofi_pipeline.checkpoints.pins import pin, unpin

    found = scan_checkpoints(root, folder)
    if unpin_id is not None:
        unpin(root, _record(found, unpin_id, "--unpin"))
    if pin_id is None:
        if why is not None:
            raise typer.BadParameter("says why of nothing; give --pin as well", param_hint="--why")
        return
    record = _record(found, pin_id, "--pin")
    if not why:
        raise typer.BadParameter(
            "give the reason with --why: it is shown wherever the best is", param_hint="--pin"
        )
    scored = any(item.record is record and item.scores for item in found)
    if fault := _fault(record, scored=scored):
        raise typer.BadParameter(f"step {record.checkpoint.step} {fault}", param_hint="--pin")
    pin(root, record, why)


def _fault(record: CheckpointRecord, *, scored: bool) -> str | None:
    """Why a checkpoint cannot be the best."""
    if not record.checkpoint.is_valid:
        return "is not valid; pin another"
    if record.pruned:
        return "has no weights any more: they were pruned; pin another"
    return None if scored else "has no scores yet; run lofi run first"


def _record(found: Sequence[CheckpointFolder], wanted: str, option: str) -> CheckpointRecord:
    for item in found:
        if item.record and wanted in (str(item.step), item.folder.name, item.key):
            return item.record
    there = few([str(item.step) for item in found if item.record]) or "none yet"
    raise typer.BadParameter(f"no checkpoint {wanted!r}; there are the steps {there}", param_hint=option)


def draw_styles(root: DataRoot, folder: Path | None, picture: Path) -> None:
    """Write what the clips of the best checkpoint are taken for; of the last, where the best's were not made.

    Raises:
        typer.BadParameter: no checkpoint was asked for styles yet.
    """
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.folder import scan_checkpoints
    from lofi_pipeline.evaluation.confusion import plot_confusion

    found = scan_checkpoints(root, folder)
    best = best_checkpoint(found)
    candidates = [best.found] if best else []
    for item in [*candidates, *reversed(found)]:
        if item.scores and item.scores.styles:
            coverage = item.scores.metrics.style_coverage or {}
            write_bytes_atomic(picture, plot_confusion(item.scores.styles, coverage))
            console.print(f"Styles of {item.step}: {picture}", highlight=False, soft_wrap=True)
            return
    raise typer.BadParameter(
        "no checkpoint was asked for styles: with evaluation.style_prompts, lofi run asks the last and the best once training ended",
        param_hint="--styles",
    )
