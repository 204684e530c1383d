"""What an audit makes of a LoRA that was trained elsewhere: nobody can prove what it was trained on, nor who allowed that."""

from __future__ import annotations

from datetime import date

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion, verify_version
from lofi_pipeline.audit.started_from import with_starts
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.entities import (
    AuditVerdict,
    CaptionFacts,
    Dataset,
    DatasetVersion,
    Finding,
    FindingCode,
    Lineage,
    Severity,
)

UNKNOWN_DATASET = "unknown, trained elsewhere"
NO_CAPTIONS = CaptionFacts(
    sentence="Which captions it was trained with is not known.", prompts=0, tags={}, with_lyrics=0
)


def version_behind(inputs: AuditInputs, subject: Subject) -> VerifiedVersion:
    """The data set version that fed a subject, proved, with what fed the LoRAs it goes back to; of a LoRA that was trained
    elsewhere one without a track.

    Raises:
        BrokenRecord: see `verify_version`.
    """
    if (record := subject.imported) is None:
        own = verify_version(inputs.root, subject.dataset_hash, inputs.ledger)
        return with_starts(inputs, subject, own)
    dataset = Dataset(
        dataset_id=UNKNOWN_DATASET,
        created=record.checkpoint.timestamp,
        track_count=0,
        train_count=0,
        validation_count=0,
        total_duration=0.0,
        style_distribution={},
        hash=subject.dataset_hash,
    )
    where = inputs.root.relative(subject.checkpoint.folder) if subject.checkpoint else ""
    return VerifiedVersion(DatasetVersion(dataset=dataset, tracks=[], sources=[]), where)


def verdict_on_unknown(day: date, when: str, origin: str = "its origin") -> AuditVerdict:
    """Nothing permits what it was trained on, as far as anybody knows here."""
    sentence = f"As of {when}, {origin} is unknown: no record says what it was trained on, nor that anybody permitted it."
    return AuditVerdict(day=day, permitted=False, commercial_use=False, recorded=False, sentence=sentence)


def origin_findings(subject: Subject) -> list[Finding]:
    """What can't be proved of a LoRA that was trained elsewhere, or goes back to one, and what is claimed."""
    if record := subject.imported:
        return [_origin_finding(record.partition_key, record.lineage)]
    key = subject.checkpoint.key if subject.checkpoint else ""
    return [
        _origin_finding(start.partition_key, start.lineage, came_from=key)
        for start in subject.before
        if start.lineage.imported
    ]


def _origin_finding(name: str, lineage: Lineage, came_from: str | None = None) -> Finding:
    said = lineage.imported
    assert said is not None
    claims = "; ".join(f'{field} "{claim}"' for field, claim in said.claims.items())
    claimed = f"claimed, and proved by nothing here: {claims}" if claims else "nothing is claimed of it"
    start = f"{came_from} goes back to a LoRA from elsewhere: " if came_from else ""
    sentence = (
        f"{start}{name} was trained elsewhere and taken in from {said.file}: what it was trained on, and who allowed it, "
        f"cannot be proved ({claimed}). Do not publish it, or what it generates, as licensed."
    )
    return Finding(
        severity=Severity.ERROR,
        code=FindingCode.ORIGIN_UNKNOWN,
        where=came_from or name,
        sentence=sentence,
    )
