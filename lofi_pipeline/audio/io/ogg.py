"""The pages of Ogg files: where one stream ends and the next of a chain begins, and whether the last one was cut off.

RFC 3533. Nothing is decoded here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from lofi_pipeline.audio.io.ogg_page import Page, page_at
from lofi_pipeline.audio.io.regular_file import MAX_FRUITLESS_BYTES, Piece, RegularFile
from lofi_pipeline.audio.io.vorbis_headers import with_headers_once

_SEARCHED = 1 << 16
_BLOCK = 1 << 20
_FIRST_PAGE = re.compile(rb"OggS\0[\2\6]")
"""The first page of a stream, which no other stream of a chain continues."""
_MOST_LINKS = 1000
_MOST_HEADER_PAGES = 5000


def ogg_pieces(file: RegularFile, start: int) -> list[Piece]:
    """The links of a chain, each as a file of its own: the decoding library ends where rate or channels change.

    A file without a chain is one piece. Empty where it is no Ogg.
    """
    if file.bytes_at(start, 4) != b"OggS":
        return []
    links = [link for link, _ in zip(_links(file, start), range(_MOST_LINKS), strict=False)]
    starts = [link[0].start for link in links] or [start]
    starts[0] = start
    ends = [*starts[1:], None]
    return [
        _piece(file, first, end, pages) for first, end, pages in zip(starts, ends, links or [[]], strict=True)
    ]


def _links(file: RegularFile, start: int) -> Iterator[list[Page]]:
    """The first pages of each link: one for every stream in it."""
    link: list[Page] = []
    for place in _places_of_first_pages(file, start):
        page = page_at(file, place)
        if page is None:
            continue
        if link and link[-1].end != place:
            yield link
            link = []
        link.append(page)
    if link:
        yield link


def _places_of_first_pages(file: RegularFile, start: int) -> Iterator[int]:
    """Where something looks like the first page of a stream; the search ends where no page comes for long."""
    place = last = start
    while (data := file.bytes_at(place, _BLOCK)) and place - last <= MAX_FRUITLESS_BYTES:
        yield from (place + found.start() for found in _FIRST_PAGE.finditer(data))
        if (page := data.rfind(b"OggS")) >= 0:
            last = place + page
        place += max(1, len(data) - 5) if len(data) == _BLOCK else len(data)


def _piece(file: RegularFile, start: int, end: int | None, first_pages: list[Page]) -> Piece:
    stop = file.size if end is None else end
    tail = file.bytes_at(max(start, stop - _SEARCHED), min(_SEARCHED, stop - start))
    has_pages = b"OggS" in tail
    once = with_headers_once(file, first_pages[0]) if len(first_pages) == 1 else None
    prefix, begin = once or (b"", start)
    return Piece(
        begin,
        end,
        prefix,
        pictures=_header_bytes(file, first_pages),
        seconds=_declared(first_pages) if has_pages else {"ogg": None},
        delay=next((delay for page in first_pages if (delay := _opus_delay(page.body))), 0.0),
        whole=end is not None or _ends_whole(tail),
    )


def _ends_whole(tail: bytes) -> bool:
    """Whether the file ends with the page that is marked as the last, and that page is complete."""
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or page[:4] != b"OggS":
        return False
    table = page[27 : 27 + page[26]]
    complete = len(table) == page[26] and len(page) == 27 + len(table) + sum(table)
    return complete and bool(page[5] & 4)


def _declared(first_pages: list[Page]) -> dict[str, float | None]:
    """What a FLAC in Ogg says in its own header, which a file that was cut off still has; other codecs say nothing."""
    for body in (page.body for page in first_pages):
        if body[:5] == b"\x7fFLAC" and body[9:13] == b"fLaC" and len(body) >= 51:
            fields = int.from_bytes(
                body[27:35], "big"
            )  # 20 bits of rate, 8 of channels and depth, 36 of length
            rate, samples = fields >> 44, fields & (1 << 36) - 1
            return {"ogg": samples / rate} if rate and samples else {}
    return {}


def _opus_delay(body: bytes) -> float:
    """Seconds that an Opus decoder throws away at the beginning (RFC 7845, 4.2)."""
    return (
        struct.unpack("<H", body[10:12])[0] / 48_000 if body[:8] == b"OpusHead" and len(body) >= 12 else 0.0
    )


def _header_bytes(file: RegularFile, first_pages: list[Page]) -> int:
    """Bytes of the pages before the first audio: comments, and the pictures in them."""
    if not first_pages:
        return 0
    begin = place = first_pages[-1].end
    for _ in range(_MOST_HEADER_PAGES):
        head = file.bytes_at(place, 27 + 255)
        if len(head) < 27 or head[:4] != b"OggS" or struct.unpack("<q", head[6:14])[0] > 0:
            break
        place += 27 + head[26] + sum(head[27 : 27 + head[26]])
    return place - begin
