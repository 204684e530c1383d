"""A checkpoint's folder: its record, every file it names, scores and samples, and manifest.json beside it."""

from __future__ import annotations

import json
from pathlib import Path

from lofi_pipeline.audit.integrity.dataset_version import SEALED_NOW
from lofi_pipeline.audit.integrity.verifier import Verifier, is_as_written
from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER, CheckpointFolder
from lofi_pipeline.checkpoints.ledger_entries import checkpoint_entries, scored_files
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD, Severity
from lofi_pipeline.storage import TEMPORARY_PREFIX, Ledger, UnreadableRecord, content_sha256, read_json

WEIGHTS = ".safetensors"
RESUME = "resume/"
COPY = "copy the whole checkpoint folder again from where it was trained"
SCORE_AGAIN = "remove scores.json, and have the checkpoint scored again"


def verify_checkpoint_files(verifier: Verifier, landed: CheckpointFolder, ledger: Ledger) -> None:
    """Prove the checkpoint that was asked for."""
    _files(verifier, landed)
    before = verifier.errors
    _record(verifier, landed, ledger)
    _scores(verifier, landed, ledger)
    if verifier.errors == before:  # else it would be blamed for not agreeing with what was changed
        _manifest(verifier, landed)


def _where(verifier: Verifier, path: Path) -> str:
    return verifier.root.relative(path)


def _record(verifier: Verifier, landed: CheckpointFolder, ledger: Ledger) -> None:
    """checkpoint.json against the arithmetic of its lineage, and against its seal."""
    record = landed.record
    assert record is not None
    where, lineage, checkpoint = (
        _where(verifier, landed.folder / CHECKPOINT_RECORD),
        record.lineage,
        record.checkpoint,
    )
    arithmetic = content_sha256({"dataset": lineage.dataset_hash, "config": lineage.config_hash})
    faults = []
    if lineage.lineage != arithmetic:
        faults.append("its lineage is not the hash of its data set and configuration")
    if checkpoint.dataset_hash != lineage.dataset_hash or checkpoint.config_hash != lineage.config_hash:
        faults.append("its checkpoint and its lineage name different data sets or configurations")
    if checkpoint.step % lineage.checkpoint_interval or checkpoint.step > lineage.max_steps:
        faults.append("its step does not belong to its lineage")
    data = (landed.folder / CHECKPOINT_RECORD).read_bytes()
    if not is_as_written(data, json.loads(data)):
        faults.append("it was written by something else than this project")
    said = json.loads(data)["checkpoint"]["path"]
    if said not in (checkpoint.path, f"{verifier.root.checkpoints.name}/{landed.folder.name}"):
        faults.append("it names another folder")
    if checkpoint.is_valid and record.invalid_reason is not None:
        faults.append("it is valid, and says why it is not")
    weights = [name for name in record.files if name.endswith(WEIGHTS) and "/" not in name]
    if record.pruned and any((landed.folder / name).exists() for name in weights):
        faults.append("it says that its weights were removed, and they lie there")
    expected = checkpoint_entries(record)
    if not faults and any(ledger.hashes.get(name, sha256) != sha256 for name, sha256 in expected.items()):
        faults.append("it is not what was sealed when the checkpoint landed")
    if not any(name in ledger.hashes for name in expected):
        sentence = f"{where} was not sealed where it landed, or was copied in: {SEALED_NOW}"
        verifier.log(Severity.INFO, "not-sealed", where, sentence)
    for fault in faults:
        verifier.error("record-changed", where, f"{where} was changed: {fault}; {COPY}.")


def _files(verifier: Verifier, landed: CheckpointFolder) -> None:
    record = landed.record
    assert record is not None
    for name, sha256 in sorted(record.files.items()):
        relative = _where(verifier, landed.folder) + f"/{name}"
        weights = name.endswith(WEIGHTS)
        verifier.step(f"{landed.folder.name}/{name}")
        if record.pruned and (weights or name.startswith(RESUME)) and not verifier.exists(relative):
            continue
        if verifier.quick and weights:
            if not verifier.exists(relative):
                verifier.error("file-missing", relative, f"{relative} is missing: {COPY}.")
            continue
        verifier.expect(relative, sha256, f"a file of {landed.key}", advice=COPY)
    ours = {*record.files, CHECKPOINT_RECORD, SCORES_RECORD}
    for path in sorted(landed.folder.rglob("*")):
        name = path.relative_to(landed.folder).as_posix()
        hidden = path.name.endswith(".lock") or path.name.startswith(TEMPORARY_PREFIX)
        if path.is_dir() and not path.is_symlink():
            continue
        if name not in ours and not hidden and not name.startswith(f"{SAMPLES_FOLDER}/"):
            where = _where(verifier, landed.folder) + f"/{name}"
            sentence = f"{where} is not among the files that landed: look what it is, and remove it."
            verifier.log(Severity.WARNING, "file-foreign", where, sentence)


def _scores(verifier: Verifier, landed: CheckpointFolder, ledger: Ledger) -> None:
    """scores.json against itself, and it and the samples against their seals."""
    where = _where(verifier, landed.folder / SCORES_RECORD)
    if landed.scores_error:
        verifier.error("record-broken", where, f"{landed.scores_error}; {SCORE_AGAIN}.")
        return
    scores = landed.scores
    assert landed.record is not None
    if scores is None:
        if f"{landed.key}/{SCORES_RECORD}" in ledger.hashes:
            verifier.error("file-missing", where, f"{where} is missing, but was sealed: {SCORE_AGAIN}.")
        return
    if scores.step != landed.step or scores.metrics.checkpoint_id != landed.folder.name:
        verifier.error("record-changed", where, f"{where} is of another checkpoint: {SCORE_AGAIN}.")
        return
    for name, path in scored_files(landed.folder, landed.record, scores).items():
        if (digest := ledger.hashes.get(name)) is not None:
            what = f"scores of {landed.key}, as they were sealed"
            verifier.expect(_where(verifier, path), digest, what, advice=SCORE_AGAIN)


def _manifest(verifier: Verifier, landed: CheckpointFolder) -> None:
    """The entry in manifest.json must say what the records do."""
    path = landed.folder.parent / verifier.root.checkpoint_manifest_json.name
    where = _where(verifier, path)
    again = "run `lofi run` to compile it anew"
    try:
        entries = read_json(path)
    except FileNotFoundError:
        verifier.error("file-missing", where, f"{where} is missing: {again}.")
        return
    except (OSError, UnreadableRecord) as error:
        verifier.error("record-broken", where, f"{where} can't be read: {error}; {again}.")
        return
    expected = landed.entry()
    found = (
        [
            entry
            for entry in entries
            if isinstance(entry, dict) and entry.get("checkpoint_id") == landed.folder.name
        ]
        if isinstance(entries, list)
        else []
    )
    if not found:
        verifier.error("record-changed", where, f"{where} does not list {landed.folder.name}: {again}.")
    elif not is_as_written(path.read_bytes(), entries):
        verifier.error("record-changed", where, f"{where} was written by something else: {again}.")
    elif expected is not None and found != [expected.model_dump(mode="json")]:
        wrong = [
            name for name, value in expected.model_dump(mode="json").items() if found[0].get(name) != value
        ]
        sentence = f"{where} says otherwise of {landed.folder.name} than its records ({', '.join(wrong) or 'it is listed twice'}): {again}."
        verifier.error("record-changed", where, sentence)
