"""What tags say of the music and of its rights, in every kind of file; and tags that want to do harm."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline.audio import read_tags
from lofi_pipeline.audio.io.tags import LONGEST, LONGEST_SAID, MOST_SAID
from lofi_pipeline_tests.audio import id3

MUSIC = bytes(64)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def encoded(path: Path, codec: str, **metadata: str) -> Path:
    """A second of noise with these tags, as FFmpeg writes them."""
    noise = np.random.default_rng(0).standard_normal((2, 48_000)).astype(np.float32) / 20
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=48_000)
        stream.layout = "stereo"
        container.metadata.update(metadata)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
        frame.rate = 48_000
        resampler = av.AudioResampler(
            stream.codec_context.format, "stereo", 48_000, stream.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac"), ("a.wav", "pcm_s16le"), ("a.opus", "libopus")]
)  # fmt: skip
def test_each_kind_of_file_says_title_artist_album_and_rights(tmp_path: Path, name: str, codec: str) -> None:
    path = encoded(
        tmp_path / name,
        codec,
        title="Räin",
        artist="Ann",
        album="Wet",
        copyright="2024 Ann",
        comment="no AI training",
    )
    read = read_tags(path)
    assert (read.tags.title, read.tags.artist, read.tags.album) == ("Räin", "Ann", "Wet")
    assert read.tags.copyright == read.said["COPYRIGHT"] == "2024 Ann"
    assert read.said["COMMENT"] == "no AI training"
    assert not read.credentials


def test_isrc_language_and_every_frame_about_rights_are_read_of_id3(tmp_path: Path) -> None:
    tag = id3.tag(
        id3.text_frame("TSRC", "us-rc1-76-07839"),
        id3.text_frame("TLAN", "eng"),
        id3.address("WCOP", "http://example.org/licence"),
        id3.own_address("http://example.org/mine"),
        id3.frame("APIC", b"\0image/png\0\x03\0" + bytes(2_000_000)),
        id3.own_address("http://example.org/wide", wide=True),
        id3.terms_of_use("ask first"),
    )
    read = read_tags(written(tmp_path, "a.mp3", tag + MUSIC))
    assert (read.tags.isrc, read.tags.language) == ("USRC17607839", "eng")
    assert read.said["WCOP"] == "http://example.org/licence"
    assert read.said["WXXX"] == "Lizenz http://example.org/mine | http://example.org/wide"
    assert read.said["USER"] == "ask first"


def test_a_tag_with_stuffed_zeros_is_read(tmp_path: Path) -> None:
    tag = id3.stuffed(id3.text_frame("TIT2", "Räin"), id3.text_frame("TCOP", "CC BY-NC"))
    read = read_tags(written(tmp_path, "a.mp3", tag + MUSIC))
    assert (read.tags.title, read.tags.copyright) == ("Räin", "CC BY-NC")


def test_texts_are_cut_and_hold_nothing_that_moves_a_cursor(tmp_path: Path) -> None:
    title = "a\x1b[2J\u202eb\r\n\u200b" + "c" * 100_000
    tag = id3.tag(
        id3.text_frame("TIT2", title),
        id3.comment("x" * 100_000),
        *(id3.frame("TXXX", b"\0%d\0y" % number) for number in range(500)),
    )
    read = read_tags(written(tmp_path, "a.mp3", tag + MUSIC))
    assert read.tags.title and len(read.tags.title) == LONGEST["title"]
    assert read.tags.title.startswith("a [2J b cc") and read.tags.title.isprintable()
    assert len(read.said["COMMENT"]) == LONGEST_SAID
    assert len(read.said) <= MOST_SAID


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3",
        id3.tag(id3.frame("TIT2", b"")),
        id3.tag(id3.text_frame("TIT2", "x"), size=(1 << 28) - 1),
        id3.tag(b"TIT2\xff\xff\xff\xff\0\0\x01"),
        b"fLaC\x84\xff\xff\xff" + b"\xff" * 40,
        b"OggS\0\2" + b"\xff" * 300,
        b"\0\0\0\x18ftypM4A \0\0\0\0" + b"\0\0\0\x08moov" * 9 + b"\xff\xff\xff\xffudta",
        b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\xff\xff\xff\xffINFOICOP\xff\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffWAVE" + b"JUNK\0\0\0\0" * 300_000,
        b"FORM\0\0\0\x10AIFF" + b"(c) \xff\xff\xff\xff",
    ],
    ids=lambda data: repr(data[:12]),
)
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.m4a", "a.wav"])
def test_broken_tags_are_none_and_soon_over(tmp_path: Path, data: bytes, name: str) -> None:
    read = read_tags(written(tmp_path, name, data))
    assert not any(text for text in read.said.values() if len(text) > LONGEST_SAID)


def test_a_wrong_encoding_gives_a_text_that_a_record_can_hold(tmp_path: Path) -> None:
    tag = id3.tag(
        id3.frame("TIT2", b"\x01\xff\xfe\x00\xd8x\x00"),
        id3.frame("TPE1", b"\x03\xff\xfe\xfd"),
        id3.frame("TALB", b"\x09abc"),
    )
    tags = read_tags(written(tmp_path, "a.mp3", tag + MUSIC)).tags
    assert tags.artist is None  # nothing of it could be read
    for text in tags.model_dump().values():
        assert text is None or text.encode()


def test_content_credentials_are_seen_at_either_end(tmp_path: Path) -> None:
    manifest = b"\0\0\0\x20jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71"
    for data in (manifest + bytes(1 << 20), bytes(1 << 20) + manifest):
        assert read_tags(written(tmp_path, "a.wav", data)).credentials
    assert not read_tags(written(tmp_path, "a.wav", bytes(1 << 20))).credentials


BAN = "No AI training"


def ape(**items: str) -> bytes:
    body = b"".join(
        struct.pack("<II", len(text.encode()), 0) + name.encode() + b"\0" + text.encode()
        for name, text in items.items()
    )
    return body + b"APETAGEX" + struct.pack("<IIIIQ", 2000, len(body) + 32, len(items), 0, 0)


def chunk(name: bytes, data: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(data)) + data + b"\0" * (len(data) % 2)


def element(kind: str, data: bytes) -> bytes:
    return bytes.fromhex(kind) + bytes([0x08]) + len(data).to_bytes(4, "big") + data


WAVE = (
    b"RIFF\0\0\0\0WAVE"
    + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16))
    + chunk(b"data", bytes(400))
)
MATROSKA = bytes.fromhex("1a45dfa3") + b"\x80"
BLOCKS = {
    "a.mp3": (bytes(500) + ape(Copyright=BAN), "COPYRIGHT"),
    "with ID3v1.mp3": (bytes(500) + ape(License=BAN) + b"TAG" + bytes(125), "LICENSE"),
    "a.wv": (b"wvpk" + bytes(500) + ape(Comment=BAN), "COMMENT"),
    "a.ape": (b"MAC " + bytes(500) + ape(Cover="x" * 300_000, Rights=BAN), "RIGHTS"),
    "bext.wav": (WAVE + chunk(b"bext", BAN.encode().ljust(602, b"\0")), "BEXT"),
    "history.wav": (WAVE + chunk(b"bext", bytes(602) + BAN.encode()), "BEXT"),
    "ixml.wav": (WAVE + chunk(b"iXML", f"<BWFXML><NOTE>{BAN}</NOTE></BWFXML>".encode()), "IXML"),
    "axml.wav": (b"RF64" + WAVE[4:] + chunk(b"axml", f"<a><rights>{BAN}</rights></a>".encode()), "AXML"),
    "a.caf": (b"caff\0\1\0\0" + b"info" + struct.pack(">q", 30) + b"\0\0\0\1copyright\0" + BAN.encode() + b"\0\0", "COPYRIGHT"),
    "a.au": (b".snd" + struct.pack(">IIIII", 64, 0, 3, 48_000, 2) + f"copyright={BAN}".encode().ljust(40, b"\0"), "COPYRIGHT"),
    "a.mka": (
        MATROSKA + element("18538067", element("1f43b675", bytes(900)) + element("1254c367", element("7373", element(
            "67c8", element("45a3", b"LICENSE") + element("4487", BAN.encode()))))),
        "LICENSE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_rights_are_read_of_every_kind_of_tag(tmp_path: Path, name: str) -> None:
    data, tag = BLOCKS[name]
    assert read_tags(written(tmp_path, name, data)).said.get(tag) == BAN
    for cut in range(0, len(data), max(1, len(data) // 40)):
        read_tags(written(tmp_path, name, data[:cut]))


@pytest.mark.parametrize("size", [1 << 43, 1 << 44, 1 << 47, (1 << 63) - 1, -1, -(1 << 63)])
def test_a_chunk_that_leads_beyond_any_file_ends_the_tags(tmp_path: Path, size: int) -> None:
    said = b"rights\0" + BAN.encode() + b"\0"
    info = b"info" + struct.pack(">qI", 4 + len(said), 1) + said
    far = b"far " + struct.pack(">q", size)
    read = read_tags(written(tmp_path, "a.caf", b"caff\0\1\0\0" + info + far + bytes(99)))
    assert read.said == {"RIGHTS": BAN}


def test_terms_of_sale_are_read_of_id3(tmp_path: Path) -> None:
    owned = id3.frame("OWNE", b"\0" + b"USD1\0" + b"20240101" + BAN.encode())
    assert read_tags(written(tmp_path, "a.mp3", id3.tag(owned))).said == {"OWNE": BAN}


def test_title_and_artist_are_read_of_ape(tmp_path: Path) -> None:
    read = read_tags(written(tmp_path, "a.wv", b"wvpk" + bytes(500) + ape(Title="Rain", Artist="Somebody")))
    assert (read.tags.title, read.tags.artist) == ("Rain", "Somebody")


@pytest.mark.parametrize("start", [b"", WAVE, b"caff\0\1\0\0", b".snd\0\0\0\x40", MATROSKA])
@given(data=st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_tags_or_none(tmp_path: Path, start: bytes, data: bytes) -> None:
    read_tags(written(tmp_path, "a.wav", start + data + b"APETAGEX" + data[:24].ljust(24, b"\1")))
