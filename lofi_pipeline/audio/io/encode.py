"""Encoding of MP3 and WAV.

The binding of LAME writes no length tag; the one that is added here makes decoders return exactly the samples that went in.
"""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import lameenc
import numpy as np

from lofi_pipeline.audio.errors import EncodingFailed
from lofi_pipeline.storage import replacing

_RATE = 48_000
FRAME = 1152
"""Samples of an MP3 frame."""
_ENCODER_DELAY = 576
STREAM_DELAY = _ENCODER_DELAY + 529
"""Samples that come out before the first one of the music: the encoder's delay and the decoder's."""
_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_TAG_KBPS_INDEX = 9
_VBR_MTRH = 4
_QUALITY = 5
_PIECE = _RATE


def encode_mp3(samples: np.ndarray, *, vbr_quality: int) -> bytes:
    """Variable-rate MP3 (LAME `-V vbr_quality -q 5`) of float32 [2, n] at 48 kHz. Same samples, same bytes.

    Raises:
        EncodingFailed: LAME gave a stream that can't be walked frame by frame.
    """
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(_RATE)
    encoder.set_out_sample_rate(_RATE)  # LAME would lower it at low quality
    encoder.set_channels(2)
    encoder.set_quality(_QUALITY)
    encoder.set_vbr(_VBR_MTRH)
    encoder.set_vbr_quality(vbr_quality)
    parts = []
    for start in range(0, samples.shape[1], _PIECE):
        parts.append(bytes(encoder.encode(_as_int16(samples[:, start : start + _PIECE]).tobytes())))
    parts.append(bytes(encoder.flush()))
    stream = b"".join(parts)
    return _length_tag(stream, samples.shape[1], vbr_quality) + stream


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write float [n] or [channels, n] as a 16-bit WAV, whole or not at all; what exceeds ±1 is clipped."""
    planar = np.atleast_2d(samples)
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(planar.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_as_int16(planar).tobytes())


def _as_int16(planar: np.ndarray) -> np.ndarray:
    """[c, n] within ±1 -> little-endian int16 [n, c]."""
    scaled = planar * np.float32(32767)
    np.clip(scaled, -32768, 32767, out=scaled)
    return np.rint(scaled, out=scaled).T.astype("<i2", order="C")


def frame_starts(stream: bytes) -> list[int]:
    """Where each frame of an MPEG-1 layer III stream at 48 kHz begins, in bytes.

    Raises:
        EncodingFailed: it can't be walked frame by frame, or its frames carry checksums.
    """
    starts = []
    at = 0
    while at + 4 <= len(stream):
        kbps_index = stream[at + 2] >> 4
        if (
            stream[at] != 0xFF
            or stream[at + 1] != 0xFB
            or not 0 < kbps_index < 15
            or stream[at + 2] & 0x0C != 4
        ):
            raise EncodingFailed(
                f"the MP3 encoder's stream has no frame at byte {at}; report this with the track"
            )
        starts.append(at)
        at += 144 * _KBPS[kbps_index] * 1000 // _RATE + (stream[at + 2] >> 1 & 1)
    return starts


def _length_tag(stream: bytes, samples: int, vbr_quality: int) -> bytes:
    """A Xing/LAME frame: frame count, bytes, seek table, and the encoder's delay and padding.

    Layout after the "MP3 Info Tag rev 1" specification (gabriel.mp3-tech.org/mp3infotag.html).
    """
    frames = frame_starts(stream)
    padding = len(frames) * FRAME - samples - _ENCODER_DELAY
    if not frames or not 0 <= padding < 4096:
        raise EncodingFailed(
            f"the MP3 encoder gave {len(frames)} frames for {samples} samples; report this with it"
        )
    size = 144 * _KBPS[_TAG_KBPS_INDEX] * 1000 // _RATE
    total = size + len(stream)
    tag = bytearray(size)
    tag[0:4] = stream[0:4]
    tag[2] = _TAG_KBPS_INDEX << 4 | tag[2] & 0x0C
    tag[3] &= 0xCF  # the mode extension means nothing in a frame without music
    xing = 4 + 32  # after the header and the side information of a stereo frame
    seek = bytes(min(255, (size + frames[len(frames) * i // 100]) * 256 // total) for i in range(100))
    tag[xing : xing + 4] = b"Xing"
    struct.pack_into(">III", tag, xing + 4, 0x0F, len(frames), total)
    tag[xing + 16 : xing + 116] = seek
    struct.pack_into(">I", tag, xing + 116, 100 - 10 * vbr_quality)
    lame = xing + 120
    tag[lame : lame + 9] = b"LAME3.100"
    tag[lame + 9] = _VBR_MTRH
    tag[lame + 21 : lame + 24] = ((_ENCODER_DELAY << 12) | padding).to_bytes(3, "big")
    struct.pack_into(">I", tag, lame + 28, total)
    # The music's own CRC (two bytes here) stays 0: players do not look, and it would be slow to compute.
    struct.pack_into(">H", tag, lame + 34, _crc16(bytes(tag[: lame + 34])))
    return bytes(tag)


def _crc16(data: bytes) -> int:
    """CRC-16/ARC, the checksum of the LAME tag."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value
