"""Which checkpoints still lack style coverage: asked of storage, so that a run that was killed is made up for. Torch-free."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.checkpoints.best import last_and_best
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.storage import DataRoot


def without_styles(root: DataRoot) -> set[Path]:
    """The folders of the active lineage's last and best checkpoint that have scores, and no style coverage among them."""
    ends = last_and_best(scan_checkpoints(root))
    return {item.folder for item in ends if item.scores and item.scores.metrics.style_coverage is None}


def lacks_styles(root: DataRoot, folder: Path) -> bool:
    """Whether the checkpoint in `folder` is one of them."""
    return folder in without_styles(root)
