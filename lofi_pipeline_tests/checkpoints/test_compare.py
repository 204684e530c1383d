"""Paired tests of two checkpoints: what both share cancels, and the number of clips that a verdict would take is said."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline.checkpoints.compare import (
    Verdict,
    clap_difference,
    clap_interval,
    errors_apart,
    fad_difference,
    jackknife_error,
    mean_interval,
)
from lofi_pipeline.entities import LeavingOut, Scores
from lofi_pipeline_tests.checkpoints.folders import make_scores


def leaving_out(step: int, fad: float, clips: list[float], tracks: list[float] | None = None) -> Scores:
    scores = make_scores(step, fad)
    parts = LeavingOut(clips=clips, tracks=tracks or [])
    return scores.model_copy(update={"fad_leaving_out": parts})


def test_the_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=30)
    without = [float(np.delete(values, number).mean()) for number in range(30)]
    assert jackknife_error(without) == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert jackknife_error([0.3]) is None and jackknife_error(None) is None


def test_what_both_share_cancels_in_the_difference():
    shared = np.random.default_rng(1).normal(0.3, 0.1, size=24)
    one = leaving_out(10, 0.30, shared.tolist())
    other = leaving_out(20, 0.32, (shared + 0.02).tolist())
    found = fad_difference(one, other)
    assert found.se == pytest.approx(0, abs=1e-12) and found.verdict is Verdict.BETTER
    assert fad_difference(other, one).verdict is Verdict.WORSE
    assert (jackknife_error(shared.tolist()) or 0) > 0.2  # of each alone


def test_the_larger_of_the_errors_by_clip_and_by_track_decides():
    quiet, loud = [0.3, 0.3, 0.3, 0.3], [0.2, 0.4, 0.25, 0.35]
    for clips, tracks in ((quiet, loud), (loud, quiet)):
        found = fad_difference(leaving_out(10, 0.3, clips, tracks), leaving_out(20, 0.4, quiet, quiet))
        assert found.se == pytest.approx(jackknife_error(loud))
        assert found.verdict is Verdict.NOT_SEPARABLE


def test_as_many_more_clips_as_it_says_would_tell_them_apart():
    found = fad_difference(make_scores(10, 0.300, error=0.03), make_scores(20, 0.320, error=0.03))
    assert found.verdict is Verdict.NOT_SEPARABLE and found.more_clips
    enough = found.clips + found.more_clips
    reach = errors_apart(2, found.clips) * 0.03
    assert reach * np.sqrt(found.clips / enough) <= 0.02 < reach * np.sqrt(found.clips / (enough - 1))
    assert found.more_tracks is None  # nothing was measured by track
    assert (
        fad_difference(make_scores(10, 0.3, error=0.03), make_scores(20, 0.4, error=0.03)).more_clips is None
    )


def test_scores_of_an_earlier_version_give_no_verdict():
    found = fad_difference(make_scores(10, 0.3, error=None), make_scores(20, 0.9))
    assert (found.verdict, found.se, found.more_clips) == (Verdict.UNKNOWN, None, None)


def test_prompts_are_compared_in_pairs_and_the_interval_holds_their_mean_difference():
    random = np.random.default_rng(2)
    easy = random.normal(0, 0.2, size=62)  # how easy each prompt is, which both share
    one, other = (easy + shift + random.normal(0, 0.05, size=62) for shift in (0.08, 0.0))
    found = clap_difference(
        make_scores(10, 0.3, clap=one.tolist()), make_scores(20, 0.3, clap=other.tolist())
    )
    assert found and found.verdict is Verdict.BETTER and found.clips == 62
    assert found.value == pytest.approx((one - other).mean())
    normal = 1.96 * (one - other).std(ddof=1) / np.sqrt(62)
    assert (found.low, found.high) == pytest.approx((found.value - normal, found.value + normal), abs=0.005)
    back = clap_difference(make_scores(20, 0.3, clap=other.tolist()), make_scores(10, 0.3, clap=one.tolist()))
    assert back and back.verdict is Verdict.WORSE


def test_an_interval_of_means_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        low, high = mean_interval(random.normal(0.2, 0.1, size=40).tolist()) or (1, 0)
        covered += low <= 0.2 <= high
    assert 0.88 <= covered / 200 <= 0.99
    assert clap_interval(make_scores(10, 0.3, clap=[0.2])) is None


def test_clips_of_one_prompt_are_no_more_than_one_prompt_where_they_go_together():
    """Each prompt's clips differ alike between both: only as many prompts speak, however many clips each has."""
    of_prompt = np.repeat([0.2, -0.1, 0.15, 0.05], 25)
    prompts = [f"lofi {at // 25}" for at in range(100)]
    one, other = (
        asked_for(make_scores(step, 0.3, clap=values.tolist()), prompts)
        for step, values in ((10, 0.3 + of_prompt), (20, np.full(100, 0.3)))
    )
    found = clap_difference(one, other)
    assert found and found.value == pytest.approx(0.075) and found.verdict is Verdict.NOT_SEPARABLE
    error = np.std([0.2, -0.1, 0.15, 0.05], ddof=1) / 2
    assert found.high - found.value == pytest.approx(
        3.182 * error, abs=1e-3
    )  # Student's t, 3 degrees of freedom


def asked_for(scores: Scores, prompts: list[str]) -> Scores:
    samples = [
        sample.model_copy(update={"prompt": prompt})
        for sample, prompt in zip(scores.samples, prompts, strict=True)
    ]
    return scores.model_copy(update={"samples": samples})
