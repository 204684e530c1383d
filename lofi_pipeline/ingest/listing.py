"""What lies in a folder, in one walk: names, sizes and times, and the signature that follows from them. No file is opened.

What a drop's files mean is decided in scan.py, their bytes are read in hashing.py.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.storage import content_sha256

_MAY_NOT_BE_READ = ("may not be read",)


class Entry(NamedTuple):
    """Something below a folder, as it stands there: a link is not followed."""

    name: str
    """Relative to the folder, as it is spelt on disk."""
    mode: int
    size: int
    modified_ns: int
    closed: bool = False
    """Whether this user may not read it."""
    hidden: bool = False
    """Whether its name begins with a dot, or it is a link to a folder: it is listed, and nothing depends on it."""

    @property
    def is_regular(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_named_like_audio(self) -> bool:
        return not self.hidden and is_named_like_audio(self.name)


def is_named_like_audio(name: str) -> bool:
    """Whether a visible file's name ends like that of audio that is taken."""
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES


def visible_entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What lies in a folder itself, by name. Hidden entries are left out: they may still be copied, or belong to another program."""
    return [entry for entry in _all_entries(folder) if not entry.name.startswith(".")]


def _all_entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=attrgetter("name"))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def entries_below(folder: Path) -> list[Entry]:
    """Everything below a folder that is no folder itself, and folders named like audio. Links are not followed.

    Of what is hidden only the names are found, and hidden folders are not looked into.
    """
    return list(_walk(folder, "")) if os.path.isdir(folder) and not os.path.islink(folder) else []


def _walk(folder: Path | str, prefix: str) -> Iterator[Entry]:
    folders: list[os.DirEntry[str]] = []
    try:
        entries = _all_entries(folder)
    except PermissionError:
        yield _closed(prefix)
        return
    except OSError:  # one that was removed in the meantime counts as empty
        return
    for entry in entries:
        if entry.name.startswith("."):
            yield Entry(prefix + entry.name, stat.S_IFREG, 0, 0, hidden=True)
            continue
        if is_folder(entry):
            folders.append(entry)
            if not is_named_like_audio(entry.name):
                if entry.is_symlink():
                    yield Entry(prefix + entry.name, stat.S_IFLNK, 0, 0, hidden=True)
                continue
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed in the meantime
            continue
        except PermissionError:  # the folder lets itself be listed, and nothing more
            yield _closed(prefix)
            return
        closed = not stat.S_ISLNK(info.st_mode) and _is_closed(entry, info)
        yield Entry(prefix + entry.name, info.st_mode, info.st_size, info.st_mtime_ns, closed)
    for entry in folders:
        if not entry.is_symlink():
            yield from _walk(entry.path, f"{prefix}{entry.name}/")


def _closed(prefix: str) -> Entry:
    """A folder that may not be looked into."""
    return Entry(prefix.rstrip("/") or ".", stat.S_IFDIR, 0, 0, closed=True)


def _is_closed(entry: os.DirEntry[str], info: os.stat_result) -> bool:
    """Whether this user may not read it. Most may be read by everybody, which is seen without asking."""
    return info.st_mode & 0o444 != 0o444 and not os.access(entry.path, os.R_OK)


def closed_folder(entries: Iterable[Entry]) -> str | None:
    """The name of a folder that may not be looked into: nobody knows what it would add."""
    return next((entry.name for entry in entries if entry.closed and stat.S_ISDIR(entry.mode)), None)


def signature_of(entries: Iterable[Entry]) -> str:
    """A hash of names, sizes and times, and of which of them may not be read: it changes when they may."""
    return content_sha256(
        [
            (ascii(entry.name), entry.size, entry.modified_ns, *_MAY_NOT_BE_READ[: entry.closed])
            for entry in entries
            if not entry.hidden
        ]
    )


def drop_signature(folder: Path) -> str:
    """A hash of names, sizes and times: it changes while a drop is being copied. No file is opened, no link followed."""
    info = folder.lstat()
    itself = Entry(".", info.st_mode, info.st_size, info.st_mtime_ns)
    return signature_of(_walk(folder, "") if stat.S_ISDIR(info.st_mode) else [itself])


def spelled(folder: Path, name: str) -> str:
    """A file's name as it is spelt on disk: source.json may write an accent as part of a letter, macOS as a letter of its own."""
    if name.isascii() or os.path.lexists(folder / name):
        return name
    found: list[str] = []
    for part in name.split("/"):
        try:
            there = os.listdir(folder.joinpath(*found))
        except OSError:
            return name
        wanted = unicodedata.normalize("NFC", part)
        found.append(next((other for other in there if unicodedata.normalize("NFC", other) == wanted), part))
    return "/".join(found)
