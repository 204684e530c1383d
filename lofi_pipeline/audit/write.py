"""An audit on disk: report.json, and every file that is made from it, under data/audit/; and whether it found all intact.

How each file is made is in audit/export/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.audit.export import write_files
from lofi_pipeline.audit.export.write import ORIGIN
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.ledger import enter_subject
from lofi_pipeline.audit.report_file import REPORT
from lofi_pipeline.audit.signing.bundle import forget_signature, sign_audit
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.entities import AuditReport, Finding, FindingCode, Severity
from lofi_pipeline.storage import file_holds, write_json_atomic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAGE = "audit.html"
LAST_WRITTEN = "croissant.json"
"""Of the files of an audit; of one of a LoRA that was trained elsewhere, ORIGIN."""
NOT_INTACT = {
    FindingCode.CLOCK,
    FindingCode.FILE_CHANGED,
    FindingCode.FILE_MISSING,
    FindingCode.FILE_UNREADABLE,
    FindingCode.ORIGINAL_CHANGED,
    FindingCode.PATH_OUTSIDE,
    FindingCode.RECORD_BROKEN,
    FindingCode.RECORD_CHANGED,
    FindingCode.SEALED_TWICE,
    FindingCode.SEALS_BROKEN,
    FindingCode.SEALS_CUT,
    FindingCode.VERSION_CHANGED,
}
"""Codes of errors that say the record is not intact: nothing is entered into the ledger then."""


@dataclass(frozen=True)
class WrittenAudit:
    """Where an audit lies."""

    folder: Path
    files: list[Path]

    @property
    def page(self) -> Path:
        """audit.html."""
        return self.folder / PAGE


def is_written(folder: Path) -> bool:
    """Whether an audit's folder holds all files, down to the last."""
    return (folder / REPORT).is_file() and any((folder / name).is_file() for name in (LAST_WRITTEN, ORIGIN))


def is_intact(report: AuditReport) -> bool:
    """Whether every file was found as it was recorded."""
    return not not_intact(report)


def not_intact(report: AuditReport) -> list[Finding]:
    """The errors that say that something is not as it was recorded."""
    return [finding for finding in report.of_severity(Severity.ERROR) if finding.code in NOT_INTACT]


def write_audit(
    inputs: AuditInputs,
    subject: Subject,
    report: AuditReport,
    *,
    include_documents: bool = False,
    output: Path | None = None,
    key: Ed25519PrivateKey | None = None,
) -> WrittenAudit:
    """Write data/audit/<name>/, and enter into the ledger what an intact record holds that nobody had entered.

    With `output`, that folder is written, and nothing in the data root. With `key`, the audit is signed. An earlier signature goes.

    Raises:
        AuditFileError: a folder that is to be written is a link.
        OSError: the folder or the ledger can't be written.
    """
    folder = output or inputs.root.audits / subject.folder_name
    forget_signature(folder)
    said = folder / REPORT
    if not file_holds(said, report):
        # What an earlier audit left counts as none until every file is of this one
        for name in (LAST_WRITTEN, ORIGIN):
            (folder / name).unlink(missing_ok=True)
    write_json_atomic(said, report)
    files = write_files(report, folder, include_documents=include_documents, root=inputs.root)
    if output is None and is_intact(report):
        enter_subject(inputs, subject)
    written = [said, *files]
    if key is not None:
        written += sign_audit(inputs.root, folder, written, report, key)
    return WrittenAudit(folder, written)
