"""Audits: what fed a checkpoint or a data set version, on which licences, and whether the record is intact.

One licence alone is judged in licensing/. An audit changes no record: it writes its own files, and enters into the ledger what
nobody had entered.
"""

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.audit.diff import Difference, compare
from lofi_pipeline.audit.errors import AuditError, BrokenRecord, UnknownSubject
from lofi_pipeline.audit.impact import Impact, trace
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.lookup import Lookup, look_up
from lofi_pipeline.audit.report import build_report
from lofi_pipeline.audit.report_file import read_report
from lofi_pipeline.audit.subject import Subject, find_subject
from lofi_pipeline.audit.verdicts import verdict_today
from lofi_pipeline.audit.write import (
    WrittenAudit,
    is_intact,
    is_written,
    not_intact,
    write_audit,
)

__all__ = [
    "AuditError",
    "AuditInputs",
    "BaseAtHand",
    "BrokenRecord",
    "Difference",
    "Impact",
    "Lookup",
    "Subject",
    "UnknownSubject",
    "WrittenAudit",
    "build_report",
    "compare",
    "find_subject",
    "is_intact",
    "is_written",
    "look_up",
    "not_intact",
    "read_report",
    "trace",
    "verdict_today",
    "write_audit",
]
