"""Fit the weights `bars 3/4` and so on in lofi_pipeline/audio/analysis/linear_model.json on synthetic music of known metre.

    python -m benchmarks.fit_metre [--quick] [--jobs N] [--write] [--sound-font FILE]

Renders the music with fixed seeds and measures the features of each metre, fits, and prints how many metres are told rightly,
by the weights found and by those shipped: of the pieces that were fitted on, and of others.

It is fitted on 1440 pieces of random music (metre_corpus.py) and 570 of this project's own loops, and tested on 240 and 321 others,
and with a sound font on 220 grooves (metre_grooves.py), which no weight is fitted on. All of it takes about a quarter of an hour on one core.

The shipped weights were found by scripts that were not kept, from features in half precision; this is what those did, written
anew. Run with its full settings it found every weight again within 0.002 (the largest of them is 1.1), and each figure of the table
the same by both. Not found again is what came before: which music, features and penalty were chosen, and the least
probabilities in audio/analysis/metre.py from which a metre is named. These were chosen when figures of the pieces held back
were known. The file holds four digits of the shipped weights; `--write` writes five.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from benchmarks.analysis_corpus import Piece, loose_pieces, mono_of, style_pieces, wide_pieces
from benchmarks.fit_analysis import QUICK, Numbers, numbers, waltz, write
from benchmarks.metre_corpus import Part, RandomPiece, random_pieces
from benchmarks.metre_grooves import Groove, grooves
from lofi_pipeline.audio.analysis.bands import growth, log_bands
from lofi_pipeline.audio.analysis.beats import beats_of, by_range
from lofi_pipeline.audio.analysis.chroma import chroma_of
from lofi_pipeline.audio.analysis.linear_model import Linear, linear_models
from lofi_pipeline.audio.analysis.metre import Found, bar_features, likeliest, smoothed
from lofi_pipeline.audio.analysis.recurrence import recurrence_of
from lofi_pipeline.audio.analysis.rhythm import strength_of, tempo_of
from lofi_pipeline.audio.analysis.tempo import weigh
from lofi_pipeline.entities.metre import METRES, Metre

PENALTY = 0.001
MOST_STEPS = 300
SAME_TEMPO = 0.015
"""Of the tempo that is right in the fit, relative."""
HEARD_TEMPO = 0.02
"""Of the tempo that counts as right in the table, relative."""


@dataclass(frozen=True)
class Case:
    """A piece measured: what is true, which metre is measured without the weights to fit, and the `bar_features` of each metre."""

    metre: Metre
    bpm: float
    otherwise: Metre
    found: Found


@dataclass(frozen=True)
class Loop:
    """A loop of this project's own, in 4/4, or as a waltz."""

    piece: Piece
    metre: Metre = "4/4"

    def render(self) -> tuple[np.ndarray, float]:
        """float32 [n] at 22.05 kHz, and its beats per minute."""
        mono, bpm = mono_of(self.piece), self.piece.spec.bpm
        if self.metre == "3/4":
            first = 3 * 60 / bpm if self.piece.cut_seconds else 0.0
            mono = waltz(mono, bpm, self.piece.beat_offset + first)
        return mono, bpm


Music = RandomPiece | Loop | Groove
FITTED = "fitted on"
"""The end of the names of sets that the weights are fitted on."""


def loops(part: Part) -> Iterator[Loop]:
    """Loops that the demo makes of the styles, played more freely, and of no style; every other one of some as a waltz as well."""
    if part == "fit":
        both = chain(style_pieces("fit", 2), wide_pieces("fit", 120))
        four = chain(loose_pieces("fit", 2), islice(wide_pieces("fit", 320), 120, None))
    else:
        both = chain(style_pieces("test", 2), loose_pieces("test", 1), wide_pieces("test", 100))
        four = iter(())
    for number, piece in enumerate(both):
        yield Loop(piece)
        if number % 2 == 0:
            yield Loop(piece, "3/4")
    yield from map(Loop, four)


def measured(music: Music) -> Case | None:
    """Rendered and measured; None without any rhythm."""
    mono, bpm = music.render()
    bands, chroma = log_bands(mono), chroma_of(mono)
    grown = growth(bands)
    strength, onsets = strength_of(grown), by_range(grown)
    even = smoothed(onsets)
    recurrence = recurrence_of(even, bands, chroma)
    if recurrence is None:
        return None
    tempo = weigh(tempo_of(strength), strength, recurrence)
    beats = beats_of(onsets, chroma, bands, tempo.bpm, None)
    found: Found = {metre: bar_features(metre, even, recurrence) for metre in METRES}
    return Case(music.metre, bpm, beats.metre if beats else "4/4", found)


def fitted(cases: list[Case], penalty: float = PENALTY) -> dict[str, Numbers]:
    """The weights and bias of each metre under which the right tempos of the right metre are most probable among all.

    A multinomial logistic regression with an L2 penalty. More than one tempo may be right: their probabilities are added.
    """
    owner = {
        metre: np.repeat(np.arange(len(cases)), [len(case.found[metre][0]) for case in cases])
        for metre in METRES
    }
    features = {metre: np.concatenate([case.found[metre][1] for case in cases]) for metre in METRES}
    right = {metre: np.concatenate([_right(case, metre) for case in cases]) for metre in METRES}
    mean = {metre: rows.mean(axis=0) for metre, rows in features.items()}
    scale = {metre: rows.std(axis=0) + 1e-6 for metre, rows in features.items()}
    rows = [_with_ones((features[metre] - mean[metre]) / scale[metre]) for metre in METRES]
    loss = partial(
        _loss,
        rows=rows,
        owner=np.concatenate(list(owner.values())),
        right=np.concatenate(list(right.values())),
        penalty=penalty,
    )
    start = np.zeros(len(METRES) * rows[0].shape[1])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS}).x
    return {
        f"bars {metre}": numbers(mean[metre], scale[metre], weights[:-1], float(weights[-1]))
        for metre, weights in zip(METRES, best.reshape(len(METRES), -1), strict=True)
    }


def _right(case: Case, metre: Metre) -> np.ndarray:
    """Which of the tempos tried in a metre are right: bool [tempos].

    In 3/4 and 4/4 also half and twice the tempo, where it is not among them; and where no right one is, all of the right metre.
    """
    tempos, _ = case.found[metre]
    if metre != case.metre:
        return np.zeros(len(tempos), dtype=bool)
    right = np.abs(tempos / case.bpm - 1) < SAME_TEMPO
    if not right.any() and metre in ("3/4", "4/4"):
        right = np.isclose(np.abs(np.log2(tempos / case.bpm)), 1, atol=0.02)
    return right if right.any() else np.ones(len(tempos), dtype=bool)


def _with_ones(rows: np.ndarray) -> np.ndarray:
    return np.hstack([rows, np.ones((len(rows), 1))])


def _loss(
    flat: np.ndarray, rows: list[np.ndarray], owner: np.ndarray, right: np.ndarray, penalty: float
) -> tuple[float, np.ndarray]:
    """The mean negative log probability and its slope. `owner` says of which case each row is, metre after metre."""
    count = int(owner.max()) + 1
    weights = flat.reshape(len(rows), -1)
    scores = np.concatenate([mine @ vector for mine, vector in zip(rows, weights, strict=True)])
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, owner, scores)
    exponents = np.exp(scores - highest[owner])
    total = np.bincount(owner, exponents, count)
    good = np.maximum(np.bincount(owner, exponents * right, count), 1e-30)
    away = exponents / total[owner] - exponents * right / good[owner]
    ends = np.cumsum([len(mine) for mine in rows])[:-1]
    slopes = [mine.T @ part / count for mine, part in zip(rows, np.split(away, ends), strict=True)]
    value = -float(np.log(good / total + 1e-12).mean()) + penalty * float(flat @ flat)
    return value, np.concatenate(slopes) + 2 * penalty * flat


def table(cases: list[Case], models: dict[str, Linear]) -> list[str]:
    """A line for each metre: how often it is measured as such, and in other metres than 3/4 and 4/4 with the right tempo."""
    lines = []
    for metre in METRES:
        mine = [case for case in cases if case.metre == metre]
        right = in_time = 0
        for case in mine:
            bars = likeliest(case.found, models)
            right += (bars.metre if bars.is_sure else case.otherwise) == metre
            in_time += bars.is_sure and bars.metre == metre and abs(bars.bpm / case.bpm - 1) < HEARD_TEMPO
        tempo = f", {in_time} in the right tempo" if metre not in ("3/4", "4/4") else ""
        if mine:
            lines.append(f"  {metre} -> {right} of {len(mine)}{tempo}")
    return lines


def main() -> None:
    """Measure, fit, print, and write if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"one piece in {QUICK}, to try that it runs")
    parser.add_argument("--jobs", type=int, default=1, help="processes that render and measure")
    parser.add_argument("--write", action="store_true", help="write the weights to linear_model.json")
    parser.add_argument(
        "--sound-font", type=Path, help="a General MIDI sound font (.sf2), to test with as well"
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.write:
        parser.error("--quick finds poor weights: leave it out to write them")
    sets = _sets(arguments.sound_font)
    with ProcessPoolExecutor(arguments.jobs) if arguments.jobs > 1 else nullcontext() as pool:
        each = pool.map if pool else map
        cases = {}
        for name, music in sets.items():
            pieces = music[:: QUICK if arguments.quick else 1]
            print(f"{name}: measuring {len(pieces)} pieces", flush=True)
            cases[name] = [case for case in each(measured, pieces) if case]
    found = fitted([case for name, mine in cases.items() if name.endswith(FITTED) for case in mine])
    new, shipped = {name: Linear(**values) for name, values in found.items()}, linear_models()
    for name, mine in cases.items():
        print(f"{name}, by the weights found:", *table(mine, new), sep="\n")
        print(f"{name}, by those shipped:", *table(mine, shipped), sep="\n")
    for name, model in new.items():
        print(
            f"{name}: {_apart(model, shipped[name]):.3f} between a weight found and the one shipped, at most"
        )
    if arguments.write:
        write(found)


def _sets(sound_font: Path | None) -> dict[str, Sequence[Music]]:
    """The music to fit on and to test with."""
    sets: dict[str, Sequence[Music]] = {
        f"random music, {FITTED}": list(random_pieces("fit")),
        f"own loops, {FITTED}": list(loops("fit")),
        "random music, held back": list(random_pieces("held back")),
        "own loops, held back": list(loops("held back")),
    }
    return sets | ({"grooves of the sound font, held back": grooves(sound_font)} if sound_font else {})


def _apart(one: Linear, other: Linear) -> float:
    """The largest difference of two models in the weights of the features and the bias."""
    return max(float(np.abs(one.weights - other.weights).max()), abs(one.bias - other.bias))


if __name__ == "__main__":
    main()
