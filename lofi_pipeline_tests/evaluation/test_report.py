"""The picture of a training."""

from __future__ import annotations

import pytest

from lofi_pipeline.entities import QualityMetrics, ScoreKey, Scores, checkpoint_id_of, now
from lofi_pipeline.evaluation import LossPoint, NotComparable, plot_scores

KEY = ScoreKey(
    embedder="nano",
    embedder_sha256="a" * 64,
    dimension=32,
    window_seconds=5.0,
    reference_sha256="b" * 64,
    prompts_sha256="c" * 64,
    versions={},
)


def _scores(step: int, fad: float, **changes) -> Scores:
    metrics = QualityMetrics(
        checkpoint_id=checkpoint_id_of(step), evaluation_date=now(), fad_score=fad, clap_score=0.3
    )
    scores = Scores(
        metrics=metrics,
        step=step,
        key=KEY,
        clap_shuffled=0.1,
        floor_fad=0.03,
        reference_windows=40,
        generated_windows=46,
        samples=[],
    )
    return scores.model_copy(update=changes)


def test_a_small_png_of_all_steps() -> None:
    scores = [_scores(step, 3.0 / (1 + step / 60)) for step in (240, 0, 60, 120, 180)]
    losses = [
        LossPoint(step, 1.0 / step, 1.1 / step if step % 60 == 0 else None) for step in range(20, 241, 20)
    ]
    image = plot_scores(scores, losses)
    assert image.startswith(b"\x89PNG") and 5_000 < len(image) < 60_000
    assert image != plot_scores(scores[:2], losses)


def test_the_base_alone_and_nothing_at_all_can_be_drawn() -> None:
    assert plot_scores([_scores(0, 3.0, floor_fad=None)]).startswith(b"\x89PNG")
    assert plot_scores([]).startswith(b"\x89PNG")


def test_unlike_scores_are_not_drawn_together() -> None:
    other = _scores(60, 0.1, key=KEY.model_copy(update={"embedder": "clap"}))
    with pytest.raises(NotComparable, match="embedder"):
        plot_scores([_scores(0, 3.0), other])
