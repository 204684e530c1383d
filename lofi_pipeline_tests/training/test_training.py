"""The loop as its users know it: it trains, resumes exactly, skips what is not finite, and keeps lineages apart."""

from __future__ import annotations

import gc
import shutil
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import SNAPSHOT_FOLDER, scan_checkpoints
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot, ledger_path, read_json, read_ledger, write_json_atomic
from lofi_pipeline.training import encode, loop
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.checkpoints import verify_checkpoint
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.errors import NonFiniteTraining, TrainingError
from lofi_pipeline.training.optimisers import learning_rate
from lofi_pipeline.training.records import EventKind, TrainingEvent
from lofi_pipeline.training.run import train
from lofi_pipeline.training.weights import DIFFUSERS_FILE, adapter_tensors, add_adapter, set_adapter_tensors
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job
from lofi_pipeline_tests.training.toy import make_dataset, toy_preset

Undisturbed = tuple[DataRoot, list[TrainingEvent]]
OPTIMISER = "resume/optimizer.safetensors"


def tensors_at(root: DataRoot, step: int) -> dict[str, torch.Tensor]:
    """Adapter and optimiser state of a checkpoint."""
    folder = root.checkpoint(f"epoch=0-step={step}_lora")
    return load((folder / DIFFUSERS_FILE).read_bytes()) | load((folder / OPTIMISER).read_bytes())


def assert_same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_training_says_what_it_does_and_commits_checkpoints(undisturbed: Undisturbed):
    root, events = undisturbed
    assert [event.kind for event in events if event.kind is not EventKind.PROGRESS] == [
        EventKind.STARTED,
        *[EventKind.CHECKPOINT] * 3,
        EventKind.FINISHED,
    ]
    committed = [event for event in events if event.kind is EventKind.CHECKPOINT]
    assert [event.step for event in committed] == [2, 4, 6]
    for event, found in zip(committed, scan_checkpoints(root), strict=True):
        assert found.record and found.record.checkpoint.is_valid
        assert event.checkpoint_id == found.folder.name
        assert event.partition_key == found.record.partition_key
        assert event.loss == found.record.loss and event.validation_loss == found.record.validation_loss
    assert not list(root.checkpoints.rglob(".tmp-*")) and not (root.checkpoints / SNAPSHOT_FOLDER).exists()


def test_losses_are_kept_for_every_step(undisturbed: Undisturbed):
    root, events = undisturbed
    log = read_training_log(training_log(root))
    assert [entry.step for entry in log] == list(range(7))
    assert [entry.step for entry in log if entry.validation_loss is not None] == [0, 2, 4, 6]
    losses = [entry.loss for entry in log]
    mean = sum(loss for loss in losses[1:3] if loss is not None) / 2
    assert next(e for e in events if e.kind is EventKind.CHECKPOINT).loss == pytest.approx(mean)
    assert log[-1].validation_loss is not None and log[0].validation_loss is not None
    assert log[-1].validation_loss < log[0].validation_loss


def test_a_second_run_does_no_work(trained: DataRoot, version: DatasetVersion, base: Path):
    before = {path: path.stat().st_mtime_ns for path in trained.checkpoints.rglob("*.safetensors")}
    events = run_job(job_for(trained, version, base))
    assert [event.kind for event in events] == [EventKind.RESUMED, EventKind.FINISHED]
    assert {path: path.stat().st_mtime_ns for path in trained.checkpoints.rglob("*.safetensors")} == before


def test_killed_at_any_moment_it_ends_as_if_nothing_had_been(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    job = job_for(root, version, base, snapshot_minutes=0)
    write_json_atomic(root.path / "job.json", job)
    process = subprocess.Popen(
        [sys.executable, "-m", "lofi_pipeline.training.run", "--job", str(root.path / "job.json")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if TrainingEvent.model_validate_json(line).kind is EventKind.CHECKPOINT:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    assert not root.checkpoint("epoch=0-step=6_lora").exists()
    events = run_job(job)
    resumed = events[0]
    assert resumed.kind is EventKind.RESUMED and 2 <= resumed.step < 6
    assert not list(root.checkpoints.rglob(".tmp-*"))
    for step in (4, 6):
        assert_same_bits(tensors_at(root, step), tensors_at(undisturbed[0], step))
    logs = [read_training_log(training_log(place)) for place in (root, undisturbed[0])]
    assert logs[0] == logs[1]


def test_asked_to_stop_it_keeps_its_state_and_goes_on_from_there(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    job = job_for(root, version, base)
    events: list[TrainingEvent] = []
    asked = iter([False, False, True])
    train(job, events.append, lambda: next(asked))
    assert (events[-1].kind, events[-1].step) == (EventKind.STOPPED, 3)
    rest = run_job(job)
    assert (rest[0].kind, rest[0].step) == (EventKind.RESUMED, 3)
    assert_same_bits(tensors_at(root, 6), tensors_at(undisturbed[0], 6))


def test_captions_in_other_words_are_trained_and_resume_to_the_same_bits(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path, undisturbed: Undisturbed
):
    whole = DataRoot(shutil.copytree(root.path, tmp_path / "whole"))
    preset = {"caption_variants": 3}
    run_job(job_for(whole, version, base, preset=preset))
    job = job_for(root, version, base, preset=preset)
    asked = iter([False, False, True])
    train(job, lambda event: None, lambda: next(asked))
    assert run_job(job)[0].step == 3
    assert_same_bits(tensors_at(root, 6), tensors_at(whole, 6))
    assert read_training_log(training_log(root)) == read_training_log(training_log(whole))
    plain = tensors_at(undisturbed[0], 6)
    assert any(not torch.equal(plain[name], tensor) for name, tensor in tensors_at(root, 6).items())
    record, before = (scan_checkpoints(place)[0].record for place in (root, undisturbed[0]))
    assert record and before
    assert (record.lineage.caption_variants, before.lineage.caption_variants) == (3, 0)
    assert record.lineage.lineage != before.lineage.lineage
    # Validation hears the prompts alone, whatever the training hears: the losses can be compared
    first, other = (read_training_log(training_log(place))[0] for place in (root, undisturbed[0]))
    assert first.validation_loss == other.validation_loss


def test_a_damaged_latest_checkpoint_is_passed_over_and_made_again(
    trained: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    weights = trained.checkpoint("epoch=0-step=6_lora") / DIFFUSERS_FILE
    weights.write_bytes(weights.read_bytes()[:-64])
    events = run_job(job_for(trained, version, base))
    assert "truncated" in events[0].message
    assert (events[1].kind, events[1].step) == (EventKind.RESUMED, 4)
    assert_same_bits(tensors_at(trained, 6), tensors_at(undisturbed[0], 6))
    assert (trained.checkpoints / "set-aside" / "epoch=0-step=6_lora").is_dir()


def poison(root: DataRoot, version: DatasetVersion, base: Path, *numbers: int) -> None:
    """Make the cached latents of tracks NaN, as a damaged disk might."""
    found = encode_dataset(version, root, str(base), toy_preset())
    for number in numbers:
        path = root.inside(found.tracks[number].latents)
        tensors = {name: torch.full_like(value, torch.nan) for name, value in load_file(path).items()}
        save_file(tensors, path, metadata={"base": found.base_sha256, "version": "1"})


def test_steps_that_are_not_finite_are_skipped_counted_and_never_saved(
    root: DataRoot, version: DatasetVersion, base: Path, run: Train
):
    poison(root, version, base, 1)
    events = run(preset={"batch_size": 1})
    skipped = [event for event in events if event.kind is EventKind.SKIPPED]
    assert len(skipped) == 2  # six steps over three tracks, one of them poisoned
    found = scan_checkpoints(root)
    assert [item.record.skipped_steps for item in found if item.record][-1] == 2
    assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors_at(root, 6).values())
    log = read_training_log(training_log(root))
    assert [entry.step for entry in log if entry.step and entry.loss is None] == [e.step for e in skipped]


def test_too_many_in_a_row_stop_training_and_nothing_of_them_is_saved(
    root: DataRoot, version: DatasetVersion, base: Path, run: Train
):
    poison(root, version, base, 0, 1, 2)
    with pytest.raises(NonFiniteTraining, match="3 steps in a row.*learning_rate"):
        run(max_bad_steps=3, preset={"checkpoint_interval": 6})
    assert scan_checkpoints(root) == []


def test_weights_that_are_not_finite_are_never_saved(root: DataRoot, run: Train):
    with pytest.raises(NonFiniteTraining):
        run(
            max_bad_steps=50,
            snapshot_minutes=0,
            preset={"learning_rate": 1e38, "max_steps": 40, "checkpoint_interval": 40},
        )
    assert scan_checkpoints(root) == []


def test_another_lineage_sends_the_former_to_the_archive_and_back(
    trained: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    first = scan_checkpoints(trained)[0].record
    assert first
    run_job(job_for(trained, version, base, preset={"max_steps": 2, "seed": 1}))
    archive = trained.archived_lineage(first.lineage.lineage)
    assert [found.step for found in scan_checkpoints(trained)] == [2]
    assert [found.step for found in scan_checkpoints(trained, archive)] == [2, 4, 6]
    assert [entry["path"] for entry in read_json(archive / "manifest.json")] == [
        f"checkpoints/archive/{first.lineage.lineage}/epoch=0-step={step}_lora" for step in (2, 4, 6)
    ]
    assert len(read_training_log(training_log(trained, first.lineage.lineage))) == 7
    events = run_job(job_for(trained, version, base))
    assert [event.kind for event in events] == [EventKind.RESUMED, EventKind.FINISHED]
    assert [found.step for found in scan_checkpoints(trained)] == [2, 4, 6]
    assert len(read_training_log(training_log(trained))) == 7
    assert not archive.exists()
    assert_same_bits(tensors_at(trained, 6), tensors_at(undisturbed[0], 6))


def test_bf16_turbo_steps_checkpointed_gradients_and_short_tracks(base: Path, tmp_path: Path):
    root = DataRoot(tmp_path)
    version = make_dataset(root, seconds=1.5, count=3)
    preset = {"precision": "bf16", "timestep": "turbo8", "gradient_checkpointing": True, "max_steps": 2}
    run_job(job_for(root, version, base, preset=preset))
    (found,) = scan_checkpoints(root)
    assert verify_checkpoint(root, found.folder, str(base)).is_valid


def test_an_adapter_that_hardly_acts_yet_is_committed_in_bf16_and_valid_in_fp32(
    root: DataRoot, version: DatasetVersion, base: Path, run: Train
):
    run(preset={"precision": "bf16", "learning_rate": 1e-6, "max_steps": 2})
    (found,) = scan_checkpoints(root)
    assert verify_checkpoint(root, found.folder, str(base)).is_valid


def test_one_part_of_the_base_is_in_memory_at_a_time_and_none_that_has_nothing_to_do(
    root: DataRoot, version: DatasetVersion, base: Path, monkeypatch: pytest.MonkeyPatch
):
    loaded: list[set[str]] = []
    alive: list[tuple[str, weakref.ref[Any]]] = []

    def parts_in_memory() -> set[str]:
        gc.collect()
        return {name for name, part in alive if part() is not None}

    def spy(*given: object, **named: object):
        assert parts_in_memory() == set(), "what was loaded before is still in memory"
        pipeline = load_base(*given, **named)  # pyright: ignore[reportArgumentType]
        parts = {name: part for name, part in pipeline.components.items() if part is not None}
        loaded.append(set(parts) - {"scheduler"})
        alive.extend((name, weakref.ref(part)) for name, part in parts.items() if name != "scheduler")
        return pipeline

    for module in (encode, loop):
        monkeypatch.setattr(module, "load_base", spy)
    run_job(job_for(root, version, base, preset={"max_steps": 2}))
    assert loaded == [{"transformer"}]  # everything is in the cache
    for place in ("latents", "conditions"):
        shutil.rmtree(root.cache / place)
    seen: list[set[str]] = []
    train(job_for(root, version, base), lambda event: None, lambda: bool(seen.append(parts_in_memory())))
    readers = {"text_encoder", "tokenizer", "condition_encoder"}
    assert loaded[1:] == [{"vae"}, readers, {"transformer"}]
    assert seen and all(step == {"transformer"} for step in seen)


def test_resume_is_strict(base: Path):
    transformer = load_base(str(base)).transformer
    add_adapter(transformer, toy_preset())
    tensors = adapter_tensors(transformer)
    name = next(iter(tensors))
    with pytest.raises(CheckpointError, match="do not fit"):
        set_adapter_tensors(transformer, {k: v for k, v in tensors.items() if k != name})
    with pytest.raises(CheckpointError, match="do not fit"):
        set_adapter_tensors(transformer, tensors | {name: tensors[name][:1]})


def test_learning_rate_warms_up_and_falls_to_one_percent():
    preset = TrainingPreset(
        max_steps=100,
        batch_size=1,
        crop_seconds=1,
        learning_rate=1.0,
        warmup_steps=100,
        checkpoint_interval=10,
    )
    rates = [learning_rate(step, preset) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])  # 10 % of 100, not 100
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.01)


def test_an_interval_longer_than_the_training_is_refused(root: DataRoot, run: Train):
    with pytest.raises(TrainingError, match="no checkpoint would ever be written"):
        run(preset={"checkpoint_interval": 7})


def test_checkpoints_that_a_killed_training_did_not_enter_are_entered_by_the_next(
    trained: DataRoot, version: DatasetVersion, base: Path
):
    entered = read_ledger(trained).hashes
    ledger_path(trained).unlink()
    run_job(job_for(trained, version, base))
    assert read_ledger(trained).hashes == entered and len(entered) >= 3
