"""SPDX licence expressions: `CC-BY-4.0 OR (LicenseRef-House AND CC0-1.0)` as a tree of sides; and lists in free text.

https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/ by way of the `license-expression` package. OR is a choice
only between SPDX ids and LicenseRef-s. Free text that lists several licences, such as "CC0 or CC BY", need not mean that one may
choose: all of them hold. Which side holds is decided in licensing/judge.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import license_expression
from boolean.boolean import ParseError
from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, Licensing

# What the parser lets out over text that is no expression, such as "( AND CC0-1.0", instead of its own errors
_SLIPS = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
_OPERATOR = re.compile(r"(?i)[\s()](?:and|or|with)[\s()]")
_LICENCE_REF = re.compile(r"(?:DocumentRef-[A-Za-z0-9.\-]+:)?LicenseRef-[A-Za-z0-9.\-]+")
_BETWEEN = re.compile(
    r"(?i)\s*[,;|]\s*|\s+[/+&]\s+|(?<=[\d\w])/(?=[a-z])|\s+(?:and ?/ ?or|and|or|as well as|plus|und|oder|et|ou|y|o|e|ed|en|of|och|eller|oraz|lub|\u304a\u3088\u3073|\u307e\u305f\u306f)\s+"
)
_ADDRESS = re.compile(r"(?i)(?:https?://|www\.|[a-z0-9\-]+\.(?:org|com|net)/)\S*[^\s,;.)\]]")
_KEPT_SLASH = "\x01"
_BARE_VERSION = re.compile(r"v?\d(?:\.\d)?")
_LAST_VERSION = re.compile(r"\d(?:\.\d)?(?!.*\d)")
_QUOTES = " .\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb[]{}"
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class License:
    """One licence as it stands in the expression; `registered`: an SPDX id, or a LicenseRef- of somebody's own."""

    text: str
    registered: bool
    addition: str | None = None
    """What stands after WITH."""


@dataclass(frozen=True)
class And:
    """All sides hold at once: AND."""

    sides: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One may choose a side: OR."""

    sides: tuple[Node, ...]


Node = License | And | Choice


def read_expression(text: str) -> Node | None:
    """The tree of an expression with at least one operator; None when the readable text is no such expression.

    Where a side is free text, an OR is no choice: all sides hold.
    """
    text = text.strip(_QUOTES)
    if not _OPERATOR.search(text):
        return None
    try:
        tree = _node(_spdx().parse(text))
    except (ExpressionError, ParseError, RecursionError, *_SLIPS):
        return None
    if tree is None or all(leaf.registered for leaf in _leaves(tree)):
        return tree
    return And(tuple(dict.fromkeys(_leaves(tree))))


def read_list(text: str) -> And | None:
    """The licences that free text lists, with commas, slashes or words between; None: there are not two.

    `CC BY-SA 3.0, 2.5` lists two versions of one licence.
    """
    if not _balanced(text):
        return None
    text = text.strip(_QUOTES)
    while text.startswith("(") and text.endswith(")") and _balanced(text[1:-1]):
        text = text[1:-1].strip()
    kept = _ADDRESS.sub(lambda match: match[0].replace("/", _KEPT_SLASH), text)
    parts = [part.strip().replace(_KEPT_SLASH, "/") for part in _BETWEEN.split(kept)]
    if len(parts) < 2 or not all(parts):
        return None
    sides: list[License] = []
    for part in parts:
        if sides and _BARE_VERSION.fullmatch(part):
            part = _LAST_VERSION.sub(part, sides[-1].text)
        sides.append(License(part, is_registered(part)))
    return And(tuple(dict.fromkeys(sides)))


def is_registered(licence: str) -> bool:
    """Whether a text is an SPDX id, or a LicenseRef- of somebody's own."""
    return spdx_spelling(licence) in _spdx().known_symbols or _LICENCE_REF.fullmatch(licence) is not None


def spdx_spelling(licence: str) -> str:
    """An SPDX id in its own spelling, such as "Apache-2.0" for "apache-2.0"; anything else as it is."""
    try:
        symbol: Any = _spdx().parse(licence)
    except (ExpressionError, ParseError, RecursionError, *_SLIPS):
        return licence
    known = isinstance(symbol, LicenseSymbol) and str(symbol.key) in _spdx().known_symbols
    return str(symbol.key) if known else licence


@cache
def _spdx() -> Licensing:
    return license_expression.get_spdx_licensing()


def _leaves(node: Node) -> list[License]:
    return [node] if isinstance(node, License) else [leaf for side in node.sides for leaf in _leaves(side)]


def _balanced(text: str) -> bool:
    """Whether every bracket is closed by its own kind."""
    open_ones: list[str] = []
    for char in text:
        if char in _BRACKETS:
            open_ones.append(_BRACKETS[char])
        elif char in _BRACKETS.values() and (not open_ones or open_ones.pop() != char):
            return False
    return not open_ones


def _node(parsed: Any) -> Node | None:
    if isinstance(parsed, LicenseWithExceptionSymbol):
        side = _side(parsed.license_symbol)
        return License(side.text, side.registered, addition=str(parsed.exception_symbol.key))
    if isinstance(parsed, LicenseSymbol):
        return _side(parsed)
    if not isinstance(parsed, (_spdx().AND, _spdx().OR)):
        return None
    kind = And if isinstance(parsed, _spdx().AND) else Choice
    sides = [_node(argument) for argument in parsed.args]
    found: list[Node] = []
    for side in sides:
        if side is None:
            return None
        found += side.sides if isinstance(side, kind) else (side,)
    return kind(tuple(dict.fromkeys(found)))


def _side(symbol: LicenseSymbol) -> License:
    key = str(symbol.key)
    known = key in _spdx().known_symbols
    return License(key, registered=known or _LICENCE_REF.fullmatch(key) is not None)
