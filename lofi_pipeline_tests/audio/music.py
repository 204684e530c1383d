"""Small deterministic loops with known tempo and key, and files of every kind made from them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream

RATE = 48_000
_CHORDS = {"major": ((0, 4, 7, 11), (9, 12, 16, 19), (2, 5, 9, 12), (7, 11, 14, 17))}
_CHORDS["minor"] = ((0, 3, 7, 10), (8, 12, 15, 19), (5, 8, 12, 15), (7, 10, 14, 17))


def loop(
    seconds: float = 32.0,
    *,
    bpm: float = 80.0,
    tonic: int = 9,
    mode: str = "minor",
    seed: int = 0,
    level: float = 0.3,
) -> np.ndarray:
    """float32 [2, n]: four chords, a bass, kick, snare, hats; a bar line every 240 / bpm seconds."""
    rng = np.random.default_rng(seed)
    beat = 60 / bpm
    count = int(seconds * RATE)
    out = np.zeros((2, count + 4 * RATE))
    kick_time = np.arange(RATE // 4) / RATE
    kick = (
        0.9 * np.sin(2 * np.pi * (50 * kick_time - 3 * np.exp(-kick_time / 0.03))) * np.exp(-kick_time / 0.08)
    )
    hit = rng.standard_normal(RATE // 6) * np.exp(-np.arange(RATE // 6) / RATE / 0.05)
    hat = np.diff(rng.standard_normal(RATE // 20), prepend=0) * np.exp(-np.arange(RATE // 20) / RATE / 0.015)
    order = rng.permutation(3) + 1

    def add(at: float, sound: np.ndarray, left: float, right: float) -> None:
        start = int(at * RATE)
        out[0, start : start + len(sound)] += left * sound
        out[1, start : start + len(sound)] += right * sound

    chords = {}
    time = np.arange(int(3.9 * beat * RATE)) / RATE
    for bar in range(int(np.ceil(seconds / (4 * beat)))):
        which = 0 if bar % 4 == 0 else int(order[bar % 4 - 1])
        if which not in chords:
            chord = _CHORDS[mode][which]
            pitches = [261.63 * 2 ** ((tonic + note - 12) / 12) for note in chord]
            envelope = np.exp(-time / 1.2) * np.minimum(1, time / 0.01)
            notes = [
                (np.sin(2 * np.pi * f * time) + 0.3 * np.sin(4 * np.pi * f * time)) * envelope
                for f in pitches
            ]
            low = np.sin(2 * np.pi * pitches[0] / 2 * time) * envelope
            chords[which] = (0.2 * sum(notes[::2]) + 0.4 * low, 0.2 * sum(notes[1::2]) + 0.4 * low)
        at = 4 * bar * beat
        left, right = chords[which]
        add(at, np.asarray(left), 1, 0.4)
        add(at, np.asarray(right), 0.4, 1)
        for where in (0, 2.5):
            add(at + where * beat, kick, 1, 1)
        for where in (1, 3):
            add(at + where * beat, hit, 0.3, 0.3)
        for eighth in range(8):
            add(at + eighth * beat / 2, hat, 0.12, 0.18)
    out = out[:, :count]
    ramp = np.linspace(0, 1, 240)
    out[:, :240] *= ramp
    out[:, -240:] *= ramp[::-1]
    return (level * out / np.abs(out).max()).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    """Write float [channels, n] with libsndfile; the suffix decides the format."""
    soundfile.write(path, samples.T, rate, subtype=subtype)
    return path


def write_av(
    path: Path, samples: np.ndarray, codec: str, rate: int = RATE, *, bit_rate: int = 128_000
) -> Path:
    """Write float32 [2, n] with FFmpeg: m4a, aac, opus, MP3 of a bit rate."""
    with av.open(str(path), "w") as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=rate))
        stream.codec_context.layout = "stereo"
        stream.codec_context.bit_rate = bit_rate
        for start in range(0, samples.shape[1], 960):
            block = np.ascontiguousarray(samples[:, start : start + 960], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def truncate(path: Path, share: float) -> Path:
    """Keep only the first part of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
