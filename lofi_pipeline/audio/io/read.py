"""What is read of an audio file, and which files are taken as audio by their names. How they are decoded is in decode.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SAMPLE_RATE = 48_000
_SUFFIXES = """
    .wav .wave .bwf .rf64 .w64 .flac .mp3 .mp2 .ogg .oga .opus .m4a .m4b .mp4 .mov .aac .aif .aiff .aifc .caf .au .snd .wv .ape
    .wma .asf .tta .mka .mkv .webm .weba .mpc .tak .dsf .dff
"""
AUDIO_SUFFIXES = frozenset(_SUFFIXES.split())
"""Of the names of files that are taken. What a file holds is found in itself."""


@dataclass(frozen=True)
class Audio:
    """Decoded audio, and what is known of the file it came from."""

    samples: np.ndarray = field(repr=False)
    """float32 [2, n] at 48 kHz; full scale is 1.0, and may be exceeded."""
    source_rate: int
    source_channels: int
    source_codec: str
    declared_seconds: float | None
    """What the header declares; None where it declares nothing reliable."""
    lost_share: float
    """Share of the audio, 0..1, that was declared but missing or undecodable."""
    bad_packets: int
    complete: bool = True
    """False: reading stopped at `keep_seconds`, there is more in the file."""
    silent_seconds: float = 0.0
    """Silence at the beginning that is not in `samples`."""

    @property
    def seconds(self) -> float:
        """The length of `samples`."""
        return self.samples.shape[1] / SAMPLE_RATE


def read(path: Path, *, max_seconds: float, keep_seconds: float | None = None) -> Audio:
    """Decode the default audio stream of `path`; of a chain of Ogg streams, all of them.

    A file that is longer than `max_seconds`, or declares to be, is refused. Of one that is longer than `keep_seconds`, only
    the first `keep_seconds` are decoded; all but the last part of a long silence before the music does not count. Damaged
    packets are skipped and counted.

    Raises:
        NotAFile: `path` is a folder, pipe or device.
        UndecodableAudio: not a supported container or codec, or nothing decodable in it.
        TooLong: longer than `max_seconds`.
        DamagedAudio: samples that are not finite, or absurdly loud.
        OSError: the file is missing or not readable.
    """
    # Loaded when the first file is decoded: FFmpeg takes memory, and most commands decode none
    from lofi_pipeline.audio.io.decode import decode

    return decode(path, max_seconds=max_seconds, keep_seconds=keep_seconds)
