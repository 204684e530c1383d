"""Every data set version that was ever built: metadata/datasets/<hash>.json.

A version is made in dataset/version.py, and proved in audit/integrity/dataset_version.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import DatasetVersion, RecordError
from lofi_pipeline.storage.atomic import read_json
from lofi_pipeline.storage.data_root import DataRoot


def version_files(root: DataRoot) -> list[Path]:
    """The file of each version, by name."""
    return sorted(root.dataset_version("any").parent.glob("*.json"))


def read_versions(
    root: DataRoot, *, source_id: str | None = None, unreadable: list[str] | None = None
) -> Iterator[tuple[Path, DatasetVersion]]:
    """Each version with its file, by name. With `source_id`: only those that name this source.

    A version that can't be read is passed over, and `unreadable` gets a sentence that names it.

    Raises:
        OSError, UnreadableRecord, RecordError: without that list, for the first version that can't be read.
    """
    for path in version_files(root):
        try:
            data = read_json(path)
            if source_id is not None and not _names_source(data, source_id):
                continue
            version = DatasetVersion.parse(data, where=root.relative(path))
        except (OSError, RecordError) as error:
            if unreadable is None:
                raise
            unreadable.append(str(error))
        else:
            yield path, version


def _names_source(data: Any, source_id: str) -> bool:
    sources = data.get("sources") if isinstance(data, dict) else None
    return any(isinstance(item, dict) and item.get("source_id") == source_id for item in sources or [])
