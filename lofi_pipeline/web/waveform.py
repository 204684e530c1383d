"""What the player draws of an audio file, made once and kept under cache/peaks/ by the hash of the file."""

from __future__ import annotations

from contextlib import suppress

from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.entities import Entity, RecordError, TrackRecord
from lofi_pipeline.storage import DataRoot, file_sha256, read_record, write_json_atomic

LONGEST_SECONDS = 1_200.0
"""Processed tracks and samples are far shorter."""
CLIPPING = "clipping"
"""The part of the quality score that flat tops lower."""


class Waveform(Entity):
    """Peaks of an audio file, 0 to 1, by channel over its whole length; and where it is silent or clipped, in seconds."""

    duration: float = Field(ge=0)
    peaks: list[list[float]]
    gaps: list[tuple[float, float]] = Field(default_factory=list)
    clipped: list[tuple[float, float]] | None = Field(
        default=None,
        description="Where the original is clipped, in seconds of this file; None: not looked for",
    )


def waveform(root: DataRoot, relative: str, sha256: str) -> Waveform:
    """The waveform of a file of the data root that a record names with its hash.

    Raises:
        AudioError: the file cannot be decoded.
        OSError: it is not there.
    """
    kept = root.cache / "peaks" / f"{sha256}.json"
    with suppress(FileNotFoundError, RecordError):
        return read_record(Waveform, kept)
    heard = audio.read(root.inside(relative), max_seconds=LONGEST_SECONDS)
    found = Waveform(
        duration=round(heard.seconds, 3),
        peaks=audio.waveform_peaks(heard.samples),
        gaps=audio.gaps(heard.samples),
    )
    with suppress(OSError):  # a disk that is full, or may not be written to
        write_json_atomic(kept, found)
    return found


def with_clipping(root: DataRoot, record: TrackRecord, shown: Waveform) -> Waveform:
    """The waveform of a track with the places where its original is clipped: an MP3 keeps no flat tops.

    It stays as it is where the score says nothing of clipping, or the original is not there, or another file.
    """
    processed = record.processed
    if processed is None or all(part.name != CLIPPING for part in processed.quality.parts):
        return shown
    kept = root.cache / "peaks" / f"{processed.audio_sha256}-clipped.json"
    with suppress(FileNotFoundError, RecordError):
        return read_record(Waveform, kept)
    try:
        original = root.inside(record.origins[0].path)
        if file_sha256(original) != record.sha256:
            return shown
        heard = audio.read(original, max_seconds=LONGEST_SECONDS)
    except (OSError, ValueError, audio.AudioError):  # gone, behind a link, or not to be decoded
        return shown
    start = processed.trimmed_start_seconds
    places = [(begin - start, end - start) for begin, end in audio.clipped(heard.samples)]
    inside = [(max(0.0, begin), min(end, shown.duration)) for begin, end in places]
    found = shown.model_copy(update={"clipped": [(a, b) for a, b in inside if a < b]})
    with suppress(OSError):
        write_json_atomic(kept, found)
    return found
