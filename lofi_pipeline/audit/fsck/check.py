"""The way through a check of a data root: in which order its files are looked at, and what is done about what was found.

Nothing is written without `repair`. With it, files that can be made again are removed, so that the next run makes them as it
makes any other: under the locks that a run takes, and only where what they are made of is there. Records that were sealed are
compiled anew and sealed again (fsck/sealed.py). Raw music, lines of the ledger and data set versions are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from lofi_pipeline.audit.errors import BrokenRecord
from lofi_pipeline.audit.fsck.checkpoints import check_checkpoints
from lofi_pipeline.audit.fsck.encodings import check_encodings, encoded_files
from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.fsck.examination import Examination
from lofi_pipeline.audit.fsck.leftovers import check_leftovers
from lofi_pipeline.audit.fsck.report import FsckReport
from lofi_pipeline.audit.fsck.sealed import mend_sealed
from lofi_pipeline.audit.fsck.tracks import check_published, check_tracks, remember_old_records
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.dataset_version import verify_version
from lofi_pipeline.audit.integrity.evidence import verify_evidence
from lofi_pipeline.audit.integrity.ledger import (
    verify_chain,
    verify_day_changes,
    verify_fingerprints,
    verify_sealed,
    verify_withdrawals,
)
from lofi_pipeline.audit.integrity.memory import verify_memory
from lofi_pipeline.audit.integrity.verifier import Verifier
from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.dataset import published_metadata
from lofi_pipeline.entities import (
    DatasetVersion,
    FindingCode,
    RecordError,
    Severity,
    TrackRecord,
)
from lofi_pipeline.ingest.day_changes import day_changes_json
from lofi_pipeline.licensing.withdrawals import withdrawals_json
from lofi_pipeline.storage import DataRoot, locked
from lofi_pipeline.training.shards import all_shards

BACKUP = "take it back from a backup"


def check_data_root(
    root: DataRoot,
    *,
    repair: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> FsckReport:
    """Hash every file under a data root and compare it with its record; with `repair`, make way for what can be made again.

    Args:
        progress: called with (steps done, steps in all, what is looked at).
    """
    inputs = AuditInputs(root)
    verifier = Verifier(root, quick=False, progress=progress, total=_steps(inputs))
    examination = Examination(inputs, verifier)
    _check_ledger(examination)
    records = check_tracks(examination)
    version = _current_version(examination)
    if version is not None:
        verify_evidence(verifier, version, inputs.scan)
        check_published(examination, version, records)
    _check_metadata(examination)
    check_encodings(examination)
    check_checkpoints(examination)
    check_leftovers(examination, version, records)
    mend_sealed(examination, records)
    verifier.finish()
    done, undone = _repair(examination, records) if repair else ([], [])
    return FsckReport(
        files=verifier.files,
        bytes=verifier.bytes,
        findings=verifier.findings,
        repaired=done,
        not_repaired=undone,
    )


def _steps(inputs: AuditInputs) -> int:
    tracks = inputs.registry.value.tracks if inputs.registry.value else []
    landed = [len(found.record.files) for found in inputs.checkpoints if found.record]
    return len(tracks) + len(encoded_files(inputs.root)) + len(all_shards(inputs.root)) + sum(landed)


def _check_ledger(examination: Examination) -> None:
    """The chain, and every data set version and withdrawal that is entered into it."""
    inputs, verifier, root = examination.inputs, examination.verifier, examination.root
    reports = sorted(root.audits.glob("*/report.json"))
    verify_chain(verifier, inputs, reports, [version for _, version in inputs.versions.found])
    proofs = (
        (verify_withdrawals, withdrawals_json(root)),
        (verify_day_changes, day_changes_json(root)),
        (verify_sealed, root.metadata),
        (verify_fingerprints, root.duplicates_json),
    )
    for prove, path in proofs:
        try:
            prove(verifier, inputs)
        except (OSError, RecordError) as error:
            verifier.error(FindingCode.RECORD_BROKEN, root.relative(path), f"{error}; {BACKUP}.")
    verify_memory(verifier, inputs)
    for digest in inputs.version_hashes:
        where = root.relative(root.dataset_version(digest))
        try:
            verifier.findings.extend(verify_version(root, digest, inputs.ledger).findings)
        except BrokenRecord as error:
            verifier.error(FindingCode.RECORD_BROKEN, where, str(error))


def _current_version(examination: Examination) -> DatasetVersion | None:
    read = examination.inputs.dataset
    if read.error is not None:
        sentence = (
            f"{read.where} can't be read: {read.error}; the next `lofi run` writes it again once it is gone."
        )
        examination.verifier.error(FindingCode.RECORD_BROKEN, read.where, sentence)
        examination.mends[read.where] = partial(_remove_metadata, examination.root, read.where)
    current = read.value
    found = (version for _, version in examination.inputs.versions.found if version.dataset == current)
    return next(found, None)


def _check_metadata(examination: Examination) -> None:
    """What was published beside the tracks: compiled from records, so it can be compiled again."""
    root = examination.root
    for path, sha256 in published_metadata(root).items():
        if path not in examination.mends and not examination.holds(path, sha256):
            advice = "the next `lofi run` writes it again once it is gone"
            examination.damaged(path, "of the data set", advice, partial(_remove_metadata, root, path))


def _remove_metadata(root: DataRoot, path: str) -> str:
    with locked(root.dataset_manifest_json):
        (root.path / path).unlink(missing_ok=True)
    return f"{path}: removed; the next `lofi run` writes it again"


def _repair(examination: Examination, records: dict[str, TrackRecord]) -> tuple[list[str], list[str]]:
    """What was done about errors and old temporary files, and what could not be done."""
    done: list[str] = []
    undone: list[str] = []
    found = examination.verifier.findings
    for where in dict.fromkeys(finding.where for finding in found if finding.severity is not Severity.INFO):
        mend = examination.mends.get(where)
        try:
            if mend is not None:
                with suppress(OSError):  # an empty folder in the place of a file
                    (examination.root.path / where).rmdir()
                done.append(mend())
            elif any(it.where == where and it.severity is Severity.ERROR for it in found):
                undone.append(f"{where}: can't be made again; see what was found")
        except (CannotMend, CheckpointError) as error:
            undone.append(str(error))
        except OSError as error:  # also when somebody works on it for longer than we wait
            undone.append(f"{where}: {error}; repair again when it can be written")
    try:
        remembered = remember_old_records(examination.root, records, {finding.where for finding in found})
    except OSError as error:
        undone.append(f"records of an earlier version remember no files: {error}")
    else:
        if remembered > 0:
            done.append(
                f"{remembered} records of an earlier version remember their files now: each run notices changes"
            )
    return list(dict.fromkeys(done)), list(dict.fromkeys(undone))
