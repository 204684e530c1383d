"""Where the items of the lists in a JSON file lie that this project wrote: each can be read alone.

Of a record of 50,000 tracks, all values at once take more memory than all that is kept of them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.storage.atomic import read_record
from lofi_pipeline.storage.errors import ChangedWhileRead
from lofi_pipeline.storage.json_text import loads

Record = TypeVar("Record", bound=Entity)
Item = TypeVar("Item", bound=Entity)

_LIST = re.compile(rb'\n  "([a-z_]+)": \[(?=\n    \{\n)')
_OPENS, _CLOSES, _ENDS = b"\n    {\n", b"\n    }", b"\n  ]"

Places = dict[str, list[tuple[int, int]]]
"""By list, where each of its items begins and ends. Lists that are empty, or not of objects, are not in it."""


@dataclass(frozen=True)
class JsonItems:
    """An open file of this project's, the items of whose lists are read one by one."""

    file: BinaryIO
    places: Places
    frame: bytes
    """The file with nothing in its lists."""
    sha256: str
    """Of the file."""

    def of(self, name: str) -> Iterator[bytes]:
        """The text of each item of a list."""
        for start, end in self.places.get(name, []):
            self.file.seek(start)
            yield self.file.read(end - start)


@contextmanager
def opened_items(path: Path) -> Iterator[JsonItems | None]:
    """The items of a file's lists, to be read within the block; None where it is laid out otherwise.

    Raises:
        OSError: it can't be read.
        ChangedWhileRead: it was written to before the block ended.
    """
    with path.open("rb") as file:
        before = _looks(file)
        data = file.read()
        places = _places(data)
        items = None
        if places is not None:
            items = JsonItems(file, places, _without_items(data, places), hashlib.sha256(data).hexdigest())
        del data  # before the first item is read: what is kept of them needs the room
        yield items
        if _looks(file) != before:
            raise ChangedWhileRead(f"{path.name} was changed while it was read; do it again")


def read_packed(
    kind: type[Record],
    path: Path,
    name: str,
    item: type[Item],
    *,
    pack: Callable[[Iterable[Item]], Packed[Item]],
) -> Record:
    """The record in `path`, the items of whose list `name` are read one by one, and kept packed.

    Raises:
        UnreadableRecord, RecordError, FileNotFoundError: as `read_record`.
    """
    with suppress(ValueError), opened_items(path) as items:
        if items and items.places.keys() <= {name}:
            packed = pack(map(item.model_validate_json, items.of(name)))
            return kind.model_validate_json(items.frame).model_copy(update={name: packed})
    return read_record(kind, path)


def _looks(file: BinaryIO) -> tuple[int, int]:
    info = os.fstat(file.fileno())
    return info.st_size, info.st_mtime_ns


def _places(data: bytes) -> Places | None:
    """The places of the items of the record's own lists; None where the file is laid out otherwise."""
    found: Places = {}
    for match in _LIST.finditer(data):
        name, at, more = match[1].decode(), match.end(), True
        if name in found:
            return None
        found[name] = []
        while more:
            end = data.find(_CLOSES, at) + len(_CLOSES)
            if not data.startswith(_OPENS, at) or end < at:
                return None
            found[name].append((at + len(_OPENS) - 2, end))
            more = data[end : end + 1] == b","
            at = end + 1
        if not data.startswith(_ENDS, at - 1):
            return None
    return found


def _without_items(data: bytes, places: Places) -> bytes:
    """The file with nothing in its lists."""
    cuts = sorted(
        (found[0][0] - len(_OPENS) + 2, found[-1][1] + len(_ENDS) - 1) for found in places.values() if found
    )
    kept, at = bytearray(), 0
    for start, end in cuts:
        kept += data[at:start]
        at = end
    return bytes(kept + data[at:])


def last_member(path: Path, name: str) -> Any:
    """An object that a record holds near its end, without reading what comes before.

    Raises:
        KeyError: there is none, or the file is laid out otherwise.
        ValueError: it is no JSON.
        OSError: the file can't be read.
    """
    start, window = f'\n  "{name}": {{\n'.encode(), 1 << 16
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - window))
            data = file.read()
            at = data.rfind(start)
            if at >= 0:
                end = data.index(b"\n  }", at) + 4
                return loads(b"{" + data[at:end] + b"}")[name]
            if window >= size:
                raise KeyError(name)
            window *= 4
