"""Where drops lie under data/raw, and what lies there that no drop holds: nobody's music is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.entities import RAW_FOLDER
from lofi_pipeline.storage import DataRoot

KINDS = tuple(RAW_FOLDER.values())


def drop_folders(root: DataRoot) -> list[Path]:
    """The drop folders under data/raw, sorted; hidden ones are still being copied or belong to somebody else."""
    entries = [entry for kind in KINDS for entry in _entries(root.raw / kind)]
    return sorted(entry for entry in entries if is_drop(root, entry))


def is_drop(root: DataRoot, path: Path) -> bool:
    """Whether this is a drop's folder: one right below the folder of a kind of source, and no link."""
    kind = path.parent
    return kind.parent == root.raw and kind.name in KINDS and path.is_dir() and not path.is_symlink()


def misplaced(root: DataRoot) -> dict[Path, str]:
    """Each entry under data/raw that looks meant but is in no drop, and what to do about it."""
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
    """What lies in a folder, hidden entries aside."""
    if folder.is_dir():
        yield from (entry for entry in sorted(folder.iterdir()) if not entry.name.startswith("."))
