"""What is sealed of an audited checkpoint and version, and whether the seals still hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lofi_pipeline.entities import (
    SCORES_RECORD,
    CheckpointRecord,
    DatasetVersion,
    LedgerMark,
    RecordError,
    Scores,
    Severity,
)
from lofi_pipeline.licensing.audit.gather_subject import Subject
from lofi_pipeline.licensing.audit.integrity_prover import Prover
from lofi_pipeline.licensing.withdrawals import load_withdrawals, withdrawals_json
from lofi_pipeline.storage import (
    DataRoot,
    Seals,
    UnreadableRecord,
    content_sha256,
    file_sha256,
    ledger,
    read_json,
    seal,
)
from lofi_pipeline.storage.landed import SAMPLES_FOLDER, all_checkpoints

ADAPTER = "adapter_model.safetensors"
CHANGES_LATER = {"path", "is_valid"}
"""Of checkpoint.json: what verifying and moving a checkpoint may change."""


def landed_hash(record: CheckpointRecord) -> str:
    """Of what checkpoint.json says for ever: all but validity, pruning and where it lies."""
    kept = record.model_dump(mode="json", exclude={"invalid_reason", "pruned"})
    # What records did not have at first leaves those without it the hash that they were sealed with
    base = kept["lineage"]["base"]
    kept["lineage"]["base"] = {name: value for name, value in base.items() if value is not None}
    if record.ledger is None:
        del kept["ledger"]
    kept["checkpoint"] = {
        name: value for name, value in kept["checkpoint"].items() if name not in CHANGES_LATER
    }
    return content_sha256(kept)


def record_seals(record: CheckpointRecord) -> dict[str, str]:
    """Seals of checkpoint.json: under the partition key, and under the adapter's own hash, so that neither can be changed
    to slip out from under the other.
    """
    adapters = [sha256 for name, sha256 in record.files.items() if name == ADAPTER]
    names = [record.partition_key, *(f"adapter {sha256}" for sha256 in adapters)]
    return dict.fromkeys(names, landed_hash(record))


def scored_files(folder: Path, record: CheckpointRecord, scores: Scores) -> dict[str, Path]:
    """scores.json and the samples, by the names they are sealed under."""
    samples = sorted({Path(sample.path).name for sample in scores.samples if sample.path})
    key = record.partition_key
    return {f"{key}/{SCORES_RECORD}": folder / SCORES_RECORD} | {
        f"{key}/{SAMPLES_FOLDER}/{name}": folder / SAMPLES_FOLDER / name for name in samples
    }


def seal_landed(root: DataRoot, record: CheckpointRecord) -> None:
    """Seal the record of a checkpoint that has just landed."""
    seal(root, record_seals(record))


def seal_scores(root: DataRoot, folder: Path, record: CheckpointRecord, scores: Scores) -> None:
    """Seal the scores and samples that have just been written; they take the place of former ones."""
    seal(root, {name: file_sha256(path) for name, path in scored_files(folder, record, scores).items()})


def seal_subject(root: DataRoot, subject: Subject, seals: Seals) -> list[str]:
    """Seal what an audit without fault saw and nobody had sealed, such as a checkpoint copied in. Returns the new names."""
    version = root.dataset_version(subject.dataset_hash)
    files = {root.relative(version): version}
    hashes: dict[str, str] = {}
    landed = subject.checkpoint
    if landed is not None and landed.record is not None:
        hashes |= record_seals(landed.record)
        if landed.scores is not None:
            files |= scored_files(landed.folder, landed.record, landed.scores)
    hashes |= {
        name: file_sha256(path) for name, path in files.items() if name not in seals.hashes and path.is_file()
    }
    return seal(root, {name: sha256 for name, sha256 in hashes.items() if name not in seals.hashes})


def prove_ledger(
    prover: Prover, subject: Subject, version: DatasetVersion, seals: Seals
) -> LedgerMark | None:
    """Say where the chain of seals is broken, or that it was cut: what is written later keeps a mark of its length.

    Returns how far it goes, or is known to have gone.
    """
    where = prover.root.relative(ledger(prover.root))
    if seals.broken is not None:
        sentence = (
            f"{where}: line {seals.broken} does not follow from the line before: seals were changed or removed. Take the file "
            "back from a backup; until then nothing new is sealed."
        )
        prover.error("seals-broken", where, sentence)
        return None
    contradicted = [
        (mark, witness)
        for witness, mark in _marks(prover.root, subject, version, seals)
        if seals.against(mark) is not None
    ]
    if not contradicted:
        return seals.mark()
    mark, witness = max(contradicted, key=lambda pair: pair[0].lines)
    sentence = (
        f"{where} was cut or written anew: when {witness} was written it had {mark.lines} lines and ended in {mark.head[:12]}; now "
        f"it {seals.against(mark)}. Seals are lost, and withdrawals that were made since may be. Take it and "
        f"{prover.root.relative(withdrawals_json(prover.root))} back from a backup."
    )
    prover.error("seals-cut", where, sentence)
    return mark


def _prove_fingerprints(prover: Prover) -> None:
    """Without its fingerprint a withdrawn track that comes back re-encoded is not known again."""
    try:
        withdrawals = load_withdrawals(prover.root)
    except (OSError, UnreadableRecord, RecordError):
        return  # its hash does not hold either: that is told
    for withdrawal in withdrawals:
        for track_id, sha256 in withdrawal.fingerprints.items():
            where = prover.root.relative(prover.root.fingerprint(track_id))
            what = f"the fingerprint of {track_id}, withdrawn with {withdrawal.source_id}"
            prover.expect(where, sha256, what, advice="take it back from a backup")


def _marks(
    root: DataRoot, subject: Subject, version: DatasetVersion, seals: Seals
) -> Iterator[tuple[str, LedgerMark]]:
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
        if mark is not None and seals.heads[:1] == [mark.first]:
            yield witness, mark


def _mark_in(path: Path, fields: Sequence[str]) -> LedgerMark | None:
    """The mark in a record; a record that can't be read is named by whoever rests on it."""
    try:
        found = read_json(path)
        for name in fields:
            found = found[name]
        return LedgerMark.parse(found, where=str(path))
    except (OSError, UnreadableRecord, RecordError, KeyError, TypeError):
        return None


def prove_withdrawals(prover: Prover, seals: Seals) -> None:
    """The ledger of withdrawals is sealed with each one."""
    path = withdrawals_json(prover.root)
    where = prover.root.relative(path)
    sealed = seals.hashes.get(where)
    if sealed is not None:
        prover.expect(where, sealed, "the ledger of withdrawn sources", advice="take it back from a backup")
        _prove_fingerprints(prover)
    elif path.is_file():
        sentence = f"{where} was never sealed: withdraw sources with `lofi audit source`."
        prover.tell(Severity.INFO, "not-sealed", where, sentence)
