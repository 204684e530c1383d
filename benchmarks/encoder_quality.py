"""What LAME's algorithm quality (`-q`) costs and gives at the same VBR quality: `python -m benchmarks.encoder_quality`.

For each piece and setting: CPU time, size, and how far the decoded MP3 is from what was encoded, by segmental SNR and by a meter that
knows nothing of LAME: Zimtohrli (Google's model of just noticeable differences; `pip install zimtohrli`, which this project does not need
otherwise). Settings take turns, and of the CPU time the lowest of the rounds counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from unittest.mock import patch

import numpy as np

from lofi_pipeline.audio.io import encode
from lofi_pipeline.audio.io.decode import decode
from lofi_pipeline.config import load_config
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.styles import load_presets

STYLES = ("CORE-01", "CORE-04", "INST-02", "SEASON-03", "SEASON-08", "THEME-01", "VOCAL-01", "VOCAL-02")
QUALITIES = (0, 2, 3, 5, 6, 7)
RATE = 48_000
SEGMENT = RATE // 50


def segmental_snr(original: np.ndarray, coded: np.ndarray) -> float:
    """Median over pieces of 20 ms in which there is music, in dB."""
    size = original.shape[1] // SEGMENT * SEGMENT
    power, noise = (
        np.square(it[:, :size]).sum(axis=0).reshape(-1, SEGMENT).sum(axis=1)
        for it in (original, coded[:, : original.shape[1]] - original)
    )
    heard = power > power.max() * 1e-5
    return float(np.median(10 * np.log10(power[heard] / np.maximum(noise[heard], 1e-12))))


def zimtohrli_distance(original: np.ndarray, coded: np.ndarray) -> float:
    """Of the worse channel; 0 is the same."""
    from zimtohrli import Pyohrli  # pyright: ignore[reportMissingImports]

    meter = Pyohrli()
    pairs = zip(original, coded[:, : original.shape[1]], strict=True)
    return max(meter.distance(*(np.ascontiguousarray(it, dtype=np.float32) for it in pair)) for pair in pairs)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    vbr = load_config().audio.mp3_vbr_quality
    costs: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number, style in enumerate(STYLES):
        played = render(spec_of(load_presets()[style], 9000 + number, given.seconds), RATE).samples
        music = np.asarray(played, dtype=np.float32)
        music *= 0.8 / np.abs(music).max()
        cpu: dict[int, list[float]] = defaultdict(list)
        coded: dict[int, bytes] = {}
        for _ in range(given.rounds):
            for quality in QUALITIES:
                with patch.object(encode, "_QUALITY", quality):
                    before = time.process_time()
                    coded[quality] = encode.encode_mp3(music, vbr_quality=vbr)
                    cpu[quality].append(time.process_time() - before)
        for quality, data in coded.items():
            with tempfile.NamedTemporaryFile(suffix=".mp3") as file:
                Path(file.name).write_bytes(data)
                back = decode(Path(file.name), max_seconds=given.seconds + 1).samples
            found = costs[quality]
            found["cpu"].append(min(cpu[quality]) * 180 / given.seconds)
            found["kbps"].append(len(data) * 8 / given.seconds / 1000)
            found["snr"].append(segmental_snr(music, back))
            found["distance"].append(zimtohrli_distance(music, back))
    print(f"-V {vbr}, {len(STYLES)} pieces of {given.seconds:.0f} s")
    print(
        "| -q | CPU s for 180 s | kbit/s | segmental SNR, dB | Zimtohrli distance: mean (most) |\n|---|---|---|---|---|"
    )
    for quality, found in costs.items():
        distances = found["distance"]
        print(
            f"| {quality} | {mean(found['cpu']):.2f} | {mean(found['kbps']):.0f} | {median(found['snr']):.1f} | "
            f"{mean(distances):.4f} ({max(distances):.4f}) |"
        )


if __name__ == "__main__":
    main()
