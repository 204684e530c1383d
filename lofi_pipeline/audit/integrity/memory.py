"""What keeps refused music out: the terms that are remembered, and the fingerprints by which copies are known again."""

from __future__ import annotations

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.entities import FindingCode, RecordError
from lofi_pipeline.ingest.refused import refused_json
from lofi_pipeline.ingest.remembered import remembered_json

ADVICE = "take it back from a backup"


def verify_memory(verifier: Verifier, inputs: AuditInputs) -> None:
    """Both records are as they were entered into the ledger, and so are the fingerprints that they name."""
    root = verifier.root
    for path, what in (
        (remembered_json(root), "the terms of what was refused or removed"),
        (refused_json(root), "the list of refused recordings"),
    ):
        where = root.relative(path)
        if entered := inputs.ledger.hashes.get(where):
            verifier.expect(where, entered, what, advice=ADVICE)
        elif path.is_file():
            sentence = f"{where} was never sealed: {ADVICE}."
            verifier.error(FindingCode.RECORD_CHANGED, where, sentence)
    try:
        refused = inputs.refused
    except RecordError:
        return  # named above
    for item in refused:
        if item.fingerprint is not None:
            where = root.relative(root.fingerprint(item.recording_id))
            verifier.expect(
                where, item.fingerprint, f"the fingerprint of {item.path}, which was refused", advice=ADVICE
            )
