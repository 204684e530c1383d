"""Numbers that others can compute again: by counting, by tables, by simulation."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.checkpoints.votes import exact_interval
from lofi_pipeline.listening import chance


def tail(least: int, trials: int, share: Fraction) -> Fraction:
    """How likely so many right answers or more are, by counting."""
    return sum(
        (comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(least, trials + 1)),
        Fraction(),
    )


@given(st.integers(1, 60).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_p_value_is_that_of_counting_outcomes(case: tuple[int, int]) -> None:
    right, trials = case
    away = max(right, trials - right)
    expected = min(Fraction(1), 2 * tail(away, trials, Fraction(1, 2)))
    assert chance.p_value(right, trials) == pytest.approx(float(expected), abs=1e-9)


@given(st.integers(1, 60).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_equivalence_is_the_worse_of_two_counted_tails(case: tuple[int, int]) -> None:
    right, trials = case
    high, low = Fraction(6, 10), Fraction(4, 10)
    expected = max(1 - tail(right + 1, trials, high), tail(right, trials, low))
    assert chance.equivalence_p(right, trials, 0.1) == pytest.approx(float(expected), abs=1e-9)


def test_known_values() -> None:
    assert chance.p_value(15, 20) == pytest.approx(0.04139, abs=1e-5)
    # Clopper and Pearson's interval of 15 of 20, as in tables
    assert exact_interval(15, 20) == pytest.approx((0.50895, 0.91343), abs=1e-4)
    assert exact_interval(0, 10)[0] == 0 and exact_interval(10, 10)[1] == 1
    # Signs of ten equal differences: 2 of 1024 ways are as far away
    assert chance.p_value_by_listener([0.7] * 10) == pytest.approx(2 / 1024)
    assert chance.p_value_by_listener([0.5, 0.5]) == 1.0
    assert chance.p_value_by_listener([0.9]) is None
    assert chance.interval_by_listener([0.4, 0.6]) == pytest.approx(
        (0.0, 1.0)
    )  # t of 1 degree: 12.7 errors of 0.1


def test_a_high_p_value_alone_never_shows_equivalence() -> None:
    assert chance.p_value(10, 20) == 1.0
    assert chance.equivalence_p(10, 20, 0.1) > 0.05
    needed = chance.trials_needed(0.1, 0.05)
    assert chance.equivalence_p(needed // 2, needed, 0.1) < 0.05


def test_as_many_trials_as_are_named_have_the_power_that_is_promised() -> None:
    needed = chance.trials_needed(0.1, 0.05)
    dice = np.random.default_rng(1)
    right = dice.binomial(needed, 0.5, 4_000)
    shown = np.mean([chance.equivalence_p(int(k), needed, 0.1) <= 0.05 for k in right])
    assert shown == pytest.approx(0.8, abs=0.05)
    assert chance.trials_needed(0.2, 0.05) < needed / 3


def test_listeners_that_differ_widen_what_is_claimed() -> None:
    alike, apart = [0.5, 0.52, 0.48, 0.5], [0.1, 0.9, 0.15, 0.85]
    assert chance.equivalence_p_by_listener(alike, 0.1) < 0.05  # pyright: ignore[reportOptionalOperand]
    assert chance.equivalence_p_by_listener(apart, 0.1) > 0.05  # pyright: ignore[reportOptionalOperand]
    assert chance.equivalence_p_by_listener([0.5], 0.1) is None


def test_a_mean_over_listeners_has_an_interval_by_listeners() -> None:
    values = np.random.default_rng(3).normal(60, 10, 30)
    low, high = chance.bootstrap_interval(values) or (0, 0)
    reach = 1.96 * values.std(ddof=1) / 30**0.5
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.6)
    assert chance.bootstrap_interval(values[:1]) is None
