"""Ogg files whose Vorbis headers come more than once before the audio: heard as what libsndfile reads of the same file without them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import RATE, loop
from lofi_pipeline_tests.audio.ogg_files import packets_in, paged, pages_of, sealed

Headers = list[bytes]
Pages = list[bytearray]


@pytest.fixture(scope="module")
def vorbis(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Music in Ogg Vorbis: a page with the first header, one with the other two, then audio."""
    path = tmp_path_factory.mktemp("vorbis") / "plain.ogg"
    soundfile.write(path, loop(4.0).T, RATE, format="OGG", subtype="VORBIS")
    return path.read_bytes()


def on_the_page_of_the_audio(headers: Headers, first: bytearray, others: Pages) -> Pages:
    return [*paged(bytes(first), [*headers, *packets_in(bytes(first))]), *others]


def on_pages_of_their_own(headers: Headers, first: bytearray, others: Pages) -> Pages:
    return [*paged(_of_headers(first), headers), first, *others]


def on_a_page_each(headers: Headers, first: bytearray, others: Pages) -> Pages:
    like = _of_headers(first)
    return [*chain.from_iterable(paged(like, [header]) for header in headers), first, *others]


def three_times(headers: Headers, first: bytearray, others: Pages) -> Pages:
    return on_pages_of_their_own(headers, *_split(on_the_page_of_the_audio(headers, first, others)))


def across_pages(headers: Headers, first: bytearray, others: Pages) -> Pages:
    """The last one ends on the page of the audio, in the middle of whose packets it began."""
    packets = [*headers, *packets_in(bytes(first))]
    return [*paged(bytes(first), packets, most=7), *others]


def with_a_picture(headers: Headers, first: bytearray, others: Pages) -> Pages:
    text = b"METADATA_BLOCK_PICTURE=" + b"A" * 300_000
    comments = b"\3vorbis" + struct.pack("<I", 1) + b"x" + struct.pack("<II", 1, len(text)) + text + b"\1"
    return on_pages_of_their_own([headers[0], comments, headers[2]], first, others)


def _of_headers(page: bytearray) -> bytes:
    return bytes(page[:5] + b"\0" + bytes(8) + page[14:])


def _split(pages: Pages) -> tuple[bytearray, Pages]:
    return pages[0], pages[1:]


WAYS: list[Callable[[Headers, bytearray, Pages], Pages]] = [
    on_the_page_of_the_audio,
    on_pages_of_their_own,
    on_a_page_each,
    three_times,
    across_pages,
    with_a_picture,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_headers_that_come_again_are_gone_past(vorbis: bytes, tmp_path: Path, way) -> None:
    before, rest = pages_of(vorbis)[:2], pages_of(vorbis)[2:]
    headers = [packet for page in before for packet in packets_in(bytes(page))]
    assert [packet[:7] for packet in headers] == [b"\1vorbis", b"\3vorbis", b"\5vorbis"]
    path = tmp_path / "again.ogg"
    path.write_bytes(sealed([*before, *way(headers, *_split(rest))]))
    expected, rate = soundfile.read(BytesIO(vorbis), always_2d=True)
    found = audio.read(path, max_seconds=60)
    assert found.lost_share == 0
    heard = soxr.resample(expected, rate, RATE).T
    assert found.samples.shape == heard.shape
    assert np.abs(found.samples - heard).max() < 1e-5


def test_a_file_of_headers_without_end_holds_no_audio(vorbis: bytes, tmp_path: Path) -> None:
    before = pages_of(vorbis)[:2]
    again = paged(_of_headers(before[1]), packets_in(bytes(before[1])))
    path = tmp_path / "headers.ogg"
    path.write_bytes(sealed([*before, *again * 3000]))
    with pytest.raises(audio.AudioError, match=r"^headers\.ogg "):
        audio.read(path, max_seconds=6000)
