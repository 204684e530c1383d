"""Where the items of the lists in a JSON file lie that this project wrote: each can be read alone.

Of a record of 50,000 tracks, all values at once, or its text, take more memory than all that is kept of them.
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
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

_NAME, _LIST = re.compile(rb'\n  "([a-z_]+)\Z'), b'": ['
_OPENS, _CLOSES, _ENDS = b"\n    {\n", b"\n    }", b"\n  ]"
_BLOCK_BYTES = 1 << 20

Places = dict[str, "array[int]"]
"""By list, where its first item begins and ends, then the next. Lists that are empty, or not of objects, are not in it."""


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
        bounds = iter(self.places.get(name, ()))
        for start, end in zip(bounds, bounds, strict=True):
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
        text = _Through(file)
        places = _places(text)
        sha256 = text.digest.hexdigest
        yield None if places is None else JsonItems(file, places, _without_items(file, places), sha256())
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


def members_of(kind: type[Record], path: Path, name: str) -> Iterator[Record]:
    """The record in `path`, which is nothing but an object `name` of lists, as records with one of its members each.

    Raises:
        ValueError: it is laid out otherwise, or breaks rules of its kind.
        OSError: it can't be read.
    """
    before, ends = f'{{\n  "{name}": {{\n'.encode(), (b"    ],\n", b"    ]\n")
    with path.open("rb") as file:
        if file.read(len(before)) != before:
            raise ValueError(f"{path.name} is laid out otherwise")
        member = bytearray()
        for line in file:
            member += line
            if line in ends:
                yield kind.model_validate_json(b"%b%b}}" % (before, member.rstrip(b",\n")))
                member.clear()
                if line == ends[1]:
                    break
        if member + file.read() != b"  }\n}\n":
            raise ValueError(f"{path.name} is laid out otherwise")


def _looks(file: BinaryIO) -> tuple[int, int]:
    info = os.fstat(file.fileno())
    return info.st_size, info.st_mtime_ns


class _Through:
    """A file that is gone through once: of what was passed, nothing is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file, self._at, self._text = file, 0, bytearray()

    def find(self, sought: bytes, at: int) -> int:
        """Where that stands next, from a place on that was not passed; -1: nowhere. What lies before that place is passed."""
        start = at - self._at
        while (found := self._text.find(sought, start)) < 0:
            start = max(start, len(self._text) - len(sought) + 1)
            passed = at - self._at
            if not self._read_on(passed):
                return -1
            start -= passed
        return self._at + found

    def stands(self, sought: bytes, at: int) -> bool:
        """Whether that stands at a place that was not passed."""
        while len(self._text) < at - self._at + len(sought) and self._read_on(0):
            pass
        return self._text.startswith(sought, at - self._at)

    def name_before(self, at: int) -> str | None:
        """The name of a record's own field, whose text ends at a place."""
        named = _NAME.search(os.pread(self._file.fileno(), min(at, 100), max(0, at - 100)))
        return named and named[1].decode()

    def _read_on(self, passed: int) -> bool:
        del self._text[:passed]
        self._at += passed
        block = self._file.read(_BLOCK_BYTES)
        self.digest.update(block)
        self._text += block
        return bool(block)


def _places(text: _Through) -> Places | None:
    """The places of the items of the record's own lists; None where the file is laid out otherwise."""
    found: Places = {}
    at = 0
    while (at := text.find(_LIST + _OPENS, at)) >= 0:
        name, at, more = text.name_before(at), at + len(_LIST), True
        if name is None:
            continue
        if name in found:
            return None
        found[name] = array("Q")
        while more:
            if not text.stands(_OPENS, at) or (end := text.find(_CLOSES, at)) < 0:
                return None
            end += len(_CLOSES)
            found[name].extend((at + len(_OPENS) - 2, end))
            more = text.stands(b",", end)
            at = end + 1
        if not text.stands(_ENDS, at - 1):
            return None
    return found


def _without_items(file: BinaryIO, places: Places) -> bytes:
    """The file with nothing in its lists."""
    cuts = sorted((it[0] - len(_OPENS) + 2, it[-1] + len(_ENDS) - 1) for it in places.values())
    kept, at = bytearray(), 0
    for start, end in cuts:
        file.seek(at)
        kept += file.read(start - at)
        at = end
    file.seek(at)
    return bytes(kept + file.read())


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
