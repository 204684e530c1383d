"""The lineages that were trained here or taken in: the active one and those in the archive, found by the first digits of their hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lofi_pipeline.checkpoints.best import Best, best_checkpoint
from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import CheckpointFolder, scan_checkpoints
from lofi_pipeline.checkpoints.manifest import LINEAGE_RECORD, active_lineage
from lofi_pipeline.entities import Lineage, RecordError, few
from lofi_pipeline.storage import DataRoot, read_record

SHORT_DIGITS = 8
"""Of a lineage's hash, as partition keys have them."""


@dataclass(frozen=True)
class LineageFolder:
    """A lineage, and where its checkpoints lie."""

    lineage: Lineage
    folder: Path
    is_active: bool
    found: tuple[CheckpointFolder, ...] = field(repr=False)

    @property
    def short(self) -> str:
        """What it is called for short."""
        return self.lineage.lineage[:SHORT_DIGITS]

    @property
    def last_landed(self) -> datetime | None:
        """When its last checkpoint was saved."""
        times = [item.record.checkpoint.timestamp for item in self.found if item.record]
        return max(times, default=None)

    @property
    def best(self) -> Best | None:
        """Its best checkpoint."""
        return best_checkpoint(self.found)


def lineages(root: DataRoot) -> list[LineageFolder]:
    """Every lineage that has a checkpoint or a record here: the active one first, then the archived ones, the latest first."""
    active = active_lineage(root)
    found = [it for it in [_read(root, root.checkpoints, active)] if it]
    archived = [_read(root, folder, None) for folder in sorted(root.checkpoint_archive.glob("*/"))]
    return found + sorted(
        (it for it in archived if it), key=lambda it: str(it.last_landed or ""), reverse=True
    )


def find_lineage(root: DataRoot, digits: str | None) -> LineageFolder:
    """The lineage whose hash begins with these digits; without any, the active one, else that which was trained last.

    Raises:
        CheckpointError: there is none, or more than one.
    """
    there = lineages(root)
    if digits is None and there:
        return there[0]
    found = [it for it in there if digits and it.lineage.lineage.startswith(digits)]
    if len(found) == 1:
        return found[0]
    names = few([it.lineage.lineage[:12] for it in there]) or "none"
    if not there:
        raise CheckpointError("no checkpoint has landed yet: lofi run trains, and scores what lands")
    raise CheckpointError(
        f"{'more than one' if found else 'no'} lineage begins with {digits!r}; there are: {names}"
    )


def _read(root: DataRoot, folder: Path, active: Lineage | None) -> LineageFolder | None:
    found = tuple(scan_checkpoints(root, folder)) if folder.is_dir() else ()
    lineage = active or _lineage_in(folder) or next((it.record.lineage for it in found if it.record), None)
    if lineage is None:
        return None
    own = tuple(it for it in found if it.record is None or it.record.lineage.lineage == lineage.lineage)
    return LineageFolder(lineage, folder, folder == root.checkpoints, own)


def _lineage_in(folder: Path) -> Lineage | None:
    try:
        return read_record(Lineage, folder / LINEAGE_RECORD)
    except (OSError, RecordError):
        return None
