"""How the quality score ranks damage: a table of synthetic pieces and what was done to them.

    python -m benchmarks.quality [--seconds 32] [--held-out]
    python -m benchmarks.quality --real FOLDER

Prints Markdown: each line a treatment, each column a piece, the score, and whether it holds what docs/quality.md says.
`--held-out`: pieces that no threshold was chosen on. `--real`: the scores of the audio files below a folder instead.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from lofi_pipeline.audio import (
    AUDIO_SUFFIXES,
    AudioError,
    encode_mp3,
    integrated_loudness,
    read,
    true_peak_dbtp,
)
from lofi_pipeline.audio.analysis.quality import score
from lofi_pipeline.audio.mastering.trim import trim
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.entities import QualityReport
from lofi_pipeline.styles import load_presets

RATE = 48_000
STYLES = ("CORE-01", "INST-02", "SEASON-03", "THEME-01", "VOCAL-01")
HELD_OUT = ("CORE-04", "INST-05", "SEASON-06", "THEME-05", "VOCAL-03")
PEAK = 0.6
Treatment = Callable[[np.ndarray], np.ndarray]


def source(style_id: str, seconds: float, seed: int = 8100) -> np.ndarray:
    """A demo piece in a style, peak 0.6, not used by any fit: float32 [2, n]."""
    samples = render(spec_of(load_presets()[style_id], seed + len(style_id), seconds)).samples
    return (PEAK * samples / np.abs(samples).max()).astype(np.float32)


def judged(samples: np.ndarray) -> QualityReport:
    """The score of float [2, n]."""
    planar = np.ascontiguousarray(samples, dtype=np.float32)
    lufs = integrated_loudness(planar)
    if lufs is None:
        raise ValueError("the treatment left silence; give it something to score")
    return score(planar, lufs=lufs, peak_dbtp=true_peak_dbtp(planar), lost_share=0.0)


def clip(db: float) -> Treatment:
    """Louder by `db` against a wall where the music peaks: 1 in 10,000 samples, lone crackles, lies above."""

    def treat(x: np.ndarray) -> np.ndarray:
        wall = np.percentile(np.abs(x), 99.99)
        return np.clip(x * 10 ** (db / 20), -wall, wall)

    return treat


def mp3(samples: np.ndarray) -> np.ndarray:
    """Through the pipeline's own encoder."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.mp3"
        file.write_bytes(encode_mp3(np.ascontiguousarray(samples, dtype=np.float32), vbr_quality=2))
        return read(file, max_seconds=600).samples


def coded(codec: str, suffix: str, bit_rate: int) -> Treatment:
    """Through another of FFmpeg's encoders, at so many bits a second."""

    def treat(samples: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"a.{suffix}"
            with av.open(str(file), "w") as container:
                stream: Any = container.add_stream(codec, rate=RATE)
                stream.codec_context.layout = "stereo"
                stream.codec_context.bit_rate = bit_rate
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples, dtype=np.float32), format="fltp", layout="stereo"
                )
                frame.sample_rate, frame.pts = RATE, 0
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            return read(file, max_seconds=600).samples

    return treat


def through(rate: int) -> Treatment:
    """Down to `rate` and up again."""
    return lambda x: soxr.resample(soxr.resample(x.T, RATE, rate), rate, RATE).T


def low_pass(hertz: float, order: int = 4) -> Treatment:
    """A Butterworth low-pass."""
    return lambda x: np.asarray(sosfilt(butter(order, hertz, fs=RATE, output="sos"), x, axis=1))


def noise(db: float) -> Treatment:
    """White noise, `db` against the music's RMS."""

    def treat(x: np.ndarray) -> np.ndarray:
        level = 10 ** (db / 20) * np.sqrt(np.mean(np.square(x)))
        return x + level * np.random.default_rng(1).standard_normal(x.shape)

    return treat


def dropouts(samples: np.ndarray) -> np.ndarray:
    """Eight holes of 0.6 s."""
    holed = samples.copy()
    for start in np.linspace(0.05, 0.9, 8) * samples.shape[1]:
        holed[:, int(start) : int(start) + int(0.6 * RATE)] = 0
    return holed


def hum(samples: np.ndarray) -> np.ndarray:
    """Mains hum with harmonics, 20 dB below the peak, and an offset of 2 %."""
    time = np.arange(samples.shape[1]) / RATE
    return samples + 0.02 + sum(0.06 / k * np.sin(2 * np.pi * 50 * k * time) for k in (1, 2, 3, 5))


def crackle(samples: np.ndarray) -> np.ndarray:
    """Vinyl: about 20 clicks a second."""
    rng = np.random.default_rng(2)
    count = samples.shape[1]
    return samples + np.where(rng.random(count) < 4e-4, 0.05 * rng.standard_normal(count), 0)


def inverted(samples: np.ndarray) -> np.ndarray:
    """The right channel's polarity turned."""
    return samples * np.array([[1.0], [-1.0]])


def mono(samples: np.ndarray) -> np.ndarray:
    """Both channels the same."""
    return np.stack([samples.mean(axis=0)] * 2)


DAMAGE: dict[str, Treatment] = {
    "clipped +3 dB": clip(3),
    "clipped +6 dB": clip(6),
    "clipped +9 dB": clip(9),
    "clipped +6 dB, then MP3": lambda x: mp3(clip(6)(x)),
    "clipped +9 dB, then MP3": lambda x: mp3(clip(9)(x)),
    "dropouts, 8 of 0.6 s": dropouts,
    "hum and DC": hum,
    "upsampled from 8 kHz": through(8000),
    "upsampled from 16 kHz": through(16_000),
    "one channel inverted": inverted,
    "mono": mono,
    "one side 20 dB down": lambda x: x * np.array([[1.0], [0.1]]),
    "MP3 at 64 kbit/s": coded("libmp3lame", "mp3", 64_000),
    "noise at -12 dB": noise(-12),
}
SEVERAL: dict[str, Treatment] = {
    "clipped +9 dB, inverted": lambda x: inverted(clip(9)(x)),
    "from 8 kHz, inverted": lambda x: inverted(through(8000)(x)),
    "from 8 kHz, dropouts, hum and DC": lambda x: hum(dropouts(through(8000)(x))),
}
"""Faults that come together: what a threshold for training should keep out."""
HARMLESS: dict[str, Treatment] = {
    "vinyl crackle": crackle,
    "hiss at -40 dB": noise(-40),
    "low-pass 3 kHz": low_pass(3000),
    "low-pass 6 kHz": low_pass(6000),
    "half as loud": lambda x: 0.5 * x,
    "MP3 V2": mp3,
}
HARMLESS_AT_LEAST = 95


def real(folder: Path) -> None:
    """Score each audio file of 30 s or more below `folder`, and its first 30 s once more clipped by 6 dB and coded."""
    codecs = {"MP3": mp3, "AAC": coded("aac", "m4a", 160_000)}
    print("| file | seconds | score | penalties | its 30 s |" + "".join(f" {name} |" for name in codecs))
    print("|---" * (5 + len(codecs)) + "|")
    scores, damaged, cpu, seconds = [], [], 0.0, 0.0
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES):
        try:
            found = read(path, max_seconds=7200, keep_seconds=240)
        except AudioError as error:
            print(f"| {path.name} | refused: {error.reason} | | | |")
            continue
        samples = trim(found.samples, at_end=found.complete).samples
        lufs = integrated_loudness(samples)
        if found.seconds < 30 or lufs is None:
            continue
        peak = true_peak_dbtp(samples)
        begin = time.process_time()
        report = score(samples, lufs=lufs, peak_dbtp=peak, lost_share=found.lost_share)
        cpu, seconds = cpu + time.process_time() - begin, seconds + found.seconds
        scores.append(report.score)
        part = samples[:, : 30 * RATE]
        damaged.append([judged(part).score, *(judged(code(clip(6)(part))).score for code in codecs.values())])
        said = ", ".join(f"{part.name} {part.penalty:g}" for part in report.parts)
        print(
            f"| {path.name} | {found.seconds:.0f} | {report.score} | {said} | "
            + " | ".join(map(str, damaged[-1]))
            + " |",
            flush=True,
        )
    if scores:
        print(
            f"\n{len(scores)} tracks: median {np.median(scores):g}, minimum {min(scores)},"
            f" {sum(one >= 95 for one in scores)} at 95 or more; {180e3 * cpu / seconds:.0f} ms of CPU for 180 s."
        )
        for index, name in enumerate(codecs, start=1):
            lost = [row[0] - row[index] for row in damaged]
            print(
                f"Clipped by 6 dB, then {name} (their first 30 s): {sum(one > 0 for one in lost)} of {len(scores)} below the"
                f" original, by {np.median(lost):g} at the median."
            )


def main() -> None:
    """Print the table and what does not hold."""
    parser = argparse.ArgumentParser(description="How the quality score ranks damage.")
    parser.add_argument("--seconds", type=float, default=32.0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    if options.real:
        real(options.real)
        return
    styles, seed = (HELD_OUT, 9300) if options.held_out else (STYLES, 8100)
    pieces = {style_id: source(style_id, options.seconds, seed) for style_id in styles}
    originals = {name: judged(piece) for name, piece in pieces.items()}
    print("| | " + " | ".join(pieces) + " |\n|---" + "|---" * len(pieces) + "|")
    print("| original | " + " | ".join(str(report.score) for report in originals.values()) + " |")
    wrong = []
    for kind, treatments in (("harmless", HARMLESS), ("damage", DAMAGE), ("several", SEVERAL)):
        for label, treat in treatments.items():
            reports = {name: judged(treat(piece)) for name, piece in pieces.items()}
            print(
                f"| {label} | " + " | ".join(str(report.score) for report in reports.values()) + " |",
                flush=True,
            )
            for name, report in reports.items():
                holds = (
                    report.score >= HARMLESS_AT_LEAST
                    if kind == "harmless"
                    else report.score < originals[name].score
                )
                if not holds:
                    wrong.append(
                        f"{label}, {name}: {report.score}, original {originals[name].score}, {report.parts}"
                    )
    print(
        "\n"
        + (
            "\n".join(wrong)
            if wrong
            else "Every damage ranks below its original, all that is harmless at 95 or more."
        )
    )


if __name__ == "__main__":
    main()
