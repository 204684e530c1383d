"""The training process as assets start it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lofi_pipeline.checkpoints.folder import PEFT_FILE
from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import SNAPSHOT_FOLDER, scan_checkpoints
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot, leased, read_ledger, write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.launch import train_in_process
from lofi_pipeline.training.records import EventKind, TrainingEvent
from lofi_pipeline.training.weights import read_adapter
from lofi_pipeline_tests.training.conftest import job_for, run_job


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


def test_it_keeps_its_state_and_ends_when_nobody_holds_the_lease_it_was_given(
    root: DataRoot, version: DatasetVersion, base: Path
):
    """As in a pod, whose run is on another machine."""
    job, events, lease = (root.path / name for name in ("job.json", "events.jsonl", "run"))
    preset = {"max_steps": 100_000, "checkpoint_interval": 50_000}
    write_json_atomic(job, job_for(root, version, base, preset=preset))
    command = [sys.executable, "-m", "lofi_pipeline.training.run", "--job", job, "--events", events]
    with leased(lease, "a run"):
        process = subprocess.Popen([*command, "--end-with", lease])
        while not (events.exists() and '"progress"' in events.read_text()):
            assert process.poll() is None
            time.sleep(0.1)
    assert process.wait(timeout=120) == 0
    last = TrainingEvent.model_validate_json(events.read_text().splitlines()[-1])
    assert last.kind is EventKind.STOPPED and last.step > 0
    assert list((root.checkpoints / SNAPSHOT_FOLDER).iterdir())


@pytest.mark.slow
def test_two_trainings_at_once_take_turns_and_give_what_one_gives(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: tuple[DataRoot, list[TrainingEvent]]
):
    job = job_for(root, version, base)
    with ThreadPoolExecutor() as pool:
        told: list[list[TrainingEvent]] = [[], []]
        both = list(pool.map(lambda events: train_in_process(job, events.append), told))
    assert [(last.kind, last.step) for last in both] == [(EventKind.FINISHED, 6)] * 2
    assert [events[-1] for events in told] == both
    assert any(events[0].kind is EventKind.STARTED for events in told)
    steps = [event.step for events in told for event in events if event.kind is EventKind.CHECKPOINT]
    assert sorted(steps) == [2, 4, 6]  # each landed once
    for step in steps:
        ours, theirs = (
            place.checkpoint(f"epoch=0-step={step}_lora") / PEFT_FILE for place in (root, undisturbed[0])
        )
        assert ours.read_bytes() == theirs.read_bytes()


def _weights(root: DataRoot, step: int) -> torch.Tensor:
    tensors = read_adapter(root.checkpoint(f"epoch=0-step={step}_lora"))
    return torch.cat([tensors[name].flatten().double() for name in sorted(tensors)])


def test_two_processes_make_of_the_same_batch_what_one_makes(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
):
    alone = DataRoot(shutil.copytree(root.path, tmp_path / "alone"))
    run_job(job_for(alone, version, base, preset={"batch_size": 4}))
    job = job_for(root, version, base, preset={"batch_size": 2}, snapshot_minutes=0)
    events: list[TrainingEvent] = []
    train_in_process(job, events.append, launcher=2)
    one, two = _weights(alone, 6), _weights(root, 6)
    moved, error = (one - _weights(alone, 2)).norm(), (one - two).norm()
    print(f"weights of two processes differ by {error:.3g}, and moved in the last four steps by {moved:.3g}")
    assert error < 1e-4 * moved  # sums of other halves round otherwise
    # What one process does once, two do once
    assert [event.step for event in events if event.kind is EventKind.CHECKPOINT] == [2, 4, 6]
    logs = [read_training_log(training_log(place)) for place in (alone, root)]
    assert [entry.step for entry in logs[1]] == list(range(7))
    losses = [[entry.loss for entry in log[1:]] for log in logs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert len(read_ledger(root).hashes) == len(read_ledger(alone).hashes)
    assert [item.record.checkpoint.is_valid for item in scan_checkpoints(root) if item.record] == [True] * 3
    # Complete, it is no work for one either; on the way it does not change hands
    assert run_job(job)[-1].kind is EventKind.FINISHED
    shutil.rmtree(root.checkpoint("epoch=0-step=6_lora"))
    with pytest.raises(
        TrainingError, match=r"came to step 4 on 2 processes, and here is 1 process.*launcher"
    ):
        run_job(job)


def test_of_several_processes_the_failure_of_one_is_told_in_its_own_words(
    root: DataRoot, version: DatasetVersion, base: Path
):
    job = job_for(root, version, base).model_copy(update={"dataset_hash": "0" * 64})
    with pytest.raises(TrainingError, match=r"^data set version 00000000 is not in .*build it$"):
        train_in_process(job, lambda _event: None, launcher=2)


@pytest.mark.slow
def test_a_configuration_file_of_accelerate_starts_it(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
):
    file = tmp_path / "accelerate.yaml"
    lines = (
        "compute_environment: LOCAL_MACHINE",
        "distributed_type: 'NO'",
        "use_cpu: true",
        "num_processes: 1",
    )
    file.write_text("\n".join(lines) + "\n")
    job = job_for(root, version, base, preset={"max_steps": 2})
    last = train_in_process(job, lambda _event: None, launcher=str(file))
    assert (last.kind, last.step) == (EventKind.FINISHED, 2)
    with pytest.raises(TrainingError, match=r"training\.launcher: .*absent\.yaml: no such file"):
        train_in_process(job, lambda _event: None, launcher=str(tmp_path / "absent.yaml"))


def test_light_modules_stay_light():
    names = (
        *(
            "training." + name
            for name in ("records", "lineage", "launch", "bases", "run", "sampling", "memory", "encode")
        ),
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
