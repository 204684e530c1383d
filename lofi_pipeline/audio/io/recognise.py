"""What a file surely is not, by its first bytes: music. Said before anything is decoded, so only where there can be no doubt.

What looks like audio, or like nothing known, is left to the decoding library.
"""

from __future__ import annotations

import re

HEAD_BYTES = 4096
"""What is looked at of a file."""

_PICTURE = "is a picture; take the ending of music from its name, and put the music there"
_ARCHIVE = "is an archive; unpack it into the drop, and remove it"
_DOCUMENT = "is a document, not music; put the music there"
_NOTES = "holds notes, not sound; have it played and exported as WAV or FLAC"
_PROGRAM = "is a program, not music; remove it"
_PAGE = "is a web page: the download failed; download the music again"
_TEXT = "is text, not music; put the music there"
_POINTER = (
    "is a pointer to the music, not the music itself; fetch it (git lfs pull, git annex get) and copy that"
)
_STARTS = {
    b"\x89PNG\r\n\x1a\n": _PICTURE, b"\xff\xd8\xff": _PICTURE, b"GIF8": _PICTURE, b"II*\0": _PICTURE, b"MM\0*": _PICTURE,
    b"PK\x03\x04": _ARCHIVE, b"PK\x05\x06": _ARCHIVE, b"Rar!\x1a\x07": _ARCHIVE, b"7z\xbc\xaf\x27\x1c": _ARCHIVE,
    b"\x1f\x8b\x08": _ARCHIVE, b"BZh9": _ARCHIVE, b"\xfd7zXZ\0": _ARCHIVE, b"\x28\xb5\x2f\xfd": _ARCHIVE,
    b"%PDF-": _DOCUMENT, b"{\\rtf": _DOCUMENT, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _DOCUMENT, b"SQLite format 3\0": _DOCUMENT,
    b"MThd\0\0\0\6": _NOTES, b"\x7fELF": _PROGRAM,
    b"version https://git-lfs": _POINTER, b"/annex/objects/": _POINTER,
}  # fmt: skip
_FORMS = {b"WEBP": _PICTURE, b"AVI ": "is a film; convert its sound to FLAC or WAV", b"RMID": _NOTES}
"""What a RIFF file may hold beside sound."""
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|\?xml)\b", re.I)
_LEAST_TEXT = 64
"""Bytes of text that are surely meant as text."""
_SMALLEST = {b"RIFF": 44, b"RIFX": 44, b"RF64": 80, b"FORM": 54, b"FRM8": 64, b"fLaC": 42, b"OggS": 58, b"DSD ": 92, b"caff": 44,
             b"wvpk": 32, b"MAC ": 44, b".snd": 24, b"TTA1": 22, b"\x30\x26\xb2\x75": 30, b"\x1aE\xdf\xa3": 40}  # fmt: skip
"""By the beginning of a kind of audio, the bytes that it takes before the first of its sound."""


def why_no_audio(head: bytes, size: int) -> str | None:
    """Why a file of this size that begins so holds no music, and what to do; None where it may hold some."""
    if size == 0:
        return "is empty (0 bytes); copy it again from its source"
    least = _SMALLEST.get(head[:4], 0)
    if size < least:
        return f"ends after {size} bytes, before any sound; the copy is not complete: copy it again"
    if head.startswith(b"RIFF") and (reason := _FORMS.get(head[8:12])):
        return reason
    if reason := next((reason for start, reason in _STARTS.items() if head.startswith(start)), None):
        return reason
    if _HTML.match(head):
        return _PAGE
    return _TEXT if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """Lines of printable words; one byte over and over is none, whatever it stands for."""
    printable = (
        len(head) >= _LEAST_TEXT
        and head.isascii()
        and head.translate(None, b"\t\r\n\f").decode().isprintable()
    )
    return printable and b"\n" in head and b" " in head
