"""Audits: what fed a checkpoint or a data set version, on which licences, and whether the record is intact."""

from lofi_pipeline.licensing.audit.errors import AuditError, BrokenRecord, UnknownSubject
from lofi_pipeline.licensing.audit.gather import gather
from lofi_pipeline.licensing.audit.gather_subject import Subject, find_subject
from lofi_pipeline.licensing.audit.gather_traces import BaseAtHand
from lofi_pipeline.licensing.audit.integrity_seals import seal_landed, seal_scores, seal_subject

__all__ = [
    "AuditError",
    "BaseAtHand",
    "BrokenRecord",
    "Subject",
    "UnknownSubject",
    "find_subject",
    "gather",
    "seal_landed",
    "seal_scores",
    "seal_subject",
]
