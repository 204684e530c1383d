"""What of a data root goes into its object store: music, what is made of it, latents, checkpoints. Nothing of metadata/.

Every file of these folders is written under another name and renamed when it is whole, so whatever has its name is whole. What others
write, raw music, goes there once the scan has accepted its drop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lofi_pipeline.entities import DropStatus
from lofi_pipeline.ingest import load_scan
from lofi_pipeline.storage import DataRoot

GROUPS = {
    "music": ("raw", "processed", "final", "validation"),
    "latents": ("cache/latents", "cache/conditions"),
    "checkpoints": ("checkpoints",),
    "archive": ("checkpoints/archive",),
}
"""By name, the folders that are pulled and evicted together. The archive is that of former lineages."""
EVICTABLE = ("music", "latents", "archive")
_FIXED = (".safetensors", "/checkpoint.json")


def is_in(path: str, groups: tuple[str, ...]) -> bool:
    """Whether a path is of one of the groups."""
    return any(path.startswith(f"{folder}/") for group in groups for folder in GROUPS[group])


def is_written_once(path: str) -> bool:
    """Whether a file of that name never has other bytes: weights, shards, the record of a checkpoint."""
    return path.endswith(_FIXED) and (path.startswith("checkpoints/") or "/shards/" in path)


def may_be_evicted(path: str, groups: tuple[str, ...]) -> bool:
    """Whether a file of one of the groups may lie in the store alone. Records of checkpoints stay: manifests are compiled from them."""
    return is_in(path, groups) and not (
        path.startswith("checkpoints/") and path.endswith((".json", ".jsonl"))
    )


def files_of(root: DataRoot) -> Iterator[str]:
    """The files that belong in the store, by path in the data root. Links are not followed."""
    drops = _registered(root)
    for group in ("music", "latents", "checkpoints"):
        for folder in GROUPS[group]:
            for path in _walk(root, folder):
                if folder == "raw" and not _is_below(path, drops):
                    continue
                yield path


def _registered(root: DataRoot) -> set[str]:
    scan = load_scan(root)
    return {drop.folder for drop in scan.drops if drop.status is DropStatus.ACCEPTED} if scan else set()


def _is_below(path: str, folders: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:depth]) in folders for depth in range(1, len(parts)))


def _walk(root: DataRoot, folder: str) -> Iterator[str]:
    top = root.path / folder
    if top.is_symlink():
        return
    for here, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            relative = path.relative_to(root.path).as_posix()
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield relative
