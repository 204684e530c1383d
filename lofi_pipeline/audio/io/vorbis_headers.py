"""Vorbis headers that come a second time before the audio: whoever writes tags into a finished file may leave the former headers
behind the new ones. Three of 22 pieces in Debian's hyperrogue-music are so, which REAPER rendered.

libvorbis goes past them, as they are no audio; FFmpeg 8 refuses the file. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lofi_pipeline.audio.io.ogg_page import Page, page_at
from lofi_pipeline.audio.io.regular_file import RegularFile

_HEADERS = (b"\1vorbis", b"\3vorbis", b"\5vorbis")
"""How the three begin, in their order (Vorbis I, 4.2.1). No packet of audio has such a first bit."""
_MOST_PAGES = 1000
"""64 MB: more than any pictures among the comments."""


def with_headers_once(file: RegularFile, first: Page) -> tuple[bytes, int] | None:
    """The beginning of a stream without further headers, and where in the file it goes on.

    None where headers come once, or it is not Vorbis.
    """
    pages = islice(_pages(file, first), _MOST_PAGES)
    headers = _first_headers(pages)
    went_past = goes_on = False
    for page in pages if headers else ():
        count = 0
        for packet, ends in page.packets():
            if not goes_on and not packet.startswith(_HEADERS):
                return (headers + page.without(count), page.end) if went_past or count else None
            goes_on, count = not ends, count + ends
        went_past = True
    return None


def _pages(file: RegularFile, first: Page) -> Iterator[Page]:
    """The pages of a stream, as long as no other's come between them."""
    page: Page | None = first
    while page and page.serial == first.serial:
        yield page
        page = page_at(file, page.end)


def _first_headers(pages: Iterator[Page]) -> bytes:
    """The pages that hold the three headers and nothing else, which are taken from `pages`; empty where it is otherwise."""
    taken, whole, goes_on = b"", 0, False
    for page in pages:
        for packet, ends in page.packets():
            if whole == len(_HEADERS) or not (goes_on or packet.startswith(_HEADERS[whole])):
                return b""
            goes_on, whole = not ends, whole + ends
        taken += page.data
        if whole == len(_HEADERS):
            return taken
    return b""
