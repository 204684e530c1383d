"""Audits: what fed a checkpoint or a data set version, on which licences, and whether the record is intact."""

from lofi_pipeline.licensing.audit.differences import Difference, compare
from lofi_pipeline.licensing.audit.errors import AuditError, BrokenRecord, UnknownSubject
from lofi_pipeline.licensing.audit.gather import gather
from lofi_pipeline.licensing.audit.gather_subject import Subject, find_subject
from lofi_pipeline.licensing.audit.gather_traces import BaseAtHand
from lofi_pipeline.licensing.audit.gather_verdicts import verdict_today
from lofi_pipeline.licensing.audit.integrity_seals import seal_landed, seal_scores
from lofi_pipeline.licensing.audit.lookup import Lookup, look_up
from lofi_pipeline.licensing.audit.report_write import (
    WrittenAudit,
    is_intact,
    not_intact,
    read_report,
    write_audit,
)
from lofi_pipeline.licensing.audit.taint import Taint, trace

__all__ = [
    "AuditError",
    "BaseAtHand",
    "BrokenRecord",
    "Difference",
    "Lookup",
    "Subject",
    "Taint",
    "UnknownSubject",
    "WrittenAudit",
    "compare",
    "find_subject",
    "gather",
    "is_intact",
    "look_up",
    "not_intact",
    "read_report",
    "seal_landed",
    "seal_scores",
    "trace",
    "verdict_today",
    "write_audit",
]
