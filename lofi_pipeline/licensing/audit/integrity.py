"""Is the record intact? Every file that a version and a checkpoint rest on is hashed anew, and each fault is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lofi_pipeline.entities import Finding, IntegrityFacts
from lofi_pipeline.licensing.audit.gather_subject import Subject
from lofi_pipeline.licensing.audit.integrity_checkpoint import prove_checkpoint
from lofi_pipeline.licensing.audit.integrity_evidence import prove_evidence
from lofi_pipeline.licensing.audit.integrity_prover import Prover
from lofi_pipeline.licensing.audit.integrity_seals import prove_ledger, prove_withdrawals
from lofi_pipeline.licensing.audit.integrity_tracks import FILES_OF_A_TRACK, prove_tracks
from lofi_pipeline.licensing.audit.integrity_version import ProvedVersion
from lofi_pipeline.storage import DataRoot, Seals


@dataclass(frozen=True)
class ProvedFiles:
    """What was hashed, and what is wrong with it."""

    facts: IntegrityFacts
    findings: list[Finding]


def prove_files(
    root: DataRoot,
    subject: Subject,
    proved: ProvedVersion,
    seals: Seals,
    *,
    quick: bool,
    progress: Callable[[int, int, str], None],
) -> ProvedFiles:
    """Hash what the version names and, if one was asked for, what the checkpoint names.

    `quick` leaves music and weights unread: that they lie there is looked at, and everything else is proved.
    """
    total = FILES_OF_A_TRACK * len(proved.version.tracks)
    record = subject.checkpoint.record if subject.checkpoint else None
    prover = Prover(root, quick=quick, progress=progress, total=total + (len(record.files) if record else 0))
    mark = prove_ledger(prover, subject, proved.version, seals)
    prove_withdrawals(prover, seals)
    prove_tracks(prover, proved.version)
    prove_evidence(prover, proved.version)
    if subject.checkpoint is not None:
        prove_checkpoint(prover, subject.checkpoint, seals)
    prover.finish()
    facts = IntegrityFacts(
        checked=not quick,
        files=prover.files,
        bytes=prover.bytes,
        absent_originals=prover.absent_originals,
        ledger=mark,
    )
    return ProvedFiles(facts, prover.findings)
