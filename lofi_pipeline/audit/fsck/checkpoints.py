"""Every checkpoint, the active ones and the archive: what landed, scores and samples, and manifest.json beside them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.fsck.examination import Examination, Mend
from lofi_pipeline.audit.integrity.checkpoint import COPY, SCORE_AGAIN, verify_checkpoint_files
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.checkpoints.folder import CheckpointFolder, read_checkpoint_folder
from lofi_pipeline.checkpoints.kept import is_scored
from lofi_pipeline.checkpoints.manifest import compile_manifest, files_fault, read_record, write_record
from lofi_pipeline.entities import SCORES_RECORD, CheckpointRecord, Finding, FindingCode
from lofi_pipeline.storage import DataRoot, Ledger, read_ledger


def check_checkpoints(examination: Examination) -> None:
    """Each against its record and the ledger. One that was written to meanwhile is looked at once more."""
    for found in examination.inputs.checkpoints:
        if found.record is None:
            where = examination.root.relative(found.folder)
            examination.verifier.error(FindingCode.RECORD_BROKEN, where, f"{found.error}; {COPY}.")
        else:
            _check(examination, found, found.record)


def _check(examination: Examination, found: CheckpointFolder, record: CheckpointRecord) -> None:
    verifier, root = examination.verifier, examination.root
    start, errors = len(verifier.findings), verifier.errors
    _verify(verifier, found, record, examination.inputs.ledger)
    if verifier.errors > errors:
        now = read_checkpoint_folder(root, found.folder)
        if now != found and now.record is not None:
            del verifier.findings[start:]
            found, record = now, now.record
            _verify(verifier, found, record, read_ledger(root))
    for finding in verifier.findings[start:]:
        if (mend := _mend_of(root, found, record, finding)) is not None:
            examination.mends[finding.where] = mend


def _verify(verifier: Verifier, found: CheckpointFolder, record: CheckpointRecord, ledger: Ledger) -> None:
    verify_checkpoint_files(verifier, found, ledger)
    folder = verifier.root.relative(found.folder)
    for name, kept in record.kept_files.items():  # the ledger of another machine may have them
        if is_scored(name) and f"{found.key}/{name}" not in ledger.hashes:
            verifier.expect(f"{folder}/{name}", kept.sha256, f"scores of {found.key}", advice=SCORE_AGAIN)


def _mend_of(
    root: DataRoot, found: CheckpointFolder, record: CheckpointRecord, finding: Finding
) -> Mend | None:
    """What can be done about a finding on a checkpoint; None where nothing can."""
    if finding.where == root.relative(found.folder.parent / root.checkpoint_manifest_json.name):
        return partial(_compile, root, found.folder.parent)
    name = finding.where.removeprefix(f"{root.relative(found.folder)}/")
    if is_scored(name):
        return partial(_score_again, found.folder)
    return partial(_mark, root, found.folder) if name in record.files else None


def _compile(root: DataRoot, folder: Path) -> str:
    compile_manifest(root, folder)
    return f"{root.relative(folder / root.checkpoint_manifest_json.name)}: compiled anew from the records beside it"


def _score_again(folder: Path) -> str:
    record = read_record(folder)
    if record.pruned:
        raise CannotMend(
            f"{folder.name}: its scores can't be made again, because retention removed its weights; take scores.json and "
            "samples/ back from a backup"
        )
    if (fault := files_fault(folder, record)) is not None:
        raise CannotMend(f"{folder.name}: its scores can't be made again while {fault}")
    (folder / SCORES_RECORD).unlink(missing_ok=True)
    return f"{folder.name}: scores.json removed; the next `lofi run` scores it again"


def _mark(root: DataRoot, folder: Path) -> str:
    """Weights can't be made again: nothing is to use them."""
    record = read_record(folder)
    fault = files_fault(folder, record) if not record.pruned else None
    if fault is None:
        raise CannotMend(f"{folder.name}: take the file back from where the checkpoint was trained")
    if record.checkpoint.is_valid:
        checkpoint = record.checkpoint.model_copy(update={"is_valid": False})
        reason = f"{folder.name}: {fault}"
        write_record(folder, record.model_copy(update={"checkpoint": checkpoint, "invalid_reason": reason}))
        compile_manifest(root, folder.parent)
    raise CannotMend(
        f"{folder.name}: marked as not valid, so that nothing uses it: {fault}. The last checkpoint of the lineage in training is "
        "trained again by the next `lofi run`"
    )
