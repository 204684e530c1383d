"""Fit the typical timbre of the 38 styles: writes lofi_pipeline/styles/references.json.

    python -m benchmarks.fit_styles

Linear discriminant analysis with a shrunken common covariance, of pieces of the part "fit": as the demo plays them, played more
freely, and both again with other tone control. The sharpness of the distances, and the distance from which they are not
trusted, are fitted on a quarter of the pieces that the analysis did not use, and on as many pieces of no style.
"""

from __future__ import annotations

import argparse
import json
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize

import lofi_pipeline.styles
from benchmarks.analysis_corpus import disturbed, loose_pieces, mono_of, style_pieces, wide_pieces
from lofi_pipeline.audio.analysis.bands import growth, log_bands
from lofi_pipeline.audio.analysis.timbre import coarse_spectra, timbre
from lofi_pipeline.styles import load_presets
from lofi_pipeline.styles.references import FILE_NAME, references_of, sound_of

TARGET = Path(lofi_pipeline.styles.__file__).parent / FILE_NAME
EACH_STYLE, EACH_LOOSE = 8, 12
SHRINKAGE = 0.2
DIGITS = 4


def analysed(
    rows: np.ndarray, labels: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, scale [numbers], axes [numbers, count - 1] and centres [count, count - 1] of labelled rows."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    unit = (rows - mean) / scale
    centres = np.stack([unit[labels == label].mean(axis=0) for label in range(count)])
    within = np.cov((unit - centres[labels]).T)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(len(within))
    between = np.cov(centres.T)
    _, vectors = eigh(between, within)
    axes = vectors[:, ::-1][:, : count - 1]
    return mean, scale, axes, centres @ axes


def main() -> None:
    """Measure, analyse, calibrate and write."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    presets = load_presets()
    ids = list(presets)
    sounds: list[np.ndarray] = []
    labels: list[int] = []
    set_aside: list[bool] = []
    pieces = chain(style_pieces("fit", EACH_STYLE), loose_pieces("fit", EACH_LOOSE))
    for number, piece in enumerate(pieces):
        mono = mono_of(piece)
        for version in (mono, disturbed(mono, piece.spec.seed)):
            sounds.append(_timbre(version))
            labels.append(ids.index(piece.style_id or ""))
            set_aside.append(piece.spec.seed % 4 == 0)
        if number % 100 == 0:
            print(f"{number} pieces measured", flush=True)
    rows, truth, aside = np.array(sounds), np.array(labels), np.array(set_aside)
    strangers = [_timbre(mono_of(piece)) for piece in wide_pieces("fit", int(aside.sum()) // 4)]
    mean, scale, axes, centres = analysed(rows[~aside], truth[~aside], len(ids))
    away = _away(rows[aside], mean, scale, axes, centres)
    sharpness = float(np.exp(_best_sharpness(away, truth[aside])))
    alien = _away(np.array(strangers), mean, scale, axes, centres).min(axis=1)
    familiar, slope = _boundary(away.min(axis=1), alien)
    mean, scale, axes, centres = analysed(rows, truth, len(ids))
    found = {
        "mean": _short(mean),
        "scale": _short(scale),
        "axes": [_short(row) for row in axes],
        "centres": {style_id: _short(row) for style_id, row in zip(ids, centres)},
        "sounds": {style_id: sound_of(preset) for style_id, preset in presets.items()},
        "sharpness": round(sharpness, 3),
        "familiar": round(familiar, 3),
        "slope": round(slope, 3),
    }
    references_of(found)
    TARGET.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"wrote {TARGET}: sharpness {sharpness:.2f}, familiar {familiar:.2f}, slope {slope:.2f}")


def _timbre(mono: np.ndarray) -> np.ndarray:
    bands = log_bands(mono)
    return timbre(mono, coarse_spectra(mono), bands, growth(bands))


def _away(
    rows: np.ndarray, mean: np.ndarray, scale: np.ndarray, axes: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    positions = (rows - mean) / scale @ axes
    return np.square(positions[:, None, :] - centres[None]).mean(axis=2)


def _best_sharpness(away: np.ndarray, truth: np.ndarray) -> float:
    """Logarithm of the factor under which the true style is most probable."""

    def loss(logarithm: np.ndarray) -> float:
        scores = -np.exp(logarithm[0]) * away
        scores -= scores.max(axis=1, keepdims=True)
        return float(-(scores[np.arange(len(truth)), truth] - np.log(np.exp(scores).sum(axis=1))).mean())

    return float(minimize(loss, np.array([2.0]), method="Nelder-Mead").x[0])


def _boundary(own: np.ndarray, alien: np.ndarray) -> tuple[float, float]:
    """The logistic boundary, on the logarithm of the distance, between pieces of a style and others, as if equally many."""
    values = np.log(np.concatenate([own, alien]))
    known = np.concatenate([np.ones(len(own)), np.zeros(len(alien))])
    weight = np.where(known > 0, 0.5 / len(own), 0.5 / len(alien))

    def loss(point: np.ndarray) -> float:
        scores = np.exp(point[1]) * (point[0] - values)
        return float((weight * (np.logaddexp(0, scores) - known * scores)).sum())

    boundary, steepness = minimize(loss, np.array([0.5, 1.0]), method="Nelder-Mead").x
    return float(boundary), float(np.exp(steepness))


def _short(row: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in row]


if __name__ == "__main__":
    main()
