"""Training that is killed, and checkpoints that are not what landed: named, contained, and nothing else lost."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from lofi_pipeline.automation.jobs import JobName
from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import SNAPSHOT_FOLDER
from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import (
    CHECKPOINTS,
    INTERVAL,
    SMALL,
    STEPS,
    Lofi,
    Running,
    history,
    materialized,
    write_config,
)
from lofi_pipeline_tests.training.toy import save_toy_base

ADAPTERS = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")


def folder_of(root: DataRoot, step: int) -> Path:
    return root.checkpoint(f"epoch=0-step={step}_lora")


def start_and_kill(lofi: Lofi, step: int, *, whole_command: bool) -> Running:
    """Start `lofi run`; when the checkpoint of `step` has landed, kill -9 the training, or the command itself."""
    running = lofi.start("run", "--base", str(lofi.base))
    trainer = running.wait_for(running.trainer, "training process")
    running.wait_for(folder_of(lofi.root, step).exists, f"checkpoint of step {step}")
    victim = running.family()[0] if whole_command else trainer
    victim.kill()
    trainer.wait(timeout=60)  # it ends with the command that started it
    assert not folder_of(lofi.root, STEPS).exists(), "was too late to be killed in the middle"
    return running


def kept(way: Way) -> list[int]:
    return [line["step"] for line in way.said["checkpoints"] if line["kept"]]


@pytest.mark.slow
def test_training_killed_twice_ends_with_the_bytes_and_scores_of_an_undisturbed_one(
    prepared: Way, trained: Way, tmp_path: Path
) -> None:
    lofi = prepared.lofi.copy(tmp_path / "data")
    done = start_and_kill(lofi, INTERVAL, whole_command=False).finish()
    assert done.code == 1, done.said
    assert "failed train: " in done.said and "Traceback" not in done.said
    # Scored though training never ended.
    assert folder_of(lofi.root, INTERVAL).joinpath("scores.json").exists()
    assert len(materialized(lofi.root, "quality_metrics")) < CHECKPOINTS

    after = len(list(lofi.root.checkpoints.glob("epoch=0-step=*_lora")))
    killed = start_and_kill(lofi, INTERVAL * (after + 1), whole_command=True).finish()
    assert killed.code == -9

    said = lofi.run()
    assert [without_kept(line) for line in said["checkpoints"]] == [
        without_kept(line) for line in trained.said["checkpoints"]
    ]
    assert said["base"] == trained.said["base"]
    for step in kept(trained):
        for name in ADAPTERS:
            ours, theirs = (folder_of(root, step) / name for root in (lofi.root, trained.root))
            assert file_sha256(ours) == file_sha256(theirs)
    assert [line["kept"] for line in said["checkpoints"]] == [
        line["kept"] for line in trained.said["checkpoints"]
    ]
    assert lofi.run()["dagster_runs"] == 0


@pytest.mark.slow
def test_settings_changed_after_a_kill_begin_a_training_of_their_own_and_the_killed_one_can_go_on_later(
    prepared: Way, trained: Way, tmp_path: Path
) -> None:
    lofi = prepared.lofi.copy(tmp_path / "data")
    assert start_and_kill(lofi, INTERVAL, whole_command=True).finish().code == -9
    (killed,) = {json.loads(path.read_bytes())["lineage"]["lineage"] for path in checkpoints(lofi.root)}

    toy = {**SMALL["training"]["presets"]["toy"], "learning_rate": 0.005}
    config = write_config(tmp_path / "config", training={**SMALL["training"], "presets": {"toy": toy}})
    said = Lofi(lofi.root, config, lofi.base).run()
    alone = Lofi(prepared.lofi.copy(tmp_path / "alone").root, config, lofi.base)
    assert numbers(said) == numbers(alone.run()) != numbers(trained.said)
    assert bytes_of_weights(lofi.root) == bytes_of_weights(alone.root)
    archived = lofi.root.checkpoints / "archive" / killed
    assert (archived / f"epoch=0-step={INTERVAL}_lora" / ADAPTERS[0]).is_file()

    assert numbers(lofi.run()) == numbers(trained.said)
    assert bytes_of_weights(lofi.root) == bytes_of_weights(trained.root)


def checkpoints(root: DataRoot) -> list[Path]:
    return sorted(root.checkpoints.glob("epoch=0-step=*_lora/checkpoint.json"))


def numbers(said: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said of each checkpoint, but for whether its weights are kept."""
    return [without_kept(line) for line in said["checkpoints"]]


def bytes_of_weights(root: DataRoot) -> dict[str, str]:
    """By the step's folder, the hash of what is kept of its weights."""
    paths = [path.with_name(name) for path in checkpoints(root) for name in ADAPTERS]
    return {path.parent.name + path.name: file_sha256(path) for path in paths if path.exists()}


def test_a_signal_in_the_middle_of_training_keeps_its_state_and_leaves_nothing_running(
    prepared: Way, tmp_path: Path
) -> None:
    lofi = prepared.lofi.copy(tmp_path / "data")
    running = lofi.start("run", "--base", str(lofi.base))
    trainer = running.wait_for(running.trainer, "training process")
    running.wait_for(folder_of(lofi.root, INTERVAL).exists, "first checkpoint")
    family = running.family()
    running.process.send_signal(signal.SIGTERM)
    done = running.finish()
    assert done.code == 128 + signal.SIGTERM, done.said
    assert "the same command goes on from there" in done.said and "Traceback" not in done.said
    assert trainer in family and psutil.wait_procs(family, timeout=60)[1] == []
    assert not folder_of(lofi.root, STEPS).exists(), "was too late to be stopped in the middle"
    last = read_training_log(training_log(lofi.root))[-1].step
    assert last in kept_states(lofi.root), f"the state of step {last}, the last one done, was not kept"
    with history(lofi.root) as instance:
        assert not instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])), (
            "left for running"
        )
        interrupted = dg.RunsFilter(job_name=JobName.TRAIN, statuses=[dg.DagsterRunStatus.FAILURE])
        assert instance.get_runs_count(interrupted) == 1


def kept_states(root: DataRoot) -> set[int]:
    """The steps that training can go on from: those of its checkpoints, and that of the state kept between two of them."""
    places = (root.checkpoints, root.checkpoints / SNAPSHOT_FOLDER)
    names = [
        path.name.removesuffix("_lora")
        for place in places
        for path in place.glob("*step=*")
        if path.name[0] != "."
    ]
    return {int(name.rpartition("=")[2]) for name in names}


def without_kept(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "kept"}


def copy_in(way: Way, root: DataRoot, step: int) -> Path:
    """A checkpoint as it comes from another machine: its folder, without what was made of it there."""
    ignored = shutil.ignore_patterns("scores.json", "samples")
    return Path(shutil.copytree(folder_of(way.root, step), folder_of(root, step), ignore=ignored))


@pytest.mark.slow
def test_damaged_checkpoints_that_are_copied_in_are_refused_and_the_whole_one_is_scored(
    prepared: Way, trained: Way, tmp_path: Path
) -> None:
    lofi = prepared.lofi.copy(tmp_path / "data")
    *earlier, last = kept(trained)
    assert last == STEPS and len(earlier) >= 2
    cut, swapped = (copy_in(trained, lofi.root, step) for step in earlier[:2])
    whole = copy_in(trained, lofi.root, last)
    weights = cut / ADAPTERS[0]
    weights.write_bytes(weights.read_bytes()[:-100])
    tensors = load_file(swapped / ADAPTERS[1])
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, swapped / ADAPTERS[1])
    before = {path.name: file_sha256(path) for path in whole.glob("*.safetensors")}
    lofi.root.checkpoint_manifest_json.write_text("{ this was a manifest", encoding="utf-8")

    done = lofi("run", "--base", str(lofi.base))
    assert done.code == 1
    assert f"{cut.name}: {ADAPTERS[0]} is truncated or damaged" in done.said
    assert f"{swapped.name}: {ADAPTERS[1]} is not the file that training wrote" in done.said
    assert "Traceback" not in done.said

    entries = json.loads(lofi.root.checkpoint_manifest_json.read_bytes())
    valid = {entry["checkpoint_id"]: entry["is_valid"] for entry in entries}
    assert valid == {cut.name: False, swapped.name: False, whole.name: True}
    scored = [entry["checkpoint_id"] for entry in entries if entry["fad_score"] is not None]
    assert scored == [whole.name]
    assert {path.name: file_sha256(path) for path in whole.glob("*.safetensors")} == before
    assert all((folder / ADAPTERS[0]).is_file() for folder in (cut, swapped))  # left for a person to look at
    aside = lofi.root.checkpoints / "set-aside" / "manifest.json"
    assert aside.read_text(encoding="utf-8") == "{ this was a manifest"
    # Said once: what is known to be damaged is not tried again.
    assert lofi.run()["dagster_runs"] == 0


@pytest.fixture(scope="module")
def other_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_base(tmp_path_factory.mktemp("bases") / "other", seed=1)


def test_a_checkpoint_of_another_base_is_named_and_neither_played_nor_lost(
    trained: Way, other_base: Path, tmp_path: Path
) -> None:
    target = tmp_path / "x.wav"
    name = f"epoch=0-step={STEPS}_lora"
    done = trained.lofi(
        *("generate", "--base", str(other_base), "--checkpoint", name, "-o", str(target)),
        *("--prompt", "lofi, mellow, rhodes, 80 bpm", "--seconds", "1"),
    )
    assert done.code == 1
    assert f"{name}: was trained on the base toy" in done.said and "this is other" in done.said
    assert "Traceback" not in done.said
    assert not target.exists()
    assert folder_of(trained.root, STEPS).is_dir()


def test_a_model_that_gives_no_numbers_is_named_and_no_file_is_written(prepared: Way, tmp_path: Path) -> None:
    base = Path(shutil.copytree(prepared.lofi.base, tmp_path / "broken"))
    (weights,) = (base / "transformer").glob("*.safetensors")
    tensors = load_file(weights)
    save_file({name: np.full_like(tensor, np.nan) for name, tensor in tensors.items()}, weights)
    target = tmp_path / "x.wav"
    done = prepared.lofi(
        *("generate", "--base", str(base), "--checkpoint", "base", "-o", str(target)),
        *("--prompt", "lofi, mellow, rhodes, 80 bpm", "--seconds", "1"),
    )
    assert done.code == 1
    assert "the model gives NaN or infinity" in done.said and "Traceback" not in done.said
    assert not target.exists()
