"""Detection of near-duplicates: recall by edit, false "same recording" among 200 pieces, time and memory at 50,000 tracks.

    python -m benchmarks.duplicates [--pieces 50] [--tracks 50000]
    python -m benchmarks.duplicates --held-out       # families and pieces that no limit was chosen on
    python -m benchmarks.duplicates --alike 200      # so many copies of one recording: comparisons and seconds

Everything rendered is kept under build/duplicates/; the first run takes some 15 minutes of one core, later ones a few.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np

from benchmarks.duplicates_corpus import ASKED, CACHE, EDITS, FAMILIES, Piece, mono_of, of_all_presets, pieces
from benchmarks.memory import peak_bytes
from lofi_pipeline import audio
from lofi_pipeline.audio import MatchType
from lofi_pipeline.audio.fingerprint.extract import BANDS, FRAMES_PER_SECOND
from lofi_pipeline.dataset.duplicates import compare_tracks, copies_among
from lofi_pipeline.dataset.sketch_index import SketchIndex
from lofi_pipeline.storage import DataRoot, replacing

POOL = 1000
SECONDS = 180.0
NOISE = 0.02
HELD_OUT = range(FAMILIES, FAMILIES + 12)


def kept(name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array, made once and kept."""
    path = CACHE / f"{name}.npy"
    if not path.is_file():
        with replacing(path) as temporary, temporary.open("wb") as handle:
            np.save(handle, make(), allow_pickle=False)
    return np.load(path, allow_pickle=False)


def mark_of(piece: Piece, edit: str = "original") -> np.ndarray:
    """The fingerprint of a piece after an edit."""
    return kept(
        f"marks-{audio.PROCESSING_VERSION}/{piece.digest}-{edit}",
        lambda: audio.fingerprint(mono_of(piece, edit)),
    )


def invented(number: int) -> np.ndarray:
    """The fingerprint of three minutes of invented music: chords, bass, melody and drums as bands."""
    rng = np.random.default_rng([number, 50_000])
    frames = int(SECONDS * FRAMES_PER_SECOND)
    loud = np.zeros((frames + 200, BANDS + 48), np.float32)
    beat = FRAMES_PER_SECOND * 60 / rng.uniform(58, 98)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    tonic, degrees = int(rng.integers(12)), rng.integers(0, 7, int(rng.choice([4, 8])))
    harmonics = [(0, 1.0), (12, rng.uniform(0.1, 0.7)), (19, rng.uniform(0, 0.5)), (24, rng.uniform(0, 0.4))]
    phrases = [np.sort(rng.choice(8, int(rng.integers(2, 7)), replace=False)) for _ in range(4)]
    steps = [rng.integers(0, 9, len(phrase)) for phrase in phrases]
    drums = [np.exp(-0.5 * ((np.arange(BANDS) - rng.uniform(0, 60)) / 12) ** 2) for _ in range(3)]
    hits = [rng.random(16) < share for share in (0.25, 0.2, 0.5)]

    def play(at: float, note: int, level: float, fall: float) -> None:
        start = int(at)
        shape = level * np.exp(-np.arange(60) / fall)
        for interval, weight in harmonics:
            if 0 <= note + interval < loud.shape[1] and start + 60 <= len(loud):
                loud[start : start + 60, note + interval] += shape * weight

    for bar in range(int(frames / (4 * beat)) + 1):
        root = int(degrees[bar % len(degrees)])
        chord = [
            tonic + int(scale[(root + step) % 7]) + 12 * ((root + step) // 7) + 8 for step in (0, 2, 4, 6)
        ]
        for note in chord:
            play(4 * bar * beat, note, 300, 18)
            play((4 * bar + 2) * beat, note, 220, 18)
        play(4 * bar * beat, chord[0] % 12, 500, 25)
        for place, step in zip(phrases[bar % 4], steps[bar % 4], strict=True):
            play((4 * bar + place / 2) * beat, chord[step % 4] + 12 * (1 + step // 4), 350, 9)
        for drum, pattern in zip(drums, hits, strict=True):
            for place in np.flatnonzero(pattern):
                start = int((4 * bar + place / 4) * beat)
                if start < frames:
                    loud[start : start + 3, :BANDS] += 150 * drum * np.array([[1.0], [0.5], [0.2]])
    loud = loud[:frames, :BANDS] + 4 * rng.random((frames, BANDS), dtype=np.float32)
    return np.minimum(np.rint(np.log1p(loud / 3) * 36), 255).astype(np.uint8)


def found(
    index: SketchIndex, bands: np.ndarray, mark: Callable[[str], np.ndarray]
) -> dict[str, audio.Likeness]:
    """What the pipeline does with a new track: look up, then compare with each candidate."""
    likely = index.likely(audio.query_sketches(bands), len(bands))
    return {item.track_id: audio.compare_at(bands, mark(item.track_id), item.hints) for item in likely}


def false_positives(
    known: list[Piece], every: dict[str, np.ndarray], kind: Callable[[Piece, Piece], str]
) -> None:
    """Compare each piece with all others, as the pipeline does, and each pair of a family directly as well."""
    index = SketchIndex(CACHE)
    outcome: dict[tuple[int, int], audio.Likeness] = {}
    for place, piece in enumerate(known):
        name, bands = str(place), every[str(piece.number)]
        for other, likeness in found(index, bands, lambda at: every[str(known[int(at)].number)]).items():
            outcome[int(other), place] = likeness
        index.add(name, "", len(bands), audio.sketch(bands))
    for (one, first), (two, second) in combinations(enumerate(known), 2):
        if first.family == second.family and (one, two) not in outcome:
            outcome[one, two] = audio.compare(every[str(second.number)], every[str(first.number)])
    print(
        f"\n{len(known)} pieces, {len(known) * (len(known) - 1) // 2} pairs, {len(outcome)} compared in full"
    )
    print("| pairs | | similarity: median, most | contradiction: least, median | related | same recording |")
    print("| --- | --- | --- | --- | --- | --- |")
    kinds: dict[str, list[audio.Likeness]] = {}
    for (a, b), likeness in outcome.items():
        kinds.setdefault(kind(known[a], known[b]), []).append(likeness)
    for name, group in sorted(kinds.items()):
        alike = [item.similarity for item in group]
        against = [item.contradiction for item in group]
        related = sum(item.match_type is MatchType.RELATED for item in group)
        same = sum(item.match_type is MatchType.SAME for item in group)
        print(
            f"| {name} | {len(group)} | {np.median(alike):.2f}, {max(alike):.2f} | {min(against):.3f},"
            f" {np.median(against):.3f} | {related} | {same} |"
        )
    for (a, b), likeness in outcome.items():
        if likeness.match_type is MatchType.SAME:
            print(f"\nTaken for one recording: {known[a].spec}\nand {known[b].spec}\n{likeness}")


def by_progression(first: Piece, second: Piece) -> str:
    """What two pieces of families have in common."""
    if first.family != second.family:
        return "other progressions"
    return f"{'one band' if first.of_the_band and second.of_the_band else 'other bands'}, one progression"


def by_preset(first: Piece, second: Piece) -> str:
    """What two pieces of presets have in common."""
    return "one preset" if first.family == second.family else "other presets"


def recall(index: SketchIndex, edited: list[Piece], mark: Callable[[str], np.ndarray]) -> None:
    """By edit: is the original found in the index, and judged to be the same recording?"""
    print(f"\n{len(edited)} pieces edited, looked for among {len(index.keys)} tracks")
    print(
        "| edit | asked for | found in the index | same recording | similarity, least | contradiction, most |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for edit in [name for name in EDITS if name != "original"]:
        hits, same, alike, against = 0, 0, [], []
        for piece in edited:
            bands, name = mark_of(piece, edit), str(piece.number)
            for item in index.likely(audio.query_sketches(bands), len(bands)):
                if item.track_id == name:
                    likeness = audio.compare_at(bands, mark(name), item.hints)
                    hits, same = hits + 1, same + (likeness.match_type is MatchType.SAME)
                    alike.append(likeness.similarity)
                    against.append(likeness.contradiction)
        asked = "yes" if edit in ASKED else ""
        print(
            f"| {edit} | {asked} | {hits / len(edited):.1%} | {same / len(edited):.1%} | {min(alike, default=0):.2f} |"
            f" {max(against, default=1):.3f} |",
            flush=True,
        )


def large(known: list[Piece], every: dict[str, np.ndarray], tracks: int) -> SketchIndex:
    """An index of the pieces and as many invented tracks; their windows are drawn from those of a pool, with noise."""
    rng = np.random.default_rng(1)
    pool = np.concatenate(
        [
            kept(
                f"invented/sketch-{audio.SKETCH_VERSION}-{number}",
                lambda n=number: audio.sketch(pool_mark(n)),
            )
            for number in range(POOL)
        ]
    ).astype(np.float32)
    frames = int(SECONDS * FRAMES_PER_SECOND)
    windows = len(audio.sketch_starts(frames))
    index = SketchIndex(CACHE)
    for piece in known:
        bands = every[str(piece.number)]
        index.add(str(piece.number), "", len(bands), audio.sketch(bands))
    for number in range(tracks - len(known)):
        rows = pool[rng.integers(0, len(pool), windows)]
        rows = rows + rng.normal(0, NOISE / audio.SKETCH_SCALE, rows.shape)
        index.add(f"invented-{number}", "", frames, np.clip(np.rint(rows), -127, 127).astype(np.int8))
    return index


def pool_mark(number: int) -> np.ndarray:
    """An invented fingerprint, kept."""
    return kept(f"invented/mark-{number}", lambda: invented(number))


def timing(index: SketchIndex, queries: int = 20) -> None:
    """CPU seconds and wall time to compare a new track of three minutes with all others."""
    marks = [invented(1_000_000 + number) for number in range(queries)]

    def mark(name: str) -> np.ndarray:
        return np.load(CACHE / "invented" / f"mark-{int(name.rpartition('-')[2]) % POOL}.npy")

    parts: list[tuple[float, float, float]] = []
    waits = []
    for bands in marks:
        began, start = time.perf_counter(), time.process_time()
        sketches = audio.query_sketches(bands)
        probed = time.process_time()
        likely = index.likely(sketches, len(bands))
        scanned = time.process_time()
        for item in likely:
            audio.compare_at(bands, mark(item.track_id), item.hints)
        parts.append((probed - start, scanned - probed, time.process_time() - scanned))
        waits.append(time.perf_counter() - began)
    table = np.array(parts)
    rows = sum(len(audio.sketch_starts(int(SECONDS * FRAMES_PER_SECOND))) for _ in range(len(index.keys)))
    print(f"\nA new track of {SECONDS:.0f} s against {len(index.keys)} tracks, CPU seconds, and wall clock")
    print("| | query sketches | scan of the index | candidates in full | all | wall clock |")
    print("| --- | --- | --- | --- | --- | --- |")
    figures = np.column_stack((table, table.sum(axis=1), waits))
    for name, row in (("median", np.median(figures, axis=0)), ("most", figures.max(axis=0))):
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    mono = np.random.default_rng(0).standard_normal(int(SECONDS * 22_050)).astype(np.float32)
    start = time.process_time()
    audio.fingerprint(mono)
    made = time.process_time()
    audio.sketch(marks[0])
    print(
        f"\nPer track of {SECONDS:.0f} s: fingerprint {made - start:.3f} s, sketch {time.process_time() - made:.3f} s."
        f" Index: about {rows * audio.DIMENSIONS / 1e6:.0f} MB for {len(index.keys)} tracks;"
        f" peak memory of this process {peak_bytes() >> 20} MB."
    )


def all_alike(count: int) -> None:
    """Comparisons and seconds for so many copies of one recording of 20 s, each with noise of its own."""
    whole = invented(0)[: int(20 * FRAMES_PER_SECOND)].astype(int)
    counted: list[int] = []
    compare_at = audio.compare_at

    def counting(first: np.ndarray, second: np.ndarray, hints: Sequence[audio.Hint]) -> audio.Likeness:
        counted.append(len(first))
        return compare_at(first, second, hints)

    with TemporaryDirectory() as folder, mock.patch.object(audio, "compare_at", counting):
        root = DataRoot(Path(folder)).create()
        keys = {f"track_{number:03d}": f"{number:064d}" for number in range(1, count + 1)}
        for number, track_id in enumerate(keys):
            noise = np.random.default_rng(number).integers(-3, 4, whole.shape)
            root.fingerprint(track_id).parent.mkdir(parents=True, exist_ok=True)
            np.save(root.fingerprint(track_id), np.clip(whole + noise, 0, 255).astype(np.uint8))
        start = time.process_time()
        found = compare_tracks(root, keys)
        spent = time.process_time() - start
    copies = copies_among(list(keys), found)
    print(
        f"{count} copies: {len(counted)} comparisons, {spent:.1f} s of CPU, {len(copies)} known to be copies"
    )


def main() -> None:
    """Print everything as Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=50, help="pieces that are edited")
    parser.add_argument("--among", type=int, default=10, help="of these, looked for in the large index")
    parser.add_argument("--tracks", type=int, default=50_000, help="tracks in the large index")
    parser.add_argument("--held-out", action="store_true", help="music that no limit was chosen on")
    parser.add_argument("--alike", type=int, help="only this: so many copies of one recording")
    options = parser.parse_args()
    if options.alike:
        all_alike(options.alike)
        return
    known = pieces(HELD_OUT if options.held_out else range(FAMILIES))
    every = {str(piece.number): mark_of(piece) for piece in known}
    edited = known[:: len(known) // options.pieces][: options.pieces]
    false_positives(known, every, by_progression)
    if options.held_out:
        drawn = of_all_presets(300)
        false_positives(drawn, {str(piece.number): mark_of(piece) for piece in drawn}, by_preset)
    small = SketchIndex(CACHE)
    for name, bands in every.items():
        small.add(name, "", len(bands), audio.sketch(bands))
    recall(small, edited, every.__getitem__)
    if options.held_out:
        return
    index = large(known, every, options.tracks)
    recall(index, edited[:: max(1, len(edited) // options.among)][: options.among], every.__getitem__)
    timing(index)


if __name__ == "__main__":
    main()
