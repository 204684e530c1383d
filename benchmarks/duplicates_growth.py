"""How the search for near-duplicates grows: the tree beside the scan of all sketches, what it costs, and what it passes over.

    python -m benchmarks.duplicates_growth [--tracks 2000 10000 50000] [--pieces 25]

Real pieces lie spread among invented tracks, each window of which is a mixture of two windows of other invented music: no two are
alike. Looked for is each piece after each edit of benchmarks/duplicates_corpus.py. What is rendered is kept under build/duplicates/.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from unittest import mock

import numpy as np

from benchmarks.duplicates import POOL, SECONDS, all_alike, invented, kept, mark_of, pool_mark
from benchmarks.duplicates_corpus import ASKED, CACHE, EDITS, Piece, pieces
from benchmarks.memory import peak_bytes
from lofi_pipeline import audio
from lofi_pipeline.audio.fingerprint.extract import FRAMES_PER_SECOND
from lofi_pipeline.dataset.sketch_index import SketchIndex

FRAMES = int(SECONDS * FRAMES_PER_SECOND)
WINDOWS = len(audio.sketch_starts(FRAMES))
QUERIES = 10
Figures = dict[str, float]


def pool() -> np.ndarray:
    """Windows of invented music, float32."""
    made = (
        kept(f"invented/sketch-{audio.SKETCH_VERSION}-{number}", lambda n=number: audio.sketch(pool_mark(n)))
        for number in range(POOL)
    )
    return np.concatenate(list(made)).astype(np.float32)


def mixed(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The sketch of an invented track: each window lies between two of the pool, nearer to the first, with noise."""
    one, other = (windows[rng.integers(0, len(windows), WINDOWS)] for _ in range(2))
    share = rng.uniform(0, 0.5, (WINDOWS, 1))
    found = (1 - share) * one + share * other + rng.normal(0, 5, one.shape)
    found *= np.linalg.norm(one, axis=1, keepdims=True) / np.linalg.norm(found, axis=1, keepdims=True)
    return np.clip(np.rint(found), -127, 127).astype(np.int8)


def library(tracks: int, known: list[Piece], windows: np.ndarray) -> tuple[SketchIndex, dict[int, str]]:
    """An index of so many tracks, and the track that each piece is."""
    rng = np.random.default_rng(tracks)
    places = dict(zip(rng.choice(tracks, len(known), replace=False).tolist(), known, strict=True))
    index, named = SketchIndex(CACHE), dict[int, str]()
    for number in range(tracks):
        name = f"track_{number + 1:03d}"
        if piece := places.get(number):
            bands = mark_of(piece)
            index.add(name, "", len(bands), audio.sketch(bands))
            named[piece.number] = name
        else:
            index.add(name, "", FRAMES, mixed(windows, rng))
    return index, named


def cases(edited: list[Piece]) -> Iterator[tuple[Piece, str, np.ndarray, int]]:
    """Each piece after each edit: what is looked for."""
    for edit in EDITS:
        for piece in edited if edit != "original" else []:
            bands = mark_of(piece, edit)
            yield piece, edit, audio.query_sketches(bands), len(bands)


def recall(index: SketchIndex, named: dict[int, str], edited: list[Piece]) -> str:
    """How many of the originals are among the candidates; of those that are not, which ones the scan finds."""
    count, asked, lost, lost_to_the_tree = 0, 0, Counter[str](), Counter[str]()
    for piece, edit, queries, frames in cases(edited):
        count, asked = count + 1, asked + (edit in ASKED)
        name = named[piece.number]
        if name not in [it.track_id for it in index.nearby(queries, frames)]:
            lost[edit] += 1
            if name in [it.track_id for it in index.likely(queries, frames)]:
                lost_to_the_tree[edit] += 1
    found_asked = asked - sum(lost[edit] for edit in ASKED)
    return (
        f"{count - lost.total()} of {count} ({found_asked} of {asked} asked for); "
        f"the scan finds {lost_to_the_tree.total()} of the others: {dict(lost_to_the_tree)}"
    )


def seconds(index: SketchIndex, marks: list[np.ndarray]) -> Figures:
    """CPU seconds to make the tree, and a track for each way to look it up."""
    start = time.process_time()
    index.nearby(audio.query_sketches(marks[0]), len(marks[0]))
    found = {"tree made": time.process_time() - start}
    asked = [(audio.query_sketches(bands), len(bands)) for bands in marks]
    for name, look in (("scan", index.likely), ("tree", index.nearby)):
        start = time.process_time()
        for queries, frames in asked:
            look(queries, frames)
        found[name] = (time.process_time() - start) / len(asked)
    found["tree made"] -= found["tree"]
    return found


def alike_library(tracks: int, noise: float) -> tuple[SketchIndex, list[np.ndarray]]:
    """So many copies of one invented recording in sketches alone, with noise of a share of their length; and what to look for."""
    rng, whole = np.random.default_rng(tracks), invented(0)
    sketch, index = audio.sketch(whole).astype(np.float32), SketchIndex(CACHE)
    step = noise * np.linalg.norm(sketch, axis=1).mean() / np.sqrt(audio.DIMENSIONS)
    for number in range(tracks):
        moved = np.clip(np.rint(sketch + rng.normal(0, step, sketch.shape)), -127, 127)
        index.add(f"track_{number + 1:03d}", "", FRAMES, moved.astype(np.int8))
    return index, [whole] * 3


def exponent(by_tracks: dict[int, float]) -> str:
    """The power of n with which it grows, fitted to all sizes."""
    if len(by_tracks) < 2:
        return ""
    return f"{np.polyfit(np.log(list(by_tracks)), np.log(list(by_tracks.values())), 1)[0]:.2f}"


def table(title: str, measured: dict[int, Figures]) -> None:
    """Print CPU seconds by size, with the exponents."""
    print(f"\n{title}: CPU seconds\n| tracks | {' | '.join(map(str, measured))} | exponent |")
    print("| --- |" + " --- |" * (len(measured) + 1))
    for name in next(iter(measured.values())):
        row = {tracks: figures[name] for tracks, figures in measured.items()}
        print(f"| {name} | " + " | ".join(f"{it:.3f}" for it in row.values()) + f" | {exponent(row)} |")


def main() -> None:
    """Print everything as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, nargs="+", default=[2000, 10_000, 50_000])
    parser.add_argument("--pieces", type=int, default=25, help="pieces that are edited")
    parser.add_argument(
        "--alike", type=int, default=200, help="copies of one recording that are compared in full"
    )
    options = parser.parse_args()
    known, windows = pieces(), pool()
    edited = known[:: len(known) // options.pieces][: options.pieces]
    marks = [invented(1_000_000 + number) for number in range(QUERIES)]
    with mock.patch("lofi_pipeline.dataset.sketch_index.EXACT_UP_TO", 0):
        measured = {}
        for tracks in options.tracks:
            index, named = library(tracks, known, windows)
            measured[tracks] = seconds(index, marks)
            found = recall(index, named, edited)
            print(f"{tracks} tracks: {found}; peak so far {peak_bytes() >> 20} MB", flush=True)
        table("A new track of 180 s among invented ones", measured)
        for noise in (0.0, 0.1, 0.3):
            measured = {tracks: seconds(*alike_library(tracks, noise)) for tracks in options.tracks}
            table(f"A copy among copies, noise {noise}", measured)
        if options.alike:
            all_alike(options.alike)


if __name__ == "__main__":
    main()
