"""The pages of Ogg files, taken apart and put together."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from lofi_pipeline.audio.io.ogg_page import Page, checksum


def pages_of(data: bytes) -> list[bytearray]:
    """Each page."""
    found, at = [], 0
    while at < len(data):
        table = data[at + 27 : at + 27 + data[at + 26]]
        end = at + 27 + len(table) + sum(table)
        found.append(bytearray(data[at:end]))
        at = end
    return found


def sealed(pages: Iterable[bytearray]) -> bytes:
    """Pages with right checksums."""
    joined = bytearray()
    for page in pages:
        page[22:26] = struct.pack("<I", checksum(bytes(page)))
        joined += page
    return bytes(joined)


def packets_in(page: bytes) -> list[bytes]:
    """The packets of a page on which each ends."""
    return [packet for packet, _ in Page(0, page).packets()]


def paged(like: bytes, packets: list[bytes], *, most: int = 255) -> list[bytearray]:
    """Pages that hold these packets, of at most so many lacing values: those of headers (RFC 3533, 6), the last one at the position of
    another page, whose flags, stream and number all have."""
    lacings, body = list[int](), b"".join(packets)
    for packet in packets:
        lacings += [*[255] * (len(packet) // 255), len(packet) % 255]
    made, at, goes_on = list[bytearray](), 0, False
    for start in range(0, len(lacings), most):
        table = lacings[start : start + most]
        flags = like[5] | 1 if goes_on else like[5] & ~1
        is_last = start + most >= len(lacings)
        ends_none = min(table) == 255
        granule = like[6:14] if is_last else struct.pack("<q", -1 if ends_none else 0)
        head = like[:5] + bytes([flags]) + granule + like[14:26] + bytes([len(table), *table])
        made.append(bytearray(head + body[at : at + sum(table)]))
        at, goes_on = at + sum(table), table[-1] == 255
    return made
