"""Licences as files for machines name them: as SPDX ids and expressions, or as LicenseRefs of their own."""

from __future__ import annotations

import re
from functools import cache

from lofi_pipeline.audit.export.escape import file_stem
from lofi_pipeline.licensing.expression import read_expression, spdx_spelling

LONGEST = 100
"""No id of the SPDX list is as long; an id becomes the name of a file."""
REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.\-]+")
PLACEHOLDER = "LicenseRef-Unknown"
"""What `reuse` takes for a name that somebody forgot to fill in."""
_SIGNS = re.compile(r"\(|\)|[^\s()]+")
_OPERATORS = {"AND", "OR", "(", ")"}


def is_listed(licence: str) -> bool:
    """Whether it is an id of the SPDX list, spelled as there."""
    from cyclonedx.spdx import is_supported_id

    return is_supported_id(licence)


@cache
def is_expression(licence: str) -> bool:
    """Whether it is an SPDX expression: of listed ids and LicenseRefs, put together with AND and OR."""
    signs = _SIGNS.findall(licence)
    if not all(sign in _OPERATORS or _is_id(sign) for sign in signs):
        return False
    return len(signs) == 1 or (len(signs) > 1 and read_expression(licence) is not None)


@cache
def expression_of(licence: str) -> str:
    """An expression in any case: text that is none gets a LicenseRef, another one for each text."""
    spelled = spdx_spelling(licence)
    return spelled if is_expression(spelled) else f"LicenseRef-{file_stem(licence)}"


def ids_of(expression: str) -> list[str]:
    """The ids and LicenseRefs in an expression, each once."""
    return list(dict.fromkeys(sign for sign in _SIGNS.findall(expression) if sign not in _OPERATORS))


def all_of(licences: list[str]) -> str | None:
    """One expression that says that each of these holds for a part; None without any."""
    sides = sorted({expression_of(licence) for licence in licences})
    return " AND ".join(f"({side})" if " OR " in side and len(sides) > 1 else side for side in sides) or None


def _is_id(sign: str) -> bool:
    own = REFERENCE.fullmatch(sign) is not None and not sign.startswith(PLACEHOLDER)
    return len(sign) <= LONGEST and (own or is_listed(sign))
