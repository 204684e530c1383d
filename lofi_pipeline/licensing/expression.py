"""SPDX licence expressions: `CC-BY-4.0 OR (LicenseRef-House AND CC0-1.0)` as a tree of sides.

https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/ by way of the `license-expression` package. The
operators are taken in any case; the words between two operators are one side, so that `CC BY 4.0 or CC0` is read as well.
Which side holds is decided in licensing/judge.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import license_expression
from boolean.boolean import ParseError
from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, Licensing

from lofi_pipeline.licensing.text import readable

# What the parser lets out over text that is no expression, such as "( AND CC0-1.0", instead of its own errors
_SLIPS = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
_OPERATOR = re.compile(r"(?i)[\s()](?:and|or|with)[\s()]")
_LICENCE_REF = re.compile(r"(?:DocumentRef-[A-Za-z0-9.\-]+:)?LicenseRef-[A-Za-z0-9.\-]+")


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


def read_expression(license_type: str) -> Node | None:
    """The tree of an expression with at least one operator; None when the text is no such expression.

    Raises:
        UnreadableLicence: it holds look-alikes or invisible signs.
    """
    text = readable(license_type)
    if not _OPERATOR.search(text):
        return None
    try:
        return _node(_spdx().parse(text))
    except (ExpressionError, ParseError, RecursionError, *_SLIPS):
        return None


@cache
def _spdx() -> Licensing:
    return license_expression.get_spdx_licensing()


def spdx_spelling(licence: str) -> str:
    """An SPDX id in its own spelling, such as "Apache-2.0" for "apache-2.0"; anything else as it is."""
    try:
        symbol: Any = _spdx().parse(licence)
    except (ExpressionError, ParseError, RecursionError, *_SLIPS):
        return licence
    known = isinstance(symbol, LicenseSymbol) and str(symbol.key) in _spdx().known_symbols
    return str(symbol.key) if known else licence


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
