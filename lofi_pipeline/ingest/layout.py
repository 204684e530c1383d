"""The folders under data/raw: which of them are drops, and which entries are in no drop (they are reported, never ignored).

What is in a drop is read in scan.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.entities import RAW_FOLDER
from lofi_pipeline.storage import DataRoot

KINDS = tuple(RAW_FOLDER.values())


def drop_folders(root: DataRoot) -> list[Path]:
    """The drop folders under data/raw, sorted. Hidden ones are left out: they may still be copied, or belong to another program."""
    entries = [entry for kind in KINDS for entry in _entries(root.raw / kind)]
    return sorted(entry for entry in entries if is_drop(root, entry))


def is_drop(root: DataRoot, path: Path) -> bool:
    """Whether a path is a drop: a folder directly below raw/<kind of source>/, and not a link."""
    kind = path.parent
    return kind.parent == root.raw and kind.name in KINDS and path.is_dir() and not path.is_symlink()


def misplaced(root: DataRoot) -> dict[Path, str]:
    """Each entry under data/raw that seems to be meant for the pipeline but is in no drop, and what to do about it."""
    found = {
        entry: f"is no kind of source; there are: {', '.join(f'{kind}/' for kind in KINDS)}"
        for entry in _entries(root.raw)
        if entry.is_dir() and entry.name not in KINDS
    }
    folders = [root.raw, *(root.raw / kind for kind in KINDS)]
    for entry in (entry for folder in folders for entry in _entries(folder) if entry not in found):
        if entry.is_symlink():
            found[entry] = "is a link; copy what it points at"
        elif entry.suffix.lower() in AUDIO_SUFFIXES and not entry.is_dir():
            found[entry] = (
                "lies in no drop; move it into a folder of its own with a source.json: raw/<kind>/<drop>/"
            )
    return found


def _entries(folder: Path) -> Iterator[Path]:
    """The entries of a folder, without hidden ones."""
    if folder.is_dir():
        yield from (entry for entry in sorted(folder.iterdir()) if not entry.name.startswith("."))
