"""The hash of a data set version: one rule for building versions and for auditing them. Versions are made in dataset/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from lofi_pipeline.storage.atomic import plain_json

NOT_HASHED_OF_A_TRACK = ("audio_sha256",)
"""Encoders round differently on different processors; the bytes of the original do not."""
HASHED_WHERE_KNOWN = ("credits", "bar_beats", "caption")
"""Fields of tracks that came later: where there is nothing in them, a version is the one that it was before."""
NOT_HASHED_OF_A_SOURCE = ("verdict",)
"""The policy's verdict is not part of a source: rewording a reason must not make another version."""


def version_hash(version: Mapping[str, Any]) -> str:
    """The hash of a version's JSON with `tracks`, `sources` and, where there is any, `provenance`.

    Taken of the JSON as it stands in the file: fields that were added to the model later do not change an old hash.
    """
    parts = [_without(NOT_HASHED_OF_A_TRACK, version["tracks"]), iter(version["sources"])]
    if version.get("provenance"):
        parts.append(_without(NOT_HASHED_OF_A_SOURCE, version["provenance"]))
    # The hash of the canonical JSON of a list of these lists, without having the whole text in memory
    found = sha256(b"[")
    for number, part in enumerate(parts):
        found.update(b",[" if number else b"[")
        for at, item in enumerate(part):
            found.update(f"{',' if at else ''}{plain_json(item)}".encode())
        found.update(b"]")
    found.update(b"]")
    return found.hexdigest()


def _without(names: tuple[str, ...], items: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    return (
        {
            name: value
            for name, value in item.items()
            if name not in names and not (value is None and name in HASHED_WHERE_KNOWN)
        }
        for item in items
    )
