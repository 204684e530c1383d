"""The lyrics of a track: the text file that came with it, made plain; or `[Instrumental]`.

The file is read in lyrics_file.py, the times of an LRC are taken off in lrc.py.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from lofi_pipeline.entities import LyricsTiming
from lofi_pipeline.styles.errors import LyricsError, LyricsMissing
from lofi_pipeline.styles.lrc import without_times
from lofi_pipeline.styles.lyrics_file import MAX_LYRICS_BYTES as MAX_LYRICS_BYTES
from lofi_pipeline.styles.lyrics_file import text_of

INSTRUMENTAL_LYRICS = "[Instrumental]"
"""As ACE-Step writes it. Tracks of an earlier version have it in small letters: compare with `is_instrumental`."""

_ODD_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
_SECTION_TAG = re.compile(r"\[\s*([^\[\]\n]*?)\s*\]")
_BLANK_LINES = re.compile(r"\n{3,}")

_SECTIONS = {
    "intro": "Intro",
    "introduction": "Intro",
    "verse": "Verse",
    "prechorus": "Pre-Chorus",
    "chorus": "Chorus",
    "refrain": "Chorus",
    "postchorus": "Post-Chorus",
    "hook": "Hook",
    "bridge": "Bridge",
    "interlude": "Interlude",
    "instrumental": "Instrumental",
    "instrumentalbreak": "Instrumental",
    "break": "Break",
    "breakdown": "Breakdown",
    "buildup": "Build-Up",
    "drop": "Drop",
    "solo": "Solo",
    "outro": "Outro",
    "ending": "Outro",
    "coda": "Outro",
}
"""By the letters of their names; what else stands in brackets stays as it is."""
_LONGEST_MARK = 200
"""Letters of a section mark; what is longer is words. The patterns below take the square of a line's length."""
_NAMES = r"[A-Za-z]+(?:[ \-]?(?![x×][ ]*\d)[A-Za-z]+)?"
_SECTION = re.compile(
    rf"({_NAMES})[ \-]*(?:#?(\d{{1,2}}))?(?:[ ]*[x×][ ]*\d{{1,2}})?(?:[ ]*(:|-|–|—)[ ]*(.*))?", re.DOTALL
)
_HEADING = re.compile(
    rf"[ ]*(?:[({{]\s*({_NAMES}[ ]?\d{{0,2}})\s*[)}}][ ]*:?|({_NAMES}[ ]?\d{{0,2}})[ ]*:)[ ]*"
)


def is_instrumental(text: str) -> bool:
    """Whether lyrics have no words."""
    return text.strip().casefold() in ("", INSTRUMENTAL_LYRICS.casefold())


def lyrics_of(path: Path | None, *, has_words: bool) -> str:
    """The lyrics text of a track: the file's if one is given, else `[Instrumental]`.

    Raises:
        LyricsMissing: the track has words, and the file is missing or empty.
        LyricsError: the file cannot be used.
    """
    text = read_lyrics(path) if path is not None else ""
    require_words(text, has_words=has_words)
    return text or INSTRUMENTAL_LYRICS


def require_words(text: str, *, has_words: bool) -> None:
    """Check that the lyrics of a track that has words hold some.

    Raises:
        LyricsMissing: they hold none.
    """
    if has_words and is_instrumental(text):
        raise LyricsMissing(
            "vocal track without lyrics: name a text file as `lyrics` of this file in source.json, "
            "or say `vocals: false` if nobody sings"
        )


def read_lyrics(path: Path) -> str:
    """The words in a lyrics file, made plain; empty if it holds only white space.

    Raises:
        LyricsError: the file is missing, too large, or not plain text in an encoding that is known.
    """
    return _words_and_timing(path)[0]


def lyrics_timing(path: Path | None) -> LyricsTiming | None:
    """The headers and times that a lyrics file holds beside the words.

    Raises:
        LyricsError: as `read_lyrics`.
    """
    return _words_and_timing(path)[1] if path is not None else None


def _words_and_timing(path: Path) -> tuple[str, LyricsTiming | None]:
    text = text_of(path)
    try:
        words, timing = without_times(_with_plain_lines(text))
        return normalise_lyrics(words), timing
    except LyricsError as error:
        raise LyricsError(f"{path.name}: {error}") from error


def _with_plain_lines(text: str) -> str:
    """NFC, line ends as \\n, and no letters that only a terminal would obey.

    Raises:
        LyricsError: it holds control characters.
    """
    text = unicodedata.normalize("NFC", _ODD_LINE_ENDS.sub("\n", text)).replace("\ufeff", "")
    if any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in text):
        raise LyricsError("the lyrics hold control characters; save them as plain text (UTF-8)")
    return text


def normalise_lyrics(text: str) -> str:
    """NFC, line ends as \\n, no space at line ends, at most one blank line; section marks as ACE-Step writes them: `[Verse 1]`.

    Raises:
        LyricsError: it holds control characters.
    """
    text = _with_plain_lines(text)
    text = _SECTION_TAG.sub(lambda match: f"[{_section(match[1])}]", text.replace("\t", " "))
    lines = [_heading(line.rstrip()) for line in text.split("\n")]
    text = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
    return INSTRUMENTAL_LYRICS if text and is_instrumental(text) else text


def _section(words: str) -> str:
    """The words of a section mark: `CHORUS x2` is `Chorus`, `verse 1: Somebody` is `Verse 1`; the name of a singer is left out."""
    found = _SECTION.fullmatch(words) if len(words) <= _LONGEST_MARK else None
    name = _SECTIONS.get(re.sub(r"[ \-]", "", found[1]).casefold()) if found else None
    if found is None or name is None:
        return words
    number = f" {int(found[2])}" if found[2] else ""
    manner = f" - {found[4].strip()}" if found[3] and found[3] != ":" and found[4].strip() else ""
    return name + number + manner


def _heading(line: str) -> str:
    """A line that is a heading in another form, such as `Chorus:` or `(Verse 2)`, as a section mark."""
    found = _HEADING.fullmatch(line) if len(line) <= _LONGEST_MARK else None
    words = (found[1] or found[2]).strip() if found else ""
    section = _section(words)
    return f"[{section}]" if re.sub(r" \d+$", "", section) in _SECTIONS.values() else line
