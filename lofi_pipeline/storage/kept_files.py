"""Whether files are still what was written: by size and time, which costs nothing, or by hash, which decides.

A copy to another disk may lose the times and keeps the bytes: it looks changed, and is not. Where what is remembered of files
is kept, the records that hold it say: entities/kept_file.py.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lofi_pipeline.entities.kept_file import KeptFile
from lofi_pipeline.storage.atomic import file_sha256


def regular_stat(path: Path | str) -> os.stat_result | None:
    """What the system says of a regular file; None for anything else, and for nothing."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None


def stranger_at(path: Path) -> str | None:
    """What stands where a file belongs that this project writes, and is none: a link, wherever it leads, or a folder."""
    with suppress(OSError):
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            return "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no regular file"
    return None


def file_stamp(path: Path) -> str:
    """What changes when a file is written anew, or written to: times, size and inode; empty where there is none.

    The time of its last change tells also of one that was written to in place and given its former time.
    """
    try:
        info = os.stat(path)
    except OSError:
        return ""
    return f"{info.st_mtime_ns} {info.st_size} {info.st_ino} {info.st_ctime_ns}"


def kept_file(path: Path, sha256: str | None = None) -> KeptFile:
    """What is to be remembered of a file that was just written; `sha256` where it is known already.

    Raises:
        OSError: it is not there, or can't be read.
    """
    facts = path.stat()
    return KeptFile(
        size=facts.st_size, mtime_ns=facts.st_mtime_ns, sha256=sha256 if sha256 else file_sha256(path)
    )


def looks_kept(path: Path | str, kept: KeptFile | None) -> bool:
    """Whether size and time are those that were kept. With nothing kept: whether the file holds anything."""
    facts = regular_stat(path)
    if facts is None:
        return False
    if kept is None:
        return facts.st_size > 0
    return (facts.st_size, facts.st_mtime_ns) == (kept.size, kept.mtime_ns)


def is_kept(path: Path, kept: KeptFile) -> bool:
    """Whether the file's bytes are those that were kept; they are read only where its time is another."""
    facts = regular_stat(path)
    if facts is None or facts.st_size != kept.size:
        return False
    try:
        return facts.st_mtime_ns == kept.mtime_ns or file_sha256(path) == kept.sha256
    except OSError:
        return False


def refreshed(folder: Path, kept: Mapping[str, KeptFile]) -> dict[str, KeptFile]:
    """What is kept of the files in `folder`, by path in it, with the present time of those whose bytes are the same."""
    return {
        name: kept_file(folder / name, item.sha256)
        if not looks_kept(folder / name, item) and is_kept(folder / name, item)
        else item
        for name, item in kept.items()
    }
