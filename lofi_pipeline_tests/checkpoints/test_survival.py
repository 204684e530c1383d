"""With the noise that was measured on the demo, retention loses the truly best checkpoint in few trainings, if in any."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline.checkpoints.compare import fad_difference
from lofi_pipeline.checkpoints.retention import plan_retention
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import LeavingOut, Scores
from lofi_pipeline_tests.checkpoints.folders import make_record, make_scores

STEPS = range(10, 110, 10)
CLIPS, TRACKS = 28, 7
BY_CLIP, BY_TRACK = 0.033, 0.083
"""Standard errors: of one FAD by clip, of the difference of two by track."""
RUNS = 100


def noisy(random: np.random.Generator, step: int, true: float) -> Scores:
    """A score whose noise is that of clips and that of the tracks they belong to, as its values without each of them show."""
    of_clip = random.normal(0, BY_CLIP * np.sqrt(CLIPS), (TRACKS, CLIPS // TRACKS))
    of_track = random.normal(0, np.sqrt((BY_TRACK**2 / 2 - BY_CLIP**2) * TRACKS), TRACKS) + of_clip.mean(
        axis=1
    )
    fad = max(0.0, true + of_track.mean())
    clips, tracks = (
        (fad + (parts.mean() - parts) / (len(parts) - 1)).tolist()  # of a mean, without each part
        for parts in (of_clip.ravel(), of_track)
    )
    scores = make_scores(step, fad, clap=random.normal(0.2, 0.1, 4).clip(-1, 1).tolist())
    return scores.model_copy(update={"fad_leaving_out": LeavingOut(clips=clips, tracks=tracks)})


def training(random: np.random.Generator) -> tuple[dict[str, Scores], dict[str, int], int]:
    """Scores by partition key, the steps, and the step that is truly best: FAD falls, and rises again where it learns by heart."""
    turn = random.uniform(2, 9)
    true = [0.24 + 0.09 * abs(place - turn) / 8 for place in range(len(STEPS))]
    records = {step: make_record(step) for step in STEPS}
    scores = {
        records[step].partition_key: noisy(random, step, fad) for step, fad in zip(STEPS, true, strict=True)
    }
    return (
        scores,
        {record.partition_key: step for step, record in records.items()},
        STEPS[int(np.argmin(true))],
    )


def survivors(scores: dict[str, Scores], steps: dict[str, int], settings: RetentionSettings) -> set[int]:
    """The steps that still have weights, where retention was asked after each checkpoint."""
    gone: set[str] = set()
    landed: list[str] = []
    for key in scores:
        landed.append(key)
        records = [make_record(steps[one], pruned=one in gone) for one in landed]
        gone |= set(plan_retention(records, {one: scores[one] for one in landed}, settings).prune)
    return {steps[key] for key in scores if key not in gone}


def survival(settings: RetentionSettings) -> float:
    random = np.random.default_rng(20)
    kept = 0
    for _ in range(RUNS):
        scores, steps, best = training(random)
        kept += best in survivors(scores, steps, settings)
    return kept / RUNS


def test_the_truly_best_of_ten_survives_in_95_of_100_trainings():
    assert survival(RetentionSettings(keep_best=3)) >= 0.95


def test_the_three_lowest_alone_would_lose_it_too_often():
    assert survival(RetentionSettings(keep_best=3, keep_most=3)) < 0.8


def test_the_errors_of_the_simulation_are_those_that_were_measured():
    random = np.random.default_rng(1)
    errors = [fad_difference(noisy(random, 10, 0.3), noisy(random, 20, 0.3)) for _ in range(100)]
    by_clip, by_track = (
        np.sqrt(np.mean(np.square([getattr(item, name) for item in errors])))
        for name in ("se_by_clip", "se_by_track")
    )
    assert by_clip == pytest.approx(np.sqrt(2) * BY_CLIP, rel=0.1)
    assert by_track == pytest.approx(BY_TRACK, rel=0.15)
