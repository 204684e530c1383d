"""The best checkpoint is the best of those that can be compared."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from lofi_pipeline.checkpoints.best import best_checkpoint, choose
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.pins import pin, read_pins, unpin
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD, RecordError, Scores
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_record, make_scores


def scored(root: DataRoot, step: int, fad: float, *, embedder: str = "nano", days: int = 0) -> Path:
    """A checkpoint that was scored by an embedder, so many days from now."""
    folder, scores = make_folder(root, step), make_scores(step, fad, embedder=embedder)
    later = scores.metrics.evaluation_date + timedelta(days=days)
    metrics = scores.metrics.model_copy(update={"evaluation_date": later})
    write_json_atomic(folder / SCORES_RECORD, scores.model_copy(update={"metrics": metrics}))
    return folder


def best(root: DataRoot) -> Path | None:
    found = best_checkpoint(scan_checkpoints(root))
    return found.found.folder if found else None


def test_without_scores_there_is_none(root: DataRoot):
    make_folder(root, 10)
    assert best(root) is None


def test_the_lowest_fad_wins_and_the_earlier_step_where_it_is_equal(root: DataRoot):
    scored(root, 10, 0.5)
    earlier = scored(root, 20, 0.2)
    scored(root, 30, 0.2)
    assert best(root) == earlier


def test_a_lower_fad_of_another_embedder_is_not_a_better_one(root: DataRoot):
    scored(root, 10, 0.1, embedder="clap")
    ours = scored(root, 20, 0.3, days=1)
    scored(root, 30, 0.4, days=1)
    assert best(root) == ours


def test_while_others_are_still_to_be_scored_again_those_of_the_most_count(root: DataRoot):
    scored(root, 10, 7.0, embedder="clap", days=2)  # alone, it would be the best for want of others
    scored(root, 20, 0.3)
    ours = scored(root, 30, 0.2)
    assert best(root) == ours
    (root.checkpoint("epoch=0-step=20_lora") / SCORES_RECORD).unlink()
    (root.checkpoint("epoch=0-step=20_lora") / CHECKPOINT_RECORD).unlink()
    assert best(root) == root.checkpoint("epoch=0-step=10_lora")


def test_scores_of_the_embedder_that_was_used_last_count(root: DataRoot):
    scored(root, 10, 0.1, days=1)
    theirs = scored(root, 20, 7.0, embedder="clap", days=2)
    assert best(root) == theirs


def test_one_that_is_not_valid_or_lost_its_weights_is_passed_over(root: DataRoot):
    pruned, broken = scored(root, 10, 0.1), scored(root, 20, 0.1)
    write_json_atomic(pruned / CHECKPOINT_RECORD, make_record(10, pruned=True))
    write_json_atomic(broken / CHECKPOINT_RECORD, make_record(20, is_valid=False))
    kept = scored(root, 30, 0.9)
    assert best(root) == kept


RISING = [0.1, 0.2, 0.3, 0.4]


def chosen(*scores: Scores) -> tuple[int, str]:
    choice = choose(scores)
    assert choice is not None
    return choice.scores.step, choice.why


def test_noise_does_not_make_the_lowest_fad_the_best_where_another_follows_prompts_better():
    better = [value + 0.08 + shift for value, shift in zip(RISING, (0.03, -0.02, 0.01, -0.02), strict=True)]
    step, why = chosen(
        make_scores(80, 0.2370, error=0.083, clap=RISING), make_scores(240, 0.2397, error=0.083, clap=better)
    )
    assert step == 240
    assert re.fullmatch(
        r"240: not separable from 80 by FAD \(difference 0\.003 \+- 0\.083\), "
        r"follows prompts better \(\+0\.080, 0\.0\d+ to 0\.1?\d+\)",
        why,
    )


def test_a_fad_that_is_separable_decides_whatever_the_prompts_say():
    step, why = chosen(
        make_scores(80, 0.2, error=0.01, clap=RISING),
        make_scores(240, 0.24, error=0.01, clap=[value + 0.5 for value in RISING]),
    )
    assert step == 80
    assert why == "80: the lowest FAD, separable from all others (next is 240, difference 0.040 +- 0.010)"


def test_where_neither_tells_them_apart_the_earlier_step_is_the_best():
    scattered = [0.4, 0.1, 0.2, 0.5]
    step, why = chosen(
        make_scores(80, 0.25, error=0.1, clap=RISING),
        make_scores(160, 0.24, error=0.1, clap=RISING),
        make_scores(240, 0.23, error=0.1, clap=scattered),
    )
    assert step == 80
    assert why.startswith(
        "80: not separable from 240 by FAD (difference 0.020 +- 0.100), nor from 240 by how it follows"
    )
    assert why.endswith("the earlier step")


def test_what_repeats_its_training_tracks_is_never_the_best():
    step, why = chosen(make_scores(80, 0.011, memorised=True), make_scores(240, 0.4))
    assert step == 240
    assert why == "240: the only one to choose from; left out, because samples repeat training tracks: 80"
    assert choose([make_scores(80, 0.011, memorised=True)]) is None


def test_as_many_repeats_as_are_mistaken_for_copies_do_not_decide():
    """Up to 1 in 50 is borne with; of fewer samples a single one decides."""
    repeating = make_scores(80, 0.1, memorised=True)
    of_many = repeating.model_copy(update={"samples": repeating.samples * 50})
    step, _ = chosen(of_many, make_scores(240, 0.4))
    assert step == 80 and not of_many.memorises
    assert repeating.model_copy(update={"samples": repeating.samples * 49}).memorises


def test_scores_without_a_measured_error_are_ranked_by_fad_and_that_is_said():
    step, why = chosen(make_scores(80, 0.3, error=None), make_scores(240, 0.2, error=None))
    assert step == 240
    assert why == "240: the lowest FAD, 0.100 below 80; the error of that was not measured"


def test_one_that_a_person_pinned_overrules(root: DataRoot):
    pinned, lowest = scored(root, 10, 0.9), scored(root, 20, 0.1)
    pin(root, make_record(10), "warmest bass")
    found = best_checkpoint(scan_checkpoints(root))
    assert found and found.found.folder == pinned
    assert found.why == "10: pinned by a person: warmest bass"
    # One that was pruned, or is gone, cannot be
    write_json_atomic(pinned / CHECKPOINT_RECORD, make_record(10, pruned=True))
    assert best(root) == lowest


def test_a_lineage_has_one_pin_which_can_be_taken_back(root: DataRoot):
    scored(root, 10, 0.9)
    other, lowest = scored(root, 20, 0.8), scored(root, 30, 0.1)
    pin(root, make_record(10), "the drums")
    pin(root, make_record(20), "the bass")
    assert best(root) == other and len(read_pins(root)) == 1
    unpin(root, make_record(20))
    assert best(root) == lowest


def test_damaged_pins_are_named(root: DataRoot):
    scored(root, 10, 0.9)
    (root.metadata / "pins.json").write_text('{"pins": [{"checkpoint": "x"}]}')
    with pytest.raises(RecordError, match=r"metadata/pins\.json"):
        scan_checkpoints(root)
