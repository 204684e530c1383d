"""Writing a backup: whole or not at all, and of one moment, also while somebody works on the data root."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lofi_pipeline import __version__
from lofi_pipeline.backup.contents import (
    CHECKPOINTS,
    MADE_AGAIN,
    NOTHING,
    RAW,
    Contents,
    Looks,
    contents_of,
    looks_of,
)
from lofi_pipeline.backup.copy import copy_file
from lofi_pipeline.backup.errors import BackupError
from lofi_pipeline.backup.manifest import DATA, MANIFEST, BackupManifest
from lofi_pipeline.entities import KeptFile, few, now
from lofi_pipeline.storage import DataRoot, commit_folder, write_json_atomic

Progress = Callable[[int, int, str], None]
MOST_ROUNDS = 10
"""How often is looked whether something changed since it was copied, and copied again."""


def write_backup(
    root: DataRoot,
    folder: Path,
    *,
    with_raw: bool = True,
    with_checkpoints: bool = True,
    progress: Progress = lambda done, total, what: None,
) -> BackupManifest:
    """Copy what can't be made again of a data root into `folder`, which is not there yet, or empty.

    Raises:
        BackupError: it lies in the data root, something lies there, or the data root does not come to rest.
        OSError: a file can't be read or written.
    """
    place = _settle(root, folder)
    without = (
        *MADE_AGAIN,
        *([] if with_raw else [RAW]),
        *([] if with_checkpoints else [CHECKPOINTS]),
    )
    made = now()
    with commit_folder(place) as temporary:
        files, contents = _copy(root, temporary / DATA, without, progress)
        manifest = BackupManifest.of(
            files,
            made=made,
            made_by=f"lofi-pipeline {__version__}",
            without=without,
            skipped=contents.skipped,
        )
        write_json_atomic(temporary / MANIFEST, manifest)
    return manifest


def _settle(root: DataRoot, folder: Path) -> Path:
    place = folder.expanduser().resolve()
    if place.is_relative_to(root.path) or root.path.is_relative_to(place):
        raise BackupError(
            f"{folder}: lies in the data root, or holds it; name a folder elsewhere, best on another disk"
        )
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BackupError(
            f"{folder}: something lies there already; name a folder that is not there yet: a backup replaces none"
        )
    return place


def _copy(
    root: DataRoot, target: Path, without: tuple[str, ...], progress: Progress
) -> tuple[dict[str, KeptFile], Contents]:
    """Copy, then copy again what changed meanwhile, until a look at all files finds them as they were copied.

    Then the copy is what the data root was when that look began: the ledger and the records that it seals belong together.
    The same holds when, from look to look, a single file is another, such as the log of a training: of the moment it was copied.
    """
    target.mkdir()
    copied: dict[str, KeptFile] = {}
    seen: dict[str, Looks] = {}
    changed: list[str] = []
    for _ in range(MOST_ROUNDS):
        contents, before = contents_of(root, without), changed
        gone = seen.keys() - contents.files.keys()
        for name in gone:
            (target / name).unlink()
            del seen[name], copied[name]
        changed = [name for name, looks in contents.files.items() if seen.get(name) != looks]
        if not gone and (not changed or (len(changed) == 1 and changed == before)):
            return copied, contents
        for number, name in enumerate(changed, start=1):
            progress(number, len(changed), name)
            looks = looks_of(root.path / name)
            with suppress(FileNotFoundError):  # the next look finds it gone
                copied[name] = copy_file(root.path / name, target / name)
                seen[name] = looks or NOTHING
    raise BackupError(
        f"{root.path}: files changed faster than they could be copied ({few(changed, most=3)}); back up when no run works on it"
    )
