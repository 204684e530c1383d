"""Texts in kinds of tags that the library passes over: APEv2, chunks of broadcast WAV, Matroska, CAF and AU.

A file may say anything: its reader bounds what is read of it, and whatever breaks off is left as far as it was read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

Text = tuple[str, str]
"""The name of a tag, and what it says."""
LONGEST_BLOCK = 64 << 10
_MOST = 1_000
"""Items, chunks or elements that are looked at."""
_MARKUP = re.compile(r"<[^>]*>")
_APE = b"APETAGEX"
_FOOTER, _ID3V1 = 32, 128
_BEXT_TEXT, _BEXT_HISTORY = 256, 602
_SEGMENT, _TAGS, _TAG, _SIMPLE, _NAME, _STRING = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487


class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


def texts_in_blocks(file: _File) -> list[Text]:
    """What the tags of a file say that the library does not read."""
    file.seek(0)
    head = file.read(12)
    found: list[Text] = []
    for read in (_ape, _OF_KIND.get(head[:4])):
        if read is not None:
            try:
                found.extend(read(file))
            except (ValueError, struct.error, OverflowError):  # broken, or more than is read of one file
                continue
    return found


def _ape(file: _File) -> Iterator[Text]:
    """An APEv2 tag: at the end, or before an ID3v1 tag there."""
    size = file.seek(0, 2)
    for end in (size, size - _ID3V1):
        file.seek(max(0, end - _FOOTER))
        footer = file.read(_FOOTER)
        if footer.startswith(_APE) and len(footer) == _FOOTER:
            length, count = struct.unpack("<II", footer[12:20])
            file.seek(max(0, end - length))
            yield from _ape_items(file, min(count, _MOST))
            return


def _ape_items(file: _File, count: int) -> Iterator[Text]:
    for _ in range(count):
        start = file.tell()
        item = file.read(8 + 256)
        size, flags = struct.unpack("<II", item[:8])
        name, ended, _ = item[8:].partition(b"\0")
        if not ended:
            return
        value = start + 8 + len(name) + 1
        if not flags & 0b110:  # text
            file.seek(value)
            yield (
                name.decode("ascii", "replace"),
                file.read(min(size, LONGEST_BLOCK)).decode("utf-8", "replace"),
            )
        file.seek(value + size)


def _chunks(file: _File, order: str) -> Iterator[tuple[bytes, int]]:
    """Of a RIFF or FORM, the name and size of each chunk; the file stands at its content."""
    place = 12
    for _ in range(_MOST):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        size = struct.unpack(f"{order}I", head[4:])[0]
        yield head[:4], size
        place += 8 + size + size % 2


def _riff(file: _File) -> Iterator[Text]:
    for name, size in _chunks(file, "<"):
        if name == b"bext":
            block = file.read(min(size, LONGEST_BLOCK)).decode("latin-1")
            yield "BEXT", block[:_BEXT_TEXT].split("\0", 1)[0]
            yield "BEXT", block[_BEXT_HISTORY:].split("\0", 1)[0]
        elif name.lower() in (b"ixml", b"axml"):
            text = file.read(min(size, LONGEST_BLOCK)).decode("utf-8", "replace")
            yield name.decode("ascii").upper(), _MARKUP.sub(" ", text)


def _caf(file: _File) -> Iterator[Text]:
    place = 8
    for _ in range(_MOST):
        file.seek(place)
        head = file.read(12)
        if len(head) < 12:
            return
        size = struct.unpack(">q", head[4:])[0]
        if head[:4] == b"info":
            parts = file.read(min(size, LONGEST_BLOCK))[4:].decode("utf-8", "replace").split("\0")
            yield from zip(parts[::2], parts[1::2], strict=False)
        if size < 0:
            return
        place += 12 + size


def _au(file: _File) -> Iterator[Text]:
    file.seek(4)
    start = struct.unpack(">I", file.read(4))[0]
    file.seek(24)
    text = file.read(min(max(0, start - 24), LONGEST_BLOCK)).split(b"\0", 1)[0].decode("utf-8", "replace")
    yield from (
        ((name.strip(), said) if said else ("ANNOTATION", name))
        for name, _, said in map(_split, text.splitlines())
    )


def _split(line: str) -> tuple[str, str, str]:
    return line.partition("=")


def _matroska(file: _File) -> Iterator[Text]:
    """The names and texts of the tags of a Matroska or WebM."""
    end = file.seek(0, 2)
    inside = _elements(file, 0, end)
    for wanted in (_SEGMENT, _TAGS, _TAG, _SIMPLE):
        inside = _within(file, inside, wanted)
    name = ""
    for kind, start, stop in inside:
        if kind in (_NAME, _STRING):
            file.seek(start)
            text = file.read(min(stop - start, LONGEST_BLOCK)).decode("utf-8", "replace")
            if kind == _NAME:
                name = text
            else:
                yield name, text


Element = tuple[int, int, int]


def _within(file: _File, elements: Iterator[Element], wanted: int) -> Iterator[Element]:
    for kind, start, stop in elements:
        if kind == wanted:
            yield from _elements(file, start, stop)


def _elements(file: _File, place: int, end: int) -> Iterator[Element]:
    """The kind of each element of a stretch, and where its content begins and ends."""
    for _ in range(_MOST):
        if place >= end:
            return
        file.seek(place)
        head = file.read(12)
        kind, taken = _number(head, 0, marked=True)
        size, length = _number(head, taken, marked=False)
        start = place + taken + length
        unknown = size == (1 << 7 * length) - 1
        place = end if unknown else min(end, start + size)
        yield kind, start, place


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length, and its length; `marked`: with the bit that says how long it is."""
    length = 9 - (data[at : at + 1] or b"\0")[0].bit_length()
    if length > 8 or len(data) < at + length:
        raise ValueError("no number")
    value = int.from_bytes(data[at : at + length], "big")
    return (value if marked else value - (1 << 7 * length)), length


_OF_KIND: dict[bytes, Callable[[_File], Iterator[Text]]] = {
    b"RIFF": _riff,
    b"RF64": _riff,
    b"BW64": _riff,
    b"caff": _caf,
    b".snd": _au,
    b"\x1aE\xdf\xa3": _matroska,
}
