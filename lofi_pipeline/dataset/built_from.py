"""metadata/built_from.json: what the current data set was made of."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from pydantic import Field

from lofi_pipeline.entities import Entity, KeptFile, LedgerHead, RecordError
from lofi_pipeline.entities.base import RelativePath, Sha256, TrackId, absent
from lofi_pipeline.storage import DataRoot, read_json


class BuiltFrom(Entity):
    """The hash of what the current data set was made of, and how its files were."""

    inputs: Sha256
    ledger: LedgerHead | None = Field(default=None, description="Of the seals when it was built")
    kept_files: dict[RelativePath, KeptFile] = Field(
        default_factory=dict, description="Metadata and copies of tracks, as they were published"
    )
    needs_review: Literal["train", "hold"] | None = Field(
        default=None,
        exclude_if=absent,
        description="What was done with unsure tracks; none: an earlier version took them all",
    )
    stay: list[TrackId] = Field(
        default_factory=list,
        exclude_if=lambda tracks: not tracks,
        description="Unsure tracks that such a version took, and that nobody has looked at since",
    )


def load_built_from(root: DataRoot) -> BuiltFrom | None:
    """What the current data set was made of; None where that is not known."""
    path = root.built_from_json
    with suppress(OSError, RecordError):
        return BuiltFrom.parse(read_json(path), where=str(path))
    return None
