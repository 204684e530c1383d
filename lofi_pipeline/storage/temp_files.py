"""What killed processes left half-written: temporary files and folders that nobody will rename any more."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from lofi_pipeline.storage.atomic import TEMPORARY_PREFIX
from lofi_pipeline.storage.data_root import DataRoot

STALE_SECONDS = 24 * 3600.0
"""Longer than any file or checkpoint is under way; a younger one may be another process's work."""


def remove_temporary_files(root: DataRoot, *, older_than: float = STALE_SECONDS) -> list[Path]:
    """Remove stale temporary entries from the data root; drops and Dagster's history are not ours to touch."""
    limit, swept = time.time() - older_than, []
    for folder, names, files in os.walk(root.path):
        here = Path(folder)
        stale = [
            here / name
            for name in [*names, *files]
            if name.startswith(TEMPORARY_PREFIX) and _changed(here / name) < limit
        ]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        swept += stale
        apart = {root.raw, root.dagster_home}
        names[:] = [n for n in names if here / n not in apart and not n.startswith(TEMPORARY_PREFIX)]
    return swept


def _changed(path: Path) -> float:
    """When it was last changed; one that has just gone counts as new."""
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime
    return float("inf")
