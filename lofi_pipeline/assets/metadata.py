"""What people see of an asset in the UI: escaped text, rounded numbers, tables, small pictures.

A fact that is a field of the data model is shown under the field's name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

import dagster as dg

DATA_VERSION_TAG = "dagster/data_version"
_SPECIAL = "\\`*_{}[]<>()#+-.!|~&"


def rounded(value: float) -> float:
    """A measured number as a person reads it: four significant digits."""
    return float(f"{value:.4g}")


def escape_markdown(text: object) -> str:
    """`text` as Markdown shows it literally: no markup, no HTML, one line."""
    one_line = " ".join(str(text).split())
    return "".join(f"&#{ord(letter)};" if letter in _SPECIAL else letter for letter in one_line)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MetadataValue:
    """A Markdown table, its cells escaped."""
    lines = [header, ["---"] * len(header), *([escape_markdown(cell) for cell in row] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def picture(png: bytes) -> dg.MetadataValue:
    """A small PNG, shown in place. It lies in the event database: thumbnails only."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")
