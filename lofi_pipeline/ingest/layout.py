"""The folders under data/raw: which of them are drops, and which entries are in no drop (they are reported, never ignored).

What is in a drop is read in scan.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from lofi_pipeline.entities import RAW_FOLDER
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
    """Each entry under data/raw that seems to be meant for the pipeline but is in no drop, and what to do about it."""
    found = {
        root.raw / entry.name: f"is no kind of source; there are: {', '.join(f'{kind}/' for kind in KINDS)}"
        for entry in _entries(root.raw)
        if is_folder(entry) and entry.name not in KINDS
    }
    for folder in [root.raw, *(root.raw / kind for kind in KINDS)]:
        for entry in _entries(folder):
            if entry.is_symlink():
                found.setdefault(folder / entry.name, "is a link; copy what it points at")
            elif is_named_like_audio(entry.name) and not entry.is_dir():
                found[folder / entry.name] = (
                    "lies in no drop; move it into a folder of its own with a source.json: raw/<kind>/<drop>/"
                )
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder by name, without hidden ones."""
    return visible_entries(folder) if folder.is_dir() else []
