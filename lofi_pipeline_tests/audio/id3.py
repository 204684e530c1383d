"""ID3v2.3 tags for tests, byte by byte: no library writes what is wrong."""

from __future__ import annotations

import struct


def text_frame(name: str, text: str) -> bytes:
    """A text frame in UTF-16."""
    return frame(name, b"\x01" + text.encode("utf-16"))


def comment(text: str) -> bytes:
    """A comment without a description."""
    return frame("COMM", b"\x01eng" + "".encode("utf-16") + b"\0\0" + text.encode("utf-16"))


def terms_of_use(text: str) -> bytes:
    """The frame USER."""
    return frame("USER", b"\x00eng" + text.encode("latin-1"))


def address(name: str, url: str) -> bytes:
    """A frame of an address, such as WCOP."""
    return frame(name, url.encode("latin-1"))


def own_address(url: str, *, wide: bool = False) -> bytes:
    """WXXX with a description, in Latin-1 or UTF-16."""
    described = b"\x01" + "Lizenz".encode("utf-16") + b"\0\0" if wide else b"\x00Lizenz\0"
    return frame("WXXX", described + url.encode("latin-1"))


def frame(name: str, content: bytes) -> bytes:
    """Any frame."""
    return name.encode("ascii") + len(content).to_bytes(4, "big") + b"\0\0" + content


def tag(*frames: bytes, size: int | None = None) -> bytes:
    """A tag with these frames; `size`: what it claims to be long."""
    body = b"".join(frames)
    length = len(body) if size is None else size
    return b"ID3\x03\x00\x00" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def stuffed(*frames: bytes) -> bytes:
    """A tag with unsynchronisation: a zero after each 0xFF."""
    body = b"".join(frames).replace(b"\xff", b"\xff\x00")
    return b"ID3\x03\x00\x80" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def in_wav(wav: bytes, tag: bytes) -> bytes:
    """A WAV file with a tag in a chunk of its own at its end."""
    chunk = b"id3 " + struct.pack("<I", len(tag)) + tag + b"\0" * (len(tag) % 2)
    return wav[:4] + struct.pack("<I", len(wav) - 8 + len(chunk)) + wav[8:] + chunk
