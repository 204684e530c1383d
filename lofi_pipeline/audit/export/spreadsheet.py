"""Tables for a spreadsheet: CSV in UTF-8 with a byte order mark, every cell quoted, none of them a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import BytesIO, TextIOWrapper

from lofi_pipeline.audit.export.escape import csv_cell

BETWEEN = " | "
"""Between several values of one cell; no separator of any spreadsheet."""
_BLOCK_BYTES = 1 << 16


def spreadsheet(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """The table with its head, a block at a time. A cell that a spreadsheet would take for a formula has a leading apostrophe."""
    block = BytesIO()
    text = TextIOWrapper(block, encoding="utf-8", newline="", write_through=True)
    text.write("\ufeff")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in row)
        if block.tell() >= _BLOCK_BYTES:
            yield block.getvalue()
            block.seek(0)
            block.truncate()
    yield block.getvalue()
