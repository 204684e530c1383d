"""What the player draws of an audio file, made once and kept under cache/peaks/ by the hash of the file."""

from __future__ import annotations

from contextlib import suppress

from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.entities import Entity, RecordError
from lofi_pipeline.storage import DataRoot, read_record, write_json_atomic

LONGEST_SECONDS = 1_200.0
"""Processed tracks and samples are far shorter."""


class Waveform(Entity):
    """Peaks of an audio file, 0 to 1, by channel over its whole length; and where it is silent, in seconds."""

    duration: float = Field(ge=0)
    peaks: list[list[float]]
    gaps: list[tuple[float, float]] = Field(default_factory=list)


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
