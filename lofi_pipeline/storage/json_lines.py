"""Files that only grow, a record on each line: a line is added whole or not at all, and none is ever changed.

A last line without its end was never finished: whoever wrote it was killed. It counts as not written, and the next writer
removes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from lofi_pipeline.entities import Entity
from lofi_pipeline.storage.atomic import locked
from lofi_pipeline.storage.errors import UnreadableRecord
from lofi_pipeline.storage.lines import append

Line = TypeVar("Line", bound=Entity)


def read_lines(kind: type[Line], path: Path, *, where: str) -> list[Line]:
    """The records in `path`, which messages name as `where`; [] where there is no file.

    Raises:
        UnreadableRecord: a line that was finished is not such a record.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise UnreadableRecord(
                f"{where}: line {number} was damaged or changed; take the file back from a backup, or remove that line"
            ) from error
    return found


def add_lines(path: Path, records: Iterable[Entity]) -> None:
    """Write records behind those that are there, all or none.

    Raises:
        OSError: the disk is full or cannot be written; the file is as it was.
    """
    data = b"".join(record.model_dump_json(exclude_none=True).encode() + b"\n" for record in records)
    with locked(path):
        append(path, data)
