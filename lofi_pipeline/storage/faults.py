"""What is wrong with the disk, in a sentence: which file, why it cannot be written or read, how much is free, what to do."""

from __future__ import annotations

import errno
import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from lofi_pipeline.storage.atomic import TEMPORARY_PREFIX, intended_name, naming

_AGAIN = "then give the same command again: what was done is kept"
_NO_RIGHTS = frozenset({errno.EACCES, errno.EPERM})
_PROBE_BYTES = 1 << 20
_FEW_INODES = 64


def in_words(error: Exception) -> str:
    """What an error says; for one of the disk a sentence with the file, the reason and what to do."""
    if not isinstance(error, OSError) or error.errno not in _SENTENCES:
        return str(error)
    named = error.filename2 or error.filename
    place = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else Path.cwd()
    return f"{_shown(place)}: {_SENTENCES[error.errno](place)}"


def is_of_the_disk(error: Exception, inputs: Path) -> bool:
    """Whether the disk or the rights to it are to blame, and not a file below `inputs` that cannot be read."""
    if not isinstance(error, OSError) or error.errno not in _SENTENCES:
        return False
    return not (isinstance(error.filename, str) and Path(error.filename).is_relative_to(inputs))


def trouble_with(folder: Path) -> OSError | None:
    """Why nothing can be written in a folder now, found by trying."""
    try:
        with naming(folder), TemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        error.filename = str(folder)
        return error
    return None


def _shown(path: Path) -> Path:
    """The file a user knows: not its lock, nor the temporary one that would have become it."""
    parts = [intended_name(part) for part in path.parts]
    return Path(*parts[:-1], re.sub(r"^\.(.+)\.lock$", r"\1", parts[-1]))


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if os.path.exists(place))


def _file_system(path: Path) -> Path:
    """Where the file system is mounted that a path lies in, or would lie in."""
    place = _existing(path).absolute()
    while place != place.parent and not place.is_mount():
        place = place.parent
    return place


def _full(path: Path) -> str:
    where, found = _file_system(path), os.statvfs(_existing(path))
    # What failed has often taken back by now what it had made
    room = found.f_bavail * found.f_frsize > _PROBE_BYTES
    if found.f_files and found.f_favail < (_FEW_INODES if room else 1):
        used = (
            f"{found.f_files - found.f_favail} of {found.f_files}"
            if found.f_favail
            else f"all {found.f_files}"
        )
        return (
            f"cannot be written, the file system at {where} takes no more files ({used} inodes are in use); "
            f"remove files that nobody needs there, {_AGAIN}"
        )
    free, total = (_size(blocks * found.f_frsize) for blocks in (found.f_bavail, found.f_blocks))
    return f"cannot be written, the file system at {where} is full ({free} of {total} are free); make room there, {_AGAIN}"


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count} {unit}"
        count //= 1000
    return f"{count} TB"


def _no_rights(path: Path) -> str:
    place = _existing(path)
    held = place.stat()
    which = "it" if place == path else f"the folder {place}"
    return (
        f"this user ({_user(os.geteuid())}) has not the rights to read and write {which}, which belongs to "
        f"{_user(held.st_uid)} (mode {held.st_mode & 0o7777:o}); give this user the rights, or work as one that has them"
    )


def _in_the_way(path: Path) -> str:
    """Of a file where a folder belongs, a link that leads nowhere included, or the other way round."""
    place = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if place == path and path.is_dir():
        return f"cannot be written, a folder lies where this file belongs; move it away, {_AGAIN}"
    return f"cannot be written, {place} lies where a folder belongs and is none; move it away, {_AGAIN}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


_SENTENCES: dict[int, Callable[[Path], str]] = {
    errno.ENOSPC: _full,
    errno.EDQUOT: lambda path: (
        f"cannot be written, your quota on the file system at {_file_system(path)} is used up; make room there, {_AGAIN}"
    ),
    errno.EROFS: lambda path: (
        f"cannot be written, the file system at {_file_system(path)} is mounted read-only; mount it for writing (after "
        f"a fault of the disk: have it checked first), {_AGAIN}"
    ),
    errno.EFBIG: lambda path: (
        f"cannot be written, no file may be so large there; look at `ulimit -f` and at the file system, {_AGAIN}"
    ),
    errno.EIO: lambda path: (
        f"the disk at {_file_system(path)} reports an error; see the system's log, and move the data to another disk"
    ),
    errno.EMFILE: lambda _path: f"too many files are open; raise the limit with `ulimit -n 4096`, {_AGAIN}",
    errno.ENFILE: lambda _path: f"too many files are open on this machine; end other programs, {_AGAIN}",
    **dict.fromkeys(_NO_RIGHTS, _no_rights),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR), _in_the_way),
}
"""By error number, the sentence on a path."""
