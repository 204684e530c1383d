"""The text of a lyrics file: which encoding it has, and whether it is plain text at all.

What becomes of the text is in lyrics.py.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from lofi_pipeline.styles.errors import LyricsError

MAX_LYRICS_BYTES = 64 * 1024
"""A song of four minutes has 2 to 6 kB of words; more than this is another kind of file."""

_MARKS = (  # the longer ones first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED_WITHIN = 512
_DECLARATION = re.compile(
    r"\b(?:encoding|coding|charset)\b\s*[:=]?\s*[\"']?([A-Za-z][\w.:-]{2,30})", re.IGNORECASE
)
_ONLY_A_DECLARATION = re.compile(
    r"^[^\w\n]*(?:encoding|coding|charset)\s*[:=]?\s*[\"']?[A-Za-z][\w.:-]{2,30}[^\w\n]*\n", re.IGNORECASE
)
_ENCODINGS = {
    **dict.fromkeys(("shiftjis", "sjis", "windows31j", "cp932", "ms932", "xsjis", "mskanji"), "cp932"),
    **dict.fromkeys(("eucjp", "ujis"), "euc_jp"),
    "iso2022jp": "iso2022_jp",
    **dict.fromkeys(("gb18030", "gbk", "gb2312", "cp936", "euccn"), "gb18030"),
    **dict.fromkeys(("big5", "big5hkscs", "cp950"), "big5hkscs"),
    **dict.fromkeys(("euckr", "cp949", "uhc", "ksc5601"), "cp949"),
    **dict.fromkeys(("koi8r", "koi8"), "koi8_r"),
    "koi8u": "koi8_u",
    **{f"{name}{number}": f"cp{number}" for number in range(1250, 1259) for name in ("windows", "cp")},
    **{f"iso8859{number}": f"iso8859_{number}" for number in (*range(1, 12), 13, 14, 15, 16)},
    **dict.fromkeys(("latin1", "iso88591"), "iso8859_1"),
    **dict.fromkeys(("utf16le", "unicode"), "utf_16_le"),
    "utf16be": "utf_16_be",
    **dict.fromkeys(("macroman", "macintosh"), "mac_roman"),
}
"""By their names without punctuation."""
_KINDS = (
    (re.compile(rb"\s*\{\\rtf"), "rich text (RTF)"),
    (re.compile(rb"PK\x03\x04"), "a Word or OpenDocument file, or an archive"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "a Word file"),
    (re.compile(rb"%PDF"), "a PDF"),
)
_HTML = re.compile(
    r"<(?:!doctype|/?(?:html|head|body|div|p|br|span|font|pre|table|script|style|a|b|i)\b[^<>\n]{0,500}/?>)",
    re.IGNORECASE,
)
_SUBTITLES = re.compile(r"^\s*\d\d:\d\d(?::\d\d)?[.,]\d{3}\s*-->", re.MULTILINE)
_RTF = re.compile(r"\s*\{\\rtf")


def text_of(path: Path) -> str:
    """The text of a lyrics file, without a byte order mark or a line that declares the encoding.

    Raises:
        LyricsError: the file is missing, too large, of another kind than plain text, or of an encoding that it does not say.
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
    if kind := next((kind for form, kind in _KINDS if form.match(data)), None):
        raise _of_another_kind(path, kind)
    text = _decoded(path, data)
    if _RTF.match(text):
        raise _of_another_kind(path, "rich text (RTF)")
    if _HTML.search(text):
        raise _of_another_kind(path, "a web page (HTML)")
    if _SUBTITLES.search(text):
        raise _of_another_kind(path, "a file of subtitles")
    return text


def _of_another_kind(path: Path, kind: str) -> LyricsError:
    return LyricsError(f"{path.name}: the lyrics file is {kind}; save the words as plain text (UTF-8)")


def _decoded(path: Path, data: bytes) -> str:
    declared = _declared(data)
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    shifts = declared if declared == "iso2022_jp" else None  # its bytes are UTF-8, too
    for encoding in dict.fromkeys((marked,) if marked else (shifts or "utf-8", declared)):
        if encoding is None:
            continue
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return _ONLY_A_DECLARATION.sub("", text.replace("\r\n", "\n"), count=1) if declared else text
    known = f"not {marked or declared} text, as it says" if marked or declared else "not UTF-8 text"
    raise LyricsError(
        f"{path.name}: the lyrics file is {known}; save it as UTF-8, or declare its encoding in the first line: "
        "[encoding: Shift_JIS]"
    )


def _declared(data: bytes) -> str | None:
    """The encoding that the first lines name, where it is a known one."""
    head = data[:_DECLARED_WITHIN].replace(b"\0", b"").decode("latin-1")
    for line in head.splitlines()[:3]:
        if found := _DECLARATION.search(line):
            name = re.sub(r"[^a-z0-9]", "", found[1].casefold())
            return _ENCODINGS.get(name)
    return None
