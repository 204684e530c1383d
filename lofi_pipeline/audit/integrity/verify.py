"""Is the record intact? Every file that a version and a checkpoint rest on is hashed anew, and each fault is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lofi_pipeline.audit.integrity.checkpoint import verify_checkpoint_files
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion
from lofi_pipeline.audit.integrity.evidence import verify_evidence
from lofi_pipeline.audit.integrity.ledger import verify_ledger, verify_withdrawals
from lofi_pipeline.audit.integrity.tracks import FILES_OF_A_TRACK, verify_tracks
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.entities import Finding, IntegrityFacts
from lofi_pipeline.storage import DataRoot, Ledger


@dataclass(frozen=True)
class VerifiedFiles:
    """What was hashed, and what is wrong with it."""

    facts: IntegrityFacts
    findings: list[Finding]


def verify_files(
    root: DataRoot,
    subject: Subject,
    verified: VerifiedVersion,
    ledger: Ledger,
    *,
    quick: bool,
    progress: Callable[[int, int, str], None],
) -> VerifiedFiles:
    """Hash what the version names and, if one was asked for, what the checkpoint names.

    `quick` leaves music and weights unread: that they lie there is looked at, and everything else is proved.
    """
    total = FILES_OF_A_TRACK * len(verified.version.tracks)
    record = subject.checkpoint.record if subject.checkpoint else None
    verifier = Verifier(
        root, quick=quick, progress=progress, total=total + (len(record.files) if record else 0)
    )
    mark = verify_ledger(verifier, subject, verified.version, ledger)
    verify_withdrawals(verifier, ledger)
    verify_tracks(verifier, verified.version)
    verify_evidence(verifier, verified.version)
    if subject.checkpoint is not None:
        verify_checkpoint_files(verifier, subject.checkpoint, ledger)
    verifier.finish()
    facts = IntegrityFacts(
        checked=not quick,
        files=verifier.files,
        bytes=verifier.bytes,
        absent_originals=verifier.absent_originals,
        ledger=mark,
    )
    return VerifiedFiles(facts, verifier.findings)
