"""The statistics of choices between two: exact tests against chance, intervals, and what it takes to claim that nobody can tell.

Sides and order are drawn anew for each plan. So where nobody can tell, each answer is a fair coin whoever gives it, and the exact
test over all trials holds although a listener gives many answers. Where somebody can, listeners differ: intervals and the claim
that nobody can tell take the listener as the unit as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CHANCE = 0.5
POWER = 0.8
_MOST_TRIALS = 100_000
_RESAMPLES = 9_999


def p_value(right: int, trials: int) -> float:
    """Exact, two-sided, against one half."""
    from scipy.stats import binomtest

    return float(binomtest(right, trials, CHANCE).pvalue)


def p_value_by_listener(accuracies: Sequence[float]) -> float | None:
    """Two-sided, by flipping the sign of each listener's distance from one half; None for fewer than two."""
    from scipy.stats import permutation_test

    away = np.round(np.asarray(accuracies) - CHANCE, 12)
    if len(away) < 2:
        return None
    found = permutation_test(
        (away,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(found.pvalue))


def interval_by_listener(accuracies: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Of the mean accuracy, by the t distribution over listeners; None for fewer than two."""
    from scipy.stats import t

    if len(accuracies) < 2:
        return None
    mean, error = float(np.mean(accuracies)), _error(accuracies)
    reach = float(t.ppf((1 + level) / 2, len(accuracies) - 1)) * error
    return max(0.0, mean - reach), min(1.0, mean + reach)


def equivalence_p(right: int, trials: int, margin: float) -> float:
    """Of two one-sided exact tests, the larger: that the accuracy lies below one half by the margin, or above by it."""
    from scipy.stats import binom

    too_high = float(binom.cdf(right, trials, CHANCE + margin))
    too_low = float(binom.sf(right - 1, trials, CHANCE - margin))
    return min(1.0, max(too_high, too_low))


def equivalence_p_by_listener(accuracies: Sequence[float], margin: float) -> float | None:
    """The same by t tests over listeners; None for fewer than two."""
    from scipy.stats import t

    if len(accuracies) < 2:
        return None
    away, error, free = float(np.mean(accuracies)) - CHANCE, _error(accuracies), len(accuracies) - 1
    if error == 0:
        return 0.0 if abs(away) < margin else 1.0
    return float(max(t.cdf((away - margin) / error, free), t.sf((away + margin) / error, free)))


def trials_needed(margin: float, level: float, power: float = POWER) -> int:
    """How many trials show equivalence with this power if nobody can tell at all."""
    low, high = 1, 2
    while _power(high, margin, level) < power and high < _MOST_TRIALS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, margin, level) >= power else (middle, high)
    return high


def _power(trials: int, margin: float, level: float) -> float:
    """How likely so many fair coins are taken to be fair within the margin."""
    from scipy.stats import binom

    right = np.arange(trials + 1)
    shown = (binom.cdf(right, trials, CHANCE + margin) <= level) & (
        binom.sf(right - 1, trials, CHANCE - margin) <= level
    )
    return float(binom.pmf(right, trials, CHANCE)[shown].sum())


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, *, resamples: int = _RESAMPLES
) -> tuple[float, float] | None:
    """Of the mean of one number for each listener, float [listeners], by drawing listeners anew; None for fewer than two."""
    if len(values) < 2:
        return None
    drawn = np.random.default_rng(0).integers(0, len(values), (resamples, len(values)))
    means = values[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
