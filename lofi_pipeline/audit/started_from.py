"""What an audit makes of a training that went on from another LoRA: what that was trained on fed the new one as well."""

from __future__ import annotations

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion, verify_version
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.entities import (
    DatasetVersion,
    Finding,
    FindingCode,
    Severity,
    SourceRecord,
    Split,
    StartedFrom,
    few,
)


def with_starts(inputs: AuditInputs, subject: Subject, own: VerifiedVersion) -> VerifiedVersion:
    """A subject's data set version with the training tracks, sources and evidence of every LoRA that it goes back to.

    Raises:
        BrokenRecord: see `verify_version`.
    """
    version, findings = own.version, list(own.findings)
    for start in subject.before:
        if start.lineage.imported:
            continue
        earlier = verify_version(inputs.root, start.lineage.dataset_hash, inputs.ledger)
        findings += [*earlier.findings, _finding(subject, start, version, earlier.version)]
        version = _merged(version, earlier.version)
    return VerifiedVersion(version, own.path, findings)


def _merged(version: DatasetVersion, earlier: DatasetVersion) -> DatasetVersion:
    """`version` with what only `earlier` was trained on; the facts of the data set stay those of `version`."""
    held = {item.track.track_id for item in version.tracks}
    tracks = [item for item in earlier.side(Split.TRAIN) if item.track.track_id not in held]
    needed = {source_id for item in tracks for source_id in item.source_ids}
    sources = {record.source_id: record for record in version.sources}
    for record in earlier.sources:
        if record.source_id in needed:
            sources[record.source_id] = _joined(sources.get(record.source_id), record)
    known = {item.source_id for item in version.provenance}
    kept = [it for it in earlier.provenance if it.source_id in needed and it.source_id not in known]
    return version.model_copy(
        update={
            "tracks": [*version.tracks, *tracks],
            "sources": list(sources.values()),
            "provenance": [*version.provenance, *kept],
        }
    )


def _joined(record: SourceRecord | None, earlier: SourceRecord) -> SourceRecord:
    """A source as the newer version has it, with the tracks of both."""
    if record is None:
        return earlier
    return record.model_copy(
        update={"track_ids": list(dict.fromkeys([*record.track_ids, *earlier.track_ids]))}
    )


def _finding(
    subject: Subject, start: StartedFrom, version: DatasetVersion, earlier: DatasetVersion
) -> Finding:
    """What the start brings, and whether it has heard what the new training is measured on."""
    held = {item.track.track_id for item in version.tracks}
    more = sum(item.track.track_id not in held for item in earlier.side(Split.TRAIN))
    trained = {item.track.track_id for item in earlier.side(Split.TRAIN)}
    heard = [id for item in version.side(Split.VALIDATION) if (id := item.track.track_id) in trained]
    name = subject.checkpoint.key if subject.checkpoint else ""
    sentence = (
        f"{name} goes back to {start.partition_key}, which was trained on data set {start.lineage.dataset_hash[:12]}: {more} more "
        "training tracks with their sources, counted in here."
    )
    if heard:
        sentence += (
            f" It has heard validation tracks, whose scores are better than they should be: {few(heard)}."
        )
    return Finding(
        severity=Severity.WARNING if heard else Severity.INFO,
        code=FindingCode.STARTED_FROM,
        where=start.partition_key,
        sentence=sentence,
    )
