"""The documents that prove grants, and the source.json files that name them, as they lie today."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.audit.inputs import ReadRecord
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.entities import (
    DatasetVersion,
    Drop,
    DropManifest,
    FindingCode,
    RecordError,
    Scan,
    Severity,
    SourceRecord,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.storage import read_json

KEEP = "put the document back as it was; without it nothing proves the grant"


def verify_evidence(verifier: Verifier, version: DatasetVersion, scan: ReadRecord[Scan]) -> None:
    """Hash every document that the version's sources rest on; compare source.json with what the version keeps."""
    faults = {
        facts.sha256: facts.fault
        for drop in (scan.value.drops if scan.value else [])
        for facts in drop.documents
        if facts.fault
    }
    for provenance in version.provenance:
        for file in provenance.evidence:
            what = f"evidence of {provenance.source_id}"
            verifier.expect(file.path, file.sha256, what, advice=KEEP)
            if fault := faults.get(file.sha256):
                sentence = f"{file.path} is no evidence of {provenance.source_id}'s grant: it {fault}."
                verifier.error(FindingCode.EVIDENCE_IS_NONE, file.path, sentence)
    if scan.error is not None:
        sentence = f"{scan.where} can't be read: {scan.error}; scan the drops again."
        verifier.error(FindingCode.RECORD_BROKEN, scan.where, sentence)
    for record in version.sources:
        for drop in scan.value.drops if scan.value else []:
            if drop.manifest is not None and drop.manifest.source_id == record.source_id:
                _compare(verifier, record, drop)


def _compare(verifier: Verifier, record: SourceRecord, drop: Drop) -> None:
    """Find which facts of a source are others today than the version keeps."""
    where = f"{drop.folder}/{SOURCE_JSON}"
    path = verifier.inside(where)
    if path is None or not path.is_file():
        return
    today = _manifest(path, where)
    if today is None:
        sentence = f"{where} can't be read any more; what the version keeps of {record.source_id} stands."
        verifier.log(Severity.WARNING, FindingCode.SOURCE_JSON_CHANGED, where, sentence)
        return
    same_source = today.source_id == record.source_id
    facts = today.record([]).model_dump() if same_source else {"source_id": today.source_id}
    kept = record.model_copy(update={"track_ids": []}).model_dump()
    changed = [name for name, value in facts.items() if kept.get(name) != value]
    if changed:
        sentence = (
            f"{where} was edited since the version was built: {', '.join(changed)} of {record.source_id} stand otherwise there. "
            "What the version keeps stands for the day of training; both are judged for today."
        )
        verifier.log(Severity.WARNING, FindingCode.SOURCE_JSON_CHANGED, where, sentence)


def _manifest(path: Path, where: str) -> DropManifest | None:
    try:
        return DropManifest.parse(read_json(path), where=where)
    except (OSError, RecordError):
        return None
