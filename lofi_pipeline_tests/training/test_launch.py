"""The training process as assets start it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lofi_pipeline.checkpoints.folder import PEFT_FILE
from lofi_pipeline.checkpoints.manifest import training_lock
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot, locked, write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.launch import train_in_process
from lofi_pipeline.training.records import EventKind, TrainingEvent
from lofi_pipeline.training.run import train
from lofi_pipeline_tests.training.conftest import job_for


def test_events_arrive_as_it_trains(root: DataRoot, version: DatasetVersion, base: Path):
    events: list[TrainingEvent] = []
    last = train_in_process(job_for(root, version, base, preset={"max_steps": 2}), events.append)
    assert (last.kind, last.step) == (EventKind.FINISHED, 2)
    assert events[0].kind is EventKind.STARTED and events[-1] == last
    assert root.checkpoint("epoch=0-step=2_lora").is_dir()


def test_a_failure_says_why(root: DataRoot, version: DatasetVersion, base: Path):
    job = job_for(root, version, base).model_copy(update={"dataset_hash": "0" * 64})
    with pytest.raises(TrainingError, match=r"data set version 00000000 is not in .*build it"):
        train_in_process(job, lambda _event: None)


def test_it_ends_when_whoever_started_it_is_gone(root: DataRoot, version: DatasetVersion, base: Path):
    path = root.path / "job.json"
    preset = {"max_steps": 100_000, "checkpoint_interval": 50_000}
    write_json_atomic(path, job_for(root, version, base, preset=preset))
    command = [sys.executable, "-m", "lofi_pipeline.training.run", "--job", str(path), "--end-with-parent"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.close()
    assert process.wait(timeout=120) == 1


def test_two_trainings_at_once_take_turns_and_give_what_one_gives(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: tuple[DataRoot, list[TrainingEvent]]
):
    job = job_for(root, version, base)
    with ThreadPoolExecutor() as pool:
        told: list[list[TrainingEvent]] = [[], []]
        both = list(pool.map(lambda events: train_in_process(job, events.append), told))
    assert [last.kind for last in both] == [EventKind.FINISHED] * 2
    steps = [event.step for events in told for event in events if event.kind is EventKind.CHECKPOINT]
    assert sorted(steps) == [2, 4, 6]  # each landed once
    for step in steps:
        ours, theirs = (
            place.checkpoint(f"epoch=0-step={step}_lora") / PEFT_FILE for place in (root, undisturbed[0])
        )
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_training_that_waits_too_long_for_another_says_so(
    root: DataRoot, version: DatasetVersion, base: Path
):
    told: list[TrainingEvent] = []
    job = job_for(root, version, base).model_copy(update={"wait_seconds": 0.2})
    with (
        locked(training_lock(root)),
        pytest.raises(TrainingError, match=r"another training still works on .* after 0 s"),
    ):
        train(job, told.append, lambda: False)
    assert [event.message for event in told] == ["another training works on this data root: waiting for it"]
    assert not list(root.checkpoints.glob("*_lora"))


def test_light_modules_stay_light():
    names = (
        *("training." + name for name in ("records", "lineage", "launch", "bases", "run", "sampling")),
        *(
            "checkpoints." + name
            for name in ("best", "folder", "manifest", "retention", "loss_log", "ledger_entries")
        ),
        *("processes", "progress"),
    )
    imports = ", ".join(f"lofi_pipeline.{name}" for name in names)
    code = f"import sys, {imports}; print(sorted({{'torch', 'diffusers', 'peft'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
