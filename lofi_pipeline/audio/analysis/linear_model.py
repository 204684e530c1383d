"""The linear models of the measurements, with the weights that benchmarks/fit_analysis.py and fit_metre.py fitted on synthetic music.

The features are computed where they are used: tempo.py, beats.py, metre.py, tonality.py, presence.py.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import numpy as np

FILE_NAME = "linear_model.json"


class Linear:
    """A score `bias + sum(weights * rows)` of features less their mean over their scale; see `expanded`.

    With twice as many weights as features, the second half weighs the squares.
    """

    def __init__(
        self, mean: list[float], scale: list[float], weights: list[float], bias: float = 0.0
    ) -> None:
        self.mean, self.scale, self.weights = (
            np.array(row, dtype=np.float64) for row in (mean, scale, weights)
        )
        self.bias = bias

    def score(self, features: np.ndarray) -> np.ndarray:
        """float64 [...] of float [..., features]."""
        rows = (features - self.mean) / self.scale
        return (expanded(rows) if len(self.weights) > len(self.mean) else rows) @ self.weights + self.bias

    def probability(self, features: np.ndarray) -> float:
        """The logistic function of the score of one row of features."""
        return float(1 / (1 + np.exp(-np.clip(self.score(features), -30, 30))))


def expanded(rows: np.ndarray) -> np.ndarray:
    """Standardised features and their squares, those of outliers bounded: float64 [..., 2 x features]."""
    return np.concatenate([rows, np.square(np.clip(rows, -3, 3))], axis=-1)


@cache
def linear_models() -> dict[str, Linear]:
    """The scores by name: tempo, key, beat, downbeat, metre, bars 3/4 (and other metres), voice, drums, crackle, rain, noise."""
    text = resources.files("lofi_pipeline.audio.analysis").joinpath(FILE_NAME).read_text(encoding="utf-8")
    return {name: Linear(**numbers) for name, numbers in json.loads(text).items()}


def shares(scores: np.ndarray) -> np.ndarray:
    """Softmax: scores of alternatives as probabilities of sum 1."""
    exponents = np.exp(scores - scores.max())
    return exponents / exponents.sum()
