"""Originals, what was made of each track, and what is published of it. Originals are looked at and never touched."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.fsck.examination import Examination, make_way
from lofi_pipeline.audit.integrity.verifier import MISSING
from lofi_pipeline.entities import (
    DatasetVersion,
    FindingCode,
    RecordError,
    RegisteredTrack,
    Severity,
    TrackRecord,
    TrackStatus,
)
from lofi_pipeline.ingest import (
    changed_files,
    load_record,
    output_files,
    published_files,
    sha256_of,
    with_kept_files,
)
from lofi_pipeline.review import ReviewError, edits_path, read_edits
from lofi_pipeline.storage import DataRoot, file_sha256, locked, regular_stat, stranger_at, write_json_atomic

RUN = "the next `lofi run`"


def check_tracks(examination: Examination) -> dict[str, TrackRecord]:
    """Every registered track that is present. Returns the records that can be read, by track id."""
    registry = examination.inputs.registry
    if registry.error is not None:
        examination.verifier.error(
            FindingCode.RECORD_BROKEN,
            registry.where,
            f"{registry.where} can't be read: {registry.error}; take it back from a backup: it holds the ids of all tracks.",
        )
    records: dict[str, TrackRecord] = {}
    for track in registry.value.tracks if registry.value else []:
        if track.origins:
            _check_originals(examination, track)
        record = _record(examination, track)
        _check_edits(examination, track, record)
        if record is not None:
            records[track.track_id] = record
            if track.origins and record.status is TrackStatus.OK:
                _check_outputs(examination, track, record)
        examination.verifier.step(track.track_id)
    return records


def _check_originals(examination: Examination, track: RegisteredTrack) -> None:
    for path in dict.fromkeys(origin.path for origin in track.origins):
        found = examination.verifier.sha256(path)
        if found == MISSING:
            sentence = (
                f"{path} (the original of {track.track_id}) is not there any more: put it back, or {RUN} takes the track out of "
                "the data set."
            )
            examination.verifier.log(Severity.WARNING, FindingCode.ORIGINAL_ABSENT, path, sentence)
        elif found not in (None, track.sha256):
            sentence = (
                f"{path} (the original of {track.track_id}) was changed since it was registered: put the licensed file back; or, "
                f"where the change was meant, {RUN} registers what lies there now."
            )
            examination.verifier.error(FindingCode.ORIGINAL_CHANGED, path, sentence)


def _record(examination: Examination, track: RegisteredTrack) -> TrackRecord | None:
    path = examination.root.track_record(track.track_id)
    try:
        return load_record(examination.root, track.track_id)
    except (OSError, RecordError) as error:
        where = examination.root.relative(path)
        sentence = f"{where} can't be read: {error}; without it {RUN} works on the track again."
        examination.verifier.error(FindingCode.RECORD_BROKEN, where, sentence)
        examination.mends[where] = partial(_remove_record, examination.root, track)
    return None


def _check_edits(examination: Examination, track: RegisteredTrack, record: TrackRecord | None) -> None:
    """What people said of a track: nobody but they can say it again."""
    path = edits_path(examination.root, track.track_id)
    where = examination.root.relative(path)
    try:
        edits = read_edits(examination.root, track.track_id)
    except (OSError, ReviewError) as error:
        examination.verifier.error(FindingCode.RECORD_BROKEN, where, str(error))
        return
    sealed = where in examination.inputs.ledger.hashes  # then its seal says what is wrong
    if not edits and record is not None and record.review is not None and not sealed:
        sentence = f"{where} is missing, and {track.track_id} was reviewed: take it back from a backup, or {RUN} forgets what people said."
        examination.verifier.error(FindingCode.FILE_MISSING, where, sentence)


def _check_outputs(examination: Examination, track: RegisteredTrack, record: TrackRecord) -> None:
    """What was made of a track. Where it was just being worked on, its new record is asked."""
    root = examination.root
    damaged = _damaged(examination, record)
    now = load_record(root, track.track_id) if damaged else None
    if now is not None and now != record:
        damaged = _damaged(examination, now) if now.status is TrackStatus.OK else []
    for path in damaged:
        mend = partial(_remove_outputs, root, track, path)
        examination.damaged(path, f"made of {track.track_id}", f"{RUN} makes it again once it is gone", mend)


def _damaged(examination: Examination, record: TrackRecord) -> list[str]:
    root, damaged = examination.root, []
    for path in output_files(record):
        expected = sha256_of(record, path)
        holds = (
            examination.is_file_with(path, expected)
            if expected
            else path not in changed_files(root, record)  # an old record does not say: it can be read
        )
        if not holds:
            damaged.append(path)
    return damaged


def _require_original(root: DataRoot, track: RegisteredTrack) -> None:
    """Raises: CannotMend, where no whole original is there to make anything of."""
    for origin in track.origins:
        with suppress(OSError):
            if regular_stat(root.path / origin.path) and file_sha256(root.path / origin.path) == track.sha256:
                return
    named = ", ".join(origin.path for origin in track.origins) or "it was taken out of its drop"
    raise CannotMend(
        f"the original of {track.track_id} is not there as it was registered ({named}): put it back first"
    )


def _remove_record(root: DataRoot, track: RegisteredTrack) -> str:
    path = root.track_record(track.track_id)
    with locked(path):
        try:
            load_record(root, track.track_id)
        except RecordError:
            _require_original(root, track)
            path.unlink()
    return f"{root.relative(path)}: removed; {RUN} works on {track.track_id} again"


def _remove_outputs(root: DataRoot, track: RegisteredTrack, path: str) -> str:
    """Remove a changed file of a track, unless it was made again meanwhile."""
    with locked(root.track_record(track.track_id)):
        record = load_record(root, track.track_id)
        expected = sha256_of(record, path) if record and path in output_files(record) else None
        full = root.path / path
        if stranger_at(full):
            _require_original(root, track)
            make_way(full)
        elif regular_stat(full) is not None and (expected is None or file_sha256(full) != expected):
            _require_original(root, track)
            full.unlink()
        elif regular_stat(full) is None:
            _require_original(root, track)
    return f"{path}: {RUN} makes it again"


def check_published(
    examination: Examination, version: DatasetVersion, records: dict[str, TrackRecord]
) -> None:
    """The three files of each track of the current version, against its record; what differs is published again."""
    root = examination.root
    for item in version.tracks:
        track, record = item.track, records.get(item.track.track_id)
        if record is None or record.processed is None or record.tagged is None:
            continue  # it is worked on again, and then published
        published = (track.audio_path, track.prompt_path, track.lyrics_path)
        for source, path in zip(published_files(record), published, strict=True):
            expected = sha256_of(record, source)
            # A version that was built elsewhere keeps the hash that its encoder gave
            allowed = {expected, item.audio_sha256} if path == track.audio_path else {expected}
            if not any(examination.is_file_with(path, sha256) for sha256 in allowed if sha256):
                mend = partial(_unpublish, root, path, {sha256 for sha256 in allowed if sha256})
                examination.damaged(
                    path, f"{track.track_id} as published", f"{RUN} publishes it again once it is gone", mend
                )


def _unpublish(root: DataRoot, path: str, allowed: set[str]) -> str:
    with locked(root.dataset_manifest_json):
        full = root.path / path
        if stranger_at(full) or (regular_stat(full) is not None and file_sha256(full) not in allowed):
            make_way(full)
    return f"{path}: {RUN} publishes it again"


def remember_old_records(root: DataRoot, records: dict[str, TrackRecord], damaged: set[str]) -> int:
    """Have records of an earlier version remember their files, so that each run notices what changes; how many did."""
    count = 0
    for track_id, known in records.items():
        if known.kept_files or known.status is not TrackStatus.OK or damaged & set(output_files(known)):
            continue
        with locked(root.track_record(track_id)):
            record = load_record(root, track_id)
            if record == known and not changed_files(root, known):
                write_json_atomic(root.track_record(track_id), with_kept_files(root, known))
                count += 1
    return count
