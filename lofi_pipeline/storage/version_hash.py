"""The hash of a data set version: one rule for building versions and for auditing them. Versions are made in dataset/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lofi_pipeline.storage.atomic import content_sha256

NOT_HASHED_OF_A_TRACK = ("audio_sha256",)
"""Encoders round differently on different processors; the bytes of the original do not."""
HASHED_WHERE_KNOWN = ("credits",)
"""Fields of tracks that came later: where there is nothing in them, a version is the one that it was before."""
NOT_HASHED_OF_A_SOURCE = ("verdict",)
"""The policy's verdict is not part of a source: rewording a reason must not make another version."""


def version_hash(version: Mapping[str, Any]) -> str:
    """The hash of a version's JSON with `tracks`, `sources` and, where there is any, `provenance`.

    Taken of the JSON as it stands in the file: fields that were added to the model later do not change an old hash.
    """
    content: list[Any] = [_without(NOT_HASHED_OF_A_TRACK, version["tracks"]), version["sources"]]
    if version.get("provenance"):
        content.append(_without(NOT_HASHED_OF_A_SOURCE, version["provenance"]))
    return content_sha256(content)


def _without(names: tuple[str, ...], items: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: value
            for name, value in item.items()
            if name not in names and not (value is None and name in HASHED_WHERE_KNOWN)
        }
        for item in items
    ]
