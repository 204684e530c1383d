"""What is known of a lineage: found wherever it lies, clips side by side, what is kept and why."""

from __future__ import annotations

import json

import pytest

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.lineages import find_lineage, lineages
from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.checkpoints.pins import keep
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import SCORES_RECORD, checkpoint_id_of
from lofi_pipeline.evaluation.lineage_view import LineageView, lineage_view
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage, make_record
from lofi_pipeline_tests.checkpoints.lineages import KEY, PROMPTS, SHORT, STEPS, make_trained


@pytest.fixture
def trained(root: DataRoot) -> DataRoot:
    return make_trained(root)


def seen(root: DataRoot, digits: str | None = None) -> LineageView:
    return lineage_view(root, find_lineage(root, digits), RetentionSettings(keep_best=1))


def test_clips_stand_in_a_row_for_each_prompt_the_base_first(trained: DataRoot) -> None:
    grid = seen(trained).grid
    assert [column.step for column in grid.columns] == [0, *STEPS]
    assert [(row.asked.prompt, row.asked.seed) for row in grid.rows] == [
        (prompt, seed) for seed, prompt in enumerate(PROMPTS, start=1)
    ]
    for row in grid.rows:
        assert [clip.file.parent.name for clip in row.clips[1:] if clip] == ["samples"] * 3
    found = grid.rows[2].clips[1]
    assert found and found.nearest and found.nearest.track == "track_003" and found.beyond
    copied = grid.rows[1].clips[1]
    assert copied and [it.track for it in copied.passages] == ["track_002"]


def test_the_losses_are_those_of_the_log_and_the_errors_those_of_the_scores(trained: DataRoot) -> None:
    view = seen(trained)
    assert [it.step for it in view.losses if it.validation_loss is not None] == [0, 10, 20, 30]
    assert view.losses[1].loss == pytest.approx(0.5)
    assert [it.fad_se for it in view.checkpoints] == [0.03] * 3
    assert [it.is_separable for it in view.checkpoints] == [True, False, False]
    assert view.best and view.best.interval and view.best.interval[0] < (view.best.clap or 0)


def test_a_long_log_is_shown_by_means_of_parts(trained: DataRoot) -> None:
    log = trained.checkpoints / "training_log.jsonl"
    log.write_text("".join(json.dumps({"step": step, "loss": step % 2}) + "\n" for step in range(1, 5001)))
    losses = seen(trained).losses
    assert len(losses) == 120 and losses[-1].step == 5000
    assert all(it.loss == pytest.approx(0.5, abs=0.03) for it in losses)


def test_why_weights_stay_is_said_of_each(trained: DataRoot) -> None:
    keep(trained, make_record(10), "for the film")
    weights = {it.step: it.weights for it in seen(trained).checkpoints}
    assert weights[10] == "kept: pinned by a person: for the film"
    assert weights[30].startswith("kept: number 1 by FAD")


def test_an_archived_lineage_is_found_with_its_clips(trained: DataRoot) -> None:
    activate_lineage(trained, make_lineage("b"))
    make_folder(trained, 40, lineage="b")
    assert [it.short for it in lineages(trained)] == [make_lineage("b").lineage[:8], SHORT]
    view = seen(trained, SHORT)
    assert not view.folder.is_active and [it.key for it in view.checkpoints] == [KEY[step] for step in STEPS]
    assert all(clip and clip.file.is_file() for row in view.grid.rows for clip in row.clips)
    assert view.checkpoints[0].weights.startswith("kept: archived")


def test_what_is_wrong_with_each_checkpoint_is_among_the_warnings(trained: DataRoot) -> None:
    warnings = seen(trained).warnings
    assert any(it.startswith("Step 10: 1 sample repeats training music, of track_002") for it in warnings)
    (trained.checkpoint(checkpoint_id_of(20)) / "checkpoint.json").write_text("{")
    assert any("step=20_lora/checkpoint.json is not readable" in it for it in seen(trained).warnings)


def test_a_record_from_elsewhere_shows_no_file_of_another_place(trained: DataRoot) -> None:
    secret = trained.metadata / "secret.flac"
    secret.write_bytes(b"fLaC")
    folder = trained.checkpoint(checkpoint_id_of(20))
    (folder / "samples" / "link.flac").symlink_to(secret)
    path = folder / SCORES_RECORD
    scores = json.loads(path.read_text())
    scores["samples"][0]["path"] = "metadata/secret.flac"
    scores["samples"][1]["path"] = f"{trained.relative(folder)}/samples/link.flac"
    scores["samples"][2]["path"] = "checkpoints/none.flac"
    path.write_text(json.dumps(scores))
    column = seen(trained).grid.column(KEY[20])
    assert column and not column.clips


def test_a_lineage_is_named_by_its_first_digits_and_nothing_else(trained: DataRoot, tmp_path) -> None:
    assert find_lineage(trained, SHORT[:4]).short == SHORT
    for wrong in ("", "zz", "../checkpoints"):
        with pytest.raises(CheckpointError, match="no lineage begins with"):
            find_lineage(trained, wrong)
    with pytest.raises(CheckpointError, match="no checkpoint has landed yet"):
        find_lineage(DataRoot(tmp_path / "empty").create(), None)
