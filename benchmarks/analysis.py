"""The accuracy of every measurement, against the truth of synthetic loops that nothing was fitted on.

    python -m benchmarks.analysis [--quick] [--part test|blind|fresh] [--markdown FILE]

Renders 378 loops of 30 s the first time (build/analysis/), then measures them and prints a table. `--quick` takes a fifth of them.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.analysis_corpus import (
    ANALYSIS_RATE,
    Part,
    Piece,
    disturbed,
    loose_pieces,
    mono_of,
    style_pieces,
    wide_pieces,
)
from benchmarks.fit_analysis import TRUTHS, waltz
from lofi_pipeline.audio import measure
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.evaluation import cut_windows, open_embedder
from lofi_pipeline.styles import (
    Suggestion,
    direction,
    load_presets,
    load_vocabulary,
    needs_review,
    standouts,
    style_texts,
    suggest,
)

EACH_STYLE, EACH_LOOSE, WIDE = 4, 2, 150
SETS = ("styles", "loose", "wide")
WITHIN_TEMPO = math.log2(1.02)
WITHIN_BEAT = 0.06
WITHIN_SWING = 0.03


@dataclass(frozen=True)
class MeasuredPiece:
    """A piece, its measurements, and the zero-shot answers of nano (`standouts`); `disturbed`: the measurements of the same piece
    with other tone control and faint noise.
    """

    piece: Piece
    measured: TrackMeasurements
    zero_shot: dict[str, float]
    disturbed: TrackMeasurements


@dataclass(frozen=True)
class Row:
    """One line of the table: right of how many, by set."""

    name: str
    right: dict[str, tuple[int, int]]


def measure_all(quick: bool, part: Part) -> dict[str, list[MeasuredPiece]]:
    """All pieces of the three sets, measured."""
    share = 5 if quick else 1
    sets = {
        "styles": list(style_pieces(part, EACH_STYLE))[::share],
        "loose": list(loose_pieces(part, EACH_LOOSE))[::share],
        "wide": list(wide_pieces(part, WIDE))[::share],
    }
    nano = open_embedder(EvaluationSettings(embedder="nano"))
    vocabulary = load_vocabulary()
    directions = {
        style_id: direction(np.asarray(nano.embed_text(style_texts(preset, vocabulary))))
        for style_id, preset in load_presets().items()
    }

    def zero_shot(mono: np.ndarray) -> dict[str, float]:
        windows = cut_windows(mono[None], ANALYSIS_RATE, nano, nano.window_seconds)
        position = direction(nano.embed_audio(windows))
        return standouts({style_id: float(position @ where) for style_id, where in directions.items()})

    result: dict[str, list[MeasuredPiece]] = {}
    for name, pieces in sets.items():
        result[name] = []
        for piece in pieces:
            mono = mono_of(piece)
            measured = measure(mono)
            other = measure(disturbed(mono, piece.spec.seed)) if name == "styles" else measured
            result[name].append(MeasuredPiece(piece, measured, zero_shot(mono), other))
        print(f"{name}: {len(pieces)} pieces measured", flush=True)
    return result


def octaves_off(one: MeasuredPiece) -> float:
    """Distance of the measured tempo from the true one in octaves, folded: -0.5 to 0.5."""
    octaves = math.log2(one.measured.tempo_bpm / one.piece.spec.bpm)
    return octaves - round(octaves)


def tempo_right(one: MeasuredPiece) -> bool:
    """Within 2 % after folding."""
    return abs(octaves_off(one)) <= WITHIN_TEMPO


def same_octave(one: MeasuredPiece) -> bool:
    """The tempo is right without folding: only then beats can be."""
    return abs(math.log2(one.measured.tempo_bpm / one.piece.spec.bpm)) <= WITHIN_TEMPO


def tempo_among(one: MeasuredPiece) -> bool:
    """The tempo or one of its alternatives is within 2 % after folding."""
    candidates = [one.measured.tempo_bpm, *one.measured.tempo_alternatives]
    octaves = [math.log2(bpm / one.piece.spec.bpm) for bpm in candidates]
    return any(abs(octave - round(octave)) <= WITHIN_TEMPO for octave in octaves)


def beat_error(one: MeasuredPiece) -> float:
    """Seconds between the measured and the true first beat, modulo a beat."""
    beat = 60 / one.piece.spec.bpm
    away = (one.measured.beat_offset_s or 0.0) - one.piece.beat_offset
    return (away + beat / 2) % beat - beat / 2


def bar_error(one: MeasuredPiece) -> float:
    """Seconds between the measured and the true beginning of a bar, modulo a bar of four."""
    beat = 60 / one.piece.spec.bpm
    start = (one.measured.beat_offset_s or 0.0) + one.measured.downbeat * beat
    away = start + one.piece.cut_seconds
    return (away + 2 * beat) % (4 * beat) - 2 * beat


def last_beat_error(one: MeasuredPiece) -> float:
    """Seconds by which the grid is off at the end of the piece, beside its beginning."""
    beats = int((one.piece.spec.seconds - 3) / (60 / one.piece.spec.bpm))
    return abs(beats * (60 / one.measured.tempo_bpm - 60 / one.piece.spec.bpm))


def on_time(one: MeasuredPiece) -> bool:
    """The first beat within 60 ms."""
    return abs(beat_error(one)) <= WITHIN_BEAT


def table(sets: dict[str, list[MeasuredPiece]]) -> list[Row]:
    """Every measurement, by set."""

    def row(
        name: str,
        right: Callable[[MeasuredPiece], bool],
        among: Callable[[MeasuredPiece], bool] = lambda one: True,
        only: Iterable[str] = SETS,
    ) -> Row:
        chosen = {key: [one for one in sets[key] if among(one)] for key in only}
        return Row(name, {key: (sum(map(right, ones)), len(ones)) for key, ones in chosen.items()})

    rows = [
        row("tempo within 2 % after folding", tempo_right),
        row("tempo within 2 %, octave as well", same_octave),
        row("tempo or an alternative within 2 %", tempo_among),
        row("tempo within 0.05 bpm (octave right)", lambda one: abs(one.measured.tempo_bpm - one.piece.spec.bpm) <= 0.05, same_octave),
        row("first beat within 60 ms (octave right)", on_time, same_octave),
        row("bar begins within 60 ms (octave right)", lambda one: abs(bar_error(one)) <= WITHIN_BEAT, same_octave),
        row("grid moves at most 20 ms in 27 s (octave right)", lambda one: last_beat_error(one) <= 0.02, same_octave),
        row("key: tonic and mode", lambda one: (one.measured.key, one.measured.mode) == (one.piece.spec.key, one.piece.spec.mode)),
        row("mode", lambda one: one.measured.mode == one.piece.spec.mode),
        row("swing within 0.03 (confidence 0.5 and more, beat right)", lambda one: abs((one.measured.swing or 0) - one.piece.swing) <= WITHIN_SWING,
            lambda one: same_octave(one) and on_time(one) and one.measured.swing_confidence >= 0.5 and plays_off_beats(one.piece)),
        row("4/4 measured as 4/4", lambda one: one.measured.time_signature == "4/4"),
    ]  # fmt: skip
    for name, truth in TRUTHS.items():
        rows.append(
            row(
                f"{name} or none",
                lambda one, name=name, truth=truth: (getattr(one.measured, name) >= 0.5) == truth(one.piece),
            )
        )
        rows.append(row(f"{name}, where it is sure (0.95 or 0.05)", lambda one, name=name, truth=truth: (getattr(one.measured, name) >= 0.5) == truth(one.piece),
            lambda one, name=name: not 0.05 < getattr(one.measured, name) < 0.95))  # fmt: skip
    rows.append(
        row(
            "onset density from 0.3 to 14 a second",
            lambda one: 0.3 <= one.measured.onset_density <= 14,
        )
    )
    presets = load_presets()
    every = [one for ones in sets.values() for one in ones]
    alone = {id(one): suggest(one.measured, presets) for one in every}
    ranked = {id(one): suggest(one.measured, presets, one.zero_shot) for one in every}
    turned = {id(one): suggest(one.disturbed, presets) for one in sets["styles"]}
    for top in (1, 3):
        for found, how in ((alone, ""), (ranked, ", nano as well")):
            rows.append(
                row(
                    f"style among the first {top}{how}",
                    lambda one, top=top, found=found: style_in(found[id(one)], one, top),
                    only=("styles", "loose"),
                )
            )
    rows.append(
        row(
            "style among the first 1, other tone control and faint noise",
            lambda one: style_in(turned[id(one)], one, 1),
            only=("styles",),
        )
    )
    rows.append(
        row(
            "style among the first 3, other tone control and faint noise",
            lambda one: style_in(turned[id(one)], one, 3),
            only=("styles",),
        )
    )
    rows.append(row("asked for review", lambda one: needs_review(alone[id(one)][0])))
    rows.append(row("asked for review, nano as well", lambda one: needs_review(ranked[id(one)][0])))
    return rows


def plays_off_beats(piece: Piece) -> bool:
    """Whether anything is played on the second eighths: hats are, by every kit but finger snaps."""
    return piece.drums and "finger snaps" not in piece.spec.instruments


def style_in(ranked: list[Suggestion], one: MeasuredPiece, top: int) -> bool:
    """Whether the true style is among the first suggestions."""
    return one.piece.style_id in [found.style_id for found in ranked[:top]]


def reliability(sets: dict[str, list[MeasuredPiece]]) -> list[str]:
    """Markdown: of the first suggestions with a confidence in a range, how many were right; by set."""
    presets = load_presets()
    lines = ["| confidence | " + " | ".join(SETS) + " |", "|---" * (len(SETS) + 1) + "|"]
    edges = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.001)
    for low, high in pairwise(edges):
        cells = []
        for name in SETS:
            firsts = [(suggest(one.measured, presets)[0], one) for one in sets[name]]
            inside = [(first, one) for first, one in firsts if low <= first.confidence < high]
            right = sum(first.style_id == one.piece.style_id for first, one in inside)
            cells.append(f"{right} of {len(inside)}" if inside else "-")
        lines.append(f"| {low:.2f} to {min(high, 1):.2f} | " + " | ".join(cells) + " |")
    return lines


def waltzes(sets: dict[str, list[MeasuredPiece]]) -> str:
    """How many of the pieces with every fourth beat cut out are measured as 3/4."""
    right = total = 0
    for one in sets["wide"]:
        first = one.piece.beat_offset + (3 * 60 / one.piece.spec.bpm if one.piece.cut_seconds else 0)
        measured = measure(waltz(mono_of(one.piece), one.piece.spec.bpm, first))
        total += 1
        right += measured.time_signature == "3/4"
    return f"| 3/4 measured as 3/4 (wide pieces, each fourth beat cut out) | | | {right} of {total} ({right / total:.1%}) |"


def markdown(rows: list[Row]) -> list[str]:
    """The table."""
    lines = ["| | " + " | ".join(SETS) + " |", "|---" * (len(SETS) + 1) + "|"]
    for row in rows:
        cells = []
        for name in SETS:
            right, total = row.right.get(name, (0, 0))
            cells.append(f"{right} of {total} ({right / total:.1%})" if total else "")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the pieces")
    parser.add_argument("--part", choices=("test", "blind", "fresh"), default="fresh", help="which seeds")
    parser.add_argument("--markdown", type=Path, help="write the tables there, too")
    arguments = parser.parse_args()
    started = time.process_time()
    sets = measure_all(arguments.quick, arguments.part)
    text = "\n".join([*markdown(table(sets)), waltzes(sets), "", *reliability(sets), ""])
    print(text)
    print(f"{time.process_time() - started:.0f} s of CPU")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
