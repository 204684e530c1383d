"""`lofi run` after the configuration asks for other scores: what is kept is scored again from its samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import CHECKPOINTS, Lofi, history, write_config


def asking(lofi: Lofi, folder: Path, **evaluation: Any) -> Lofi:
    """The same data root with these settings of the evaluation, and no weights that are removed because of them."""
    retention = {"keep_best": CHECKPOINTS, "keep_most": CHECKPOINTS}
    return replace(lofi, config=write_config(folder, evaluation=evaluation, retention=retention))


def clips_of(root: DataRoot) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.path.rglob("*.flac")}


def fads_of(said: dict[str, Any]) -> list[float]:
    return [line["fad"] for line in (said["base"], *said["checkpoints"])]


@pytest.mark.slow
def test_a_run_has_another_embedder_hear_what_is_kept_and_takes_the_former_scores_back(
    trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    clips = clips_of(lofi.root)
    musicnn = asking(lofi, tmp_path / "musicnn", embedder="musicnn")
    said = musicnn.run()
    assert said["dagster_runs"] == CHECKPOINTS  # also of those without weights
    assert said["embedder"].startswith("musicnn ") and said["text_embedder"].startswith("nano ")
    assert all(line.get("comparable", True) for line in said["checkpoints"])
    assert not set(fads_of(said)) & set(fads_of(trained.said))
    assert musicnn.run()["dagster_runs"] == 0
    back = asking(lofi, tmp_path / "nano").run()
    assert clips_of(lofi.root) == clips
    for key in ("base", "checkpoints", "best", "embedder", "warnings"):
        assert back[key] == trained.said[key], key
    assert lofi("fsck").code == 0  # the ledger knows of all that
    with history(lofi.root) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("quality_metrics"))
    assert event and event.asset_materialization
    assert str(event.asset_materialization.metadata["embedder"].value).startswith("nano ")
    assert lofi.run()["dagster_runs"] == 0


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_scores_again_ranks_no_two_embedders_together(
    trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    musicnn = asking(lofi, tmp_path / "musicnn", embedder="musicnn")
    first = lofi.root.checkpoint(trained.said["checkpoints"][0]["checkpoint_id"]) / "scores.json"
    running = musicnn.start("run", "--base", str(lofi.base))
    running.wait_for(lambda: b'"embedder": "musicnn"' in first.read_bytes(), "new scores")
    running.process.kill()
    running.finish()
    target = tmp_path / "scores.json"
    assert musicnn("scores", "--json", str(target)).code == 0
    halfway = json.loads(target.read_bytes())
    assert halfway["best"]["why"] and halfway["embedder"].startswith("nano ")
    compared = [line["checkpoint_id"] for line in halfway["checkpoints"] if line.get("comparable", True)]
    assert halfway["best_checkpoint"] in compared and len(compared) < CHECKPOINTS
    assert any("scored by nano, not by musicnn" in sentence for sentence in halfway["warnings"])
    assert [line["kept"] for line in halfway["checkpoints"]] == [
        line["kept"] for line in trained.said["checkpoints"]
    ]
    undisturbed = asking(trained.lofi.copy(tmp_path / "other"), tmp_path / "config", embedder="musicnn").run()
    assert fads_of(musicnn.run()) == fads_of(undisturbed)


@pytest.mark.slow
def test_other_clips_are_generated_by_what_has_its_weights_and_named_of_what_has_not(
    trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    said = asking(lofi, tmp_path / "other", seed=1).run()
    pruned = [line for line in said["checkpoints"] if not line["kept"]]
    assert said["dagster_runs"] == CHECKPOINTS - len(pruned) and pruned
    assert [line["comparable"] for line in pruned] == [False] * len(pruned)
    assert any("that takes other clips, and its weights were pruned" in it for it in said["warnings"])
