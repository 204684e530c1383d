"""The documents that prove grants, and the source.json files that tell of them, as they lie today."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.entities import (
    DatasetVersion,
    Drop,
    DropManifest,
    RecordError,
    Scan,
    Severity,
    SourceRecord,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.storage import UnreadableRecord, read_json

KEEP = "put the document back as it was; without it nothing proves the grant"


def verify_evidence(verifier: Verifier, version: DatasetVersion) -> None:
    """Hash every document that the version's sources rest on; compare source.json with what the version keeps."""
    for provenance in version.provenance:
        for file in provenance.evidence:
            what = f"evidence of {provenance.source_id}"
            verifier.expect(file.path, file.sha256, what, advice=KEEP)
    drops = _drops(verifier)
    for record in version.sources:
        for drop in drops:
            if drop.manifest is not None and drop.manifest.source_id == record.source_id:
                _compare(verifier, record, drop)


def _drops(verifier: Verifier) -> list[Drop]:
    path = verifier.root.drops_json
    where = verifier.root.relative(path)
    try:
        return Scan.parse(read_json(path), where=where).drops
    except FileNotFoundError:
        return []
    except (OSError, UnreadableRecord, RecordError) as error:
        verifier.error("record-broken", where, f"{where} can't be read: {error}; scan the drops again.")
        return []


def _compare(verifier: Verifier, record: SourceRecord, drop: Drop) -> None:
    """Say which facts of a source are others today than the version keeps."""
    where = f"{drop.folder}/{SOURCE_JSON}"
    path = verifier.inside(where)
    if path is None or not path.is_file():
        return
    today = _manifest(path, where)
    if today is None:
        sentence = f"{where} can't be read any more; what the version keeps of {record.source_id} stands."
        verifier.log(Severity.WARNING, "source-json-changed", where, sentence)
        return
    said = (
        today.record([]).model_dump()
        if today.source_id == record.source_id
        else {"source_id": today.source_id}
    )
    kept = record.model_copy(update={"track_ids": []}).model_dump()
    changed = [name for name, value in said.items() if kept.get(name) != value]
    if changed:
        sentence = (
            f"{where} was edited since the version was built: {', '.join(changed)} of {record.source_id} stand otherwise there. "
            "What the version keeps stands for the day of training; both are judged for today."
        )
        verifier.log(Severity.WARNING, "source-json-changed", where, sentence)


def _manifest(path: Path, where: str) -> DropManifest | None:
    try:
        return DropManifest.parse(read_json(path), where=where)
    except (OSError, UnreadableRecord, RecordError):
        return None
