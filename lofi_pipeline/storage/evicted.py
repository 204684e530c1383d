"""Files of a data root that lie in its object store only: which, with their hashes. The store itself is in offsite/.

metadata/store/evicted.json is written before a file is removed here, and loses its entry after the file is back. While music is in
it nothing is scanned, worked on or built: what is elsewhere is not gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from lofi_pipeline.entities import Entity, KeptFile, RecordError
from lofi_pipeline.entities.base import RelativePath
from lofi_pipeline.storage.atomic import read_record, write_json_atomic
from lofi_pipeline.storage.data_root import DataRoot

MUSIC = ("raw", "processed", "final", "validation")
"""Folders without whose files a scan, or a build, would take tracks for gone."""


class Evicted(Entity):
    """metadata/store/evicted.json."""

    store: str = Field(description="Where the files lie, such as s3://bucket/prefix")
    files: dict[RelativePath, KeptFile] = Field(description="By path in the data root, as they were here")


def store_records(root: DataRoot) -> Path:
    """The folder of what is on record about the object store."""
    return root.metadata / "store"


def evicted_json(root: DataRoot) -> Path:
    """The path of the record."""
    return store_records(root) / "evicted.json"


def load_evicted(root: DataRoot) -> Evicted | None:
    """What lies in the object store only; None where everything is here.

    Raises:
        RecordError: the record is damaged.
    """
    path = evicted_json(root)
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return _read(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino))


@lru_cache(maxsize=2)
def _read(path: Path, _looks: tuple[int, int, int]) -> Evicted:
    return read_record(Evicted, path)


def save_evicted(root: DataRoot, store: str, files: Mapping[str, KeptFile]) -> None:
    """Write what lies in the store only. The caller holds the lock of the record's folder."""
    path = evicted_json(root)
    if files:
        write_json_atomic(path, Evicted(store=store, files=dict(sorted(files.items()))))
    else:
        path.unlink(missing_ok=True)


def elsewhere(root: DataRoot, folder: str) -> str | None:
    """A sentence on files below a folder of the data root that lie in the object store only; None where there are none."""
    evicted = load_evicted(root)
    away = [path for path in evicted.files if path.startswith(f"{folder}/")] if evicted else []
    if not evicted or not away:
        return None
    return f"{root.path / folder}: {len(away)} files lie only in {evicted.store}, the first is {away[0]}; `lofi store pull` brings them back"


def music_elsewhere(root: DataRoot) -> str | None:
    """A sentence on music that lies in the object store only; None where there is none."""
    return next((sentence for folder in MUSIC if (sentence := elsewhere(root, folder))), None)


def require_music(root: DataRoot) -> None:
    """Refuse to take music that lies elsewhere for gone.

    Raises:
        RecordError: some of it lies in the object store only.
    """
    if sentence := music_elsewhere(root):
        raise RecordError(sentence)
