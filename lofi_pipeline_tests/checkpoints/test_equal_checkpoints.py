"""Checkpoints that are truly equal are told apart no oftener than 1 in 20 times, however many there are and however few the tracks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lofi_pipeline.checkpoints.best import choose
from lofi_pipeline.checkpoints.compare import clap_difference, errors_apart, fad_difference
from lofi_pipeline.entities import Scores
from lofi_pipeline_tests.checkpoints.test_survival import BY_TRACK, CLIPS, TRACKS, noisy

RUNS = 200
FEW = 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)
"""One in twenty, and what chance adds in as many runs."""


def equal(seed: int, count: int) -> list[Scores]:
    """Scores of checkpoints with one true FAD, and the noise that was measured on the demo."""
    random = np.random.default_rng([9, seed])
    return [noisy(random, 10 * (1 + number), 0.5) for number in range(count)]


def asked(random: np.random.Generator, step: int) -> Scores:
    """Scores whose clips follow prompts alike in truth: what a checkpoint makes of a prompt, and of its noise, is chance."""
    scores = noisy(random, step, 0.5)
    of_prompt = np.repeat(random.normal(0.3, 0.05, TRACKS), CLIPS // TRACKS)
    values = (of_prompt + random.normal(0, 0.03, CLIPS)).clip(-1, 1)
    samples = [
        scores.samples[0].model_copy(update={"prompt": f"lofi {at // 4}", "seed": at, "clap": float(value)})
        for at, value in enumerate(values)
    ]
    metrics = scores.metrics.model_copy(update={"clap_score": float(values.mean())})
    return scores.model_copy(update={"samples": samples, "metrics": metrics})


@pytest.mark.parametrize("count", [2, 3, 10])
def test_no_two_of_them_are_told_apart_by_fad_but_by_chance(count: int):
    wrong = by_two_errors = 0
    for run in range(RUNS):
        pairs = [fad_difference(*pair, count) for pair in combinations(equal(run, count), 2)]
        wrong += any(abs(pair.value) > pair.reach for pair in pairs)
        by_two_errors += any(abs(pair.value) > 2 * (pair.se or 0) for pair in pairs)
    assert wrong <= FEW * RUNS
    assert by_two_errors > wrong


def test_two_errors_for_any_number_would_tell_ten_equal_ones_apart_in_most_trainings():
    pairs = [[fad_difference(*pair) for pair in combinations(equal(run, 10), 2)] for run in range(40)]
    assert sum(any(abs(it.value) > 2 * (it.se or 0) for it in each) for each in pairs) > 20


def test_none_of_them_is_called_the_only_best_but_by_chance():
    said = [choose(equal(run, 3)) for run in range(RUNS)]
    assert sum(it is not None and "separable from all others" in it.why for it in said) <= FEW * RUNS


def test_none_is_said_to_follow_prompts_better_but_by_chance():
    wrong = 0
    for run in range(RUNS):
        random = np.random.default_rng([5, run])
        made = [asked(random, 10 * (1 + number)) for number in range(3)]
        pairs = [clap_difference(*pair, 3) for pair in combinations(made, 2)]
        wrong += any(it is not None and not it.low <= 0 <= it.high for it in pairs)
    assert wrong <= FEW * RUNS


def test_what_is_truly_better_by_far_is_still_told_apart():
    found = 0
    for run in range(RUNS):
        random = np.random.default_rng([7, run])
        worse = 0.5 + 6 * BY_TRACK
        scores = [noisy(random, step, true) for step, true in ((10, worse), (20, 0.5), (30, worse))]
        choice = choose(scores)
        found += choice is not None and choice.scores.step == 20 and "separable from all" in choice.why
    assert found >= 0.9 * RUNS


def test_fewer_parts_and_more_checkpoints_take_more_errors_and_never_less_than_two():
    assert errors_apart(2, 7) == pytest.approx(2.447, abs=0.001)  # Student's t, 6 degrees of freedom
    assert errors_apart(3, 7) == pytest.approx(
        3.287, abs=0.001
    )  # and a third of the share for each of three pairs
    assert errors_apart(10, 7) > errors_apart(10, 61) > errors_apart(3, 61)
    assert errors_apart(2, 100_000) == 2.0
