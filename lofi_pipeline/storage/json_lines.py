"""Files that only grow, a record on each line: a line is added whole or not at all, and none is ever changed.

A last line without its end was never finished: whoever wrote it was killed. It counts as not written, and the next writer
removes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from lofi_pipeline.entities import Entity
from lofi_pipeline.storage.atomic import locked, naming
from lofi_pipeline.storage.errors import UnreadableRecord

Line = TypeVar("Line", bound=Entity)


def read_lines(kind: type[Line], path: Path, *, where: str) -> list[Line]:
    """The records in `path`, which messages name as `where`; [] where there is no file.

    Raises:
        UnreadableRecord: a line that was finished is not such a record.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(_finished(path.read_bytes()).split(b"\n")[:-1], start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise UnreadableRecord(
                f"{where}: line {number} was damaged or changed; take the file back from a backup, or remove that line"
            ) from error
    return found


def add_line(path: Path, record: Entity) -> None:
    """Write a record behind those that are there.

    Raises:
        OSError: the disk is full or cannot be written; the file is as it was.
    """
    with locked(path):
        size = len(_finished(path.read_bytes())) if path.is_file() else 0
        write_behind(path, size, record.model_dump_json(exclude_none=True).encode() + b"\n")


def write_behind(path: Path, size: int, data: bytes) -> None:
    """Write `data` behind the first `size` bytes, whole or not at all."""
    with naming(path), path.open("ab", buffering=0) as file:
        file.truncate(size)
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise


def _finished(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]
