"""Which files of an audit are signed, and the proof of them on another machine: signature, every hash, and the ledger's chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lofi_pipeline import __version__
from lofi_pipeline.audit.report_file import REPORT, read_report
from lofi_pipeline.audit.signing.envelope import (
    Statement,
    is_signed_by,
    read_envelope,
    read_statement,
    signed,
)
from lofi_pipeline.audit.signing.errors import SigningError
from lofi_pipeline.audit.signing.keys import name_of, public_pem, read_public_key
from lofi_pipeline.entities import AuditReport
from lofi_pipeline.storage import DataRoot, file_sha256, ledger_path, read_ledger_file, write_bytes_atomic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "report.intoto.jsonl"
LEDGER = "seals.jsonl"
SIGNER = "signer.pub"
ADDED = (SIGNATURE, SIGNER, LEDGER)
"""What signing adds to the folder of an audit."""


@dataclass
class Verified:
    """What holds, what does not, and what can't be known from the files; each as a sentence."""

    holds: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def forget_signature(folder: Path) -> None:
    """Remove what an earlier signing added: it is about other files."""
    for name in ADDED:
        (folder / name).unlink(missing_ok=True)


def sign_audit(
    root: DataRoot, folder: Path, files: Iterable[Path], report: AuditReport, key: Ed25519PrivateKey
) -> list[Path]:
    """Add a copy of the ledger, and sign it and the files of an audit. Returns what was added."""
    added = [folder / name for name in ADDED]
    signature, signer, ledger = added
    if ledger_path(root).is_file():
        write_bytes_atomic(ledger, ledger_path(root).read_bytes())
    write_bytes_atomic(signer, public_pem(key.public_key()))
    paths = [*files, *([ledger] if ledger.is_file() else [])]
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
    write_bytes_atomic(signature, signed(hashes, _said(report), key).encode())
    return [path for path in added if path.is_file()]


def _said(report: AuditReport) -> dict[str, Any]:
    """What the signature says of the report, for whoever reads only that."""
    subject, head = report.subject, report.integrity.ledger
    return {
        "tool": f"lofi-pipeline {__version__}",
        "made": report.made.isoformat(),
        "subject": {"kind": subject.kind, "name": subject.name, "sha256": subject.hash},
        "dataset": report.dataset.hash,
        "clean": report.clean,
        "checked": report.integrity.checked,
        "ledger": head.model_dump(mode="json") if head else None,
    }


def verify_audit(folder: Path, *, key: Path | None = None, later: Path | None = None) -> Verified:
    """Prove a signed audit from its files alone.

    Args:
        key: the public key that its owner gave; without it, the one beside the files is taken, which proves nothing about who.
        later: a ledger as it is now, which must have grown from the one that was signed.

    Raises:
        SigningError: there is no signature, or it can't be read.
        OSError: a file can't be read.
    """
    found = Verified()
    statement = _signature(found, folder, key)
    if statement is None:
        return found
    _files(found, folder, statement)
    if found.faults:  # what was changed is not read any further
        return found
    report = read_report(folder / REPORT)
    if statement.predicate != _said(report) | {"tool": statement.predicate.get("tool")}:
        found.faults.append(f"{SIGNATURE}: says other things of the audit than {REPORT} does")
    _ledger(found, folder, report)
    if later is not None:
        _later(found, report, later)
    return found


def _signature(found: Verified, folder: Path, key: Path | None) -> Statement | None:
    path = folder / SIGNATURE
    if not path.is_file():
        raise SigningError(f"{path}: there is none; sign the audit with `lofi audit ID --sign KEY`")
    envelope = read_envelope(path.read_bytes(), where=SIGNATURE)
    public: Ed25519PublicKey = read_public_key(key or folder / SIGNER)
    if not is_signed_by(envelope, public):
        found.faults.append(
            f"{SIGNATURE}: is not signed by {name_of(public)}, or was changed since; ask who signed it for the files"
        )
        return None
    found.holds.append(f"Signed by {name_of(public)}.")
    if key is None:
        found.notes.append(
            "Whose key that is the files can't say: compare it with what its owner tells you, or give the owner's file with --key."
        )
    return read_statement(envelope, where=SIGNATURE)


def _files(found: Verified, folder: Path, statement: Statement) -> None:
    signed_names = {item.name for item in statement.subject}
    if REPORT not in signed_names:
        found.faults.append(f"{SIGNATURE}: does not cover {REPORT}")
    for item in statement.subject:
        path = folder / item.name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            found.faults.append(f"{item.name}: was signed, and is missing")
        elif file_sha256(path) != item.digest.sha256:
            found.faults.append(f"{item.name}: was changed since it was signed")
    if not found.faults:
        found.holds.append(f"{len(signed_names)} files are as they were signed.")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if others := sorted(there - signed_names - {SIGNATURE, SIGNER}):
        found.notes.append(f"Not signed, and beside them: {', '.join(others[:10])}.")


def _ledger(found: Verified, folder: Path, report: AuditReport) -> None:
    head, path = report.integrity.ledger, folder / LEDGER
    if head is None or not path.is_file():
        found.notes.append("No ledger was signed: nothing tells since when its records are as they are.")
        return
    ledger = read_ledger_file(path)
    if ledger.broken is not None:
        found.faults.append(f"{LEDGER}: line {ledger.broken} does not follow from the line before")
    elif (fault := ledger.contradiction(head)) is not None:
        found.faults.append(f"{LEDGER}: the report saw {head.lines} lines of it, now it {fault}")
    else:
        found.holds.append(
            f"The ledger's chain holds, over {len(ledger.heads)} lines, and the report's head is in it."
        )
    for name in ledger.sealed_twice:
        found.faults.append(f"{LEDGER}: holds a second seal for {name}, which is written once")
    name = f"metadata/datasets/{report.dataset.hash}.json"
    if name not in ledger.hashes:
        found.notes.append(f"The ledger does not hold {name}.")


def _later(found: Verified, report: AuditReport, path: Path) -> None:
    head, ledger = report.integrity.ledger, read_ledger_file(path)
    if ledger.broken is not None:
        found.faults.append(f"{path}: line {ledger.broken} does not follow from the line before")
    elif head is not None and (fault := ledger.contradiction(head)) is not None:
        found.faults.append(f"{path}: has not grown from the ledger that was signed: it {fault}")
    else:
        found.holds.append(f"{path} has grown from the ledger that was signed: {len(ledger.heads)} lines.")
