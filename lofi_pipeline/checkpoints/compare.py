"""Whether one checkpoint scores better than another, or only happens to: paired tests on scores that were made alike.

Both were asked for the same clips, prompt and seed alike, and held against the same tracks; what both share cancels in the
difference. All that this needs stands in scores.json, so it can be told of checkpoints whose weights and clips are gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from lofi_pipeline.entities import Scores

SEPARABLE_FROM = 2.0
"""Standard errors that two FADs must lie apart."""
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
        if abs(self.value) <= SEPARABLE_FROM * self.se:
            return Verdict.NOT_SEPARABLE
        return Verdict.BETTER if self.value < 0 else Verdict.WORSE

    @property
    def more_clips(self) -> int | None:
        """How many more clips would separate a difference of this size; None where it is separable, or nothing was measured."""
        return _more(self.clips, self.value, self.se_by_clip)

    @property
    def more_tracks(self) -> int | None:
        """How many more validation tracks would."""
        return _more(self.tracks, self.value, self.se_by_track)

    def __str__(self) -> str:
        return f"difference {abs(self.value):.3f}" + ("" if self.se is None else f" +- {self.se:.3f}")


@dataclass(frozen=True)
class ClapDifference:
    """Mean CLAP score of one less that of another over the same prompts, with its 95 % interval."""

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


def fad_difference(one: Scores, other: Scores) -> FadDifference:
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
    )


def clap_difference(one: Scores, other: Scores) -> ClapDifference | None:
    """Over the clips that both were asked for; None with fewer than 2."""
    theirs = {(sample.style_id, sample.prompt, sample.seed): sample.clap for sample in other.samples}
    differences = [
        sample.clap - theirs[asked]
        for sample in one.samples
        if (asked := (sample.style_id, sample.prompt, sample.seed)) in theirs
    ]
    interval = mean_interval(differences)
    if interval is None:
        return None
    return ClapDifference(float(np.mean(differences)), *interval, clips=len(differences))


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


def _more(count: int, value: float, error: float | None) -> int | None:
    """An error falls with the root of the number."""
    if error is None or abs(value) > SEPARABLE_FROM * error or not value:
        return None
    return max(1, math.ceil(count * (SEPARABLE_FROM * error / value) ** 2) - count)
