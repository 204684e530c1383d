"""Is a file that somebody sends in one of ours? A look-up of its hash over everything that is on record; then of its sound.

By sound every track is found that was ever worked on, also one that was left out or withdrawn. How sure that is, is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER, CheckpointFolder
from lofi_pipeline.config import AudioSettings
from lofi_pipeline.dataset.duplicates import in_words
from lofi_pipeline.dataset.heard import Heard, tracks_like
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion, Entity, EvidenceFile, few
from lofi_pipeline.entities.base import Sha256
from lofi_pipeline.storage import DataRoot, file_sha256


class MatchKind(StrEnum):
    """What a file turned out to be."""

    CHECKPOINT_FILE = "checkpoint file"
    SAMPLE = "sample"
    ORIGINAL = "original"
    PROCESSED = "processed track"
    EVIDENCE = "evidence"
    RECORDING = "same recording"
    RELATED = "related music"


class Match(Entity):
    """One place on record that has the file's hash, or a track that it sounds like."""

    kind: MatchKind
    where: str = Field(description="File, checkpoint or version it is recorded in")
    sentence: str
    partition_key: str | None = None
    lineage: Sha256 | None = None
    dataset_hash: Sha256 | None = None
    track_id: str | None = None
    source_ids: list[str] = Field(default_factory=list)
    similarity: float | None = Field(
        default=None, ge=0, le=1, description="Of the sound; none: the bytes are the same"
    )


class Lookup(Entity):
    """What became of the look-up of one file."""

    file: str
    sha256: Sha256
    matches: list[Match]
    unreadable: list[str] = Field(default_factory=list, description="Records that could not be searched")
    heard: bool = Field(default=False, description="Whether its sound was compared with every track")
    not_heard: str | None = Field(default=None, description="Why its sound could not be compared")


def look_up(inputs: AuditInputs, path: Path, settings: AudioSettings) -> Lookup:
    """Hash a file and search checkpoints, their samples, every data set version and its evidence.

    What no record has the hash of is decoded, and its sound compared with every track.

    Raises:
        OSError: the file can't be read.
    """
    sha256, size = file_sha256(path), path.stat().st_size
    matches = [*_in_checkpoints(inputs, sha256, size), *_in_base_samples(inputs.root, sha256, size)]
    for file, version in inputs.versions.found:
        matches += _in_version(inputs.root.relative(file), version, sha256)
    broken = [str(item.error) for item in inputs.checkpoints if item.record is None]
    found = Lookup(
        file=path.name, sha256=sha256, matches=matches, unreadable=[*broken, *inputs.versions.unreadable]
    )
    return found if matches else _by_sound(inputs, path, settings, found)


def _by_sound(inputs: AuditInputs, path: Path, settings: AudioSettings, found: Lookup) -> Lookup:
    try:
        bands = audio.fingerprint_of(path, settings)
    except audio.AudioError as error:
        return found.model_copy(update={"not_heard": str(error)})
    unreadable: list[str] = []
    matches = [_sounding_like(inputs, heard) for heard in tracks_like(inputs.root, bands, unreadable)]
    unreadable = [*found.unreadable, *dict.fromkeys(unreadable)]
    return found.model_copy(update={"heard": True, "matches": matches, "unreadable": unreadable})


def _sounding_like(inputs: AuditInputs, heard: Heard) -> Match:
    root, likeness, track_id = inputs.root, heard.likeness, heard.track_id
    same = likeness.match_type is audio.MatchType.SAME
    registered = inputs.registry.value.by_id().get(track_id) if inputs.registry.value else None
    holding = [
        (version, item)
        for _, version in inputs.versions.found
        for item in version.tracks
        if item.track.track_id == track_id
    ]
    if holding:
        version, item = holding[-1]
        name, source_ids = item.title or item.track.filename, item.source_ids
        place = f"It is in {few([each.dataset.dataset_id for each, _ in holding])}, under {item.licence}"
    else:
        origins = registered.origins if registered else []
        name = (
            origins[0].title or origins[0].path.rsplit("/", 1)[-1]
            if origins
            else "no file of it can be taken"
        )
        source_ids = list(dict.fromkeys(origin.source_id for origin in origins))
        place, version = "It is in no data set version", None
    said = (
        "It is the same recording as" if same else "It is related to, and perhaps not the same recording as,"
    )
    origin = f" from {', '.join(source_ids)}" if source_ids else ""
    sentence = f"{said} {track_id} ({name}){in_words(likeness)}: {_how_sure(likeness)}. {place}{origin}."
    return Match(
        kind=MatchKind.RECORDING if same else MatchKind.RELATED,
        where=root.relative(root.fingerprint(track_id)),
        sentence=sentence,
        dataset_hash=version.dataset.hash if version else None,
        track_id=track_id,
        source_ids=source_ids,
        similarity=round(likeness.similarity, 4),
    )


def _how_sure(likeness: audio.Likeness) -> str:
    return (
        f"{likeness.similarity:.0%} alike over {likeness.overlap:.0%} of the shorter one, with {likeness.contradiction:.1%} of the "
        "clear notes in only one of them"
    )


def _in_checkpoints(inputs: AuditInputs, sha256: str, size: int) -> Iterator[Match]:
    root = inputs.root
    entered = {name for name, digest in inputs.ledger.hashes.items() if digest == sha256}
    for checkpoint in inputs.checkpoints:
        record, key = checkpoint.record, checkpoint.key
        if record is None:
            continue
        gone = " Retention removed it here since." if record.pruned else ""
        for name, digest in record.files.items():
            if digest == sha256:
                sentence = f"It is {name} of {key}.{gone}"
                yield _match(root, checkpoint, record, MatchKind.CHECKPOINT_FILE, name, sentence)
        names = {name.rsplit("/", 1)[1] for name in entered if name.startswith(f"{key}/{SAMPLES_FOLDER}/")}
        names |= set(_samples(checkpoint.folder / SAMPLES_FOLDER, sha256, size))
        for name in sorted(names):
            sentence = f"It is a sample that {key} generated when it was scored."
            yield _match(root, checkpoint, record, MatchKind.SAMPLE, f"{SAMPLES_FOLDER}/{name}", sentence)


def _in_base_samples(root: DataRoot, sha256: str, size: int) -> Iterator[Match]:
    sentence = "It is a sample of a base model without any LoRA: nothing of the music here went into it."
    for folder in (root.metadata / "base_scores").glob("*/"):
        for name in _samples(folder, sha256, size):
            yield Match(kind=MatchKind.SAMPLE, where=root.relative(folder / name), sentence=sentence)


def _samples(folder: Path, sha256: str, size: int) -> Iterator[str]:
    for path in sorted(folder.glob("*")):
        if path.is_file() and path.stat().st_size == size and file_sha256(path) == sha256:
            yield path.name


def _match(
    root: DataRoot,
    checkpoint: CheckpointFolder,
    record: CheckpointRecord,
    kind: MatchKind,
    name: str,
    sentence: str,
) -> Match:
    lineage = record.lineage
    fed_by = f"data set {lineage.dataset_hash[:12]}"
    if lineage.started_from:
        fed_by += f", from {lineage.started_from.partition_key}"
    if lineage.imported:
        fed_by = "trained elsewhere: its origin is unknown"
    return Match(
        kind=kind,
        where=f"{root.relative(checkpoint.folder)}/{name}",
        sentence=f"{sentence} Lineage {lineage.lineage[:12]}: preset {lineage.preset} on {lineage.base.name}, {fed_by}. See "
        f"`lofi audit {checkpoint.key}`.",
        partition_key=checkpoint.key,
        lineage=lineage.lineage,
        dataset_hash=None if lineage.imported else lineage.dataset_hash,
    )


def _in_version(where: str, version: DatasetVersion, sha256: str) -> Iterator[Match]:
    for item in version.tracks:
        if sha256 not in (item.sha256, item.audio_sha256):
            continue
        kind = MatchKind.ORIGINAL if item.sha256 == sha256 else MatchKind.PROCESSED
        what = "the original" if kind is MatchKind.ORIGINAL else "the processed music"
        sentence = (
            f"It is {what} of {item.track.track_id} ({item.credited_title or item.track.filename}) in {version.dataset.dataset_id}, under "
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
