"""Whether one checkpoint scores better than another, or only happens to: paired tests on scores that were made alike.

Both were asked for the same clips, prompt and seed alike, and held against the same tracks; what both share cancels in the
difference. All that this needs stands in scores.json, so it can be told of checkpoints whose weights and clips are gone.

An error that few tracks gave is itself uncertain, and of many checkpoints two lie far apart by chance. So two of `among` that are
compared are told apart by more standard errors, the fewer the parts and the more the checkpoints: by Student's t, with the share that
may be wrong divided among all pairs (Dunn 1961, 10.1080/01621459.1961.10482090).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from lofi_pipeline.entities import Scores

SEPARABLE_FROM = 2.0
"""Standard errors that two FADs must lie apart, however many parts and however few checkpoints there are."""
_BY_CHANCE = 0.05
"""In so many of all comparisons of equal checkpoints, any two of them may be told apart."""
_RESAMPLED = 4000


class Verdict(StrEnum):
    """What a paired test says of the first of two."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SEPARABLE = "not separable"
    UNKNOWN = "error not measured"


@dataclass(frozen=True)
class FadDifference:
    """FAD of one less that of another, with its standard errors by clip and by track where they were measured."""

    value: float
    se_by_clip: float | None
    se_by_track: float | None
    clips: int
    tracks: int
    among: int = 2
    """So many checkpoints are compared with each other."""

    @property
    def se(self) -> float | None:
        """The larger of both."""
        return max(
            (value for value in (self.se_by_clip, self.se_by_track) if value is not None), default=None
        )

    @property
    def verdict(self) -> Verdict:
        """Lower is better."""
        if self.se is None:
            return Verdict.UNKNOWN
        if abs(self.value) <= self.reach:
            return Verdict.NOT_SEPARABLE
        return Verdict.BETTER if self.value < 0 else Verdict.WORSE

    @property
    def reach(self) -> float:
        """How far two that are equal may lie apart by chance, by whichever error lets them lie farther."""
        errors = ((self.se_by_clip, self.clips), (self.se_by_track, self.tracks))
        return max(
            (errors_apart(self.among, parts) * error for error, parts in errors if error is not None),
            default=0.0,
        )

    @property
    def more_clips(self) -> int | None:
        """How many more clips would separate a difference of this size; None where it is separable, or nothing was measured."""
        return _more(self.clips, self.value, self.se_by_clip, self.among)

    @property
    def more_tracks(self) -> int | None:
        """How many more validation tracks would."""
        return _more(self.tracks, self.value, self.se_by_track, self.among)

    def __str__(self) -> str:
        return f"difference {abs(self.value):.3f}" + ("" if self.se is None else f" +- {self.se:.3f}")


@dataclass(frozen=True)
class ClapDifference:
    """Mean CLAP score of one less that of another over the same prompts, with its interval: 95 %, of all that are compared at once."""

    value: float
    low: float
    high: float
    clips: int

    @property
    def verdict(self) -> Verdict:
        """Higher is better."""
        if self.low <= 0 <= self.high:
            return Verdict.NOT_SEPARABLE
        return Verdict.BETTER if self.value > 0 else Verdict.WORSE

    def __str__(self) -> str:
        return f"{self.value:+.3f}, {self.low:.3f} to {self.high:.3f}"


@lru_cache
def errors_apart(among: int, parts: int) -> float:
    """How many standard errors, measured on so many parts, tell two of `among` checkpoints apart; at least SEPARABLE_FROM."""
    from scipy.special import stdtrit

    pairs = max(1, among * (among - 1) // 2)
    return max(SEPARABLE_FROM, float(stdtrit(max(1, parts - 1), 1 - _BY_CHANCE / (2 * pairs))))


def fad_difference(one: Scores, other: Scores, among: int = 2) -> FadDifference:
    """By a paired jackknife: both FADs without the same clip, or without the same track. The scores have one key."""
    ours, theirs = one.fad_leaving_out, other.fad_leaving_out
    clips, tracks = ([], []), ([], [])
    if ours and theirs:
        clips, tracks = (ours.clips, theirs.clips), (ours.tracks, theirs.tracks)
    return FadDifference(
        one.metrics.fad_score - other.metrics.fad_score,
        _paired_error(*clips),
        _paired_error(*tracks),
        len(clips[0]),
        len(tracks[0]),
        among,
    )


def clap_difference(one: Scores, other: Scores, among: int = 2) -> ClapDifference | None:
    """Over the clips that both were asked for, by clip or by prompt, whichever tells less; None with fewer than 2 clips."""
    theirs = {(sample.style_id, sample.prompt, sample.seed): sample.clap for sample in other.samples}
    of_prompt: dict[tuple[str | None, str], list[float]] = defaultdict(list)
    for sample in one.samples:
        if (asked := (sample.style_id, sample.prompt, sample.seed)) in theirs:
            of_prompt[sample.style_id, sample.prompt].append(sample.clap - theirs[asked])
    differences = [value for values in of_prompt.values() for value in values]
    if len(differences) < 2:
        return None
    by_clip, by_prompt = [[value] for value in differences], list(of_prompt.values())
    reach = max(_reach_of_mean(parts, among) for parts in (by_clip, by_prompt))
    value = float(np.mean(differences))
    return ClapDifference(value, value - reach, value + reach, clips=len(differences))


def _reach_of_mean(parts: Sequence[Sequence[float]], among: int) -> float:
    """Half the interval of the mean of all values, of which those of a part belong together; 0 for a single part."""
    sums, counts = np.array([[sum(part), len(part)] for part in parts]).T
    if len(parts) < 2:
        return 0.0
    error = jackknife_error(((sums.sum() - sums) / (counts.sum() - counts)).tolist()) or 0.0
    return errors_apart(among, len(parts)) * error


def clap_interval(scores: Scores) -> tuple[float, float] | None:
    """95 % of the CLAP score over clips; None with fewer than 2."""
    return mean_interval([sample.clap for sample in scores.samples])


def mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of a mean: Efron and Tibshirani 1993, chapter 13. None with fewer than 2 values."""
    if len(values) < 2:
        return None
    means = _resampling(len(values), seed) @ np.asarray(values, np.float64)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=4)
def _resampling(count: int, seed: int) -> np.ndarray:
    """float64 [resamples, values]: the weight of each value in each resample's mean; of all means of as many values."""
    drawn = np.random.default_rng(seed).integers(count, size=(_RESAMPLED, count))
    cells = drawn + count * np.arange(_RESAMPLED)[:, None]
    return np.bincount(cells.ravel(), minlength=_RESAMPLED * count).reshape(_RESAMPLED, count) / count


def jackknife_error(without_each: Sequence[float] | None) -> float | None:
    """The standard error of a statistic from its values without each of n parts: Efron and Stein 1981, 10.1214/aos/1176345462.

    sqrt((n - 1) / n * sum (t_i - mean t)^2); None with fewer than 2 parts.
    """
    if without_each is None or len(without_each) < 2:
        return None
    values = np.asarray(without_each, np.float64)
    return float(np.sqrt((len(values) - 1) * values.var()))


def _paired_error(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) != len(other):
        return None
    return jackknife_error(np.subtract(one, other).tolist())


def _more(count: int, value: float, error: float | None, among: int) -> int | None:
    """An error falls with the root of the number."""
    if error is None or abs(value) > (reach := errors_apart(among, count) * error) or not value:
        return None
    return max(1, math.ceil(count * (reach / value) ** 2) - count)
