"""report.json, as it lies in the folder of an audit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lofi_pipeline.entities import AuditReport
from lofi_pipeline.storage import read_json

REPORT = "report.json"


def read_report(path: Path) -> AuditReport:
    """A report.json.

    Raises:
        RecordError: it was changed, or is none.
    """
    data = read_json(path)
    interval = 1
    with suppress(TypeError, KeyError, ValueError):
        interval = max(1, int(data["subject"]["record"]["lineage"]["checkpoint_interval"]))
    return AuditReport.parse(data, where=str(path), context={"checkpoint_interval": interval})
