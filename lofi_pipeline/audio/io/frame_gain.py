"""Lower the level of parts of an MP3 without encoding it again: each granule of 576 samples has a `global_gain` of its own.

ISO/IEC 11172-3, 2.4.1.7 (side information) and 2.4.3.4 (requantisation): one step is a factor of 2^(1/4), 1.505 dB, on all that
is decoded from the granule. Nothing is quantised anew, so the effect of a step on a peak is known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lofi_pipeline.audio.io.encode import STREAM_DELAY, frame_starts

STEP_DB = 5 * math.log10(2)
_GRANULE = 576
_REACH = 2
"""Granules before a sample's own that have a part in it: their transforms and the filter bank overlap."""
_SIDE_INFORMATION = slice(4, 36)
_FIRST_GAIN = 20 + 12 + 9  # bits before it: the frame's own fields, part2_3_length, big_values
_BITS_A_GRANULE = 59


def turned_down(mp3: bytes, overshoots: Iterable[tuple[int, float]]) -> bytes:
    """The same MP3, quieter at each overshoot (sample of the music, excess in dB), in as few steps as suffice.

    Args:
        mp3: 48 kHz stereo without checksums, its first frame an Info tag: what `encode_mp3` makes.
    """
    steps: dict[int, int] = {}
    for sample, excess_db in overshoots:
        own = (sample + STREAM_DELAY) // _GRANULE
        for granule in range(max(0, own - _REACH), own + 1):
            steps[granule] = max(steps.get(granule, 0), math.ceil(excess_db / STEP_DB))
    stream, frames = bytearray(mp3), frame_starts(mp3)[1:]
    for granule, count in steps.items():
        if granule // 2 < len(frames):
            _lower(stream, frames[granule // 2], granule % 2, count)
    return bytes(stream)


def _lower(stream: bytearray, frame: int, granule: int, count: int) -> None:
    """Lower both channels' global_gain of one granule (0 or 1) of the frame that begins at byte `frame`."""
    start = frame + _SIDE_INFORMATION.start
    side = int.from_bytes(stream[start : frame + _SIDE_INFORMATION.stop], "big")
    for channel in range(2):
        shift = 256 - 8 - _FIRST_GAIN - (2 * granule + channel) * _BITS_A_GRANULE
        gain = side >> shift & 0xFF
        side += (max(0, gain - count) - gain) << shift
    stream[start : frame + _SIDE_INFORMATION.stop] = side.to_bytes(32, "big")
