"""Files of JSON lines that only grow. A last line without its end was never finished: it is no line, and the next takes its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from lofi_pipeline.entities import Entity
from lofi_pipeline.storage import locked, naming, parsed

Line = TypeVar("Line", bound=Entity)


def read_lines(kind: type[Line], path: Path) -> list[Line]:
    """All whole lines.

    Raises:
        RecordError: a line is damaged; it is named.
    """
    return [
        parsed(kind, line, path, where=f"{path}, line {number}")
        for number, line in enumerate(_whole(path), start=1)
    ]


def append_lines(path: Path, records: list[Line]) -> None:
    """Add lines, all or none; what a killed writer left unfinished is removed first.

    Raises:
        OSError: the disk is full or can't be written; the file is as it was.
    """
    data = b"".join(record.model_dump_json().encode() + b"\n" for record in records)
    with locked(path), naming(path), path.open("ab", buffering=0) as file:
        size = sum(map(len, _whole(path)))
        file.truncate(size)
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise


def _whole(path: Path) -> list[bytes]:
    if not path.is_file():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
