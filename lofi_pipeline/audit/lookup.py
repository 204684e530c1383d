"""Is a file that somebody sends in one of ours? A look-up of its hash over everything that is on record."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER, CheckpointFolder, all_checkpoints
from lofi_pipeline.entities import DatasetVersion, Entity, EvidenceFile, RecordError
from lofi_pipeline.entities.base import Sha256
from lofi_pipeline.storage import DataRoot, UnreadableRecord, file_sha256, read_json, read_ledger


class MatchKind(StrEnum):
    """What a file turned out to be."""

    CHECKPOINT_FILE = "checkpoint file"
    SAMPLE = "sample"
    ORIGINAL = "original"
    PROCESSED = "processed track"
    EVIDENCE = "evidence"


class Match(Entity):
    """One place on record that has the file's hash."""

    kind: MatchKind
    where: str = Field(description="File, checkpoint or version it is recorded in")
    sentence: str
    partition_key: str | None = None
    lineage: Sha256 | None = None
    dataset_hash: Sha256 | None = None
    track_id: str | None = None
    source_ids: list[str] = Field(default_factory=list)


class Lookup(Entity):
    """What became of the look-up of one file."""

    file: str
    sha256: Sha256
    matches: list[Match]
    unreadable: list[str] = Field(default_factory=list, description="Records that could not be searched")


def look_up(root: DataRoot, path: Path) -> Lookup:
    """Hash a file and search checkpoints, their samples, every data set version and its evidence.

    Raises:
        OSError: the file can't be read.
    """
    sha256, size = file_sha256(path), path.stat().st_size
    unreadable: list[str] = []
    matches = [*_in_checkpoints(root, sha256, size, unreadable), *_in_versions(root, sha256, unreadable)]
    return Lookup(file=path.name, sha256=sha256, matches=matches, unreadable=unreadable)


def _in_checkpoints(root: DataRoot, sha256: str, size: int, unreadable: list[str]) -> Iterator[Match]:
    sealed = {name for name, digest in read_ledger(root).hashes.items() if digest == sha256}
    for landed in all_checkpoints(root):
        if landed.record is None:
            unreadable.append(str(landed.error))
            continue
        for name, digest in landed.record.files.items():
            if digest == sha256:
                gone = " Retention removed it here since." if landed.record.pruned else ""
                yield _match(
                    root, landed, MatchKind.CHECKPOINT_FILE, name, f"It is {name} of {landed.key}.{gone}"
                )
        names = {
            name.rsplit("/", 1)[1] for name in sealed if name.startswith(f"{landed.key}/{SAMPLES_FOLDER}/")
        }
        names |= set(_samples(landed.folder / SAMPLES_FOLDER, sha256, size))
        for name in sorted(names):
            sentence = f"It is a sample that {landed.key} generated when it was scored."
            yield _match(root, landed, MatchKind.SAMPLE, f"{SAMPLES_FOLDER}/{name}", sentence)
    for folder in (root.metadata / "base_scores").glob("*/"):
        for name in _samples(folder, sha256, size):
            sentence = (
                "It is a sample of a base model without any LoRA: nothing of the music here went into it."
            )
            yield Match(kind=MatchKind.SAMPLE, where=root.relative(folder / name), sentence=sentence)


def _samples(folder: Path, sha256: str, size: int) -> Iterator[str]:
    for path in sorted(folder.glob("*")):
        if path.is_file() and path.stat().st_size == size and file_sha256(path) == sha256:
            yield path.name


def _match(root: DataRoot, landed: CheckpointFolder, kind: MatchKind, name: str, sentence: str) -> Match:
    assert landed.record is not None
    lineage = landed.record.lineage
    return Match(
        kind=kind,
        where=f"{root.relative(landed.folder)}/{name}",
        sentence=f"{sentence} Lineage {lineage.lineage[:12]}: preset {lineage.preset} on {lineage.base.name}, data set "
        f"{lineage.dataset_hash[:12]}. See `lofi audit {landed.key}`.",
        partition_key=landed.key,
        lineage=lineage.lineage,
        dataset_hash=lineage.dataset_hash,
    )


def _in_versions(root: DataRoot, sha256: str, unreadable: list[str]) -> Iterator[Match]:
    for path in sorted(root.dataset_version("any").parent.glob("*.json")):
        try:
            version = DatasetVersion.parse(read_json(path), where=root.relative(path))
        except (OSError, UnreadableRecord, RecordError) as error:
            unreadable.append(str(error))
            continue
        yield from _in_version(root.relative(path), version, sha256)


def _in_version(where: str, version: DatasetVersion, sha256: str) -> Iterator[Match]:
    for item in version.tracks:
        if sha256 not in (item.sha256, item.audio_sha256):
            continue
        kind = MatchKind.ORIGINAL if item.sha256 == sha256 else MatchKind.PROCESSED
        what = "the original" if kind is MatchKind.ORIGINAL else "the processed music"
        sentence = (
            f"It is {what} of {item.track.track_id} ({item.title or item.track.filename}) in {version.dataset.dataset_id}, under "
            f"{item.licence} from {', '.join(item.source_ids)}."
        )
        yield Match(
            kind=kind,
            where=where,
            sentence=sentence,
            dataset_hash=version.dataset.hash,
            track_id=item.track.track_id,
            source_ids=item.source_ids,
        )
    documents: list[tuple[str, EvidenceFile]] = [
        (provenance.source_id, file) for provenance in version.provenance for file in provenance.evidence
    ]
    for source_id, file in documents:
        if file.sha256 == sha256:
            yield Match(
                kind=MatchKind.EVIDENCE,
                where=file.path,
                sentence=f"It is a document of evidence for {source_id} in {version.dataset.dataset_id}.",
                dataset_hash=version.dataset.hash,
                source_ids=[source_id],
            )
