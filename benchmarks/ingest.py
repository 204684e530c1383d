"""The cost of the ingest stage against ffmpeg's two-pass loudnorm on the same files: CPU, memory, profile, least cost, cores.

    python -m benchmarks.ingest [--quick] [--repeats N] [--cores] [--markdown FILE] [--check]

The stage is what a worker does with a track: decode, level, encode, all measurements, tags, record. loudnorm only levels and encodes.
Both do each file in turn, several times; what counts is the ratio of their CPU time in one run, which a busy machine hardly moves.
Wall time it does move: run `--cores` on a machine with nothing else to do. The first run renders eight pieces of 180 to 230 s
into build/ingest/ (a minute). ffmpeg must be installed (Debian: apt-get install ffmpeg); the project itself does not use it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ingest_files import CACHE, PIECES, Piece, fresh_root
from benchmarks.ingest_loudnorm import Loudnorm, loudnorm, version
from benchmarks.ingest_stage import STEPS, forget
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import RegisteredTrack, TrackStatus
from lofi_pipeline.ingest import work_batch
from lofi_pipeline.storage import DataRoot

MOST_CPU = {"linear": 0.45, "dynamic": 0.28}
"""Of loudnorm's CPU time, by loudnorm's mode."""
MOST_MB = 600
LEAST_SPEED_UP = 1.8
ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


@dataclass
class Runs:
    """All repetitions over one piece."""

    piece: Piece
    loudnorm: list[Loudnorm] = field(default_factory=list)
    stage: list[dict[str, Any]] = field(default_factory=list)
    floor: list[dict[str, float]] = field(default_factory=list)

    @property
    def mode(self) -> str:
        return self.loudnorm[0].mode

    @property
    def ratios(self) -> list[float]:
        return [stage["cpu"] / other.cpu for stage, other in zip(self.stage, self.loudnorm, strict=True)]

    def median(self, value: Callable[[dict[str, Any]], float]) -> float:
        """Of the stage's repetitions."""
        return statistics.median(map(value, self.stage))


class Worker:
    """`benchmarks.ingest_stage` as a process: it takes the id of a track and returns its figures."""

    def __init__(self, root: DataRoot, *what: str) -> None:
        command = [sys.executable, "-m", "benchmarks.ingest_stage", str(root.path), *what]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )

    def work_on(self, track: RegisteredTrack) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        print(track.track_id, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the worker ended; what it said is above")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def measure(pieces: Sequence[Piece], repeats: int) -> tuple[list[Runs], float]:
    """Both sides over all pieces in turn; and the CPU seconds by which a worker's first track exceeds its later ones."""
    settings = load_config().audio
    root, tracks = fresh_root(tuple(pieces))
    worker, floor = Worker(root), Worker(root, "floor")
    runs = [Runs(piece) for piece in pieces]
    first = worker.work_on(tracks[pieces[0].name])["cpu"]
    for number in range(repeats):
        for one in runs:
            track = tracks[one.piece.name]
            one.loudnorm.append(
                loudnorm(root.inside(track.origins[0].path), CACHE / "loudnorm.mp3", settings)
            )
            one.stage.append(worker.work_on(track))
            one.floor.append(floor.work_on(track))
        print(f"repetition {number + 1} of {repeats}, load {os.getloadavg()[0]:.1f}", flush=True)
    worker.close()
    floor.close()
    return runs, first - runs[0].median(lambda run: run["cpu"])


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median (least to most)."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def by_piece(runs: list[Runs]) -> list[str]:
    """Markdown: each piece."""
    lines = [
        "| piece | s | Hz | loudnorm was | loudnorm, CPU s | stage, CPU s | ratio | times real time |",
        "|---" * 8 + "|",
    ]
    for one in sorted(runs, key=lambda one: (one.mode, one.piece.name)):
        own = [run["cpu"] for run in one.stage]
        lines.append(
            f"| {one.piece.style_id} | {one.piece.seconds:.0f} | {one.piece.rate} | {one.mode}"
            f" | {spread([other.cpu for other in one.loudnorm])} | {spread(own)} | {spread(one.ratios)}"
            f" | {one.piece.seconds / statistics.median(own):.0f} |"
        )
    return lines


def targets(runs: list[Runs]) -> tuple[list[str], bool]:
    """Markdown: what is asked for and what was found; whether all of it holds."""
    rows: list[tuple[str, str, str, bool]] = []
    for mode, most in MOST_CPU.items():
        pieces = [one for one in runs if one.mode == mode]
        if not pieces:
            continue
        medians = [statistics.median(one.ratios) for one in pieces]
        rows.append(
            (
                f"CPU beside loudnorm where it is {mode}: median of {len(pieces)} pieces (least to most)",
                f"at most {most}",
                spread(medians),
                statistics.median(medians) <= most,
            )
        )
    memory = max(run["peak_mb"] for one in runs for run in one.stage)
    rows.append(("peak memory of a worker, MB", f"at most {MOST_MB}", f"{memory:.0f}", memory <= MOST_MB))
    for what, key in (
        ("source opened for decoding", "sources"), ("encoder made", "encoders"), ("the MP3 decoded whole, to measure it", "mp3s"),
    ):  # fmt: skip
        counts = [run[key] for one in runs for run in one.stage]
        rows.append((f"{what}, times a track", "1", f"{min(counts)} to {max(counts)}", max(counts) == 1))
    lines = ["| | asked for | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {asked} | {found} | {'holds' if ok else '**missed**'} |"
        for what, asked, found, ok in rows
    ]
    again = [max(run["again"] for run in one.stage) for one in runs]
    lines += [
        "",
        f"{sum(share > 0 for share in again)} of {len(again)} MP3s were lowered in parts: of these, at most {max(again):.2%}"
        " was decoded once more.",
    ]
    return lines, all(ok for *_, ok in rows)


def profile(runs: list[Runs]) -> list[str]:
    """Markdown: CPU time by step, and the least that is needed. Sums over the pieces of their medians."""
    three_minutes = sum(one.piece.seconds for one in runs) / 180

    def each(value: Callable[[dict[str, Any]], float]) -> float:
        """CPU seconds for 180 s of music."""
        return sum(one.median(value) for one in runs) / three_minutes

    whole = each(lambda run: run["cpu"])
    lines = ["| step | CPU s for 180 s of music | share |", "|---|---|---|"]
    for step in STEPS:
        seconds = each(lambda run, step=step: run["steps"].get(step, 0.0))
        lines.append(f"| {step} | {seconds:.3f} | {seconds / whole:.1%} |")
    decoding, encoding = (
        sum(statistics.median(run[part] for run in one.floor) for one in runs) / three_minutes
        for part in ("decode", "encode")
    )
    floor = decoding + encoding
    lines.append(f"| **all** | **{whole:.2f}** | |")
    lines.append("")
    lines.append(
        f"Floor: FFmpeg's decoder {decoding:.2f} s + LAME {encoding:.2f} s = {floor:.2f} s for 180 s of music;"
        f" the stage takes {whole / floor:.2f} times that."
    )
    return lines


def cores(pieces: Sequence[Piece], repeats: int) -> tuple[list[str], bool]:
    """Markdown: wall time of a batch with one worker and with two, in turn; the workers are warm."""
    root, tracks = fresh_root(tuple(pieces))
    ids = [track.track_id for track in tracks.values()]
    walls: dict[int, list[float]] = {1: [], 2: []}
    memory = 0.0
    loads: list[float] = []

    def batch(workers: int) -> float:
        for track in tracks.values():
            forget(root, track)
        config = load_config()
        config = config.model_copy(update={"ingest": config.ingest.model_copy(update={"workers": workers})})
        started = time.perf_counter()
        for record in work_batch(root, config, ids):
            if record.status is TrackStatus.FAILED:
                raise SystemExit(f"{record.filename}: {record.reason}")
        return time.perf_counter() - started

    batch(2)  # imports, and numbers that are made once
    for number in range(repeats):
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            loads.append(os.getloadavg()[0])
            walls[workers].append(batch(workers))
            print(f"{workers} workers: {walls[workers][-1]:.1f} s, load before {loads[-1]:.1f}", flush=True)
    for child in psutil.Process().children():
        status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
        memory = max(memory, int(status.split("VmHWM:")[1].split()[0]) / 1024)
    gains = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    audio = sum(piece.seconds for piece in pieces)
    holds = statistics.median(gains) >= LEAST_SPEED_UP
    lines = [
        f"| {len(pieces)} tracks, {audio:.0f} s of music | wall s | times real time |",
        "|---|---|---|",
        *(
            f"| {workers} worker{'s' * (workers > 1)} | {spread(walls[workers], 1)} | {audio / statistics.median(walls[workers]):.0f} |"
            for workers in (1, 2)
        ),
        "",
        f"Two workers are {spread(gains)} times as fast as one; at least {LEAST_SPEED_UP} is asked for:"
        f" {'holds' if holds else '**missed**'}. Peak memory of a worker {memory:.0f} MB."
        f" {os.cpu_count()} cores; load average before each run {spread(loads, 1)}"
        f" (with nothing else to do it would be at most 2).",
    ]
    return lines, holds


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two pieces, two repetitions")
    parser.add_argument(
        "--repeats", type=int, default=5, help="how often each side does each piece (default 5)"
    )
    parser.add_argument(
        "--cores", action="store_true", help="wall time of one worker and of two instead of loudnorm"
    )
    parser.add_argument("--markdown", type=Path, help="write the tables there, too")
    parser.add_argument("--check", action="store_true", help="exit with 1 when something asked for is missed")
    arguments = parser.parse_args()
    pieces = PIECES[:2] if arguments.quick else PIECES
    repeats = min(2, arguments.repeats) if arguments.quick else arguments.repeats
    busy = os.getloadavg()[0]
    if arguments.cores:
        lines, holds = cores(pieces, repeats)
    else:
        other = version()
        runs, start = measure(pieces, repeats)
        found, holds = targets(runs)
        lines = [
            f"{other} and the stage in turn, {repeats} times; {os.cpu_count()} cores,"
            f" load average {busy:.1f} before and {os.getloadavg()[0]:.1f} after. Median (least to most).",
            "",
            *found,
            "",
            *by_piece(runs),
            "",
            *profile(runs),
            f"A worker's first track takes {start:.1f} s more (imports are not counted).",
        ]
    text = "\n".join([*lines, ""])
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.check and not holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
