"""`lofi train status`: what it says of a training that runs, rests, is complete or ended early, on a screen and in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.loss_log import LogEntry, NoiseBands, training_log
from lofi_pipeline.checkpoints.manifest import LINEAGE_RECORD, read_record, training_lock, write_record
from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.sparkline import sparkline
from lofi_pipeline.cli.train_progress import training_progress
from lofi_pipeline.config import PipelineConfig, config_hash, load_config
from lofi_pipeline.entities import SCORES_RECORD, Precision
from lofi_pipeline.storage import DataRoot, locked, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage, make_scores


def bands(high: float) -> NoiseBands:
    return NoiseBands(high_noise=high, middle_noise=0.5, low_noise=0.2)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A training of 1000 steps that stands at step 25, with checkpoints at 10 and 20, the first scored."""
    root = DataRoot(tmp_path / "data").create()
    for step in (10, 20):
        folder = make_folder(root, step)
        record = read_record(folder)
        write_record(folder, record.model_copy(update={"validation_loss": 1.0 - step / 100}))
        (folder / SCORES_RECORD).unlink(missing_ok=True)
    precision = Precision(clips=24, reference_tracks=7, reference_styles=2, fad_se_by_clip=0.083)
    scores = make_scores(10, 1.25).model_copy(update={"precision": precision})
    write_json_atomic(root.checkpoint("epoch=0-step=10_lora") / SCORES_RECORD, scores)
    write_json_atomic(root.checkpoints / LINEAGE_RECORD, make_lineage())
    entries = [LogEntry(step=0, validation_loss=1.0, held_out=bands(0.9), seen=bands(0.9))]
    entries += [LogEntry(step=step, loss=2.0 - step / 50, learning_rate=0.001) for step in range(1, 26)]
    for step, gap in ((10, 0.0), (20, 0.3)):
        measured = {"validation_loss": 1 - step / 100, "held_out": bands(0.8), "seen": bands(0.8 - gap)}
        entries[step] = entries[step].model_copy(update=measured)
    entries[7] = LogEntry(step=7)
    lines = [entry.model_dump_json(exclude_none=True) + "\n" for entry in entries]
    training_log(root).write_text("".join(lines))
    return root


def status(root: DataRoot) -> dict[str, Any]:
    found = CliRunner().invoke(app, ["train", "status", "--data", str(root.path), "--json", "-"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def shown(root: DataRoot) -> str:
    found = CliRunner().invoke(app, ["train", "status", "--data", str(root.path)])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_it_says_where_the_training_stands(root: DataRoot):
    found = status(root)
    assert (found["step"], found["end"], found["skipped"], found["running"]) == (25, 1000, 1, False)
    assert len(found["loss"]) == 24 and found["recent_loss"] == pytest.approx(sum(found["loss"]) / 24)
    assert [item["validation_loss"] for item in found["checkpoints"]] == pytest.approx([0.9, 0.8])
    assert [item["gap"] for item in found["checkpoints"]] == pytest.approx([0.0, 0.1])
    assert [(item["fad"], item["fad_se"]) for item in found["checkpoints"]] == [(1.25, 0.083), (None, None)]
    assert found["best"] == found["checkpoints"][0]["partition_key"]
    text = shown(root)
    assert "25 of 1000" in text and "not running" in text and "not scored yet" in text
    assert "0.9000 to 0.8000 high noise" in text and "1.0000 to 0.8000" in text and "1.2500 +- 0.0830" in text


def test_it_knows_of_a_training_under_way(root: DataRoot):
    with locked(training_lock(root)):
        assert status(root)["running"]
    assert not status(root)["running"]


def test_an_early_end_is_said_with_its_reason(root: DataRoot):
    folder = root.checkpoint("epoch=0-step=20_lora")
    write_record(folder, read_record(folder).model_copy(update={"ended": "gap was no better"}))
    assert status(root)["ended"] == "gap was no better"
    assert "ended early: gap was no better" in shown(root)


def test_early_stopping_is_counted_as_the_trainer_counts(root: DataRoot):
    """Base 1.0, then 0.9 and 0.8: with a margin of 0.15 only the second is better."""
    given = load_config()
    preset = given.training.preset.model_copy(
        update={"stop_on": "validation_loss", "stop_margin": 0.15, "checkpoint_interval": 10}
    )
    training = given.training.model_copy(update={"presets": {"nano": preset}})
    config: PipelineConfig = given.model_copy(update={"training": training})
    lineage = make_lineage()
    named = lineage.model_copy(update={"config_hash": config_hash(preset, lineage.base.sha256)})
    write_json_atomic(root.checkpoints / LINEAGE_RECORD, named)
    found = training_progress(root, config).early_stopping
    assert found and (found.best, found.best_step, found.not_better) == (0.8, 20, 0)


def test_without_a_training_it_says_what_to_do(tmp_path: Path):
    root = DataRoot(tmp_path / "data").create()
    found = CliRunner().invoke(app, ["train", "status", "--data", str(root.path)])
    assert found.exit_code != 0
    assert "nothing was trained yet; lofi run trains" in str(found.exception)


def test_a_curve_goes_from_its_lowest_to_its_highest():
    assert sparkline([0, 1, 2, 3]) == "▁▃▆█"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([0.0] * 50 + [8.0] * 50, width=4) == "▁▁██"
    assert sparkline([]) == ""
