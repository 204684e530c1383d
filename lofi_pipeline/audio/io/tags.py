"""The tags of an audio file: what they say of the music, and everything that may be about its rights.

A file may say anything: reading is bounded, texts are cut and made printable. Nothing is decoded here, and no judgement made.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from errno import EINVAL
from io import SEEK_CUR, SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from lofi_pipeline.audio.io.tag_blocks import texts_in_blocks
from lofi_pipeline.entities.file_tags import FileTags

LONGEST = {"title": 500, "artist": 500, "album": 500, "isrc": 40, "language": 40, "copyright": 500}
LONGEST_SAID = 20_000
MOST_SAID = 100
MOST_AT_ONCE = 1 << 20
MOST_READ = 16 << 20
"""Bytes of a file that are read for its tags, pictures left aside."""
SEARCHED_FOR_CREDENTIALS = 256 << 10
"""Bytes at either end of a file, where content credentials lie."""

_CREDENTIALS = b"jumdc2pa"  # the description box of a C2PA manifest store, and how its type begins
_ABOUT_THE_MUSIC = re.compile(
    r"title|artist|albumartist|composer|album|(?:disc|track)(?:_total)?|genre|year|lyrics|xmp|bpm|initial_key|isrc|language|publisher"
    r"|conductor|lyricist|set_subtitle|encoded_by|encoder_settings|media|barcode|catalog_number|movement\w*|grouping|work|director"
    r"|isft|tdrl|tdor|tsse|tenc|tflt|tlen|tbpm"
)
"""Tags that say nothing of rights; XMP is searched apart."""
_ISRC = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?[0-9]{2}-?[0-9]{5}")
_XMP_RIGHTS = re.compile(
    r"<(?:dc:rights|xmpRights:(?:UsageTerms|WebStatement)|cc:(?:license|morePermissions))\b[^>]*>(.{0,2000}?)</(?:dc|xmpRights|cc):"
    r"|(?:xmpRights:WebStatement|cc:license(?:\s+rdf:resource)?|rdf:resource)=[\"']([^\"']{1,500})",
    re.S,
)
_MARKUP = re.compile(r"<[^>]*>")
_SIGNED = (b"OWNE", b"COMR")
"""Frames of ID3 on who sold what, and on which terms."""


@dataclass(frozen=True)
class ReadTags:
    """What was read of one file."""

    tags: FileTags = field(default_factory=FileTags)
    said: dict[str, str] = field(default_factory=dict)
    """By the name of the tag, every text that may be about rights."""
    credentials: bool = False
    """Whether it holds content credentials (C2PA): credentials.py reads them."""


def read_tags(path: Path) -> ReadTags:
    """The tags of a file; none where it has none, or none that can be read.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return tags_in(file, path.name)


def tags_in(file: BinaryIO, file_name: str) -> ReadTags:
    """The tags of a file that is open."""
    found = _fields(_without_stuffing(file), file_name)
    for name, text in texts_in_blocks(_Bounded(file)):
        found.setdefault(name.strip().casefold() or "tag", []).append(text)
    said: dict[str, list[str]] = {}
    for name, text in [*_about_rights(found), *_id3_texts(_Bounded(file))]:
        cleaned = clean(text, LONGEST_SAID)
        if cleaned and len(said) < MOST_SAID and cleaned not in said.setdefault(name, []):
            said[name].append(cleaned)
    return ReadTags(
        _tags(found), {name: " | ".join(texts) for name, texts in said.items()}, _has_credentials(file)
    )


def clean(text: str, longest: int) -> str:
    """A text on one line without what can't be printed, cut where it is long."""
    text = unicodedata.normalize("NFC", text[: 4 * longest])
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:longest].strip()


class _Bounded:
    """A file of which no more than MOST_READ bytes are read, and no more than MOST_AT_ONCE at once; the rest is passed over."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MOST_READ
        file.seek(0)

    def read(self, size: int = MOST_AT_ONCE) -> bytes:
        wanted = size if size >= 0 else MOST_AT_ONCE
        data = self._file.read(min(wanted, MOST_AT_ONCE))
        self._left -= max(len(data), 16)  # a walk over headers of nothing ends, too
        if self._left < 0:
            raise ValueError("too much to be read for tags")
        if wanted > MOST_AT_ONCE:
            self.seek(wanted - len(data), SEEK_CUR)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:  # ext4 ends at 16 TB, other file systems elsewhere
            if error.errno != EINVAL:
                raise
            raise ValueError("leads to where no file can have bytes") from error

    def tell(self) -> int:
        return self._file.tell()


def _fields(file: Any, name: str) -> dict[str, list[str]]:
    """Every text of the tags, by the library's names of the fields."""
    from tinytag import TinyTag
    from tinytag.tinytag import UnsupportedFormatError

    try:
        try:
            tag = TinyTag.get(file_obj=file, duration=False)
        except UnsupportedFormatError:  # not told by its first bytes: by its name
            file.seek(0)
            tag = TinyTag.get(name, file_obj=file, duration=False)
    except Exception:  # whatever is made of bytes that anybody may have written
        return {}
    texts = {key: value if isinstance(value, list) else [str(value)] for key, value in tag.as_dict().items()}
    # A free field whose name is that of a known one has a "_" before it
    found: dict[str, list[str]] = {}
    for key, value in texts.items():
        if key not in _OF_THE_FILE:
            found.setdefault(key.lstrip("_"), []).extend(str(text) for text in value)
    return found


_OF_THE_FILE = ("filename", "filesize", "mime_type")


def _tags(found: dict[str, list[str]]) -> FileTags:
    said = {
        name: clean(found[name][0], longest) or None for name, longest in LONGEST.items() if found.get(name)
    }
    said = {name: text for name, text in said.items() if text and text.strip("\ufffd? ")}
    if "isrc" in said and not _ISRC.fullmatch(isrc := str(said["isrc"]).upper().replace(" ", "")):
        del said["isrc"]
    elif "isrc" in said:
        said["isrc"] = isrc.replace("-", "")
    return FileTags.model_construct(**{**dict.fromkeys(LONGEST), **said})


def _about_rights(found: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for key, texts in found.items():
        if not _ABOUT_THE_MUSIC.fullmatch(key):
            yield from ((clean(key, 40).upper() or "TAG", text) for text in texts)
    for packet in found.get("xmp", []):
        for match in _XMP_RIGHTS.finditer(packet[: 10 * LONGEST_SAID]):
            yield "XMP", _MARKUP.sub(" ", match[1] or match[2] or "")


def _without_stuffing(file: BinaryIO) -> Any:
    """The file; or its ID3 tag alone, where zeros were stuffed into it that its reader does not know of."""
    file.seek(0)
    head = file.read(10)
    if len(head) == 10 and head.startswith(b"ID3") and head[3] in (2, 3) and head[5] & 0x80:
        body = file.read(min(_unsynchsafe(head[6:]), MOST_AT_ONCE)).replace(b"\xff\x00", b"\xff")
        size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
        return BytesIO(head[:5] + bytes([head[5] & 0x7F]) + size + body)
    return _Bounded(file)


def _id3_texts(file: _Bounded) -> Iterator[tuple[str, str]]:
    """Addresses, terms of use and of sale in ID3 frames, which the library passes over."""
    try:
        for start in _id3_starts(file):
            yield from _frames(file, start)
    except ValueError:
        return


def _id3_starts(file: _Bounded) -> Iterator[int]:
    """Where ID3 tags begin: at the file's first byte, or in a chunk of WAV or AIFF."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(b"ID3"):
        yield 0
        return
    order = {b"RIFF": "little", b"RF64": "little", b"FORM": "big"}.get(head[:4])
    while order:
        chunk = file.read(8)
        if len(chunk) < 8:
            return
        start, size = file.tell(), int.from_bytes(chunk[4:], "little" if order == "little" else "big")
        if chunk[:4].lower() == b"id3 ":
            yield start
        file.seek(start + size + size % 2)


def _frames(file: _Bounded, start: int) -> Iterator[tuple[str, str]]:
    file.seek(start)
    head = file.read(10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return
    version, end = head[3], start + 10 + _unsynchsafe(head[6:])
    short = version == 2
    while file.tell() < end:
        frame = file.read(6 if short else 10)
        name = frame[: 3 if short else 4]
        if len(frame) < (6 if short else 10) or not name.isalnum():
            return
        size = int.from_bytes(frame[3:6] if short else frame[4:8], "big")
        size = _unsynchsafe(frame[4:8]) if version == 4 else size
        after = file.tell() + size
        if name.startswith(b"W") or name in (b"USER", *_SIGNED):
            yield name.decode("ascii"), _text_of(name, file.read(min(size, LONGEST_SAID)))
        file.seek(after)


def _text_of(name: bytes, content: bytes) -> str:
    if name in _SIGNED:
        said = content[1:].partition(b"\0")[2][len("YYYYMMDD") :]  # behind the price
        return said.replace(b"\0", b" ").decode("latin-1")
    if name == b"USER":
        encoding, content = content[:1], content[4:]
    elif name in (b"WXXX", b"WXX"):
        encoding, content = content[:1], content[1:]
        wide = encoding in (b"\x01", b"\x02")
        split = re.search(rb"(?:..)*?\x00\x00" if wide else rb"\x00", content, re.S)
        address = content[split.end() :] if split else content
        described = content[: split.start()] if split and not wide else b""
        return f"{described.decode('latin-1')} {address.decode('latin-1')}"
    else:
        encoding = b"\x00"
    codec = {b"\x01": "utf-16", b"\x02": "utf-16-be", b"\x03": "utf-8"}.get(encoding, "latin-1")
    return content.decode(codec, "replace").split("\0", 1)[0]


def _unsynchsafe(data: bytes) -> int:
    return (data[0] & 0x7F) << 21 | (data[1] & 0x7F) << 14 | (data[2] & 0x7F) << 7 | data[3] & 0x7F


def _has_credentials(file: BinaryIO) -> bool:
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if _CREDENTIALS in file.read(SEARCHED_FOR_CREDENTIALS):
        return True
    file.seek(max(size - SEARCHED_FOR_CREDENTIALS, 0))
    return _CREDENTIALS in file.read(SEARCHED_FOR_CREDENTIALS)
