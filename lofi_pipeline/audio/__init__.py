"""Audio: any file in; a levelled MP3 and all that was measured about it out. No torch, librosa or dagster."""

from lofi_pipeline.audio.decode import AUDIO_SUFFIXES, SAMPLE_RATE, Audio, read
from lofi_pipeline.audio.encode import encode_mp3, write_wav
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
from lofi_pipeline.audio.features import measure
from lofi_pipeline.audio.fingerprint import RELATED, SAME_RECORDING, fingerprint, similarity
from lofi_pipeline.audio.loudness import integrated_loudness, true_peak_dbtp
from lofi_pipeline.audio.process import PROCESSING_VERSION, ProcessedAudio, process
from lofi_pipeline.audio.spectrum import mono_at

__all__ = [
    "AUDIO_SUFFIXES",
    "PROCESSING_VERSION",
    "RELATED",
    "SAME_RECORDING",
    "SAMPLE_RATE",
    "Audio",
    "AudioError",
    "DamagedAudio",
    "EncodingFailed",
    "NotAFile",
    "ProcessedAudio",
    "RefusedAudio",
    "Silent",
    "TooLong",
    "TooShort",
    "UndecodableAudio",
    "encode_mp3",
    "fingerprint",
    "integrated_loudness",
    "measure",
    "mono_at",
    "process",
    "read",
    "similarity",
    "true_peak_dbtp",
    "write_wav",
]
