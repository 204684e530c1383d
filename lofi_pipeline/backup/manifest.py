"""backup.json: every file of a backup with its size, time and hash, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from lofi_pipeline.backup.errors import BackupError
from lofi_pipeline.entities import Entity, KeptFile
from lofi_pipeline.entities.base import Sha256
from lofi_pipeline.storage import content_sha256, read_record

MANIFEST, DATA = "backup.json", "data"
"""In the folder of a backup: what says what it is, and the files, laid out as in the data root."""
_MOST_BYTES = 1 << 30
"""Of a manifest: five million files."""


class BackupManifest(Entity):
    """What a backup holds, and what it does not."""

    kind: Literal["lofi-backup-1"] = "lofi-backup-1"
    made: AwareDatetime
    made_by: str = Field(max_length=100, description="The program and its version")
    without: tuple[str, ...] = Field(description="Folders of the data root that are not in it")
    skipped: dict[str, str] = Field(
        default_factory=dict, description="By path, why something that is no plain file was not copied"
    )
    files: dict[str, KeptFile] = Field(description="By path in the data root")
    files_sha256: Sha256 = Field(description="Hash of `files`: a line that is lost is noticed")

    @classmethod
    def of(
        cls,
        files: Mapping[str, KeptFile],
        *,
        made: AwareDatetime,
        made_by: str,
        without: tuple[str, ...],
        skipped: Mapping[str, str],
    ) -> Self:
        """With the files in order, and their hash."""
        ordered = dict(sorted(files.items()))
        return cls(
            made=made,
            made_by=made_by,
            without=without,
            skipped=dict(sorted(skipped.items())),
            files=ordered,
            files_sha256=content_sha256(ordered),
        )

    @model_validator(mode="after")
    def _holds_all_lines(self) -> Self:
        if content_sha256(self.files) != self.files_sha256:
            raise ValueError("files: are not those that were written down: the list was changed")
        return self

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.size for file in self.files.values())


def read_manifest(folder: Path) -> BackupManifest:
    """backup.json of a backup.

    Raises:
        BackupError: there is none, or it is not a plain file of reasonable size.
        RecordError: it can't be read, or was changed.
    """
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise BackupError(f"{path}: is missing; name a folder that `lofi backup` wrote")
    if path.stat().st_size > _MOST_BYTES:
        raise BackupError(f"{path}: has more than {_MOST_BYTES >> 20} MB, which no manifest has")
    return read_record(BackupManifest, path)
