"""The weights of the metres can be found again: benchmarks/fit_metre.py, on a handful of pieces."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from benchmarks.fit_metre import Case, fitted, measured, table
from benchmarks.metre_corpus import RandomPiece, random_pieces
from lofi_pipeline.audio.analysis.linear_model import Linear, linear_models
from lofi_pipeline.entities.metre import METRES


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Two pieces of each metre, and two more in four."""
    return [case for case in map(measured, islice(random_pieces("fit"), 12)) if case]


def test_a_piece_is_always_the_same_and_no_other() -> None:
    (one, bpm), (again, same_bpm) = RandomPiece(5, "7/8").render(), RandomPiece(5, "7/8").render()
    other, _ = RandomPiece(6, "7/8").render()
    assert bpm == same_bpm
    np.testing.assert_array_equal(one, again)
    assert len(other) != len(one) or np.abs(other - one).max() > 0.01


def test_the_fit_finds_models_like_those_shipped(cases: list[Case]) -> None:
    found = fitted(cases)
    assert set(found) == {f"bars {metre}" for metre in METRES}
    for name, numbers in found.items():
        shipped = linear_models()[name]
        assert len(numbers["weights"]) == len(numbers["mean"]) == len(shipped.weights)
        assert np.median(np.abs(numbers["mean"] - shipped.mean) / shipped.scale) < 0.5, (
            "other features than those that the shipped weights are for"
        )


def test_the_weights_found_tell_the_metres_they_were_fitted_on(cases: list[Case]) -> None:
    in_four = [replace(case, otherwise="4/4") for case in cases]
    models = {name: Linear(**numbers) for name, numbers in fitted(cases).items()}
    assert table(in_four, models)[1:] == [
        "  4/4 -> 4 of 4",
        "  5/4 -> 2 of 2, 2 in the right tempo",
        "  6/8 -> 2 of 2, 2 in the right tempo",
        "  7/8 -> 2 of 2, 2 in the right tempo",
    ]
