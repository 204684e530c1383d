"""Temporary files and folders that nobody will rename any more, because their writer is gone: found and removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lofi_pipeline.storage.atomic import TEMPORARY_PREFIX, writer_of
from lofi_pipeline.storage.data_root import DataRoot

STALE_SECONDS = 24 * 3600.0
"""Longer than any file or checkpoint takes to be written: counts where it is not known whether the writer is gone."""


def remove_temporary_files(root: DataRoot) -> list[Path]:
    """Remove what is left over in the data root. Returns what was removed."""
    return remove_left_over(temporary_files(root))


def temporary_files(root: DataRoot) -> Iterator[Path]:
    """Every temporary file and folder of the data root, except in raw/ and in Dagster's history."""
    for folder, names, files in os.walk(root.path):
        here = Path(folder)
        found = sorted(name for name in [*names, *files] if name.startswith(TEMPORARY_PREFIX))
        left_alone = {root.raw, root.dagster_home}
        names[:] = [n for n in names if here / n not in left_alone and not n.startswith(TEMPORARY_PREFIX)]
        yield from (here / name for name in found)


def remove_left_over(paths: Iterable[Path]) -> list[Path]:
    """Remove the temporary files and folders among these whose writer is gone. Returns what was removed."""
    left = [path for path in paths if path.name.startswith(TEMPORARY_PREFIX) and is_left_over(path)]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left


def is_left_over(path: Path) -> bool:
    """Whether its writer is gone; of one in another place, or one that is not named, by its age."""
    writer = writer_of(path.name)
    if writer is not None and writer.is_of_here:
        return writer.is_gone()
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime < time.time() - STALE_SECONDS
    return False
