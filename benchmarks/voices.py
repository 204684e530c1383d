"""Real singers over real music: mixes whose truth is known, to find how often a singer is missed.

    python -m benchmarks.voices MIXES --voices FOLDER --music FOLDER [--below 0 6 12] [--over 3]
        [--seconds 60]
    python -m benchmarks.tags MIXES --truth MIXES/truth.csv --show

Each phrase of `--voices` (someone who sings alone, a few seconds) is put over a piece of `--music` that nobody sings in, again and again,
with a rest as long as the phrase after each. `--over`: so many pieces for each phrase and level, in turn. `--below`: how many
decibels the phrase, while it sounds, is quieter than the music.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from lofi_pipeline.audio import AUDIO_SUFFIXES, SAMPLE_RATE, read

PEAK = 0.9
HEARD_DB = 30.0
"""A phrase sounds where it is less than this below its loudest 50 ms."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("mixes", type=Path)
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--below", type=float, nargs="+", default=[0.0, 6.0, 12.0])
    parser.add_argument("--over", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    arguments.mixes.mkdir(parents=True, exist_ok=True)
    phrases, pieces = _audio_in(arguments.voices), _audio_in(arguments.music)
    with (arguments.mixes / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "voice"])
        levels: list[float] = arguments.below
        asked = itertools.product(phrases, levels, range(arguments.over))
        for number, (phrase, below, _) in enumerate(asked):
            piece = pieces[number % len(pieces)]
            name = f"{phrase.stem} over {piece.stem}, {below:g} dB below.flac"
            mix = mixed(_middle(piece, arguments.seconds), read(phrase, max_seconds=60).samples, below)
            soundfile.write(arguments.mixes / name, mix.T, SAMPLE_RATE)
            rows.writerow([name, "yes"])
        for piece in pieces:
            name = f"{piece.stem} alone.flac"
            soundfile.write(arguments.mixes / name, _middle(piece, arguments.seconds).T, SAMPLE_RATE)
            rows.writerow([name, "no"])


def mixed(music: np.ndarray, phrase: np.ndarray, below_db: float) -> np.ndarray:
    """A phrase over music, float32 [2, n], peak 0.9: its power while it sounds is so far below that of the music."""
    sounding = phrase[:, _sounds(phrase)]
    gain = np.sqrt(np.mean(music**2) / np.mean(sounding**2)) * 10 ** (-below_db / 20)
    with_rest = np.pad(gain * phrase, ((0, 0), (0, phrase.shape[1])))
    times = -(-music.shape[1] // with_rest.shape[1])
    mix = music + np.tile(with_rest, times)[:, : music.shape[1]]
    return (PEAK / np.abs(mix).max() * mix).astype(np.float32)


def _sounds(phrase: np.ndarray) -> np.ndarray:
    window = SAMPLE_RATE // 20
    power = np.convolve(np.mean(phrase**2, axis=0), np.full(window, 1 / window), mode="same")
    return power > power.max() * 10 ** (-HEARD_DB / 10)


def _middle(path: Path, seconds: float) -> np.ndarray:
    samples = read(path, max_seconds=900).samples
    start = max(0, samples.shape[1] - round(seconds * SAMPLE_RATE)) // 2
    return samples[:, start : start + round(seconds * SAMPLE_RATE)]


def _audio_in(folder: Path) -> Sequence[Path]:
    found = sorted(it for it in folder.rglob("*") if it.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise SystemExit(f"{folder}: no audio files")
    return found


if __name__ == "__main__":
    main()
