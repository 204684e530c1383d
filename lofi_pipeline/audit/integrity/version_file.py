"""The file of a data set version, read item by item: of 50,000 tracks the whole text takes as much memory as half of what is kept of them, and all of its values more.

Only a file that is laid out as this project writes it is read so. What is wrong with one is said in dataset_version.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lofi_pipeline.audit.integrity.verifier import is_as_written
from lofi_pipeline.entities import DatasetVersion, Entity, Provenance, SourceRecord, VersionTrack
from lofi_pipeline.storage import JsonItems, is_json_file_of, nested_json, opened_items, version_hash

KINDS: dict[str, type[Entity]] = {"tracks": VersionTrack, "sources": SourceRecord, "provenance": Provenance}


@dataclass(frozen=True)
class ReadVersion:
    """What a version's file holds, and what its bytes come to."""

    hash: str | None
    """Of its tracks and sources; None: it has none."""
    as_written: bool
    version: DatasetVersion | None
    """None: it breaks a rule."""
    sha256: str
    """Of the file."""


def read_version_file(path: Path) -> ReadVersion:
    """The version in a file.

    Raises:
        OSError: it can't be read.
        ValueError, RecursionError: it is no JSON, or was changed meanwhile.
    """
    with opened_items(path) as items:
        found = _by_items(items) if items else None
    return found or _whole(path.read_bytes())


def _whole(data: bytes) -> ReadVersion:
    raw, sha256 = json.loads(data), hashlib.sha256(data).hexdigest()
    found, as_written = version_hash(raw) if _is_hashable(raw) else None, is_as_written(data, raw)
    del raw
    try:
        return ReadVersion(found, as_written, DatasetVersion.model_validate_json(data), sha256)
    except ValidationError:
        return ReadVersion(found, as_written, None, sha256)


def _is_hashable(raw: Any) -> bool:
    """Whether it has the lists that a version's hash is taken of; one that has not can't be read as a version."""
    if not isinstance(raw, dict):
        return False
    lists = [raw.get("tracks"), raw.get("sources"), raw.get("provenance") or []]
    return all(isinstance(each, list) and all(isinstance(item, dict) for item in each) for each in lists)


def _by_items(items: JsonItems) -> ReadVersion | None:
    """None where the file is laid out otherwise, or something is wrong with it."""
    if not {"tracks", "sources"} <= items.places.keys() <= KINDS.keys():
        return None
    lists = _Lists(items)
    try:
        raw = json.loads(items.frame)
        found = version_hash({name: lists.read(name) for name in items.places})
        version = DatasetVersion.model_validate(raw | lists.records)
    except (ValueError, RecursionError, TypeError):
        return None
    return ReadVersion(found, lists.as_written and is_json_file_of(items.frame, raw), version, items.sha256)


@dataclass
class _Lists:
    """The records of a version's lists, each read once, and whether all of them are as this project writes them."""

    items: JsonItems
    records: dict[str, list[Entity]] = field(default_factory=dict)
    as_written: bool = True

    def read(self, name: str) -> Iterator[dict[str, Any]]:
        """Each item as it stands in the file; its record is kept."""
        kept = self.records.setdefault(name, [])
        for text in self.items.of(name):
            kept.append(KINDS[name].model_validate_json(text))
            item = json.loads(text)
            self.as_written = self.as_written and nested_json(item, depth=2) == text
            yield item
