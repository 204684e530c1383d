"""The audio stage for one track: decode, trim, cut, measure, level, encode, and measure the MP3 that was written.

Only the order of the steps is here; each step is in io/, mastering/, analysis/ or fingerprint/. Track records, styles and
prompts belong to ingest/.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lofi_pipeline.audio.analysis.features import measure
from lofi_pipeline.audio.analysis.quality import score
from lofi_pipeline.audio.analysis.spectrum import mono_at
from lofi_pipeline.audio.analysis.stem import stem_of
from lofi_pipeline.audio.analysis.thumbnail import waveform_png
from lofi_pipeline.audio.errors import EncodingFailed, Silent, TooShort, spoken_seconds
from lofi_pipeline.audio.fingerprint.extract import fingerprint
from lofi_pipeline.audio.fingerprint.match import LEAST_SECONDS
from lofi_pipeline.audio.io.encode import encode_mp3
from lofi_pipeline.audio.io.read import SAMPLE_RATE, Audio, read
from lofi_pipeline.audio.mastering.cut import cut
from lofi_pipeline.audio.mastering.limiter import level
from lofi_pipeline.audio.mastering.loudness import gated_loudness, k_weighted_power, true_peak_dbtp
from lofi_pipeline.audio.mastering.overshoot import reduce_overshoot
from lofi_pipeline.audio.mastering.trim import Trimmed, trim, trim_end
from lofi_pipeline.config import AudioSettings
from lofi_pipeline.entities import CutInfo, ProcessedFacts, QualityReport, TrackMeasurements
from lofi_pipeline.storage import replacing

PROCESSING_VERSION = 9
"""Part of the hash of the stage's inputs: raise it when the same file would give another result."""

_SPARE_SECONDS = 30.0
"""Read beyond the longest track, so that silence before the music costs none of it."""
_MP3_MARGIN_DB = 0.3
"""Encoding lets peaks overshoot by up to this much, as measured; the limiter keeps peaks lower by it."""


@dataclass(frozen=True)
class ProcessedAudio:
    """All fields of ProcessedFacts but the path; the fingerprint, uint8 [frames, 60]; the waveform as PNG bytes."""

    audio_sha256: str
    duration: float
    quality: QualityReport
    measurements: TrackMeasurements
    input_lufs: float
    output_lufs: float
    true_peak_dbtp: float
    gain_db: float
    loudness_shortfall_db: float
    source_rate: int
    source_channels: int
    source_codec: str
    lost_share: float
    trimmed_start_seconds: float
    trimmed_end_seconds: float
    cut: CutInfo | None
    fingerprint: np.ndarray = field(repr=False)
    thumbnail: bytes = field(repr=False)

    def facts(self, audio_path: str) -> ProcessedFacts:
        """These facts with the MP3's path relative to the data root."""
        values = {name: getattr(self, name) for name in ProcessedFacts.model_fields if hasattr(self, name)}
        return ProcessedFacts(audio_path=audio_path, **values)


def process(path: Path, destination: Path, settings: AudioSettings) -> ProcessedAudio:
    """Turn any audio file into a levelled 48 kHz stereo MP3 at `destination`. The same input gives the same bytes.

    The MP3 appears whole or not at all. Its loudness and true peak are measured on the MP3, decoded again.

    Raises:
        RefusedAudio: the file is unfit, with the reason; nothing was written.
        EncodingFailed: the MP3 did not hold what went in.
        OSError: the file is not readable, or the disk is full.
    """
    keep_seconds = settings.max_seconds + _SPARE_SECONDS
    audio = read(path, max_seconds=settings.max_input_seconds, keep_seconds=keep_seconds)
    trimmed = trim(audio.samples, at_end=audio.complete, least_seconds=settings.min_seconds)
    samples, cut_info = _shortened(path, audio, trimmed, settings)
    found = _measured(path, samples, audio.lost_share)
    with replacing(destination) as temporary:
        written = _write(temporary, samples, found, settings)
    return ProcessedAudio(
        audio_sha256=written.sha256,
        duration=samples.shape[1] / SAMPLE_RATE,
        quality=found.quality,
        measurements=found.measurements,
        input_lufs=round(found.lufs, 3),
        output_lufs=round(written.lufs, 3),
        true_peak_dbtp=round(written.peak_dbtp, 3),
        gain_db=round(written.gain_db, 3),
        loudness_shortfall_db=round(written.shortfall_db, 3),
        source_rate=audio.source_rate,
        source_channels=audio.source_channels,
        source_codec=audio.source_codec,
        lost_share=round(audio.lost_share, 6),
        trimmed_start_seconds=round(trimmed.start_seconds + audio.silent_seconds, 6),
        trimmed_end_seconds=trimmed.end_seconds,
        cut=cut_info,
        fingerprint=found.fingerprint,
        thumbnail=waveform_png(samples),
    )


def fingerprint_of(path: Path, settings: AudioSettings) -> np.ndarray:
    """The fingerprint, uint8 [frames, 60], of music that is not taken, of any length, so that it is known again.

    Raises:
        RefusedAudio: there is nothing to be known again, with the reason.
        OSError: the file is not readable.
    """
    keep_seconds = settings.max_seconds + _SPARE_SECONDS
    audio = read(path, max_seconds=settings.max_input_seconds, keep_seconds=keep_seconds)
    samples = trim(audio.samples, at_end=audio.complete).samples
    seconds = samples.shape[1] / SAMPLE_RATE
    if seconds < LEAST_SECONDS:
        raise TooShort(f"{path.name}: {spoken_seconds(seconds)} of sound are too short to be known again")
    return fingerprint(mono_at(samples, 22_050))


@dataclass(frozen=True)
class _Measured:
    """What is known of the samples before they are levelled."""

    power: np.ndarray
    """`k_weighted_power`, float64 [blocks of 100 ms]."""
    lufs: float
    peak_dbtp: float
    quality: QualityReport
    measurements: TrackMeasurements
    fingerprint: np.ndarray


def _measured(path: Path, samples: np.ndarray, lost_share: float) -> _Measured:
    power = k_weighted_power(samples)
    lufs = gated_loudness(power)
    if lufs is None:
        raise Silent(f"{path.name} is silent; check that the right file was exported")
    peak = true_peak_dbtp(samples)
    quality = score(samples, lufs=lufs, peak_dbtp=peak, lost_share=lost_share)
    mono = mono_at(samples, 22_050)
    stem = stem_of(mono)
    if stem:
        quality = quality.model_copy(update={"parts": [*quality.parts, stem]})
    return _Measured(power, lufs, peak, quality, measure(mono), fingerprint(mono))


def _shortened(
    path: Path, audio: Audio, trimmed: Trimmed, settings: AudioSettings
) -> tuple[np.ndarray, CutInfo | None]:
    """The samples to keep, and how they were cut if the track is too long, or more than music."""
    _require_long_enough(path, audio, trimmed, settings)
    read_seconds = audio.seconds + audio.silent_seconds
    whole = read_seconds if audio.complete else max(audio.declared_seconds or 0.0, read_seconds)
    kept, reasons = trimmed.samples, [trimmed.reason] if trimmed.reason else []
    may_go_on = not (audio.complete or trimmed.ends_early)
    if may_go_on or kept.shape[1] > settings.max_seconds * SAMPLE_RATE:
        shortened = cut(kept, min_seconds=settings.min_seconds, max_seconds=settings.max_seconds)
        ended = trim_end(shortened.samples)
        _require_long_enough(path, audio, ended, settings)
        kept = ended.samples
        reasons.append(shortened.reason)
    if not reasons:
        return kept, None
    seconds = kept.shape[1] / SAMPLE_RATE
    info = CutInfo(source_seconds=round(whole, 3), kept_seconds=seconds, reason="; ".join(reasons))
    return kept, info


def _require_long_enough(path: Path, audio: Audio, trimmed: Trimmed, settings: AudioSettings) -> None:
    seconds = trimmed.samples.shape[1] / SAMPLE_RATE
    if seconds >= settings.min_seconds:
        return
    lost = f" ({audio.lost_share:.0%} of it is damaged or missing)" if audio.lost_share > 0.001 else ""
    silence = trimmed.start_seconds + audio.silent_seconds + trimmed.end_seconds
    where = "around them" if trimmed.reason else "at the ends"
    without = f" without {spoken_seconds(silence)} of silence {where}" if silence else ""
    raise TooShort(
        f"{path.name} is too short: {spoken_seconds(seconds)} of audio{without}{lost}, at least"
        f" {spoken_seconds(settings.min_seconds)} are needed"
    )


@dataclass(frozen=True)
class _Written:
    sha256: str
    lufs: float
    peak_dbtp: float
    gain_db: float
    shortfall_db: float


def _write(file: Path, samples: np.ndarray, found: _Measured, settings: AudioSettings) -> _Written:
    """Level the samples, encode them to `file` and measure that MP3; where its peaks overshoot, lower its gain there."""
    levelled = level(
        samples,
        power=found.power,
        peak_dbtp=found.peak_dbtp,
        target_lufs=settings.target_lufs,
        ceiling_dbtp=settings.true_peak_ceiling_dbtp - _MP3_MARGIN_DB,
        max_limiter_db=settings.max_limiter_db,
    )
    mp3 = encode_mp3(levelled.samples, vbr_quality=settings.mp3_vbr_quality)
    gain_db, shortfall_db = levelled.gain_db, levelled.loudness_shortfall_db
    del levelled  # it is as large as the track, and so is what comes next
    file.write_bytes(mp3)
    measured = read(file, max_seconds=2 * settings.max_seconds)
    if measured.samples.shape != samples.shape or measured.bad_packets:
        raise EncodingFailed(
            f"the MP3 holds {measured.samples.shape[1]} samples instead of {samples.shape[1]};"
            " report this with the track"
        )
    reduced = reduce_overshoot(mp3, measured.samples, settings.true_peak_ceiling_dbtp)
    if reduced.mp3 != mp3:
        file.write_bytes(reduced.mp3)
    output = gated_loudness(reduced.power)
    if output is None:
        raise EncodingFailed("the MP3 is silent although its source is not; report this with the track")
    return _Written(
        sha256=hashlib.sha256(reduced.mp3).hexdigest(),
        lufs=output,
        peak_dbtp=reduced.peak_dbtp,
        gain_db=gain_db,
        shortfall_db=shortfall_db,
    )
