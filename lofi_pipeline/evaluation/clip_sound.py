"""What is shown and heard of a clip's file: a spectrogram, and its level, so that clips are compared equally loud.

Both are kept under cache/ by the hash of the file's bytes, and made again where they are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from pydantic import Field

from lofi_pipeline.audio import SAMPLE_RATE, integrated_loudness, true_peak_dbtp
from lofi_pipeline.audio.analysis.png import indexed_png
from lofi_pipeline.entities import Entity, RecordError
from lofi_pipeline.evaluation.copies.sound import BANDS, bands_of, mono_of
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.storage import DataRoot, file_sha256, read_record, write_bytes_atomic, write_json_atomic

TARGET_LUFS = -16.0
"""As loud as clips are played where none of those compared would clip."""
CEILING_DBTP = -1.0
WIDTH, BAND_HEIGHT = 320, 2
_COLOURS = 64
_STOPS = ((9, 8, 28), (72, 30, 108), (168, 52, 96), (237, 121, 64), (252, 236, 176))
"""From silence to the loudest: dark to light, so that it can be read without telling colours apart."""
_LEVEL_VERSION, _PICTURE_VERSION = 1, 1


class ClipLevel(Entity):
    """How loud a clip is, by the meter that levels tracks."""

    lufs: float | None = Field(
        description="Integrated loudness after BS.1770; None: silent, or shorter than 0.4 s"
    )
    peak_dbtp: float = Field(description="True peak")


def clip_level(root: DataRoot, path: Path) -> ClipLevel:
    """The level of an audio file of the data root.

    Raises:
        EvaluationError: it can't be read as audio.
    """
    kept = root.cache / "levels" / f"{_sha256(path)}-{_LEVEL_VERSION}.json"
    try:
        return read_record(ClipLevel, kept)
    except (OSError, RecordError):
        pass
    samples, rate = read_clip(path)
    if rate != SAMPLE_RATE:
        samples = np.ascontiguousarray(soxr.resample(samples.T, rate, SAMPLE_RATE, quality="MQ").T)
    level = ClipLevel(lufs=integrated_loudness(samples), peak_dbtp=true_peak_dbtp(samples))
    write_json_atomic(kept, level)
    return level


def matched_gains(levels: Sequence[ClipLevel | None]) -> list[float]:
    """The gain of each clip in dB with which all are equally loud: as loud as `TARGET_LUFS`, or as the one with the highest peaks
    allows. Silence, and what can't be measured, stays as it is.
    """
    heard = [level for level in levels if level is not None and level.lufs is not None]
    reachable = [level.lufs + CEILING_DBTP - level.peak_dbtp for level in heard if level.lufs is not None]
    together = min([TARGET_LUFS, *reachable])
    return [
        0.0 if level is None or level.lufs is None else round(together - level.lufs, 2) + 0.0
        for level in levels
    ]


def spectrogram(root: DataRoot, path: Path) -> Path:
    """A PNG of an audio file of the data root: time to the right, 48 mel bands from 60 Hz to 9 kHz upwards, light where it is loud.

    Raises:
        EvaluationError: it can't be read as audio.
    """
    kept = root.cache / "spectrograms" / f"{_sha256(path)}-{_PICTURE_VERSION}.png"
    if not kept.is_file():
        write_bytes_atomic(kept, spectrogram_png(*read_clip(path)))
    return kept


def spectrogram_png(samples: np.ndarray, rate: int) -> bytes:
    """Of float32 [channels, n] at `rate` Hz: at most 320 pixels wide."""
    levels = bands_of(mono_of(samples, rate)).astype(np.float32)
    if len(levels) > WIDTH:
        edges = np.linspace(0, len(levels), WIDTH + 1).astype(int)[:-1]
        levels = np.add.reduceat(levels, edges) / np.diff(np.append(edges, len(levels)))[:, None]
    highest = max(1.0, float(levels.max(initial=0.0)))
    indices = np.rint(levels.T[::-1] / highest * (_COLOURS - 1)).astype(np.uint8)
    return indexed_png(np.repeat(indices, BAND_HEIGHT, axis=0), _palette())


HEIGHT = BANDS * BAND_HEIGHT


def _palette() -> bytes:
    at = np.linspace(0, len(_STOPS) - 1, _COLOURS)
    stops = np.array(_STOPS, dtype=float)
    colours = [np.interp(at, range(len(_STOPS)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(colours, axis=1)).astype(np.uint8).tobytes()


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def read_clip(path: Path) -> tuple[np.ndarray, int]:
    """The samples of an audio file, float32 [channels, n], and their rate in Hz.

    Raises:
        EvaluationError: it can't be read as audio.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise _unreadable(path, error) from error
    if not len(samples):
        raise _unreadable(path, "it is empty")
    return np.ascontiguousarray(samples.T), rate


def _unreadable(path: Path, error: object) -> EvaluationError:
    return EvaluationError(
        f"{path.name}: can't be read as audio ({error}); run lofi run to score the checkpoint again"
    )
