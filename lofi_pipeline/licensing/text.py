"""Free text about licences made plain, by the rules that config/licence_policy.yaml states.

What a licence permits is not asked here: see licensing/judge.py. `CC-BY 4.0 License`, `cc by 4.0` and `(CC BY 4.0)` are one text afterwards; `CC BY 4.0` with a Cyrillic letter is none.
"""

from __future__ import annotations

import re
import unicodedata

from lofi_pipeline.licensing.errors import UnreadableLicence

TEXT_RULES = 2
"""Raise it when what this package makes of a text changes: every source is then judged anew."""

_SEPARATORS = re.compile(r"[\s\-_/,;+]+")
_DASHES_AND_MINUS = {ord(char): "-" for char in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"}
_DROPPED = str.maketrans("", "", "()[]{}\"'\u2018\u2019\u201c\u201d")
_CLOSING_WORD = re.compile(r"(?<=.) licen[cs]e$")

_AI = r"(?:ai|a\.i\.|artificial intelligence|machine learning|ml|model|genai)"
_BAN = re.compile(
    r"\bno ?(?:gen)?ai\b"
    rf"|\b(?:no|not|without|never|excluding|excludes?|except|prohibit\w*|forbid\w*|forbidden|bann?\w*|den(?:y|ied|ies)"
    rf"|disallow\w*|reserv\w* from|opt(?:ed)? out)\b.*\b(?:{_AI}|training|tdm|text and data mining)\b"
    rf"|\b(?:{_AI}|training|tdm|text and data mining)\b.*"
    r"\b(?:no|not|never|excluded|except|prohibit\w*|forbid\w*|forbidden|bann?\w*|den(?:y|ied|ies)|disallow\w*|opt(?:ed)? out)\b"
)
_GRANT = re.compile(
    r"\b(?:(?:with|incl\.?|including|includes|plus|and|&) )?(?:an? )?(?:explicit )?(?:exclusive |non exclusive )?ai training"
    r"(?: (?:rights?|grant|granted|permission|permitted|allowed|addendum|ok|included|licen[cs]e)){1,2}(?=$| )"
)


def normalize_license(license_type: str) -> str:
    """The plain form of a licence's name.

    Raises:
        UnreadableLicence: letters or signs outside ASCII remain, such as look-alikes or invisible ones.
    """
    text = unicodedata.normalize("NFKC", license_type).translate(_DASHES_AND_MINUS)
    text = _SEPARATORS.sub(" ", text.translate(_DROPPED).casefold()).strip(" .:")
    _refuse_odd(text)
    return _CLOSING_WORD.sub("", text)


def readable(license_type: str) -> str:
    """The text with its case, brackets and punctuation, for parsers: one space where there were several.

    Raises:
        UnreadableLicence: as `normalize_license`.
    """
    text = unicodedata.normalize("NFKC", license_type).translate(_DASHES_AND_MINUS)
    text = " ".join(text.split())
    _refuse_odd(text)
    return text


def _refuse_odd(text: str) -> None:
    odd = sorted({char for char in text if not char.isascii() or not char.isprintable()})
    if odd:
        names = ", ".join(unicodedata.name(char, f"U+{ord(char):04X}") for char in odd[:3])
        raise UnreadableLicence(
            f"it holds characters that no licence's name has ({names}); type it again by hand"
        )


def bans_training(text: str) -> bool:
    """Whether a plain text says that AI training is not allowed."""
    return _BAN.search(text) is not None


def without_grant(text: str) -> tuple[str, bool]:
    """A plain text without its grant of AI training, and whether there was one.

    `royalty free with ai training rights` gives `royalty free`, True. Words that put a condition on the grant stay in the
    text, so that it is then no known licence.
    """
    rest, found = _GRANT.subn("", text)
    return _CLOSING_WORD.sub("", " ".join(rest.split())), found > 0
