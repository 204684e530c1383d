"""What people see of an asset in Dagster's UI: rounded numbers, tables, small pictures, links to the studio, tags.

A fact that is a field of the data model is shown under the field's name; a path is relative to the data root. The UI shows
tables, text and short Markdown in place, and everything as plain text that is not Markdown: nothing of it can be markup.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg

from lofi_pipeline.entities import CheckpointRecord, Lineage, visible

DATA_VERSION_TAG = "dagster/data_version"
MOST_ROWS = 100
"""Of a table. The UI draws all of them at once, and the event database keeps them."""
MOST_INLINE = 999
"""Characters of Markdown that the UI shows in place; longer ones are behind a click."""
_MOST_IN_TAG = 63
TRACKS_PAGE = "/studio/tracks"

Fact = dg.MetadataValue | str | int | float | bool | None
Facts = dict[str, Fact]


def shown(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The facts that say something: neither None nor empty text nor a table without rows."""
    return {name: fact for name, fact in facts.items() if not _is_empty(fact)}


def _is_empty(fact: Fact) -> bool:
    if isinstance(fact, dg.TableMetadataValue):
        return not fact.records
    return (fact.value if isinstance(fact, dg.MetadataValue) else fact) in (None, "")


def rounded(value: float) -> float:
    """A measured number as a person reads it: four significant digits."""
    return float(f"{value:.4g}")


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, all_in: str = "", most: int = MOST_ROWS
) -> dg.TableMetadataValue:
    """A table of the first rows, without the columns in which none says anything. `all_in`: what has them all."""
    rows = iter(rows)
    cells = [[_cell(cell) for cell in row] for row in islice(rows, most)]
    if left := sum(1 for _ in rows):
        where = f"; {all_in} has them all" if all_in else ""
        cells.append([f"and {left} more{where}", *[""] * (len(header) - 1)])
    said = [name for name, *column in zip(header, *cells, strict=True) if any(column)]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: cell for name, cell in zip(header, row, strict=True) if name in said})
            for row in cells
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in said]),
    )


def _cell(value: object) -> str:
    return visible(" ".join(str(value).split()))


def picture(png: bytes) -> dg.MetadataValue:
    """A small PNG, shown in place where it is small enough. It lies in the event database: thumbnails only."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")


def most_bytes_inline() -> int:
    """How large a PNG may be that the UI shows in place."""
    return (MOST_INLINE - len(str(picture(b"").value))) // 4 * 3


def tag_value(text: str) -> str:
    """Text as the value of a tag, of which Dagster takes 63 letters, digits, and `_.-`. Empty where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-.")[:_MOST_IN_TAG]


def track_page(track_id: str) -> dg.MetadataValue:
    """A link to the studio's page of a track; behind `lofi ui` it is on the same host and port."""
    return dg.MetadataValue.url(f"{TRACKS_PAGE}/{track_id}")


def lineage_page(lineage: Lineage) -> dg.MetadataValue:
    """A link to the studio's page of a training."""
    return dg.MetadataValue.url(f"/studio/checkpoints/{lineage.lineage}")


def checkpoint_page(record: CheckpointRecord) -> dg.MetadataValue:
    """A link to a checkpoint on the page of its training."""
    return dg.MetadataValue.url(
        f"/studio/checkpoints/{record.lineage.lineage}#{record.checkpoint.checkpoint_id}"
    )
