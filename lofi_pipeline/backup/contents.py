"""What of a data root belongs in a backup: everything but what the next `lofi run` makes again from the rest.

The list says what is left out, not what is taken: a folder that a later version adds is in the backup from its first day.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lofi_pipeline.backup.errors import BackupError
from lofi_pipeline.storage import TEMPORARY_PREFIX, DataRoot, load_evicted

MADE_AGAIN = ("processed", "final", "validation", "cache", ".dagster")
"""Processed audio, what is published of it, latents: made of raw music and records, to the same bytes. And Dagster's history:
the next run reports to a new one what the records say."""
RAW, CHECKPOINTS = "raw", "checkpoints"

Looks = tuple[int, int, int, int]
"""Size, time, time of change and inode: another of them when a file was written to or replaced."""
NOTHING: Looks = (0, 0, 0, 0)
"""How no file looks."""


@dataclass
class Contents:
    """The files to be copied, by path in the data root, as they look now; and by path why something is not copied."""

    files: dict[str, Looks] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def contents_of(root: DataRoot, without: tuple[str, ...]) -> Contents:
    """Look at every file that belongs in a backup. Links are not followed: nothing in a data root is read through one.

    Raises:
        BackupError: a whole folder of the data root is a link: a backup without it would be taken for one that has it.
    """
    found = Contents()
    for entry in sorted(os.scandir(root.path), key=lambda entry: entry.name):
        if entry.name in without or _is_passing(entry.name):
            continue
        if entry.is_symlink():
            raise BackupError(
                f"{entry.path}: is a link to somewhere else, which a backup does not follow; back up what it leads to on its own"
                + (" and give --without-raw" if entry.name == RAW else ", and put a folder in its place")
            )
        if entry.is_dir():
            for path in _walk(Path(entry.path)):
                _add(found, root, path)
        else:
            _add(found, root, Path(entry.path))
    if evicted := load_evicted(root):
        away = (path for path in evicted.files if path.partition("/")[0] not in without)
        found.skipped |= dict.fromkeys(away, f"lies only in {evicted.store}")
    return found


def looks_of(path: Path) -> Looks | None:
    """How a plain file looks; None for anything else, and for nothing."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def is_named_safely(name: str) -> bool:
    """Whether a path in a manifest is one that a backup may hold: below the data root, and none that is made again."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and "/".join(parts) == name and ".." not in parts and "\0" not in name
    return plain and not name.startswith("/") and parts[0] not in MADE_AGAIN and not _is_passing(parts[-1])


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not _is_passing(name))
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        yield from (Path(here, name) for name in sorted([*links, *files]) if not _is_passing(name))


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # removed meanwhile
        raise error


def _is_passing(name: str) -> bool:
    """A lock, or what somebody writes just now."""
    return name.startswith(TEMPORARY_PREFIX) or (name.startswith(".") and name.endswith(".lock"))


def _add(found: Contents, root: DataRoot, path: Path) -> None:
    name = path.relative_to(root.path).as_posix()
    shown = os.fsencode(name).decode(errors="backslashreplace")
    if shown != name:
        found.skipped[shown] = "its name is not UTF-8"
    elif path.is_symlink():
        found.skipped[name] = "is a link"
    elif (looks := looks_of(path)) is not None:
        found.files[name] = looks
    elif path.exists():
        found.skipped[name] = "is no plain file"
