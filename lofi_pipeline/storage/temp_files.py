"""Temporary files and folders of killed processes, which nobody will rename any more: found by their age, and removed."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from lofi_pipeline.storage.atomic import TEMPORARY_PREFIX
from lofi_pipeline.storage.data_root import DataRoot

STALE_SECONDS = 24 * 3600.0
"""Longer than any file or checkpoint takes to be written; a younger entry may be another process's work."""


def remove_temporary_files(root: DataRoot, *, older_than: float = STALE_SECONDS) -> list[Path]:
    """Remove stale temporary entries from the data root, except in raw/ and in Dagster's history. Returns what was removed."""
    limit, removed = time.time() - older_than, []
    for folder, names, files in os.walk(root.path):
        here = Path(folder)
        stale = [
            here / name
            for name in [*names, *files]
            if name.startswith(TEMPORARY_PREFIX) and _changed(here / name) < limit
        ]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        removed += stale
        left_alone = {root.raw, root.dagster_home}
        names[:] = [n for n in names if here / n not in left_alone and not n.startswith(TEMPORARY_PREFIX)]
    return removed


def _changed(path: Path) -> float:
    """When it was last changed, in seconds since the epoch; infinity for one that is gone by now."""
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime
    return float("inf")
