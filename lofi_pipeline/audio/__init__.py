"""Audio: from any file to a levelled MP3 and its measurements. No torch, librosa or dagster.

Decoding and encoding are in io/, changes of the sound in mastering/, measurements in analysis/, the comparison of tracks in
fingerprint/; process.py puts them in order. What the other packages use is imported from here.
"""

from lofi_pipeline.audio.analysis.features import measure
from lofi_pipeline.audio.analysis.peaks import clipped, gaps, waveform_peaks
from lofi_pipeline.audio.analysis.spectrum import mono_at
from lofi_pipeline.audio.analysis.stem import STEM
from lofi_pipeline.audio.errors import (
    AudioError,
    DamagedAudio,
    EncodingFailed,
    NotAFile,
    RefusedAudio,
    Silent,
    TooLong,
    TooShort,
    UndecodableAudio,
)
from lofi_pipeline.audio.fingerprint.extract import BANDS, fingerprint
from lofi_pipeline.audio.fingerprint.match import (
    Hint,
    Likeness,
    MatchType,
    compare,
    compare_at,
    hints_of,
    shared_part,
)
from lofi_pipeline.audio.fingerprint.sketch import (
    DIMENSIONS,
    SKETCH_SCALE,
    SKETCH_VERSION,
    query_sketches,
    sketch,
    sketch_starts,
    stored,
    windows_in,
)
from lofi_pipeline.audio.io.codecs import is_lossless
from lofi_pipeline.audio.io.credentials import denied_by_credentials
from lofi_pipeline.audio.io.encode import encode_mp3, write_wav
from lofi_pipeline.audio.io.read import AUDIO_SUFFIXES, SAMPLE_RATE, Audio, read
from lofi_pipeline.audio.io.recognise import HEAD_BYTES, why_no_audio
from lofi_pipeline.audio.io.tags import clean, read_tags, tags_in
from lofi_pipeline.audio.mastering.loudness import integrated_loudness, true_peak_dbtp
from lofi_pipeline.audio.process import PROCESSING_VERSION, ProcessedAudio, fingerprint_of, process

__all__ = [
    "AUDIO_SUFFIXES",
    "BANDS",
    "DIMENSIONS",
    "HEAD_BYTES",
    "PROCESSING_VERSION",
    "SAMPLE_RATE",
    "SKETCH_SCALE",
    "SKETCH_VERSION",
    "STEM",
    "Audio",
    "AudioError",
    "DamagedAudio",
    "EncodingFailed",
    "Hint",
    "Likeness",
    "MatchType",
    "NotAFile",
    "ProcessedAudio",
    "RefusedAudio",
    "Silent",
    "TooLong",
    "TooShort",
    "UndecodableAudio",
    "clean",
    "clipped",
    "compare",
    "compare_at",
    "denied_by_credentials",
    "encode_mp3",
    "fingerprint",
    "fingerprint_of",
    "gaps",
    "hints_of",
    "integrated_loudness",
    "is_lossless",
    "measure",
    "mono_at",
    "process",
    "query_sketches",
    "read",
    "read_tags",
    "shared_part",
    "sketch",
    "sketch_starts",
    "stored",
    "tags_in",
    "true_peak_dbtp",
    "waveform_peaks",
    "why_no_audio",
    "windows_in",
    "write_wav",
]
