"""From drops to scored checkpoints on a base with the real Oobleck and Qwen3 classes, through the commands people use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

from lofi_pipeline.assets import all_assets
from lofi_pipeline.entities import Checkpoint
from lofi_pipeline.entities.checkpoint import step_of_folder
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.cli.test_scores import CONTRACT
from lofi_pipeline_tests.end_to_end.conftest import TRACKS, Way
from lofi_pipeline_tests.end_to_end.lofi import (
    CHECKPOINTS,
    INTERVAL,
    SMALL,
    STEPS,
    history,
    materialized,
    write_config,
)

REFUSED = {
    "creative-commons/commons/short.wav",
    "commissioned/sessions/text.mp3",
    "creative-commons/forbidden/nd.wav",
}
DATASET_KEYS = {"tracks", "refused", "dataset", "seconds", "dagster_runs"}
ALL_KEYS = DATASET_KEYS | {"base", "checkpoints", "embedder", "text_embedder", "best", "warnings"}
CHECKPOINT_FILES = {
    "checkpoint.json",
    "pytorch_lora_weights.safetensors",
    "adapter_model.safetensors",
    "adapter_config.json",
    "resume/optimizer.safetensors",
    "resume/state.json",
}


def files_of(root: DataRoot) -> dict[str, tuple[int, int]]:
    """Size and time of each file in a data root, Dagster's own and locks left out."""
    return {
        str(path.relative_to(root.path)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.path.rglob("*")
        if path.is_file() and root.dagster_home not in path.parents and path.suffix != ".lock"
    }


def test_it_stops_after_the_stage_asked_for_and_says_what_it_reached(prepared: Way) -> None:
    said = prepared.said
    assert set(said) >= DATASET_KEYS and not {"base", "checkpoints"} & set(said)
    assert said["dataset"]["train_count"] + said["dataset"]["validation_count"] == TRACKS
    assert said["dataset"]["validation_count"] == 2
    assert {line["file"] for line in said["refused"]} == REFUSED
    assert all(line["reason"] for line in said["refused"])
    good = [line for line in said["tracks"] if line["status"] == "ok"]
    assert len(good) == TRACKS
    assert all(0 <= line["quality_score"] <= 100 and line["reason"] is None for line in good)
    assert not list(prepared.root.checkpoints.glob("epoch=*"))


def test_the_json_holds_what_scripts_rely_on(trained: Way) -> None:
    said = trained.said
    assert set(said) >= ALL_KEYS
    assert said["dagster_runs"] == 1 + CHECKPOINTS  # train, and one evaluation for each checkpoint
    assert said["embedder"].startswith("nano ")
    assert set(said["base"]) == CONTRACT
    assert said["best"]["checkpoint_id"] == said["best_checkpoint"]
    assert said["best"]["why"].startswith(f"{step_of_folder(said['best_checkpoint'])}: ")
    assert said["text_embedder"] == said["embedder"]
    assert any("validation tracks" in sentence for sentence in said["warnings"])
    assert said["base"]["fad"] > 0
    steps = [line["step"] for line in said["checkpoints"]]
    assert steps == list(range(INTERVAL, STEPS + 1, INTERVAL))
    for line in said["checkpoints"]:
        assert line["checkpoint_id"] == f"epoch=0-step={line['step']}_lora"
        assert line["is_valid"] is True
        assert line["fad"] >= 0 and -1 <= line["clap"] <= 1
        assert set(line) >= CONTRACT and line["kad"] is not None
        assert line["clap_interval"][0] <= line["clap"] <= line["clap_interval"][1]
        assert (line["clips"], line["reference_tracks"]) == (2, 2)
        assert line["memorised"] == [] and isinstance(line["separable_from_best"], bool)


def test_the_best_and_the_latest_keep_their_weights_and_every_record_stays(trained: Way) -> None:
    lines = trained.said["checkpoints"]
    best = sorted(lines, key=lambda line: (line["fad"], line["step"]))[: SMALL["retention"]["keep_best"]]
    wanted = {line["step"] for line in best} | {STEPS, step_of_folder(trained.said["best_checkpoint"])}
    assert {line["step"] for line in lines if line["kept"]} == wanted
    for line in lines:
        folder = trained.root.checkpoint(line["checkpoint_id"])
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert {"checkpoint.json", "scores.json"} <= files
        if line["kept"]:
            assert files >= CHECKPOINT_FILES
        else:
            assert not [name for name in files if name.endswith(".safetensors")]


def test_the_manifest_is_an_array_of_checkpoints_with_their_scores(trained: Way) -> None:
    entries = json.loads(trained.root.checkpoint_manifest_json.read_bytes())
    found = [
        Checkpoint.checked(entry, where="manifest.json", checkpoint_interval=INTERVAL) for entry in entries
    ]
    assert [item.step for item in found] == [line["step"] for line in trained.said["checkpoints"]]
    for item, line in zip(found, trained.said["checkpoints"], strict=True):
        assert (item.fad_score, item.clap_score) == (line["fad"], line["clap"])
        assert item.is_valid and item.samples_generated
        assert item.dataset_hash == trained.said["dataset"]["hash"]


@pytest.mark.slow
def test_samples_of_every_style_of_the_last_and_the_best_can_be_listened_to(
    trained: Way, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config", evaluation={"style_prompts": True})
    lofi = replace(trained.lofi.copy(tmp_path / "data"), config=config)
    said = lofi.run()
    ends = {said["best_checkpoint"], said["checkpoints"][-1]["checkpoint_id"]}
    assert said["dagster_runs"] == len(ends)
    for line in said["checkpoints"]:
        samples = lofi.root.checkpoint(line["checkpoint_id"]) / "samples"
        names = sorted(path.stem for path in samples.glob("*.flac"))
        styles = [name for name in names if not name.startswith("validation-")]
        assert len(names) - len(styles) == SMALL["evaluation"]["validation_prompts"]
        assert len(styles) == (2 * 38 if line["checkpoint_id"] in ends else 0)
        assert ("styles_recognizable" in line) == (line["checkpoint_id"] in ends)
    samples = lofi.root.checkpoint(max(ends, key=step_of_folder)) / "samples"
    styles = sorted(path.stem for path in samples.glob("[!v]*.flac"))
    audio, rate = soundfile.read(samples / f"{styles[0]}.flac")
    assert (rate, audio.shape) == (48_000, (48_000 * SMALL["evaluation"]["clip_seconds"], 2))
    assert np.abs(audio).max() > 0


def test_dagster_knows_every_asset_and_every_partition(trained: Way) -> None:
    with history(trained.root) as instance:
        keys = {spec.key for asset in all_assets for spec in asset.specs}
        missing = [key.to_user_string() for key in keys if not instance.get_latest_materialization_event(key)]
        assert not missing
        unfinished = [
            run.job_name for run in instance.get_runs() if run.status is not dg.DagsterRunStatus.SUCCESS
        ]
        assert not unfinished
    checkpoints = materialized(trained.root, "lora_checkpoints")
    assert len(checkpoints) == CHECKPOINTS
    assert materialized(trained.root, "quality_metrics") == checkpoints
    assert materialized(trained.root, "license_audit") == checkpoints
    good = {line["track_id"] for line in trained.said["tracks"] if line["status"] == "ok"}
    assert good <= materialized(trained.root, "tagged_prompts")


def test_a_deleted_history_is_complete_after_one_run_that_does_no_work(trained: Way, tmp_path: Path) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    shutil.rmtree(lofi.root.dagster_home)
    before = files_of(lofi.root)
    for _ in range(2):
        assert lofi.run()["dagster_runs"] == 0
        with history(lofi.root) as instance, history(trained.root) as as_it_was:
            for key in (spec.key for asset in all_assets for spec in asset.specs):
                now, then = (
                    [record.partition_key for record in each.fetch_materializations(key, limit=100).records]
                    for each in (instance, as_it_was)
                )
                assert len(now) == len(set(now)) and set(now) == set(then), key
    assert files_of(lofi.root) == before


def test_each_checkpoint_is_scored_once(trained: Way) -> None:
    with history(trained.root) as instance:
        events = instance.fetch_materializations(dg.AssetKey("quality_metrics"), limit=100).records
    keys = [record.partition_key or "" for record in events]
    assert set(keys) == materialized(trained.root, "quality_metrics")
    assert len(keys) == len(set(keys))


def test_runs_by_the_command_line_say_so(trained: Way) -> None:
    with history(trained.root) as instance:
        runs = instance.get_runs()
    assert {run.job_name for run in runs} == {"register", "ingest", "build_dataset", "train", "evaluate"}
    assert {run.tags.get("lofi/launched_by") for run in runs} == {"cli"}
    # What the UI shows in place of "Manually launched"
    assert {run.tags.get("user") for run in runs} == {"lofi (command line)"}


def test_dagster_shows_scores_by_the_names_of_the_data_model_rounded(trained: Way) -> None:
    shown: dict[str, Mapping[str, dg.MetadataValue]] = {}
    with history(trained.root) as instance:
        for asset in ("quality_metrics", "lora_checkpoints", "lora_training"):
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            assert event and event.asset_materialization
            shown[asset] = event.asset_materialization.metadata
    scores: dict[str, Any] = {name: value.value for name, value in shown["quality_metrics"].items()}
    line = next(line for line in trained.said["checkpoints"] if line["step"] == scores["step"])
    assert scores["fad_score"] == pytest.approx(line["fad"], rel=1e-3)
    assert scores["clap_score"] == pytest.approx(line["clap"], rel=1e-3)
    assert scores["base_fad_score"] == pytest.approx(trained.said["base"]["fad"], rel=1e-3)
    assert scores["base_clap_score"] == pytest.approx(trained.said["base"]["clap"], rel=1e-3)
    assert not {"fad", "clap", "base_fad", "base_clap"} & set(scores)
    for facts in shown.values():
        measured = [value.value for value in facts.values() if isinstance(value, dg.FloatMetadataValue)]
        assert measured and all(value == float(f"{value:.3e}") for value in measured if value is not None)


def test_a_second_run_does_no_work(trained: Way, tmp_path: Path) -> None:
    again = trained.lofi.copy(tmp_path / "data")
    before = files_of(again.root)
    said = again.run()
    assert said["dagster_runs"] == 0
    assert files_of(again.root) == before
    assert said["checkpoints"] == trained.said["checkpoints"]


def test_generating_with_the_best_checkpoint_and_with_the_base_alone(trained: Way, tmp_path: Path) -> None:
    said = tmp_path / "said.json"
    done = trained.lofi(
        *("generate", "--base", str(trained.lofi.base), "--base-too", "-o", str(tmp_path / "x.wav")),
        *("--prompt", "lofi hip hop, mellow, rhodes, 82 bpm, instrumental", "--seconds", "1"),
        *("--json", str(said)),
    )
    assert done.code == 0, done.said
    clips = {}
    for clip in json.loads(said.read_bytes())["clips"]:
        clips[clip["checkpoint"]], rate = soundfile.read(clip["wrote"])
        assert rate == 48_000
        assert abs(len(clips[clip["checkpoint"]]) / rate - 1) < 0.1
    assert set(clips) == {"base", trained.said["best_checkpoint"]}
    assert not np.array_equal(*clips.values())  # the LoRA is heard


@pytest.mark.slow
def test_a_lora_from_elsewhere_is_scored_beside_ours_as_the_same_weights_are(
    trained: Way, tmp_path: Path
) -> None:
    lofi, best = trained.lofi.copy(tmp_path / "data"), trained.said["best_checkpoint"]
    weights = load_file(lofi.root.checkpoint(best) / "adapter_model.safetensors")
    alpha = np.float32(SMALL["training"]["presets"]["toy"]["lora_alpha"])
    kohya: dict[str, np.ndarray] = {}
    for name, tensor in weights.items():
        module, half, _ = name.removeprefix("base_model.model.").rsplit(".", 2)
        flat = f"lora_unet_{module.replace('.', '_')}"
        kohya[f"{flat}.lora_{'down' if half == 'lora_A' else 'up'}.weight"] = tensor
        kohya[f"{flat}.alpha"] = np.array(alpha)
    save_file(kohya, tmp_path / "theirs.safetensors")
    done = lofi(
        "import-lora", str(tmp_path / "theirs.safetensors"), "--base", str(lofi.base), "--name", "theirs"
    )
    assert done.code == 0, done.said
    said = lofi.run()
    assert said["dagster_runs"] == 1
    (theirs,) = [line for line in said["checkpoints"] if "imported" in line]
    ours = next(line for line in said["checkpoints"] if line["checkpoint_id"] == best)
    assert theirs["imported"] == "theirs" and "comparable" not in theirs and said["best_checkpoint"] == best
    assert theirs["fad"] == pytest.approx(ours["fad"], rel=1e-3) and theirs["clap"] == pytest.approx(
        ours["clap"], abs=1e-3
    )
    key = theirs["partition_key"]
    assert {key} == materialized(lofi.root, "license_audit") - materialized(trained.root, "license_audit")
    before = files_of(lofi.root)
    assert lofi.run()["dagster_runs"] == 0
    assert files_of(lofi.root) == before
    assert lofi("fsck").code == 0
