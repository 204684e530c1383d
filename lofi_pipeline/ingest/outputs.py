"""The files that a track which is done rests on: whether they are still what its record says.

They look changed by size and time, which is asked at each run; whether they are is told by their bytes, which is asked when a
track is worked on again. process_track.py writes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from lofi_pipeline.entities import TrackRecord
from lofi_pipeline.storage import DataRoot, file_sha256, is_kept, kept_file, regular_stat

Look = tuple[int | None, int | None]
"""Size and time of a file; without a size, whether it holds anything."""


def fingerprint_path(track_id: str) -> str:
    """Where the fingerprint of a track lies, by path in the data root."""
    return f"metadata/fingerprints/{track_id}.npy"


def audio_files(record: TrackRecord) -> dict[str, str | None]:
    """Processed audio and fingerprint by path in the data root, each with its SHA-256 where the record says it."""
    if record.processed is None:
        return {}
    path = fingerprint_path(record.track_id)
    fingerprint = record.kept_files.get(path)
    return {
        record.processed.audio_path: record.processed.audio_sha256,
        path: fingerprint.sha256 if fingerprint else None,
    }


def text_files(record: TrackRecord) -> dict[str, str]:
    """What stands in prompt and lyrics, by path in the data root."""
    tagged = record.tagged
    return {tagged.prompt_path: tagged.prompt, tagged.lyrics_path: tagged.lyrics} if tagged else {}


def output_files(record: TrackRecord) -> list[str]:
    """Every file that was made of a track, by path in the data root."""
    return [*audio_files(record), *text_files(record)]


def published_files(record: TrackRecord) -> tuple[str, str, str]:
    """Audio, prompt and lyrics of a track that is done, by path in the data root."""
    assert record.processed is not None and record.tagged is not None
    return record.processed.audio_path, record.tagged.prompt_path, record.tagged.lyrics_path


def looks_of(record: TrackRecord) -> dict[str, Look] | None:
    """How each file of a track looks that is as it was written, by path in the data root; None where not all were made."""
    audio, texts, kept = audio_files(record), text_files(record), record.kept_files
    if not (audio and texts):
        return None
    sizes: dict[str, int | None] = {**dict.fromkeys(audio), **{it: len(texts[it].encode()) for it in texts}}
    return {
        path: (kept[path].size, kept[path].mtime_ns) if path in kept else (size, None)
        for path, size in sizes.items()
    }


def look_whole(root: DataRoot, looks: Mapping[str, Look]) -> bool:
    """Whether files look as they did when they were written. Nothing is read."""
    return all(_looks_so(f"{root.path}/{path}", *look) for path, look in looks.items())


def _looks_so(path: str, size: int | None, mtime_ns: int | None) -> bool:
    facts = regular_stat(path)
    if facts is None or mtime_ns not in (None, facts.st_mtime_ns):
        return False
    return facts.st_size == size if size is not None else facts.st_size > 0


def looks_whole(root: DataRoot, record: TrackRecord) -> bool:
    """Whether every file of a track that is done looks as it was written. Nothing is read."""
    looks = looks_of(record)
    return looks is not None and look_whole(root, looks)


def has_audio(root: DataRoot, record: TrackRecord) -> bool:
    """Whether processed audio and fingerprint hold the bytes that were written."""
    return bool(record.processed) and all(is_whole_file(root, record, path) for path in audio_files(record))


def is_whole(root: DataRoot, record: TrackRecord) -> bool:
    """Whether every file of a track that is done holds the bytes that were written."""
    return bool(record.tagged) and not changed_files(root, record)


def changed_files(root: DataRoot, record: TrackRecord) -> list[str]:
    """The files, by path in the data root, that are missing or hold other bytes than were written."""
    return [path for path in output_files(record) if not is_whole_file(root, record, path)]


def is_whole_file(root: DataRoot, record: TrackRecord, path: str) -> bool:
    """Whether a file of the track holds the bytes that were written."""
    full, kept = root.path / path, record.kept_files.get(path)
    if kept is not None:
        return is_kept(full, kept)
    if regular_stat(full) is None:
        return False
    expected = sha256_of(record, path)
    return file_sha256(full) == expected if expected else _is_array(root, path)


def sha256_of(record: TrackRecord, path: str) -> str | None:
    """The SHA-256 that a file of the track should have; None where an old record does not say."""
    text = text_files(record).get(path)
    if text is not None:
        return hashlib.sha256(text.encode()).hexdigest()
    return audio_files(record)[path]


def _is_array(root: DataRoot, path: str) -> bool:
    try:
        return np.load(root.path / path, allow_pickle=False).size > 0
    except (OSError, ValueError, EOFError):
        return False


def with_kept_files(root: DataRoot, record: TrackRecord) -> TrackRecord:
    """The record of a track that is done, with how each of its files is now."""
    kept = {path: kept_file(root.path / path, sha256_of(record, path)) for path in output_files(record)}
    return record.model_copy(update={"kept_files": kept})
