"""What people wrote (provider, title, notes, file names) made harmless for each kind of file.

Nothing is dropped in silence: a character that can't be seen is shown by its number, such as ⟨U+202E⟩.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

_JOINERS = "\u200c\u200d"
_FORMULA_START = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CELL_INSIDE = re.compile(r";(?=\s*[=+\-@＝＋－＠])")
_MARKDOWN = re.compile(r"([\\`*_\[\]{}()<>#!|~&$@^])")
_BARE_ADDRESS = re.compile(r"(https?|ftp|mailto|xmpp|www)([:.])", re.IGNORECASE)
_LIST_SIGN = re.compile(r"^([-+])(?=[\s-]|$)")
_LIST_NUMBER = re.compile(r"^(\d+)(?=\.(?:\s|$))")
_SLUG = re.compile(r"[^a-z0-9]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_URL_SAFE = "!#$%&'*+,/:;=?@~-._"  # no brackets, quotes or backslash: they end a link in Markdown
SLUG_LENGTH = 48


def visible(text: str, *, lines: bool = False) -> str:
    """Text in which every character can be seen: no terminal escapes, no bidi overrides, nothing of no width.

    Line breaks and tabs become spaces, line breaks stay with `lines`. Joiners stay between letters outside ASCII,
    where scripts and emoji need them.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        char if char.isprintable() else _shown(text, place, char, lines) for place, char in enumerate(text)
    )


def _shown(text: str, place: int, char: str, lines: bool) -> str:
    if char == "\n" and lines:
        return char
    if char in "\n\t\u2028\u2029" or unicodedata.category(char) == "Zs":
        return " "
    if char in _JOINERS:
        around = text[place - 1 : place] + text[place + 1 : place + 2]
        if len(around) == 2 and not any(neighbour.isascii() or neighbour in _JOINERS for neighbour in around):
            return char
    return f"⟨U+{ord(char):04X}⟩"


def csv_cell(text: str | None) -> str:
    """A cell that no spreadsheet takes for a formula.

    Cells that begin with = + - @ (also full-width, also after spaces) or with a tab or line break get a leading
    apostrophe; so does such a sign after a semicolon, which some countries' spreadsheets take for the next cell.
    """
    if not text:
        return ""
    shown = visible(text)
    if shown.lstrip().startswith(_FORMULA_START) or text[0] in "\t\r\n":
        shown = f"'{shown}"
    return _CELL_INSIDE.sub(";'", shown)


def markdown(text: str) -> str:
    """One line of Markdown that shows `text` and means nothing: no links, images, HTML, lists, headings or formulas."""
    shown = _MARKDOWN.sub(r"\\\1", visible(text).strip())
    shown = _BARE_ADDRESS.sub(r"\1\\\2", shown)
    return _LIST_NUMBER.sub(r"\1\\", _LIST_SIGN.sub(r"\\\1", shown))


def safe_url(url: str | None) -> str | None:
    """A web address that may become a link: http or https, a plain host, everything odd percent-encoded.

    None for anything else; also for an address with a user name, which makes one site look like another.
    """
    if not url or not url.isprintable():
        return None
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").encode("idna").decode("ascii") if parts.hostname else ""
        port = f":{parts.port}" if parts.port else ""
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in ("http", "https") or parts.username is not None or not _HOST.fullmatch(host):
        return None
    path, query, fragment = (
        quote(part, safe=_URL_SAFE) for part in (parts.path, parts.query, parts.fragment)
    )
    return urlunsplit((parts.scheme, f"{host}{port}", path, query, fragment))


def markdown_link(text: str, url: str | None) -> str:
    """A link with escaped text; the text alone where the address is none that may be linked."""
    address = safe_url(url)
    return f"[{markdown(text)}](<{address}>)" if address else markdown(text)


def file_stem(text: str) -> str:
    """A file name for any id: letters, digits and dashes, and a hash that keeps different ids apart on any disk."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = _SLUG.sub("-", ascii_text).strip("-")[:SLUG_LENGTH].strip("-")
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else digest
