"""Tables for a spreadsheet: CSV in UTF-8 with a byte order mark, every cell quoted, none of them a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from lofi_pipeline.audit.export.escape import csv_cell

BETWEEN = " | "
"""Between several values of one cell; no separator of any spreadsheet."""


def spreadsheet(columns: Iterable[str], rows: Iterable[Iterable[str | None]]) -> str:
    """The whole table, with its head. A cell that a spreadsheet would take for a formula has a leading apostrophe."""
    text = StringIO()
    text.write("\ufeff")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(map(csv_cell, row) for row in rows)
    return text.getvalue()
