"""The folders under data/raw: which of them are drops, and which entries are in no drop (they are reported, never ignored).

What is in a drop is read in scan.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from lofi_pipeline.entities import RAW_FOLDER
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.file_kinds import companion_kind, is_meant_as_source_json, why_refused
from lofi_pipeline.ingest.listing import is_folder, is_named_like_audio, visible_entries
from lofi_pipeline.storage import DataRoot

KINDS = tuple(RAW_FOLDER.values())


def drop_folders(root: DataRoot) -> list[Path]:
    """The drop folders under data/raw, sorted. Hidden ones are left out: they may still be copied, or belong to another program."""
    return [
        folder / entry.name
        for folder in sorted(root.raw / kind for kind in KINDS)
        for entry in _entries(folder)
        if entry.is_dir(follow_symlinks=False)
    ]


def is_drop(root: DataRoot, path: Path) -> bool:
    """Whether a path is a drop: a folder directly below raw/<kind of source>/, and not a link."""
    kind = path.parent
    return kind.parent == root.raw and kind.name in KINDS and path.is_dir() and not path.is_symlink()


def misplaced(root: DataRoot) -> dict[Path, str]:
    """Each entry under data/raw that is in no drop and no known companion of audio, and what to do about it."""
    found = {
        root.raw / entry.name: f"is no kind of source; there are: {', '.join(f'{kind}/' for kind in KINDS)}"
        + _meant_kind(entry.name)
        for entry in _entries(root.raw)
        if is_folder(entry) and entry.name not in KINDS
    }
    for path, entry in _outside(root):
        if entry.is_symlink():
            found.setdefault(path, "is a link; copy what it points at")
        elif entry.is_dir():
            continue
        elif is_named_like_audio(entry.name):
            found[path] = "lies in no drop; " + _INTO_A_DROP
        elif is_meant_as_source_json(entry.name):
            found[path] = (
                f"lies in no drop; move it into the folder of the music that it describes, as {SOURCE_JSON}"
            )
        elif companion_kind(entry.name) is None:
            found[path] = f"lies in no drop, and {why_refused(entry.name)}"
    return found


_INTO_A_DROP = f"move it into a folder of its own with a {SOURCE_JSON}: raw/<kind>/<drop>/"


def companions_outside(root: DataRoot) -> list[Path]:
    """The files in no drop that go with audio, such as a README: they are not read."""
    return [
        path
        for path, entry in _outside(root)
        if entry.is_file(follow_symlinks=False)
        and not is_named_like_audio(entry.name)
        and companion_kind(entry.name)
    ]


def _outside(root: DataRoot) -> Iterator[tuple[Path, os.DirEntry[str]]]:
    """What lies in data/raw itself and in the folder of each kind of source."""
    for folder in [root.raw, *(root.raw / kind for kind in KINDS)]:
        for entry in _entries(folder):
            yield folder / entry.name, entry


def _meant_kind(name: str) -> str:
    close = get_close_matches(name.casefold().replace("_", "-").replace(" ", "-"), KINDS, n=1, cutoff=0.7)
    return f"; is {close[0]}/ meant?" if close else ""


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder by name, without hidden ones."""
    return visible_entries(folder) if folder.is_dir() else []
