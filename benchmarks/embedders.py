"""What embedders hear in real music: does their Frechet distance rise with damage, and does it tell collections apart?

    python -m benchmarks.embedders FOLDER [--files 6] [--seconds 20] [--embedders nano,musicnn] [--damage noise,MP3] [--weights FOLDER]

FOLDER holds a folder of recordings for each collection: an album, or the music of a game. Of each, some recordings are taken and
an excerpt of each. Prints Markdown, all of it ratios within this run:

- Damage: half of the excerpts are the reference; half of the others are damaged in five strengths. Each number is the distance to the
  reference, divided by that of the same ones undamaged. "rises" counts how often a strength lies above the one before it.
- Separation: by how much the distance between two collections exceeds that between halves of each, in how many of the random
  halvings it exceeds both, and how often the nearest other recording is of the same collection.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.quality import clip, coded, low_pass, noise, through
from lofi_pipeline.audio import AUDIO_SUFFIXES, SAMPLE_RATE, AudioError, read
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import Embedder, cut_windows, frechet_distance, open_embedder

RATE = SAMPLE_RATE
LOUDNESS = 0.1
HALVINGS = 20
LEAST_FILES = 4
Treatment = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a recording, float32 [2, n] at 48 kHz."""

    collection: str
    name: str
    samples: np.ndarray


@dataclass(frozen=True)
class Space:
    """Where excerpts are compared: one matrix [windows, D] for each excerpt."""

    name: str
    embed: Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def excerpts(folder: Path, files: int, seconds: float) -> list[Excerpt]:
    """From the middle of the first recordings of each collection that has enough of them, all equally loud."""
    found = []
    for collection in sorted(path for path in folder.iterdir() if path.is_dir()):
        taken = list(itertools.islice(_excerpts_of(collection, seconds), files))
        found += taken if len(taken) >= LEAST_FILES else []
    return found


def _excerpts_of(collection: Path, seconds: float) -> Iterable[Excerpt]:
    frames = round(seconds * RATE)
    for path in sorted(collection.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        try:
            samples = read(path, max_seconds=900).samples
        except AudioError:
            continue
        start = (samples.shape[1] - frames) // 2
        if start >= 0:
            middle = np.repeat(samples[:, start : start + frames], 3 - len(samples), axis=0)[:2]
            level = float(np.sqrt(np.mean(np.square(middle))))
            if level > 1e-3:
                yield Excerpt(collection.name, path.stem, (LOUDNESS / level * middle).astype(np.float32))


def treatments() -> dict[str, dict[str, Treatment]]:
    """By kind of damage, five strengths of it, the weakest first."""
    return {
        "noise": {f"{-db} dB": noise(db) for db in (-40, -30, -20, -10, 0)},
        "low-pass": {f"{hertz / 1000:g} kHz": low_pass(hertz) for hertz in (7000, 5000, 3000, 2000, 1000)},
        "clipping": {f"{db} dB": clip(db) for db in (3, 6, 12, 18, 24)},
        "pitch": {f"{steps:g} st": _pitched(steps) for steps in (0.5, 1, 2, 4, 6)},
        "tempo": {f"x{speed:g}": _stretched(speed) for speed in (1.05, 1.1, 1.2, 1.35, 1.5)},
        "MP3": {f"{rate} kb/s": _mp3(rate) for rate in (96, 64, 48, 32, 16)},
        "gaps": {f"{share:.0%}": _gaps(share) for share in (0.01, 0.02, 0.05, 0.1, 0.2)},
        "reversed": {f"{share:.0%}": _reversed(share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)},
    }


def _pitched(steps: float) -> Treatment:
    import librosa

    return lambda x: librosa.effects.pitch_shift(x, sr=RATE, n_steps=steps, res_type="soxr_hq")


def _stretched(speed: float) -> Treatment:
    import librosa

    return lambda x: librosa.effects.time_stretch(x, rate=speed)


def _mp3(kilobits: int) -> Treatment:
    encode = coded("libmp3lame", "mp3", 1000 * kilobits)
    # What encoders do with so few bits
    return encode if kilobits > 32 else lambda x: encode(through(24_000 if kilobits > 16 else 16_000)(x))


def _gaps(share: float) -> Treatment:
    """Holes of 50 ms, spread at random."""

    def treat(x: np.ndarray) -> np.ndarray:
        hole = RATE // 20
        count = x.shape[1] // hole
        holes = np.random.default_rng(3).permutation(count)[: round(share * count)]
        whole = x.copy()
        for number in holes:
            whole[:, number * hole : (number + 1) * hole] = 0
        return whole

    return treat


def _reversed(share: float) -> Treatment:
    """The first part of it runs backwards."""

    def treat(x: np.ndarray) -> np.ndarray:
        end = round(share * x.shape[1])
        return np.concatenate([x[:, :end][:, ::-1], x[:, end:]], axis=1)

    return treat


def equally_loud(samples: np.ndarray) -> np.ndarray:
    """At LOUDNESS: damage must not be heard by its level."""
    return samples * (LOUDNESS / max(1e-6, float(np.sqrt(np.mean(np.square(samples))))))


def space_of(embedder: Embedder) -> Space:
    """The space of one embedder, in windows of its own length."""

    def embed(clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [
            np.asarray(embedder.embed_audio(cut_windows(each, RATE, embedder, embedder.window_seconds)))
            for each in clips
        ]

    return Space(embedder.name, embed)


def damage_table(
    spaces: Sequence[Space], found: Sequence[Excerpt], kinds: Mapping[str, Mapping[str, Treatment]]
) -> tuple[list[str], dict[str, int]]:
    """Lines of Markdown, and for each space how many steps of damage are heard as more."""
    half = [each.samples for each in found[0::2]], [each.samples for each in found[1::4]]
    references = {space.name: np.concatenate(space.embed(half[0])) for space in spaces}
    clean = {
        space.name: frechet_distance(references[space.name], np.concatenate(space.embed(half[1])))
        for space in spaces
    }
    lines = ["| damage | embedder | strengths | times undamaged | rises |", "| --- | --- | --- | --- | --- |"]
    rises = dict.fromkeys(references, 0)
    for kind, strengths in kinds.items():
        ratios: dict[str, list[float]] = {name: [] for name in references}
        for treat in strengths.values():
            damaged = [equally_loud(treat(samples)) for samples in half[1]]
            for space in spaces:
                distance = frechet_distance(references[space.name], np.concatenate(space.embed(damaged)))
                ratios[space.name].append(distance / clean[space.name])
        for name, values in ratios.items():
            count = int(np.sum(np.diff([1.0, *values]) > 0))
            rises[name] += count
            numbers = " / ".join(f"{value:.2f}" for value in values)
            lines.append(f"| {kind} | {name} | {', '.join(strengths)} | {numbers} | {count} of 5 |")
    return lines, rises


def separation(collections: Mapping[str, Sequence[np.ndarray]]) -> tuple[float, float, float]:
    """Of each collection's recordings as [windows, D]: how often the distance between two collections exceeds that between
    halves of both (at equal numbers), the median ratio, and how often the nearest other recording is of the same collection.
    """
    rng = np.random.default_rng(0)
    exceeds, ratios = [], []
    for one, other in itertools.combinations(collections.values(), 2):
        size = min(len(one), len(other)) // 2
        for _ in range(HALVINGS):
            mine, theirs = (
                [np.concatenate([part[i] for i in chosen]) for chosen in _halves(rng, len(part), size)]
                for part in (one, other)
            )
            within = max(frechet_distance(*mine), frechet_distance(*theirs))
            between = frechet_distance(mine[0], theirs[0])
            exceeds.append(between > within)
            ratios.append(between / within)
    return float(np.mean(exceeds)), float(np.median(ratios)), _nearest_is_own(collections)


def _halves(rng: np.random.Generator, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(count)
    return order[:size], order[size : 2 * size]


def _nearest_is_own(collections: Mapping[str, Sequence[np.ndarray]]) -> float:
    rows = np.array([each.mean(axis=0) for part in collections.values() for each in part])
    owner = np.array([name for name, part in collections.items() for _ in part])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(owner == owner[distances.argmin(axis=1)]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=6, help="recordings of each collection")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of an excerpt")
    parser.add_argument("--embedders", default="nano,musicnn")
    parser.add_argument("--damage", default=",".join(treatments()), help="kinds of damage")
    parser.add_argument("--weights", help="folder with the weights of vggish, pann or clap")
    arguments = parser.parse_args()
    found = excerpts(arguments.folder, arguments.files, arguments.seconds)
    names = sorted({each.collection for each in found})
    print(f"{len(found)} excerpts of {len(names)} collections: {', '.join(names)}\n")
    spaces = []
    for name in arguments.embedders.split(","):
        settings = EvaluationSettings.model_validate({"embedder": name, "weights_dir": arguments.weights})
        spaces.append(space_of(open_embedder(settings)))
    kinds = {kind: treatments()[kind] for kind in arguments.damage.split(",")}
    lines, rises = damage_table(spaces, found, kinds)
    print("\n".join(lines))
    print("\n| embedder | rises | between exceeds within | ratio | nearest is own | ms a second of audio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for space in spaces:
        began = time.process_time()
        rows = space.embed([each.samples for each in found])
        cost = (time.process_time() - began) / (arguments.seconds * len(found))
        collections = {
            name: [row for row, each in zip(rows, found, strict=True) if each.collection == name]
            for name in names
        }
        share, ratio, own = separation(collections)
        steps = f"{rises[space.name]} of {5 * len(kinds)}"
        print(f"| {space.name} | {steps} | {share:.2f} | {ratio:.2f} | {own:.2f} | {1000 * cost:.1f} |")


if __name__ == "__main__":
    main()
