"""Partial decoding of an MP3 after some of its frames were changed.

The frames are changed in frame_gain.py.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lofi_pipeline.audio.errors import EncodingFailed
from lofi_pipeline.audio.io.encode import FRAME, STREAM_DELAY, frame_starts
from lofi_pipeline.audio.mastering.limiter import stretches

_LEAD = 10
"""Frames to decode before the first one that is needed. The frame before it overlaps into it, and may have bits up to 511
bytes back (the bit reservoir): those lie in at most nine frames of at least 96 bytes, of which 36 are not in the reservoir."""
_TAIL = 1
"""Frames after the last changed one into which it overlaps."""


def decode_again(decoded: np.ndarray, before: bytes, after: bytes) -> list[tuple[int, int]]:
    """Update the decoded samples of an MP3 in place, and return the stretches (start, end) that changed.

    The result is the same, sample for sample, as if the whole MP3 were decoded again.

    Args:
        decoded: float32 [2, n], the decoded samples of `before`.
        before: 48 kHz, its first frame an Info tag: what `encode_mp3` makes.
        after: the same stream with other bits in some frames, the lengths of the frames unchanged.
    """
    frames = list(pairwise([*frame_starts(before)[1:], len(before)]))
    differ = np.array(
        [number for number, (a, b) in enumerate(frames) if before[a:b] != after[a:b]], dtype=int
    )
    changed = []
    for first, last in stretches(differ, _TAIL + _LEAD):
        lead, end = max(0, first - _LEAD), min(len(frames), last + _TAIL + 1)
        samples = decode_frames([after[a:b] for a, b in frames[lead:end]])[:, (first - lead) * FRAME :]
        start = first * FRAME - STREAM_DELAY
        at, until = max(0, start), min(decoded.shape[1], start + samples.shape[1])
        decoded[:, at:until] = samples[:, at - start : until - start]
        changed.append((at, until))
    return changed


def decode_frames(frames: list[bytes]) -> np.ndarray:
    """Decode MP3 frames with a new decoder: float32 [2, 1152 * frames]."""
    import av

    decoder = av.Codec("mp3float", "r").create("audio")
    parts = [part.to_ndarray() for frame in frames for part in decoder.decode(av.Packet(frame))]
    samples = np.concatenate(parts, axis=1)
    if samples.shape != (2, FRAME * len(frames)):
        raise EncodingFailed(
            f"{len(frames)} frames of the MP3 gave {samples.shape[1]} samples; report this with the track"
        )
    return samples
