"""The one door: all files of an audit, written into its folder."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.entities import AuditReport
from lofi_pipeline.licensing.audit.files.page import audit_page
from lofi_pipeline.storage import write_bytes_atomic


def write_files(report: AuditReport, folder: Path) -> list[Path]:
    """Write every file of an audit into `folder`; one report always gives the same bytes.

    Returns the paths, in the order in which a reader wants them.
    """
    texts = {"audit.html": audit_page(report)}
    return [_written(folder / name, text.encode()) for name, text in texts.items()]


def _written(path: Path, data: bytes) -> Path:
    if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
        write_bytes_atomic(path, data)
    return path
