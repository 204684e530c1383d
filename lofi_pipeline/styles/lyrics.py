"""The lyrics of a track: the text file that came with it, normalised; or `[instrumental]`."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from lofi_pipeline.styles.errors import LyricsError, LyricsMissing

INSTRUMENTAL_LYRICS = "[instrumental]"
MAX_LYRICS_BYTES = 64 * 1024
"""A song of four minutes has 2 to 6 kB of words; more than this is another kind of file."""

_ODD_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
_SECTION_TAG = re.compile(r"\[\s*([^\[\]\n]*?)\s*\]")
_BLANK_LINES = re.compile(r"\n{3,}")


def lyrics_of(path: Path | None, *, has_words: bool) -> str:
    """The lyrics text of a track: the file's if one is given, else `[instrumental]`.

    Raises:
        LyricsMissing: the track has words, and the file is missing or empty.
        LyricsError: the file cannot be used.
    """
    text = read_lyrics(path) if path is not None else ""
    if has_words and text in ("", INSTRUMENTAL_LYRICS):
        raise LyricsMissing(
            "vocal track without lyrics: name a text file as `lyrics` of this file in source.json, "
            "or say `vocals: false` if nobody sings"
        )
    return text or INSTRUMENTAL_LYRICS


def read_lyrics(path: Path) -> str:
    """The normalised text of a lyrics file; empty if it holds only white space.

    Raises:
        LyricsError: the file is missing, too large, or not UTF-8 text.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_LYRICS_BYTES + 1)
    except OSError as error:
        raise LyricsError(
            f"{path.name}: the lyrics file cannot be read ({error.strerror}); check its permissions"
        ) from error
    if len(data) > MAX_LYRICS_BYTES:
        raise LyricsError(
            f"{path.name}: the lyrics file is larger than {MAX_LYRICS_BYTES // 1024} KiB; shorten it"
        )
    try:
        return normalise_lyrics(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise LyricsError(f"{path.name}: the lyrics file is not UTF-8 text; save it as UTF-8") from error
    except LyricsError as error:
        raise LyricsError(f"{path.name}: {error}") from error


def normalise_lyrics(text: str) -> str:
    """NFC, line ends as \\n, no space at line ends, at most one blank line; section tags kept, trimmed: `[verse 1]`.

    Raises:
        LyricsError: it holds control characters.
    """
    text = unicodedata.normalize("NFC", _ODD_LINE_ENDS.sub("\n", text))
    if any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in text):
        raise LyricsError("the lyrics hold control characters; save them as plain text")
    text = _SECTION_TAG.sub(lambda match: f"[{match[1]}]", text.replace("\t", " "))
    lines = [line.rstrip() for line in text.split("\n")]
    text = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
    return INSTRUMENTAL_LYRICS if text.casefold() == INSTRUMENTAL_LYRICS else text
