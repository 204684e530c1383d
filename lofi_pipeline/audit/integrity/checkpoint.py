"""A checkpoint's folder: its record, every file it names, scores and samples, and manifest.json beside it.

The data set version it was trained on is proved in audit/integrity/dataset_version.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lofi_pipeline.audit.integrity.dataset_version import ENTERED_LATER
from lofi_pipeline.audit.integrity.verifier import Verifier, is_as_written
from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER, CheckpointFolder
from lofi_pipeline.checkpoints.ledger_entries import checkpoint_entries, is_as_entered, scored_files
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD, CheckpointRecord, FindingCode, Severity
from lofi_pipeline.storage import TEMPORARY_PREFIX, Ledger, UnreadableRecord, content_sha256, parse_json

WEIGHTS = ".safetensors"
RESUME = "resume/"
COPY = "copy the whole checkpoint folder again from where it was trained"
SCORE_AGAIN = "remove scores.json, and have the checkpoint scored again"


def verify_checkpoint_files(verifier: Verifier, checkpoint: CheckpointFolder, ledger: Ledger) -> None:
    """Prove the checkpoint that was asked for."""
    _files(verifier, checkpoint)
    before = verifier.errors
    _record(verifier, checkpoint, ledger)
    _scores(verifier, checkpoint, ledger)
    if verifier.errors == before:  # else it would be blamed for not agreeing with what was changed
        _manifest(verifier, checkpoint)


def _where(verifier: Verifier, path: Path) -> str:
    return verifier.root.relative(path)


def _record(verifier: Verifier, checkpoint: CheckpointFolder, ledger: Ledger) -> None:
    """checkpoint.json against the arithmetic of its lineage, and against its entries in the ledger."""
    record = checkpoint.record
    assert record is not None
    where = _where(verifier, checkpoint.folder / CHECKPOINT_RECORD)
    faults = [*_contradictions(record), *_misplaced(verifier, checkpoint, record)]
    entries = checkpoint_entries(record)
    if not any(name in ledger.hashes for name in entries):
        sentence = f"{where} was not sealed where it landed, or was copied in: {ENTERED_LATER}"
        verifier.log(Severity.INFO, FindingCode.NOT_SEALED, where, sentence)
    elif not faults and not is_as_entered(ledger, record):
        faults = ["it is not what was sealed when the checkpoint landed"]
    for fault in faults:
        verifier.error(FindingCode.RECORD_CHANGED, where, f"{where} was changed: {fault}; {COPY}.")


def _contradictions(record: CheckpointRecord) -> Iterator[str]:
    """Where a record contradicts itself, each the end of a sentence."""
    lineage, saved = record.lineage, record.checkpoint
    arithmetic = content_sha256({"dataset": lineage.dataset_hash, "config": lineage.config_hash})
    if lineage.lineage != arithmetic:
        yield "its lineage is not the hash of its data set and configuration"
    if saved.dataset_hash != lineage.dataset_hash or saved.config_hash != lineage.config_hash:
        yield "its checkpoint and its lineage name different data sets or configurations"
    if saved.step % lineage.checkpoint_interval or saved.step > lineage.max_steps:
        yield "its step does not belong to its lineage"
    if saved.is_valid and record.invalid_reason is not None:
        yield "it is valid, and says why it is not"


def _misplaced(verifier: Verifier, checkpoint: CheckpointFolder, record: CheckpointRecord) -> Iterator[str]:
    """Where a record contradicts how and where it lies, each the end of a sentence."""
    found = json.loads(checkpoint.data)
    if not is_as_written(checkpoint.data, found):
        yield "it was written by something else than this project"
    active = f"{verifier.root.checkpoints.name}/{checkpoint.folder.name}"
    if found["checkpoint"]["path"] not in (record.checkpoint.path, active):
        yield "it names another folder"
    weights = [name for name in record.files if name.endswith(WEIGHTS) and not name.startswith(RESUME)]
    if record.pruned and any((checkpoint.folder / name).exists() for name in weights):
        yield "it says that its weights were removed, and they lie there"


def _files(verifier: Verifier, checkpoint: CheckpointFolder) -> None:
    record = checkpoint.record
    assert record is not None
    for name, sha256 in sorted(record.files.items()):
        relative = _where(verifier, checkpoint.folder) + f"/{name}"
        weights = name.endswith(WEIGHTS)
        verifier.step(f"{checkpoint.folder.name}/{name}")
        if record.pruned and (weights or name.startswith(RESUME)) and not verifier.exists(relative):
            continue
        if verifier.quick and weights:
            if not verifier.exists(relative):
                verifier.error(FindingCode.FILE_MISSING, relative, f"{relative} is missing: {COPY}.")
            continue
        verifier.expect(relative, sha256, f"a file of {checkpoint.key}", advice=COPY)
    ours = {*record.files, CHECKPOINT_RECORD, SCORES_RECORD}
    for path in sorted(checkpoint.folder.rglob("*")):
        name = path.relative_to(checkpoint.folder).as_posix()
        hidden = path.name.endswith(".lock") or path.name.startswith(TEMPORARY_PREFIX)
        if path.is_dir() and not path.is_symlink():
            continue
        if name not in ours and not hidden and not name.startswith(f"{SAMPLES_FOLDER}/"):
            where = _where(verifier, checkpoint.folder) + f"/{name}"
            sentence = f"{where} is not among the files that landed: look what it is, and remove it."
            verifier.log(Severity.WARNING, FindingCode.FILE_FOREIGN, where, sentence)


def _scores(verifier: Verifier, checkpoint: CheckpointFolder, ledger: Ledger) -> None:
    """scores.json against itself, and it and the samples against their entries in the ledger."""
    where = _where(verifier, checkpoint.folder / SCORES_RECORD)
    if checkpoint.scores_error:
        verifier.error(FindingCode.RECORD_BROKEN, where, f"{checkpoint.scores_error}; {SCORE_AGAIN}.")
        return
    scores = checkpoint.scores
    assert checkpoint.record is not None
    if scores is None:
        if f"{checkpoint.key}/{SCORES_RECORD}" in ledger.hashes:
            verifier.error(
                FindingCode.FILE_MISSING, where, f"{where} is missing, but was sealed: {SCORE_AGAIN}."
            )
        return
    if scores.step != checkpoint.step or scores.metrics.checkpoint_id != checkpoint.folder.name:
        verifier.error(FindingCode.RECORD_CHANGED, where, f"{where} is of another checkpoint: {SCORE_AGAIN}.")
        return
    for name, path in scored_files(checkpoint.folder, checkpoint.record, scores).items():
        if (digest := ledger.hashes.get(name)) is not None:
            what = f"scores of {checkpoint.key}, as they were sealed"
            verifier.expect(_where(verifier, path), digest, what, advice=SCORE_AGAIN)


def _manifest(verifier: Verifier, checkpoint: CheckpointFolder) -> None:
    """The entry in manifest.json must say what the records do."""
    path = checkpoint.folder.parent / verifier.root.checkpoint_manifest_json.name
    where = _where(verifier, path)
    again = "run `lofi run` to compile it anew"
    try:
        data = path.read_bytes()
        entries = parse_json(data, path)
    except FileNotFoundError:
        verifier.error(FindingCode.FILE_MISSING, where, f"{where} is missing: {again}.")
        return
    except (OSError, UnreadableRecord) as error:
        verifier.error(FindingCode.RECORD_BROKEN, where, f"{where} can't be read: {error}; {again}.")
        return
    expected = checkpoint.entry()
    found = (
        [
            entry
            for entry in entries
            if isinstance(entry, dict) and entry.get("checkpoint_id") == checkpoint.folder.name
        ]
        if isinstance(entries, list)
        else []
    )
    if not found:
        verifier.error(
            FindingCode.RECORD_CHANGED, where, f"{where} does not list {checkpoint.folder.name}: {again}."
        )
    elif not is_as_written(data, entries):
        verifier.error(FindingCode.RECORD_CHANGED, where, f"{where} was written by something else: {again}.")
    elif expected is not None and found != [expected.model_dump(mode="json")]:
        wrong = [
            name for name, value in expected.model_dump(mode="json").items() if found[0].get(name) != value
        ]
        sentence = f"{where} says otherwise of {checkpoint.folder.name} than its records ({', '.join(wrong) or 'it is listed twice'}): {again}."
        verifier.error(FindingCode.RECORD_CHANGED, where, sentence)
