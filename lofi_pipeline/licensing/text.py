"""Free text about licences made plain, so that a look-alike is none of them and a spelling does not matter.

What a licence permits is not asked here: see licensing/judge.py. `CC-BY 4.0 License`, `cc by 4.0` and `(CC BY 4.0)` are one text
afterwards; `CC BY 4.0` with a Cyrillic letter is none.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from lofi_pipeline.licensing.errors import UnreadableLicence
from lofi_pipeline.licensing.markup import without_markup

TEXT_RULES = 5
"""Raise it when what this package makes of a text changes: every source is then judged anew."""

MOST = 2_000
"""Characters of a licence's name; what is longer is no name."""

_SEPARATORS = re.compile(r"[\s\-_/,;+|]+")
_DASHES_AND_MINUS = {ord(char): "-" for char in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u05be"}
_DROPPED = str.maketrans("", "", "()[]{}\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb")
_CLOSING_WORD = re.compile(r"(?<=.) licen[cs]e$")
_SPDX_TAG = re.compile(r"(?i)^([^\w\s]*)spdx-license-identifier:\s*")
_SPDX_PAGE = re.compile(
    r"(?i)(?<![\w@./:-])(?:https?://)?(?:www\.)?spdx\.org/licenses/([\w.+-]+?)(?:\.html|\.json)?(?![\w/+-]|\.\w)"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_OF_EAST_ASIA = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"}
_WITHOUT_ACCENTS = {"LATIN", "GREEK"}


def normalize_license(license_type: str) -> str:
    """The plain form of a licence's name, for the patterns of the policy.

    Raises:
        UnreadableLicence: it holds look-alikes or invisible signs.
    """
    text = fold(readable(license_type).translate(_DROPPED))
    return _CLOSING_WORD.sub("", _SEPARATORS.sub(" ", text).strip(" .:"))


def readable(license_type: str) -> str:
    """The text with its case, brackets and punctuation, for parsers: one space where there were several.

    Raises:
        UnreadableLicence: it holds look-alikes or invisible signs, or is too long to be a name.
    """
    if len(license_type) > MOST:
        raise UnreadableLicence(
            f"it is longer than {MOST} characters; name the licence, and put its text into a file"
        )
    _refuse_odd(" ".join(license_type.split()))
    text = unicodedata.normalize("NFKC", license_type).translate(_DASHES_AND_MINUS)
    return _SPDX_PAGE.sub(r"\1", _SPDX_TAG.sub(r"\1", " ".join(without_markup(text).split())))


def fold(text: str) -> str:
    """Without case, and Latin and Greek without accents: `Paternité` is `paternite`."""
    return "".join(_without_accent(char) for char in unicodedata.normalize("NFKC", text).casefold())


def _without_accent(char: str) -> str:
    if char.isascii():
        return char
    parts = unicodedata.normalize("NFD", char)
    return parts[0] if len(parts) > 1 and _script(parts[0]) in _WITHOUT_ACCENTS else char


def _script(char: str) -> str:
    """The first word of a letter's name: LATIN, CYRILLIC, CJK."""
    return unicodedata.name(char, "?").split()[0]


def _refuse_odd(text: str) -> None:
    odd = {char for char in text if _is_odd(char)} | _look_alikes(
        unicodedata.normalize("NFKC", text).casefold()
    )
    if odd:
        names = ", ".join(unicodedata.name(char, f"U+{ord(char):04X}") for char in sorted(odd)[:3])
        raise UnreadableLicence(
            f"it holds characters that no licence's name has ({names}); type it again by hand"
        )


def _is_odd(char: str) -> bool:
    """Whether a character is invisible, private or unassigned, or only looks like an ASCII one, as in \u2102\u2102 \u2099\u2092 AI.

    Full-width letters are how Japanese is typed: they are none of these.
    """
    if char.isascii() and char.isprintable():
        return False
    plain = unicodedata.normalize("NFKC", char)
    disguised = any(sign.isascii() and sign.isalnum() for sign in plain)
    return (not char.isprintable()) or (disguised and not "\uff01" <= char <= "\uff5e")


def _look_alikes(text: str) -> set[str]:
    """Letters of other alphabets inside a word of Latin letters, and marks that lie over Latin letters."""
    found: set[str] = set()
    for word in _LETTERS.findall(text):
        scripts = {char: _script(char) for char in word if not char.isascii() and char.isalpha()}
        others = {char for char, script in scripts.items() if script not in {"LATIN", *_OF_EAST_ASIA}}
        if others and (any(char.isascii() for char in word) or "LATIN" in scripts.values()):
            found |= others
    for before, mark in pairwise(text):
        if unicodedata.category(mark).startswith("M") and (before.isascii() or _script(before) == "LATIN"):
            found.add(mark)
    return found
