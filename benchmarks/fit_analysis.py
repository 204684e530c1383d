"""Fit the weights in lofi_pipeline/audio/analysis/linear_model.json on synthetic loops with known truth.

    python -m benchmarks.fit_analysis [--tempo] [--quick]

The tempo first (`--tempo`: it alone, the rest stays): the others are measured at the tempo it finds. Only pieces of the part "fit"
are used; benchmarks/analysis.py measures on others. Every score is a logistic regression with an L2 penalty, found by L-BFGS: over
alternatives (24 keys, phases, beats of a bar), or of yes and no. `--quick` tries all of it on few pieces and writes nothing. The
weights of the metres are found by benchmarks/fit_metre.py.

By the code as it is now, `--tempo` finds the shipped weights to the last digit. The others were last tried with `--quick` alone: there
the features have the means of those that the shipped weights are for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TypedDict

import numpy as np
from scipy.optimize import minimize

import lofi_pipeline.audio.analysis
from benchmarks.analysis_corpus import (
    ANALYSIS_RATE,
    NOISE,
    RAIN,
    Piece,
    loose_pieces,
    mono_of,
    style_pieces,
    wide_pieces,
)
from lofi_pipeline.audio.analysis import beats
from lofi_pipeline.audio.analysis.bands import CENTRE_SECONDS, growth, log_bands
from lofi_pipeline.audio.analysis.chroma import chroma_of, harmony_changes
from lofi_pipeline.audio.analysis.linear_model import FILE_NAME, expanded, linear_models
from lofi_pipeline.audio.analysis.metre import smoothed
from lofi_pipeline.audio.analysis.presence import presence_features
from lofi_pipeline.audio.analysis.recurrence import recurrence_of
from lofi_pipeline.audio.analysis.rhythm import strength_of, tempo_of
from lofi_pipeline.audio.analysis.tempo import METRES, tempo_features, weigh
from lofi_pipeline.audio.analysis.timbre import coarse_spectra
from lofi_pipeline.audio.analysis.tonality import TONICS, key_features

TARGET = Path(lofi_pipeline.audio.analysis.__file__).parent / FILE_NAME
EACH_STYLE, WIDE = 10, 1800
STRUCTURE_OF = 4
"""Every fourth piece is enough for key, beat, bar and metre, which have few weights."""
TEMPO_LOOSE, TEMPO_WIDE = 2, 400
"""Loose pieces of each style, and wide ones: enough for the few weights of the tempo."""
SAME_TEMPO = 0.02
WALTZ_OF = 4
"""Each so many-th piece is also measured as a waltz."""
PENALTY = {"tempo": 0.001, "key": 0.001, "beat": 0.001, "downbeat": 0.001, "metre": 0.003}
PRESENCE_PENALTY = 0.002
DIGITS = 5
QUICK = 23
"""Of so many pieces one is taken with --quick; it shares no divisor with the periods of the sets, so that each metre occurs."""


class Numbers(TypedDict):
    """A model as the file holds it."""

    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float


def waltz(mono: np.ndarray, bpm: float, offset: float) -> np.ndarray:
    """A piece in 4/4 with the last beat of every bar cut out: one in 3/4. float32 [m]."""
    beat = 60 / bpm * ANALYSIS_RATE
    start = offset * ANALYSIS_RATE
    parts = []
    while start + 3 * beat < len(mono):
        parts.append(mono[round(start) : round(start + 3 * beat)])
        start += 4 * beat
    return np.concatenate(parts)


def main() -> None:
    """Fit everything, or the tempo alone, and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tempo", action="store_true", help="fit the tempo alone")
    parser.add_argument("--quick", action="store_true", help=f"one piece in {QUICK}; write nothing")
    arguments = parser.parse_args()
    every = QUICK if arguments.quick else 1
    for fit in (_fitted_tempo, _fitted_rest)[: 1 if arguments.tempo else 2]:
        found = fit(every)
        if not arguments.quick:
            write(found)


def write(found: dict[str, Numbers]) -> None:
    """Write these models to linear_model.json beside those that it holds, and use them from now on."""
    known = json.loads(TARGET.read_text(encoding="utf-8"))
    TARGET.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")
    linear_models.cache_clear()
    print(f"wrote {', '.join(found)} to {TARGET}")


def _fitted_tempo(every: int) -> dict[str, Numbers]:
    return {"tempo": _alternatives(list(_tempo_samples(every)), PENALTY["tempo"])}


def _tempo_samples(every: int) -> Iterator[tuple[np.ndarray, int]]:
    """Of each piece whose tempo is among the candidates: the features of each in four and in three, and which is right."""
    pieces = chain(loose_pieces("fit", TEMPO_LOOSE), wide_pieces("fit", TEMPO_WIDE))
    for number, piece in enumerate(islice(pieces, None, None, every)):
        mono, bpm = mono_of(piece), piece.spec.bpm
        versions = [(mono, 4)]
        if number % WALTZ_OF == 0:
            first = 3 * 60 / bpm if piece.cut_seconds else 0.0
            versions.append((waltz(mono, bpm, piece.beat_offset + first), 3))
        for version, metre in versions:
            bands = log_bands(version)
            grown = growth(bands)
            strength = strength_of(grown)
            recurrence = recurrence_of(smoothed(beats.by_range(grown)), bands, chroma_of(version))
            offered = tempo_of(strength)
            tempos = np.array([offered.bpm, *offered.alternatives])
            right = np.flatnonzero(np.abs(tempos / bpm - 1) < SAME_TEMPO)
            rows = tempo_features(tempos, strength, recurrence)
            if len(right) and rows is not None:
                yield rows, int(right[0]) * len(METRES) + METRES.index(metre)


def _fitted_rest(every: int) -> dict[str, Numbers]:
    samples: dict[str, list[tuple[np.ndarray, int]]] = {name: [] for name in (*PENALTY, *TRUTHS)}
    pieces = list(chain(style_pieces("fit", EACH_STYLE), wide_pieces("fit", WIDE)))[::every]
    for number, piece in enumerate(pieces):
        _collect(piece, samples, structure=number % STRUCTURE_OF == 0)
        if number % 200 == 0:
            print(f"{number} of {len(pieces)} pieces measured", flush=True)
    found = {name: _alternatives(samples[name], PENALTY[name]) for name in ("key", "beat", "downbeat")}
    found["metre"] = _yes_or_no(samples["metre"], PENALTY["metre"])
    found |= {name: _yes_or_no(samples[name], PRESENCE_PENALTY, squares=True) for name in TRUTHS}
    return found


TRUTHS = {
    "voice": lambda piece: piece.voice,
    "drums": lambda piece: piece.drums,
    "crackle": lambda piece: piece.crackle,
    "rain": lambda piece: piece.texture in RAIN,
    "noise": lambda piece: piece.texture in NOISE or "tape hiss" in piece.spec.production,
}


def _collect(piece: Piece, samples: dict[str, list[tuple[np.ndarray, int]]], *, structure: bool) -> None:
    mono, bpm = mono_of(piece), piece.spec.bpm
    bands = log_bands(mono)
    grown = growth(bands)
    strength, chroma = strength_of(grown), chroma_of(mono)
    recurrence = recurrence_of(smoothed(beats.by_range(grown)), bands, chroma)
    found = weigh(tempo_of(strength), strength, recurrence).bpm
    present = presence_features(mono, coarse_spectra(mono), bands, grown, found)
    for name, truth in TRUTHS.items():
        samples[name].append((present, int(truth(piece))))
    if not structure:
        return
    key = TONICS.index(piece.spec.key) + 12 * (piece.spec.mode == "minor")
    samples["key"].append((key_features(chroma, found), key))
    if abs(found / bpm - 1) > 0.01:
        return
    onsets = beats.by_range(grown)
    profile = beats.folded(onsets, found)
    phases = beats.beat_candidates(profile.mean(axis=1))
    changes = harmony_changes(chroma)
    true_phase = (piece.beat_offset - CENTRE_SECONDS) * found / 60
    away = np.abs(((phases + 0.5) / beats.PHASES - true_phase + 0.5) % 1 - 0.5)
    if len(phases) > 1 and away.min() < 0.08:
        rows = beats.phase_features(profile, phases, changes, found)
        samples["beat"].append((rows, int(np.argmin(away))))
    first = 0 if piece.cut_seconds == 0 else 3
    rows = beats.downbeat_features(onsets, changes, found, piece.beat_offset)
    samples["downbeat"].append((rows, first))
    rows = beats.metre_features(bands, onsets, changes, found, piece.beat_offset)
    samples["metre"].append((rows, 1))
    three = waltz(mono, bpm, piece.beat_offset + first * 60 / bpm)
    three_bands = log_bands(three)
    three_onsets = beats.by_range(growth(three_bands))
    three_changes = harmony_changes(chroma_of(three))
    rows = beats.metre_features(three_bands, three_onsets, three_changes, found, 0.0)
    samples["metre"].append((rows, 0))


def _alternatives(samples: list[tuple[np.ndarray, int]], penalty: float) -> Numbers:
    """The weights under which the right one of several rows is most probable (multinomial logistic regression)."""
    rows = np.concatenate([features for features, _ in samples])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    cases = [((features - mean) / scale, right) for features, right in samples]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.0, np.zeros_like(weights)
        for features, right in cases:
            scores = features @ weights
            scores -= scores.max()
            chances = np.exp(scores)
            chances /= chances.sum()
            total -= np.log(chances[right] + 1e-12)
            slope += chances @ features - features[right]
        return total / len(cases) + penalty * weights @ weights, slope / len(cases) + 2 * penalty * weights

    weights = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    hits = np.mean([int(np.argmax(features @ weights)) == right for features, right in cases])
    print(f"alternatives: {len(cases)} cases, {hits:.3f} right, weights {np.round(weights, 2)}")
    return numbers(mean, scale, weights, 0.0)


def _yes_or_no(samples: list[tuple[np.ndarray, int]], penalty: float, *, squares: bool = False) -> Numbers:
    """The weights and bias of a logistic regression."""
    rows = np.stack([features for features, _ in samples])
    truth = np.array([right for _, right in samples], dtype=float)
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    rows = (rows - mean) / scale
    rows = expanded(rows) if squares else rows

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = rows @ weights[1:] + weights[0]
        total = np.mean(np.logaddexp(0, scores) - truth * scores) + penalty * weights[1:] @ weights[1:]
        wrong = (1 / (1 + np.exp(-scores)) - truth) / len(truth)
        return float(total), np.concatenate([[wrong.sum()], rows.T @ wrong + 2 * penalty * weights[1:]])

    weights = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    hits = np.mean((rows @ weights[1:] + weights[0] > 0) == (truth > 0.5))
    print(f"yes or no: {len(truth)} cases, {hits:.3f} right, {truth.mean():.2f} yes")
    return numbers(mean, scale, weights[1:], float(weights[0]))


def numbers(mean: np.ndarray, scale: np.ndarray, weights: np.ndarray, bias: float) -> Numbers:
    """The model of these numbers, rounded."""
    rounded = [[float(f"{value:.{DIGITS}g}") for value in row] for row in (mean, scale, weights)]
    return {"mean": rounded[0], "scale": rounded[1], "weights": rounded[2], "bias": round(bias, DIGITS)}


if __name__ == "__main__":
    main()
