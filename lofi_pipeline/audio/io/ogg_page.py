"""One page of an Ogg file, and the packets in it (RFC 3533, 6). Nothing is decoded here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lofi_pipeline.audio.io.regular_file import RegularFile

_LARGEST = 27 + 255 + 255 * 255
_FULL = 255
"""A lacing value after which the packet goes on."""
_CONTINUED = 1
"""The flag of a page that begins in the middle of a packet."""
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """A whole page, and where it begins in its file."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.start + len(self.data)

    @property
    def serial(self) -> bytes:
        """What tells its stream from others."""
        return self.data[14:18]

    @property
    def body(self) -> bytes:
        """All packets, or parts of them."""
        return self.data[27 + self.data[26] :]

    def packets(self) -> Iterator[tuple[bytes, bool]]:
        """Each packet, or the part of it that lies here, and whether it ends here."""
        body, size = self.body, 0
        for lacing in self.data[27 : 27 + self.data[26]]:
            size += lacing
            if lacing < _FULL:
                yield body[:size], True
                body, size = body[size:], 0
        if size:
            yield body, False

    def without(self, packets: int) -> bytes:
        """The page without its first packets."""
        table, body = self.data[27 : 27 + self.data[26]], self.body
        for _ in range(packets):
            count = next(n for n, lacing in enumerate(table, start=1) if lacing < _FULL)
            table, body = table[count:], body[sum(table[:count]) :]
        flags = bytes([self.data[5] & ~_CONTINUED])
        page = self.data[:5] + flags + self.data[6:26] + bytes([len(table)]) + table + body
        return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


def page_at(file: RegularFile, place: int) -> Page | None:
    """The whole page at a place; None where there is none, or it is damaged."""
    data = file.bytes_at(place, _LARGEST)
    if len(data) < 27 or data[:5] != b"OggS\0":
        return None
    table = data[27 : 27 + data[26]]
    size = 27 + len(table) + sum(table)
    if len(table) < data[26] or len(data) < size:
        return None
    page = Page(place, data[:size])
    return page if checksum(page.data) == struct.unpack("<I", page.data[22:26])[0] else None


def checksum(page: bytes) -> int:
    """Ogg's CRC-32: zlib's with every byte the other way round, and without its inversions."""
    bare = page[:22] + b"\0\0\0\0" + page[26:]
    found = zlib.crc32(bare.translate(_BITS_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{found:032b}"[::-1], 2)
