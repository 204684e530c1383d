"""The way through audit/integrity/: which files are proved for a subject, in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.checkpoint import verify_checkpoint_files
from lofi_pipeline.audit.integrity.evidence import verify_evidence
from lofi_pipeline.audit.integrity.ledger import (
    verify_day_changes,
    verify_fingerprints,
    verify_ledger,
    verify_sealed,
    verify_withdrawals,
)
from lofi_pipeline.audit.integrity.memory import verify_memory
from lofi_pipeline.audit.integrity.tracks import FILES_OF_A_TRACK, verify_tracks
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.entities import DatasetVersion, Finding, IntegrityFacts


@dataclass(frozen=True)
class VerifiedFiles:
    """What was hashed, and what is wrong with it."""

    facts: IntegrityFacts
    findings: list[Finding]


def verify_files(
    inputs: AuditInputs,
    subject: Subject,
    version: DatasetVersion,
    *,
    quick: bool,
    progress: Callable[[int, int, str], None],
) -> VerifiedFiles:
    """Hash what the version names and, if one was asked for, what the checkpoint names.

    `quick` leaves music and weights unread: that they lie there is looked at, and everything else is proved.
    """
    record = subject.checkpoint.record if subject.checkpoint else None
    total = FILES_OF_A_TRACK * len(version.tracks) + (len(record.files) if record else 0)
    verifier = Verifier(inputs.root, quick=quick, progress=progress, total=total)
    head = verify_ledger(verifier, inputs, subject, version)
    verify_withdrawals(verifier, inputs)
    verify_memory(verifier, inputs)
    verify_day_changes(verifier, inputs)
    verify_sealed(verifier, inputs)
    verify_fingerprints(verifier, inputs)
    verify_tracks(verifier, version, inputs)
    verify_evidence(verifier, version, inputs.scan)
    if subject.checkpoint is not None:
        verify_checkpoint_files(verifier, subject.checkpoint, inputs.ledger)
    verifier.finish()
    facts = IntegrityFacts(
        checked=not quick,
        files=verifier.files,
        bytes=verifier.bytes,
        absent_originals=verifier.absent_originals,
        ledger=head,
    )
    return VerifiedFiles(facts, verifier.findings)
