"""How long the files of an audit take, and how big they are: `python -m benchmarks.audit_files [TRACKS SOURCES]`.

Synthetic reports of 500 tracks from 50 sources and of 50,000 tracks from 500 sources, unless asked for others.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import peak_bytes
from lofi_pipeline.audit.export import write_files
from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.croissant import croissant
from lofi_pipeline.audit.export.cyclonedx import bill_of_materials, bill_of_tracks
from lofi_pipeline.audit.export.html import audit_page
from lofi_pipeline.audit.export.model_card import model_card
from lofi_pipeline.audit.export.reuse import licensing_of
from lofi_pipeline.audit.export.sources import source_sheets
from lofi_pipeline.audit.export.spdx import spdx_document
from lofi_pipeline.audit.export.summary_eu import summary_json, summary_page
from lofi_pipeline.audit.export.tracks_csv import tracks_table
from lofi_pipeline.entities import AuditReport
from lofi_pipeline.storage import FileFacts
from lofi_pipeline_tests.audit.export.reports import full

SIZES = ((500, 50), (50_000, 500))


def measure(report: AuditReport) -> None:
    """Print seconds and bytes of each file, and of all of them on disk."""
    table = FileFacts("0" * 64, 0)
    beside = dict.fromkeys(("tracks.csv", "tracks.cdx.json"), table.sha256)
    makers: dict[str, Callable[[], str]] = {
        "audit.html": lambda: audit_page(report),
        "tracks.csv": lambda: b"".join(tracks_table(report)).decode(),
        "ATTRIBUTION.md": lambda: attribution_text(report),
        "MODEL_CARD.md": lambda: model_card(report),
        "summary-eu.html": lambda: summary_page(report),
        "summary-eu.json": lambda: summary_json(report),
        "tracks.cdx.json": lambda: b"".join(bill_of_tracks(report)).decode(),
        "bom.cdx.json": lambda: bill_of_materials(report, beside),
        "bom.spdx.json": lambda: spdx_document(report, table),
        "croissant.json": lambda: croissant(report, table),
        "sources/": lambda: b"".join(source_sheets(report).values()).decode(),
        "LICENSES/": lambda: "".join(licensing_of(report).values()),
    }
    for name, make in makers.items():
        started = time.perf_counter()
        size = len(make().encode())
        print(f"  {name:16} {time.perf_counter() - started:7.2f} s {size:12,} bytes")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        files = write_files(report, Path(folder))
        print(f"  all, on disk     {time.perf_counter() - started:7.2f} s {len(files):12,} files")


def main() -> None:
    """Measure the sizes that were asked for."""
    asked = tuple(int(word) for word in sys.argv[1:3])
    for tracks, sources in [(asked[0], asked[1])] if len(asked) == 2 else SIZES:
        report = full(tracks, sources)
        print(f"{tracks:,} tracks, {sources:,} sources")
        measure(report)
    print(f"most memory: {peak_bytes() >> 20} MiB")


if __name__ == "__main__":
    main()
