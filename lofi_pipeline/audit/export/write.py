"""The one door: all files of an audit, written into its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.croissant import croissant
from lofi_pipeline.audit.export.cyclonedx import bill_of_materials
from lofi_pipeline.audit.export.errors import AuditFileError
from lofi_pipeline.audit.export.html import audit_page
from lofi_pipeline.audit.export.licences import source_licences
from lofi_pipeline.audit.export.model_card import model_card
from lofi_pipeline.audit.export.tracks_csv import tracks_table
from lofi_pipeline.entities import AuditReport, SubjectKind
from lofi_pipeline.storage import DataRoot, write_bytes_atomic

LICENCES = "LICENSES"


def write_files(
    report: AuditReport,
    folder: Path,
    *,
    include_documents: bool = False,
    root: DataRoot | None = None,
) -> list[Path]:
    """Write every file of an audit into `folder`; one report always gives the same bytes.

    LICENSES/ is this function's own: what an earlier audit left in it goes. The documents of evidence themselves are
    copied into it only with `include_documents`, from under `root`.

    What people read is written first: it is there even when a file for machines can't be.

    Returns the paths, in the order in which a reader wants them.

    Raises:
        AuditFileError: a file would not keep to its format, LICENSES/ is a link, or `root` is missing.
    """
    if include_documents and root is None:
        raise AuditFileError("include_documents: say under which data root the documents lie")
    texts = {
        "audit.html": audit_page(report),
        "tracks.csv": tracks_table(report),
        "ATTRIBUTION.md": attribution_text(report),
    }
    if report.subject.kind is SubjectKind.CHECKPOINT:
        texts["MODEL_CARD.md"] = model_card(report)
    written = [_written(folder / name, text.encode()) for name, text in texts.items()]
    licences = source_licences(report, documents_from=root if include_documents else None)
    written += _written_folder(folder / LICENCES, licences)
    for_machines = {
        "bom.cdx.json": lambda: bill_of_materials(report),
        "croissant.json": lambda: croissant(report, texts["tracks.csv"].encode()),
    }
    return written + [_checked(folder / name, made) for name, made in for_machines.items()]


def _checked(path: Path, made: Callable[[], str]) -> Path:
    try:
        return _written(path, made().encode())
    except AuditFileError:
        path.unlink(missing_ok=True)  # an earlier audit's file would disagree with the others
        raise


def _written(path: Path, data: bytes) -> Path:
    if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
        write_bytes_atomic(path, data)
    return path


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
