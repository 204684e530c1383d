"""A data set version's file: read once, and proved against its own hash, its own counts and its entry in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lofi_pipeline.audit.errors import BrokenRecord
from lofi_pipeline.audit.integrity.version_file import ReadVersion, read_version_file
from lofi_pipeline.entities import (
    DatasetVersion,
    Finding,
    FindingCode,
    RecordError,
    Severity,
    Split,
    StyleCategory,
    category_of_style,
    now,
)
from lofi_pipeline.storage import ChangedWhileRead, DataRoot, Ledger

ENTERED_LATER = "it is sealed with the first audit that finds it intact."
SECONDS_SLACK = 1e-6


@dataclass(frozen=True)
class VerifiedVersion:
    """A version as it stands in its file, with what is wrong with the file."""

    version: DatasetVersion
    path: str
    """Relative to the data root."""
    findings: list[Finding] = field(default_factory=list)


def verify_version(root: DataRoot, dataset_hash: str, ledger: Ledger) -> VerifiedVersion:
    """Read a version and recompute its hash.

    Raises:
        BrokenRecord: there is no such file, or it can't be read as a version.
    """
    path = root.dataset_version(dataset_hash)
    where = root.relative(path)
    read = _read(path, where)
    version = read.version or _parsed(path, where)
    entered = ledger.hashes.get(where)
    faults = list(_faults(read.hash, read.as_written, version, dataset_hash))
    if not faults and entered not in (None, read.sha256):
        faults = [
            "is not the file that was sealed when it was built: its day, a verdict or the hash of a processed file was "
            "changed"
        ]
    advice = "; take the file back from a backup: what stands in it now proves nothing"
    findings = [
        Finding(
            severity=Severity.ERROR,
            code=FindingCode.VERSION_CHANGED,
            where=where,
            sentence=f"{where} {fault}{advice}.",
        )
        for fault in faults
    ]
    if entered is None:
        sentence = f"{where} was not sealed when it was built, or the ledger of seals is another data root's: {ENTERED_LATER}"
        findings.append(
            Finding(severity=Severity.INFO, code=FindingCode.NOT_SEALED, where=where, sentence=sentence)
        )
    return VerifiedVersion(version, where, findings)


def _read(path: Path, where: str) -> ReadVersion:
    try:
        return read_version_file(path)
    except FileNotFoundError as error:
        raise BrokenRecord(
            f"{where}: the data set version is missing; copy metadata/datasets/ from where it was built"
        ) from error
    except OSError as error:
        raise BrokenRecord(f"{where}: can't be read ({error.strerror}); check its permissions") from error
    except ChangedWhileRead as error:
        raise BrokenRecord(f"{where}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BrokenRecord(f"{where}: is not JSON ({error}); take the file back from a backup") from error


def _parsed(path: Path, where: str) -> DatasetVersion:
    """Raises BrokenRecord with what is wrong; it was read before, and broke a rule."""
    raw = json.loads(path.read_bytes())
    try:
        return DatasetVersion.parse(raw, where=where)
    except RecordError as error:
        created = raw.get("dataset", {}).get("created") if isinstance(raw, dict) else None
        if isinstance(created, str) and created > now().isoformat() and "future" in str(error):
            raise BrokenRecord(
                f"{where}: was made on {created:.40}, which lies ahead of this machine's clock ({now().isoformat()}); "
                "set the clock"
            ) from error
        raise BrokenRecord(f"{error}; take the file back from a backup") from error


def _faults(
    recomputed: str | None, as_written: bool, version: DatasetVersion, dataset_hash: str
) -> Iterator[str]:
    """What is wrong, as the rest of a sentence; only the first that explains the others."""
    dataset = version.dataset
    if recomputed != dataset_hash:
        yield (
            f"does not have the hash it is named by (its tracks and sources give {recomputed or 'none':.12}): a track, prompt, "
            "licence or source was changed"
        )
        return
    if dataset.hash != dataset_hash:
        yield f"says of itself that its hash is {dataset.hash[:12]}"
    sides = [track.track.split for track in version.tracks]
    counts = (len(sides), sides.count(Split.TRAIN), sides.count(Split.VALIDATION))
    if (dataset.track_count, dataset.train_count, dataset.validation_count) != counts:
        yield "counts other tracks than it lists"
    hours = sum(track.track.duration for track in version.tracks) / 3600
    if abs(hours - dataset.total_duration) > SECONDS_SLACK:
        yield "gives another total_duration than its tracks have"
    styles = [category_of_style(track.track.style_ids[0]) for track in version.tracks]
    if {style: styles.count(style) for style in StyleCategory} != {
        style: dataset.style_distribution.get(style, 0) for style in StyleCategory
    }:
        yield "gives another style_distribution than its tracks have"
    if not as_written:
        yield "was written by something else than this project"
