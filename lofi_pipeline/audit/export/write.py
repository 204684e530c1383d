"""The one door: all files of an audit, written into its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.croissant import croissant
from lofi_pipeline.audit.export.cyclonedx import BILL, TRACKS_BILL, bill_of_materials, bill_of_tracks
from lofi_pipeline.audit.export.errors import AuditFileError
from lofi_pipeline.audit.export.html import audit_page
from lofi_pipeline.audit.export.imported import card_of_imported, origin_text, page_of_imported
from lofi_pipeline.audit.export.model_card import model_card
from lofi_pipeline.audit.export.reuse import CONFIGURATION, licensing_of
from lofi_pipeline.audit.export.sources import SHEETS, source_sheets
from lofi_pipeline.audit.export.spdx import spdx_document
from lofi_pipeline.audit.export.summary_eu import summary_json, summary_page
from lofi_pipeline.audit.export.surroundings import surroundings_of
from lofi_pipeline.audit.export.tracks_csv import tracks_table
from lofi_pipeline.entities import AuditReport, Imported, SubjectKind
from lofi_pipeline.storage import DataRoot, FileFacts, write_blocks_atomic, write_bytes_atomic

LICENCES = "LICENSES"
TABLE = "tracks.csv"
ORIGIN = "ORIGIN.md"


def write_files(
    report: AuditReport,
    folder: Path,
    *,
    include_documents: bool = False,
    root: DataRoot | None = None,
) -> list[Path]:
    """Write every file of an audit into `folder`; one report, in one place, always gives the same bytes.

    sources/ and LICENSES/ are this function's own: what an earlier audit left in them goes. The documents of evidence
    themselves are copied into sources/ only with `include_documents`, from under `root`.

    What people read is written first: it is there even when a file for machines can't be.

    Returns the paths, in the order in which a reader wants them.

    Raises:
        AuditFileError: one of the two folders is a link, or `root` is missing.
    """
    if report.imported:
        return _files_of_imported(report, report.imported, folder)
    if include_documents and root is None:
        raise AuditFileError("include_documents: say under which data root the documents lie")
    around = surroundings_of(report, folder, root)
    texts = {
        "audit.html": audit_page(report),
        "ATTRIBUTION.md": attribution_text(report),
        "summary-eu.html": summary_page(report),
        "summary-eu.json": summary_json(report),
    }
    if report.subject.kind is SubjectKind.CHECKPOINT:
        texts["MODEL_CARD.md"] = model_card(report)
    sheets = source_sheets(report, documents_from=root if include_documents else None)
    licensing = licensing_of(report, documents=any("/" in name for name in sheets))
    texts[CONFIGURATION] = licensing.pop(CONFIGURATION)
    written = [_written(folder / name, text.encode()) for name, text in texts.items()]
    table = _written_in_blocks(folder / TABLE, tracks_table(report))
    written.insert(1, folder / TABLE)
    written += _written_folder(folder / SHEETS, sheets)
    written += _written_folder(
        folder / LICENCES,
        {name.removeprefix(f"{LICENCES}/"): text.encode() for name, text in licensing.items()},
    )
    tracks = _written_in_blocks(folder / TRACKS_BILL, bill_of_tracks(report, around))
    written.append(folder / TRACKS_BILL)
    beside = {TABLE: table.sha256, TRACKS_BILL: tracks.sha256}
    for_machines = {
        BILL: lambda: bill_of_materials(report, beside, around),
        "bom.spdx.json": lambda: spdx_document(report, table, around),
        "croissant.json": lambda: croissant(report, table, around),
    }
    return written + [_made(folder / name, make) for name, make in for_machines.items()]


def _files_of_imported(report: AuditReport, imported: Imported, folder: Path) -> list[Path]:
    """Of a LoRA that was trained elsewhere only what can be said: a list of its music or licences would look like a proof."""
    texts = {
        "audit.html": page_of_imported(report, imported),
        "MODEL_CARD.md": card_of_imported(report, imported),
        ORIGIN: origin_text(report, imported),
    }
    return [_written(folder / name, text.encode()) for name, text in texts.items()]


def _made(path: Path, make: Callable[[], str]) -> Path:
    try:
        return _written(path, make().encode())
    except Exception:
        path.unlink(missing_ok=True)  # an earlier audit's file would disagree with the others
        raise


def _written(path: Path, data: bytes) -> Path:
    if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
        write_bytes_atomic(path, data)
    return path


def _written_in_blocks(path: Path, blocks: Iterable[bytes]) -> FileFacts:
    if path.is_symlink():
        path.unlink()
    return write_blocks_atomic(path, blocks)


def _written_folder(folder: Path, files: dict[str, bytes]) -> list[Path]:
    if folder.is_symlink():
        raise AuditFileError(f"{folder}: is a link, and would be written through; remove it and audit again")
    wanted = {name.split("/", 1)[0] for name in files}
    for stale in sorted(folder.iterdir()) if folder.is_dir() else []:
        if stale.is_dir() and not stale.is_symlink():
            shutil.rmtree(
                stale
            )  # documents are copied afresh: what is asked for without them must not keep them
        elif stale.name not in wanted or stale.is_symlink():
            stale.unlink(missing_ok=True)
    return [_written(folder / name, data) for name, data in files.items()]
