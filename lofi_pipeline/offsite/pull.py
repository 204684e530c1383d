"""Bringing back from the store what is not here, and bringing in drops that somebody put there.

A file appears whole, with the hash that is on record, or not at all. Of what is on record nothing depends on the bucket's list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lofi_pipeline.entities import RAW_FOLDER, KeptFile
from lofi_pipeline.offsite.bucket import Bucket
from lofi_pipeline.offsite.contents import GROUPS, is_in
from lofi_pipeline.offsite.errors import OtherObject, StoreError
from lofi_pipeline.offsite.index import alone, load_index, note
from lofi_pipeline.offsite.keys import shown, why_refused
from lofi_pipeline.storage import (
    TEMPORARY_PREFIX,
    DataRoot,
    commit_folder,
    is_kept,
    kept_file,
    link_or_copy,
    load_evicted,
    remove_left_over,
    replacing,
    save_evicted,
    writer_of,
)

Progress = Callable[[int, int, str], None]


@dataclass
class Pulled:
    """What was done."""

    files: int = 0
    bytes: int = 0
    drops: list[str] = field(default_factory=list)
    """Folders that were brought in, or got more files."""
    refused: dict[str, str] = field(default_factory=dict)
    """By key, why an object was left where it is."""


def pull(
    root: DataRoot,
    bucket: Bucket,
    groups: Iterable[str] = tuple(GROUPS),
    *,
    missing: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> Pulled:
    """Bring back what was evicted of some groups; with music, bring in drops, too.

    Args:
        missing: also what was put and is not here, as in a new folder with the records of another. Else that was removed on
            purpose.

    Raises:
        StoreError: the store cannot be reached; or an object is not what is on record.
        OSError: the disk is full, for one.
    """
    chosen, done = tuple(groups), Pulled()
    with alone(root, bucket.url):
        # Below raw/, where nobody else removes anything
        remove_left_over(it for it in root.raw.rglob(f"{TEMPORARY_PREFIX}*") if writer_of(it.name))
        evicted = load_evicted(root)
        wanted = dict(evicted.files) if evicted else {}
        known = load_index(root, bucket.url)
        if missing:
            wanted = {path: it for path, it in known.items() if not (root.path / path).exists()} | wanted
        ours = {path: file for path, file in wanted.items() if is_in(path, chosen)}
        try:
            _bring_back(root, bucket, ours, done, progress)
        finally:
            if evicted:
                away = {p: it for p, it in evicted.files.items() if p not in ours or not is_there(root, p)}
                if away != evicted.files:
                    save_evicted(root, bucket.url, away)
        if "music" in chosen:
            _bring_in(root, bucket, known, done, progress)
    return done


def is_there(root: DataRoot, path: str) -> bool:
    """Whether a file lies here."""
    return (root.path / path).is_file()


def _bring_back(
    root: DataRoot, bucket: Bucket, files: dict[str, KeptFile], done: Pulled, progress: Progress
) -> None:
    have: dict[tuple[str, KeptFile], Path] = {}
    for number, (path, file) in enumerate(sorted(files.items(), key=lambda item: _order(item[0])), start=1):
        progress(number, len(files), path)
        target = inside(root, path)
        if target.exists():
            if not is_kept(target, file):
                raise StoreError(
                    f"{target}: is another file than the one that went to {bucket.url}; move it away, and give the same command again"
                )
        elif (same := have.get((target.name, file))) is not None:
            link_or_copy(same, target)  # what is published of processed audio: it was a link to it
        else:
            fetch_file(bucket, path, target, file)
            done.bytes += file.size
        have.setdefault((target.name, file), target)
        done.files += 1


def _order(path: str) -> tuple[int, str]:
    top = path.split("/")[0]
    return ("raw", "processed", "final", "validation", "checkpoints", "cache").index(top), path


def inside(root: DataRoot, path: str) -> Path:
    """Where a key's file belongs.

    Raises:
        StoreError: the key, or a link here, leads out of the data root.
    """
    if (why := why_refused(path)) is not None:
        raise StoreError(f"{shown(path)}: {why}; no file is made of it")
    target = root.path / path
    if target.is_symlink() or target.parent.resolve() != root.path.resolve() / Path(path).parent:
        raise StoreError(
            f"{target}: lies behind a link; nothing is written through one: put a folder in its place"
        )
    return target


def fetch_file(bucket: Bucket, key: str, target: Path, expected: KeptFile | None) -> KeptFile:
    """Fetch an object to `target`, whole and with the hash on record, or not at all. What was fetched.

    Raises:
        StoreError: it is not what is on record, or not what was put.
        OSError: the disk is full, for one.
    """
    with replacing(target) as temporary:
        digest, there = bucket.fetch(key, temporary)
        said = expected.sha256 if expected else there.sha256
        if said not in (None, digest) or temporary.stat().st_size != there.size:
            raise OtherObject(
                f"{bucket.url}/{key}: has the hash {digest[:12]}, on record is {str(said)[:12]}: it was changed there; nothing was written. "
                "Put the right object back, or an earlier version of it"
            )
        moment = expected.mtime_ns if expected else there.mtime_ns
        if moment is not None:
            with suppress(OSError, OverflowError):
                os.utime(temporary, ns=(moment, moment))
    return kept_file(target, digest)


def _bring_in(
    root: DataRoot, bucket: Bucket, known: dict[str, KeptFile], done: Pulled, progress: Progress
) -> None:
    """Fetch what is new below raw/ in the store: a new drop appears as a whole folder, a file of one that is here by itself."""
    drops: dict[str, list[str]] = {}
    for key, _ in bucket.keys("raw"):
        if key in known or key.endswith("/"):
            continue
        if (why := why_refused(key)) is not None:
            done.refused[shown(key)] = why
        elif (drop := _drop_of(key)) is None:
            done.refused[key] = (
                f"is in no drop; drops lie in {', '.join(f'raw/{it}/' for it in RAW_FOLDER.values())}"
            )
        elif not (root.path / key).exists():
            drops.setdefault(drop, []).append(key)
    for number, (drop, keys) in enumerate(sorted(drops.items()), start=1):
        progress(number, len(drops), drop)
        try:
            fetched = _fetch_drop(root, bucket, drop, sorted(keys))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            done.refused[drop] = "has one name for a file and for a folder"
            continue
        except OtherObject as error:
            done.refused[drop] = str(error)
            continue
        note(root, bucket.url, fetched)
        done.drops.append(drop)
        done.files += len(fetched)
        done.bytes += sum(file.size for file in fetched.values())


def _drop_of(key: str) -> str | None:
    """The folder of the drop that a key is of: raw/KIND/NAME."""
    parts = key.split("/")
    return "/".join(parts[:3]) if len(parts) > 3 and parts[1] in RAW_FOLDER.values() else None


def _fetch_drop(root: DataRoot, bucket: Bucket, drop: str, keys: list[str]) -> dict[str, KeptFile]:
    folder = inside(root, drop)
    if folder.exists():
        return {key: fetch_file(bucket, key, inside(root, key), None) for key in keys}
    with commit_folder(folder) as temporary:
        return {key: fetch_file(bucket, key, temporary / key.removeprefix(f"{drop}/"), None) for key in keys}
