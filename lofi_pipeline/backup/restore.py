"""Taking a data root back from a backup, which is data from anywhere: every file is checked before anything is in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lofi_pipeline.backup.contents import is_named_safely
from lofi_pipeline.backup.copy import copy_file
from lofi_pipeline.backup.errors import BackupError
from lofi_pipeline.backup.manifest import DATA, MANIFEST, BackupManifest, read_manifest
from lofi_pipeline.entities import few
from lofi_pipeline.storage import DataRoot, commit_folder

Progress = Callable[[int, int, str], None]


def check_backup(folder: Path, *, progress: Progress = lambda done, total, what: None) -> BackupManifest:
    """Hash every file of a backup.

    Raises:
        BackupError: a file is missing or changed, or leads elsewhere; each is named.
        RecordError: backup.json can't be read, or was changed.
    """
    return _take(folder, None, progress)


def restore_backup(
    folder: Path, root: DataRoot, *, progress: Progress = lambda done, total, what: None
) -> BackupManifest:
    """Make a data root of a backup, whole or not at all, where none lies yet.

    Raises:
        BackupError: something lies there; or a file of the backup is missing or changed, or leads elsewhere.
        RecordError: backup.json can't be read, or was changed.
    """
    if root.path.exists() and (not root.path.is_dir() or any(root.path.iterdir())):
        raise BackupError(
            f"{root.path}: something lies there already; name a folder that is not there yet, or an empty one, with --data: nothing "
            "is overwritten"
        )
    if root.path.is_relative_to(folder.resolve()):
        raise BackupError(f"{root.path}: lies in the backup; name a folder elsewhere with --data")
    with commit_folder(root.path) as temporary:
        manifest = _take(folder, temporary, progress)
        DataRoot(temporary).create()
    return manifest


def _take(folder: Path, target: Path | None, progress: Progress) -> BackupManifest:
    manifest = read_manifest(folder)
    if odd := [name for name in manifest.files if not is_named_safely(name)]:
        raise BackupError(
            f"{folder / MANIFEST}: names files that no backup holds: {few([f'{name!r:.80}' for name in odd], most=5)}; this was not "
            "written by `lofi backup`, and nothing of it was used"
        )
    place = folder.resolve() / DATA
    faults: list[str] = []
    for number, (name, kept) in enumerate(manifest.files.items(), start=1):
        progress(number, len(manifest.files), name)
        path = place / name
        if os.path.realpath(path) != str(path):
            faults.append(f"{name}: is a link, or lies behind one")
        elif not path.is_file():
            faults.append(f"{name}: is missing")
        elif path.stat().st_size != kept.size:
            faults.append(f"{name}: has another size than was written")
        elif copy_file(path, target / name if target else None).sha256 != kept.sha256:
            faults.append(f"{name}: holds other bytes than were written")
        elif target:
            os.utime(target / name, ns=(kept.mtime_ns, kept.mtime_ns))
    if faults:
        raise BackupError(
            f"{folder}: {len(faults)} of {len(manifest.files)} files are not as they were backed up:\n"
            f"{few(faults, between=chr(10))}\n"
            "Take another backup. Nothing was restored"
        )
    return manifest
