"""What is sealed of an audited checkpoint and version, and whether the seals still hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.checkpoints.folder import all_checkpoints
from lofi_pipeline.checkpoints.ledger_entries import checkpoint_entries, scored_files
from lofi_pipeline.entities import (
    DatasetVersion,
    LedgerHead,
    RecordError,
    Severity,
)
from lofi_pipeline.licensing.withdrawals import load_withdrawals, withdrawals_json
from lofi_pipeline.storage import (
    DataRoot,
    Ledger,
    UnreadableRecord,
    append_to_ledger,
    file_sha256,
    ledger_path,
    read_json,
)


def enter_subject(root: DataRoot, subject: Subject, ledger: Ledger) -> list[str]:
    """Seal what an audit without fault saw and nobody had sealed, such as a checkpoint copied in. Returns the new names."""
    version = root.dataset_version(subject.dataset_hash)
    files = {root.relative(version): version}
    hashes: dict[str, str] = {}
    landed = subject.checkpoint
    if landed is not None and landed.record is not None:
        hashes |= checkpoint_entries(landed.record)
        if landed.scores is not None:
            files |= scored_files(landed.folder, landed.record, landed.scores)
    hashes |= {
        name: file_sha256(path)
        for name, path in files.items()
        if name not in ledger.hashes and path.is_file()
    }
    return append_to_ledger(
        root, {name: sha256 for name, sha256 in hashes.items() if name not in ledger.hashes}
    )


def verify_ledger(
    verifier: Verifier, subject: Subject, version: DatasetVersion, ledger: Ledger
) -> LedgerHead | None:
    """Say where the chain of seals is broken, or that it was cut: what is written later keeps a mark of its length.

    Returns how far it goes, or is known to have gone.
    """
    where = verifier.root.relative(ledger_path(verifier.root))
    if ledger.broken is not None:
        sentence = (
            f"{where}: line {ledger.broken} does not follow from the line before: seals were changed or removed. Take the file "
            "back from a backup; until then nothing new is sealed."
        )
        verifier.error("seals-broken", where, sentence)
        return None
    contradicted = [
        (mark, witness)
        for witness, mark in _marks(verifier.root, subject, version, ledger)
        if ledger.contradiction(mark) is not None
    ]
    if not contradicted:
        return ledger.mark()
    mark, witness = max(contradicted, key=lambda pair: pair[0].lines)
    sentence = (
        f"{where} was cut or written anew: when {witness} was written it had {mark.lines} lines and ended in {mark.head[:12]}; now "
        f"it {ledger.contradiction(mark)}. Seals are lost, and withdrawals that were made since may be. Take it and "
        f"{verifier.root.relative(withdrawals_json(verifier.root))} back from a backup."
    )
    verifier.error("seals-cut", where, sentence)
    return mark


def _verify_fingerprints(verifier: Verifier) -> None:
    """Without its fingerprint a withdrawn track that comes back re-encoded is not known again."""
    try:
        withdrawals = load_withdrawals(verifier.root)
    except (OSError, UnreadableRecord, RecordError):
        return  # its hash does not hold either: that is told
    for withdrawal in withdrawals:
        for track_id, sha256 in withdrawal.fingerprints.items():
            where = verifier.root.relative(verifier.root.fingerprint(track_id))
            what = f"the fingerprint of {track_id}, withdrawn with {withdrawal.source_id}"
            verifier.expect(where, sha256, what, advice="take it back from a backup")


def _marks(
    root: DataRoot, subject: Subject, version: DatasetVersion, ledger: Ledger
) -> Iterator[tuple[str, LedgerHead]]:
    """How far the ledger went, by the record that says so."""
    report = root.audits / subject.folder_name / "report.json"
    for path, *fields in (
        (root.drops_json, "ledger"),
        (root.built_from_json, "ledger"),
        (report, "integrity", "ledger"),
    ):
        mark = _mark_in(path, fields)
        if mark is not None:
            yield root.relative(path), mark
    # What was copied in from another machine has a mark of that machine's ledger
    copied = [(root.relative(root.dataset_version(version.dataset.hash)), version.ledger)]
    copied += [(item.key, item.record.ledger) for item in all_checkpoints(root) if item.record]
    for witness, mark in copied:
        if mark is not None and ledger.heads[:1] == [mark.first]:
            yield witness, mark


def _mark_in(path: Path, fields: Sequence[str]) -> LedgerHead | None:
    """The mark in a record; a record that can't be read is named by whoever rests on it."""
    try:
        found = read_json(path)
        for name in fields:
            found = found[name]
        return LedgerHead.parse(found, where=str(path))
    except (OSError, UnreadableRecord, RecordError, KeyError, TypeError):
        return None


def verify_withdrawals(verifier: Verifier, ledger: Ledger) -> None:
    """The ledger of withdrawals is sealed with each one."""
    path = withdrawals_json(verifier.root)
    where = verifier.root.relative(path)
    sealed = ledger.hashes.get(where)
    if sealed is not None:
        verifier.expect(where, sealed, "the ledger of withdrawn sources", advice="take it back from a backup")
        _verify_fingerprints(verifier)
    elif path.is_file():
        sentence = f"{where} was never sealed: withdraw sources with `lofi audit source`."
        verifier.log(Severity.INFO, "not-sealed", where, sentence)
