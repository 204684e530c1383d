"""What an MP3 sounds like after some of its frames were changed: those are decoded again, the rest is as it was."""

from __future__ import annotations

from itertools import pairwise

import av
import numpy as np

from lofi_pipeline.audio.errors import EncodingFailed
from lofi_pipeline.audio.io.encode import FRAME, STREAM_DELAY, frame_starts
from lofi_pipeline.audio.mastering.limiter import stretches

_LEAD = 10
"""Frames to decode before the first that counts. The one before it overlaps into it, and may itself have bits up to 511
bytes back: in nine frames of 96 bytes at least, 36 of which are no such bits."""
_TAIL = 1
"""Frames after the last changed one that it overlaps into."""


def decode_again(decoded: np.ndarray, before: bytes, after: bytes) -> list[tuple[int, int]]:
    """Make `heard`, the float32 [2, n] that `before` sounds like, what `after` sounds like; the stretches that changed.

    Sample for sample the same as if the whole were decoded again.

    Args:
        before: 48 kHz, its first frame an Info tag: what `encode_mp3` makes.
        after: the same with other bits in some frames, each as long as it was.
    """
    frames = list(pairwise([*frame_starts(before)[1:], len(before)]))
    differ = np.array(
        [number for number, (a, b) in enumerate(frames) if before[a:b] != after[a:b]], dtype=int
    )
    changed = []
    for first, last in stretches(differ, _TAIL + _LEAD):
        lead, end = max(0, first - _LEAD), min(len(frames), last + _TAIL + 1)
        samples = _decoded([after[a:b] for a, b in frames[lead:end]])[:, (first - lead) * FRAME :]
        start = first * FRAME - STREAM_DELAY
        at, until = max(0, start), min(decoded.shape[1], start + samples.shape[1])
        decoded[:, at:until] = samples[:, at - start : until - start]
        changed.append((at, until))
    return changed


def _decoded(frames: list[bytes]) -> np.ndarray:
    """float32 [2, 1152 * frames], from a decoder that has heard nothing before."""
    decoder = av.Codec("mp3float", "r").create("audio")
    parts = [part.to_ndarray() for frame in frames for part in decoder.decode(av.Packet(frame))]
    samples = np.concatenate(parts, axis=1)
    if samples.shape != (2, FRAME * len(frames)):
        raise EncodingFailed(
            f"{len(frames)} frames of the MP3 gave {samples.shape[1]} samples; report this with the track"
        )
    return samples
