"""Several trainings on one data root: each has its lineage to itself, wherever the others work, and whatever becomes of their machines."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock

from lofi_pipeline.checkpoints.lineages import lineages
from lofi_pipeline.checkpoints.loss_log import LOG_NAME, read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import (
    active_lineage,
    find_checkpoint,
    lineage_lock,
    scan_checkpoints,
    trained_beside,
    training_lock,
    trainings,
)
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import (
    DataRoot,
    holder_file,
    holder_of,
    leased,
    lock_file,
    read_ledger,
    write_json_atomic,
)
from lofi_pipeline.training import turns
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import EventKind, TrainingEvent, TrainingJob
from lofi_pipeline.training.run import train
from lofi_pipeline_tests.training.conftest import job_for, run_job
from lofi_pipeline_tests.training.test_training import assert_same_bits, tensors_at

Undisturbed = tuple[DataRoot, list[TrainingEvent]]
OTHER = {"learning_rate": 0.005}
"""Of a preset that makes another lineage."""


def start(job: TrainingJob, folder: Path) -> subprocess.Popen[str]:
    """A training process, as another person's command starts it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder / "job.json", job)
    return subprocess.Popen(
        [sys.executable, "-m", "lofi_pipeline.training.run", "--job", str(folder / "job.json")],
        stdout=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], kind: EventKind) -> TrainingEvent:
    """Read what it says up to an event of this kind."""
    assert process.stdout
    for line in process.stdout:
        event = TrainingEvent.model_validate_json(line)
        if event.kind is kind:
            return event
    raise AssertionError(f"it ended without {kind}")


@pytest.fixture(scope="module")
def other_alone(
    encoded: tuple[DataRoot, DatasetVersion], base: Path, tmp_path_factory: pytest.TempPathFactory
) -> DataRoot:
    """A training with the other preset, which nothing disturbed."""
    root = DataRoot(tmp_path_factory.mktemp("other") / "data")
    shutil.copytree(encoded[0].path, root.path)
    run_job(job_for(root, encoded[1], base, preset=OTHER))
    return root


def test_two_lineages_train_at_once_and_each_is_as_if_it_had_been_alone(
    root: DataRoot,
    version: DatasetVersion,
    base: Path,
    undisturbed: Undisturbed,
    other_alone: DataRoot,
    tmp_path: Path,
):
    first = start(job_for(root, version, base, at_once=2), tmp_path / "job")
    try:
        until(first, EventKind.STARTED)
        first.send_signal(signal.SIGSTOP)  # in the middle of it all, for as long as the other trains
        one = active_lineage(root)
        events = run_job(job_for(root, version, base, at_once=2, preset=OTHER))
        assert [found.pid for found in trainings(root)] == [first.pid]
        assert active_lineage(root) == one
    finally:
        first.send_signal(signal.SIGCONT)
    until(first, EventKind.FINISHED)
    assert first.wait(60) == 0
    (home,) = trained_beside(root)
    assert events[-1].kind is EventKind.FINISHED and [
        found.step for found in scan_checkpoints(root, home)
    ] == [2, 4, 6]
    assert sorted(it.lineage.lineage for it in lineages(root)) == sorted(
        found.lineage for place in (root, other_alone) if (found := active_lineage(place))
    )
    beside = {event.partition_key for event in events if event.partition_key}
    assert {path.parent for key in beside if (path := find_checkpoint(root, key or ""))} == {home}
    for place, alone in ((root.checkpoints, undisturbed[0]), (home, other_alone)):
        assert read_training_log(place / LOG_NAME) == read_training_log(training_log(alone))
        for step in (2, 4, 6):
            name = f"epoch=0-step={step}_lora"
            assert (place / name / "adapter_model.safetensors").read_bytes() == (
                alone.checkpoint(name) / "adapter_model.safetensors"
            ).read_bytes()
    known = read_ledger(root).hashes
    assert all(
        found.key in known for place in (root.checkpoints, home) for found in scan_checkpoints(root, place)
    )


def test_one_that_was_stopped_beside_another_goes_on_once_that_has_ended(
    root: DataRoot, version: DatasetVersion, base: Path, other_alone: DataRoot
):
    job = job_for(root, version, base, at_once=2, preset=OTHER)
    with leased(training_lock(root), "trains something else"):
        asked = iter([False, False, True])
        train(job, lambda event: None, lambda: next(asked))
        assert [home.name for home in trained_beside(root)] and not list(root.checkpoints.glob("epoch=*"))
        # Beside it, it goes on from where it was
        asked = iter([False, True])
        events: list[TrainingEvent] = []
        train(job, events.append, lambda: next(asked))
        assert (events[0].kind, events[0].step) == (EventKind.RESUMED, 3)
    rest = run_job(job)
    assert (rest[0].kind, rest[0].step) == (EventKind.RESUMED, 5)
    assert trained_beside(root) == [] and active_lineage(root) == active_lineage(other_alone)
    for step in (2, 4, 6):
        assert_same_bits(tensors_at(root, step), tensors_at(other_alone, step))


def test_without_a_place_a_second_one_is_told_who_trains_and_since_when(
    root: DataRoot, version: DatasetVersion, base: Path
):
    told: list[TrainingEvent] = []
    job = job_for(root, version, base, wait_seconds=0.2)
    with (
        leased(training_lock(root), "trains lineage 12345678 (toy)"),
        pytest.raises(
            TrainingError,
            match=r"^another training works on this data root \(trains lineage 12345678 .*, still after 0 s",
        ),
    ):
        train(job, told.append, lambda: False)
    (only,) = told
    assert only.message.startswith(
        "another training works on this data root (trains lineage 12345678 (toy): "
    )
    assert f"process {os.getpid()}) since 20" in only.message and only.message.endswith(": waiting for it")
    assert not list(root.checkpoints.glob("*_lora"))


def test_the_same_lineage_is_never_trained_twice_at_once(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    lineage = active_lineage(undisturbed[0])
    assert lineage
    job = job_for(root, version, base, at_once=2, wait_seconds=0.2)
    with leased(lineage_lock(root, lineage.lineage), "trains it"):
        with pytest.raises(TrainingError, match=rf"trains it: .* \(process {os.getpid()}\) since 20"):
            run_job(job)
    assert not list(root.path.rglob("epoch=*"))


def test_a_machine_that_dies_in_the_middle_is_replaced_from_its_last_snapshot(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed, tmp_path: Path
):
    job = job_for(root, version, base, snapshot_minutes=0, silent_seconds=1.0)
    process = start(job, tmp_path / "job")
    until(process, EventKind.CHECKPOINT)
    process.kill()
    process.communicate()
    with ExitStack() as held:
        places = list(root.checkpoints.glob(".*.holder.json"))
        assert len(places) == 2
        for file in places:  # it was another machine; and the file server knows nothing of its death
            place = root.checkpoints / file.name[1:].removesuffix(".holder.json")
            holder = holder_of(place)
            assert holder and holder_file(place) == file
            write_json_atomic(file, holder.model_copy(update={"host": "node-7", "place": "f" * 8}))
            held.enter_context(FileLock(lock_file(place)))
        events: list[TrainingEvent] = []
        train(job, events.append, lambda: False)
    assert "on node-7 (process" in events[0].message and events[0].message.endswith("waiting for it")
    resumed = next(event for event in events if event.kind is EventKind.RESUMED)
    assert 2 <= resumed.step < 6
    for step in (2, 4, 6):
        assert_same_bits(tensors_at(root, step), tensors_at(undisturbed[0], step))
    assert read_training_log(training_log(root)) == read_training_log(training_log(undisturbed[0]))


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver says that it has two."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv(turns.GPUS_VARIABLE, raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_each_training_on_a_machine_sees_a_gpu_of_its_own(
    root: DataRoot, version: DatasetVersion, base: Path
):
    job = job_for(root, version, base, at_once=3, device="auto")
    seen: list[str | None] = []
    with turns.own_gpu(root, job):
        seen.append(os.environ.pop(turns.GPUS_VARIABLE))
        with turns.own_gpu(root, job):
            seen.append(os.environ.pop(turns.GPUS_VARIABLE))
            with pytest.raises(TrainingError, match=r"each of the 2 GPUs of this machine has a training"):
                with turns.own_gpu(root, job):
                    pass
    assert seen == ["0", "1"] and turns.GPUS_VARIABLE not in os.environ
    os.environ[turns.GPUS_VARIABLE] = "7"  # somebody has chosen
    try:
        with turns.own_gpu(root, job):
            assert os.environ[turns.GPUS_VARIABLE] == "7"
    finally:
        del os.environ[turns.GPUS_VARIABLE]
