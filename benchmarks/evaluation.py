"""What a score costs: beside the package frechet-audio-distance, and beside the procedure that fadtk and kadtk publish.

    python -m benchmarks.evaluation [--embedders vggish,clap,pann] [--reference 60] [--track-seconds 10] [--clips 12] [--steps 25]

All numbers are ratios within this run, of CPU time, over the same audio files and the same random weights under the names that each
embedder expects (speed does not depend on their values):

- The package: `FrechetAudioDistance.score()` over two folders, as its README calls it.
- fadtk, kadtk: embeddings of one file after another, kept in a file each (vggish: the whole file at once; clap: 10 s from each second on,
  one by one); means and covariances; the trace of the matrix square root; FAD for endless clips from `--steps` random subsets with
  replacement, each with a square root of its own. Written anew for this comparison.
- Ours: the reference, FAD with its errors by clip and track, FAD for endless clips, KAD, the floor, and how clips follow prompts.

First: nothing is kept from before. Further: other clips against the same reference, as the next checkpoint is scored. What the
network alone takes of ours stands beside it: who takes the same network takes as much, so no ratio can exceed the other's time by that. Then a batch of 8
windows beside one by one, with the peak memory of each embedder; and the peak memory of scoring few and many clips. Each of these
runs in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import soundfile

from benchmarks.memory import peak_bytes
from benchmarks.random_weights import put_random_weights, random_roberta
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.evaluation import Embedder, PromptSpec, open_embedder
from lofi_pipeline.evaluation.clip_scores import score_clips
from lofi_pipeline.evaluation.embedders import open_text_embedder
from lofi_pipeline.evaluation.filed_clip import FiledClip
from lofi_pipeline.evaluation.reference import load_reference
from lofi_pipeline.storage import DataRoot

SECONDS = 10.0
WINDOWS = 16


def settings_of(name: str, weights: Path) -> EvaluationSettings:
    """An embedder with random weights in `weights`; nano has its own."""
    return EvaluationSettings.model_validate(
        {
            "embedder": name,
            "weights_dir": str(weights),
            "allow_unknown_weights": True,
            "clip_seconds": SECONDS,
        }
    )


def write_music(folder: Path, count: int, *, seed: int, seconds: float = SECONDS) -> list[Path]:
    """Files of decaying notes over noise, at 48 kHz in stereo."""
    folder.mkdir(parents=True)
    times = np.arange(round(seconds * 48_000)) / 48_000
    paths = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        notes = [np.sin(2 * np.pi * pitch * times) for pitch in random.uniform(60, 2000, 6)]
        decay = np.exp(-3 * (times % random.uniform(0.3, 1.0)))
        mono = 0.1 * decay * np.sum(notes, axis=0) + random.normal(0, 0.01, len(times))
        paths.append(folder / f"{seed}-{number:04d}.flac")
        soundfile.write(paths[-1], np.stack([mono, 0.9 * mono], axis=1), 48_000)
    return paths


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU that it takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def version_of(root: DataRoot, files: Sequence[Path]) -> DatasetVersion:
    """A data set version that holds these files out."""
    tracks = [
        SimpleNamespace(
            track=SimpleNamespace(
                track_id=f"track_{number:04d}",
                audio_path=root.relative(path),
                style_ids=["CORE-01"],
                split=Split.VALIDATION,
            )
        )
        for number, path in enumerate(files)
    ]
    return cast(DatasetVersion, SimpleNamespace(side=lambda split: tracks))


def score_ours(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    files: Sequence[Path],
    settings: EvaluationSettings,
) -> None:
    """As a checkpoint is scored whose clips were generated."""
    reference = load_reference(root, version, embedder, min(SECONDS, embedder.window_seconds))
    prompts = [
        PromptSpec(path.stem, f"lofi {number}", 80, "A minor", number) for number, path in enumerate(files)
    ]
    clips = [FiledClip(spec, path) for spec, path in zip(prompts, files, strict=True)]
    score_clips([*clips], reference, embedder, open_text_embedder(embedder), settings, root)


class Timed:
    """An embedder, and the CPU time that its network takes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.spent = embedder, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """As the embedder's."""
        began = time.process_time()
        try:
            return self._embedder.embed_audio(samples)
        finally:
            self.spent += time.process_time() - began


def score_by_package(name: str, weights: Path, sample_rate: int) -> Callable[[Path, Path], object]:
    """`score` of the package, its model loaded."""
    from lofi_pipeline.evaluation.embedders.files import VGGISH_REPOSITORY
    from lofi_pipeline.evaluation.embedders.offline import (
        frechet_audio_distance,
        hub_answers,
        local_torch_hub,
        numpy_globals,
    )

    repository = weights / VGGISH_REPOSITORY if name == "vggish" else None
    with local_torch_hub(weights, repository), hub_answers(text_model=random_roberta), numpy_globals():
        holder = frechet_audio_distance().FrechetAudioDistance(
            ckpt_dir=str(weights), model_name=name, sample_rate=sample_rate, audio_load_worker=1
        )
    return holder.score


def score_by_procedure(
    embedder: Embedder, reference: Sequence[Path], clips: Sequence[Path], kept: Path, steps: int
) -> float:
    """FAD and FAD for endless clips, in the published order of things; embeddings lie in `kept` after."""
    sides = [
        np.concatenate([_embedded_file(embedder, path, kept) for path in files])
        for files in (reference, clips)
    ]
    base = sides[0].mean(axis=0), np.cov(sides[0], rowvar=False)
    _square_root_distance(*base, sides[1].mean(axis=0), np.cov(sides[1], rowvar=False))
    random = np.random.default_rng(0)
    sizes = np.linspace(max(2, len(sides[1]) // 4), len(sides[1]), steps).astype(int)
    found = []
    for size in sizes:
        rows = sides[1][random.choice(len(sides[1]), size, replace=True)]
        found.append(_square_root_distance(*base, rows.mean(axis=0), np.cov(rows, rowvar=False)))
    slope, at_zero = np.polyfit(1 / sizes, found, 1)
    assert np.isfinite(slope)
    return float(at_zero)


def _embedded_file(embedder: Embedder, path: Path, kept: Path) -> np.ndarray:
    from lofi_pipeline.evaluation import cut_windows

    target = kept / f"{path.stem}.npy"
    if target.is_file():
        return np.load(target)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    seconds = min(SECONDS, embedder.window_seconds)
    if embedder.name == "vggish":
        rows = embedder.embed_audio(cut_windows(samples.T, rate, embedder, seconds))
    else:
        hop = rate * (1 if embedder.name == "clap" else round(seconds))
        parts = [samples[at : at + round(seconds * rate)] for at in range(0, len(samples), hop)]
        filled = [np.pad(part, ((0, round(seconds * rate) - len(part)), (0, 0))) for part in parts]
        rows = np.concatenate(
            [embedder.embed_audio(cut_windows(part.T, rate, embedder, seconds)) for part in filled]
        )
    kept.mkdir(parents=True, exist_ok=True)
    np.save(target, rows)
    return rows


def _square_root_distance(
    mean: np.ndarray, cov: np.ndarray, other_mean: np.ndarray, other_cov: np.ndarray
) -> float:
    from scipy import linalg

    root: Any = linalg.sqrtm((cov @ other_cov).astype(complex))
    gap = mean - other_mean
    return float(gap @ gap + np.trace(cov) + np.trace(other_cov) - 2 * np.trace(root.real))


def compare(name: str, weights: Path, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Lines of Markdown: what each way costs, in multiples of ours."""
    settings = settings_of(name, weights)
    timed, root = Timed(open_embedder(settings)), DataRoot(folder / "data").create()
    embedder = cast(Embedder, timed)
    reference = write_music(
        root.validation / "reference", arguments.reference, seed=1, seconds=arguments.track_seconds
    )
    first, second, warm = (
        write_music(folder / part, count, seed=seed)
        for part, count, seed in (
            ("first", arguments.clips, 2),
            ("second", arguments.clips, 3),
            ("warm", 2, 4),
        )
    )
    version = version_of(root, reference)
    aside = DataRoot(folder / "warm-up").create()
    few = write_music(aside.validation / "reference", 2, seed=5)
    score_ours(aside, version_of(aside, few), embedder, warm, settings)
    kept = folder / "kept"
    score = score_by_package(name, weights, embedder.sample_rate)
    ways: dict[str, Callable[[list[Path]], object]] = {
        "ours": lambda files: score_ours(root, version, embedder, files, settings),
        "fadtk's procedure": lambda files: score_by_procedure(
            embedder, reference, files, kept, arguments.steps
        ),
        "frechet-audio-distance": lambda files: score(reference[0].parent, files[0].parent),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    network: list[float] = []
    # By turns, so that what else the machine does hits all of them
    for files in (first, second):
        for way, evaluate in ways.items():
            timed.spent = 0.0
            with contextlib.redirect_stdout(io.StringIO()):
                found[way].append(cpu(partial(evaluate, files)))
            if way == "ours":
                network.append(timed.spent)
    again, ours = cpu(lambda: score_ours(root, version, embedder, second, settings)), found["ours"]
    lines = [
        f"| {name} | {way} | {spent[0]:.1f} s, {spent[0] / ours[0]:.1f} x ours | {spent[1]:.1f} s, {spent[1] / ours[1]:.1f} x ours |"
        for way, spent in found.items()
    ]
    alone = [f"{spent:.1f} s, {spent / whole:.0%} of it" for spent, whole in zip(network, ours, strict=True)]
    return [
        *lines,
        f"| {name} | ours, the network alone | {' | '.join(alone)} |",
        f"| {name} | ours, clips that were embedded before | | {again:.1f} s |",
    ]


def batches(name: str, weights: Path) -> dict[str, float]:
    """A batch of 8 beside one window after another, and the peak memory of this process."""
    embedder = open_embedder(settings_of(name, weights))
    random = np.random.default_rng(0)
    frames = round(embedder.window_seconds * embedder.sample_rate)
    windows = random.normal(0, 0.1, (WINDOWS, frames)).astype(np.float32)
    embedder.embed_audio(windows[:2])
    spent = [
        cpu(lambda: [embedder.embed_audio(window[None]) for window in windows]),
        cpu(lambda: [embedder.embed_audio(windows[at : at + 8]) for at in range(0, WINDOWS, 8)]),
    ]
    return {
        "one by one": spent[0] / WINDOWS,
        "in batches": spent[1] / WINDOWS,
        "peak GiB": peak_bytes() / 2**30,
    }


def memory(clips: int) -> dict[str, float]:
    """The peak memory of this process after it scored so many clips of 30 s with nano."""
    with TemporaryDirectory() as folder:
        root = DataRoot(Path(folder)).create()
        (file,) = write_music(root.validation / "reference", 1, seed=1, seconds=30)
        files = [file] * clips
        settings = settings_of("nano", Path(folder))
        score_ours(root, version_of(root, [file] * 4), open_embedder(settings), files, settings)
    return {"peak GiB": peak_bytes() / 2**30}


def apart(*arguments: str) -> dict[str, float]:
    """What this module says with these arguments in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.evaluation", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--embedders", default="vggish,clap,pann", help="to compare with the others")
    parser.add_argument("--batched", default="vggish,pann,clap", help="to embed in batches")
    parser.add_argument("--reference", type=int, default=60, help="tracks to compare with")
    parser.add_argument("--track-seconds", type=float, default=SECONDS, help="length of each")
    parser.add_argument("--clips", type=int, default=12, help="clips of 10 s")
    parser.add_argument("--steps", type=int, default=25, help="subsets for endless clips, as fadtk takes")
    parser.add_argument("--memory", default="40,320", help="numbers of clips of 30 s to score")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only-batches", nargs=2, metavar=("EMBEDDER", "WEIGHTS"), help=argparse.SUPPRESS)
    parser.add_argument("--only-memory", type=int, metavar="CLIPS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(arguments.threads)
    with threadpool_limits(arguments.threads):
        if arguments.only_batches:
            print(json.dumps(batches(arguments.only_batches[0], Path(arguments.only_batches[1]))))
        elif arguments.only_memory:
            print(json.dumps(memory(arguments.only_memory)))
        else:
            report(arguments)


def report(arguments: argparse.Namespace) -> None:
    """All tables."""
    compared, batched = (
        [name for name in names.split(",") if name] for names in (arguments.embedders, arguments.batched)
    )
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        for name in {*compared, *batched}:
            put_random_weights(name, weights)
        print(
            f"{arguments.reference} tracks of {arguments.track_seconds:g} s against {arguments.clips} clips of {SECONDS:g} s, CPU\n"
        )
        print("| embedder | way | first evaluation | each further |\n| --- | --- | --- | --- |")
        for name in compared:
            print("\n".join(compare(name, weights, Path(folder) / name, arguments)), flush=True)
        print(
            "\n| embedder | a window one by one | in batches of 8 | ratio | peak memory |\n| --- | --- | --- | --- | --- |"
        )
        for name in batched:
            found = apart("--only-batches", name, str(weights))
            one, eight = found["one by one"], found["in batches"]
            print(
                f"| {name} | {one:.3f} s | {eight:.3f} s | {one / eight:.2f} | {found['peak GiB']:.2f} GiB |",
                flush=True,
            )
    few, many = (int(count) for count in arguments.memory.split(","))
    peaks = [apart("--only-memory", str(count))["peak GiB"] for count in (few, many)]
    print(
        f"\nPeak memory of scoring {few} clips of 30 s: {peaks[0]:.2f} GiB; of {many}: {peaks[1]:.2f} GiB "
        f"({peaks[1] / peaks[0]:.2f} times)"
    )


if __name__ == "__main__":
    main()
