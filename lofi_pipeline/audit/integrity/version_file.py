"""The file of a data set version, read item by item: of 50,000 tracks the whole JSON takes more memory than all that is kept of them.

Only a file that is laid out as this project writes it is read so. What is wrong with one is said in dataset_version.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lofi_pipeline.audit.integrity.verifier import is_as_written
from lofi_pipeline.entities import DatasetVersion, Entity, Provenance, SourceRecord, VersionTrack
from lofi_pipeline.storage import is_json_file_of, list_items, nested_json, version_hash, without_items

KINDS: dict[str, type[Entity]] = {"tracks": VersionTrack, "sources": SourceRecord, "provenance": Provenance}


@dataclass(frozen=True)
class ReadVersion:
    """What a version's file holds, and what its bytes come to."""

    hash: str | None
    """Of its tracks and sources; None: it has none."""
    as_written: bool
    version: DatasetVersion | None
    """None: it breaks a rule."""


def read_version_file(data: bytes) -> ReadVersion:
    """The version in a file's bytes.

    Raises:
        ValueError, RecursionError: they are no JSON.
    """
    return _by_items(data) or _whole(data)


def _whole(data: bytes) -> ReadVersion:
    raw = json.loads(data)
    found, as_written = version_hash(raw) if _is_hashable(raw) else None, is_as_written(data, raw)
    del raw
    try:
        return ReadVersion(found, as_written, DatasetVersion.model_validate_json(data))
    except ValidationError:
        return ReadVersion(found, as_written, None)


def _is_hashable(raw: Any) -> bool:
    """Whether it has the lists that a version's hash is taken of; one that has not can't be read as a version."""
    if not isinstance(raw, dict):
        return False
    lists = [raw.get("tracks"), raw.get("sources"), raw.get("provenance") or []]
    return all(isinstance(each, list) and all(isinstance(item, dict) for item in each) for each in lists)


def _by_items(data: bytes) -> ReadVersion | None:
    """None where the file is laid out otherwise, or something is wrong with it."""
    places = list_items(data)
    if places is None or not {"tracks", "sources"} <= places.keys() <= KINDS.keys():
        return None
    frame = without_items(data, places)
    try:
        raw = json.loads(frame)
        lists = {
            name: [KINDS[name].model_validate_json(data[at:end]) for at, end in found]
            for name, found in places.items()
        }
        version = DatasetVersion.model_validate(raw | lists)
    except (ValueError, RecursionError, TypeError):
        return None
    proof = _Items(data)
    found = version_hash({name: proof.items(where) for name, where in places.items()})
    return ReadVersion(found, proof.as_written and is_json_file_of(frame, raw), version)


@dataclass
class _Items:
    """The items of lists, each read once, and whether all of them are as this project writes them."""

    data: bytes
    as_written: bool = True

    def items(self, places: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
        for start, end in places:
            text = self.data[start:end]
            item = json.loads(text)
            self.as_written = self.as_written and nested_json(item, depth=2) == text
            yield item
