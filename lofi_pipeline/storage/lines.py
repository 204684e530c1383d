"""Files that only grow, a line at a time: each line is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from lofi_pipeline.storage.atomic import naming, sync_folder

_BLOCK = 1 << 16


def append_whole(path: Path, size: int, data: bytes) -> None:
    """Write `data` behind the first `size` bytes, whole or not at all.

    Raises:
        OSError: the disk is full or cannot be written to; the file ends behind those bytes.
    """
    with naming(path), path.open("ab", buffering=0) as file:
        file.truncate(size)
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise


def append(path: Path, lines: bytes) -> None:
    """Add whole lines to a file, or begin it; a last line that a killed writer left unfinished is removed. The caller holds the lock.

    Raises:
        OSError: the disk is full or cannot be written to; the whole lines of the file are as they were.
    """
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    append_whole(path, 0 if is_new else _end_of_last_line(path), lines)
    if is_new:
        sync_folder(path.parent)


def _end_of_last_line(path: Path) -> int:
    """Bytes up to the end of the last line that is whole."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at:
            start = max(0, at - _BLOCK)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
    return 0
