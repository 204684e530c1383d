"""What exact resume needs beside the adapter: the optimiser's moments and a few counters. All else follows from the step.

It lies with each checkpoint in resume/, and so do the weights that are not published where an average of them is kept. Between checkpoints a resume snapshot holds it and the adapter:
.rolling/step=N/ beside the checkpoints of its lineage. What a checkpoint is otherwise made of is in checkpoints.py and weights.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from safetensors.torch import load_file, save_file

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.manifest import (
    RESUME_FOLDER,
    SNAPSHOT_FOLDER,
    files_fault,
    lineage_home,
    scan_checkpoints,
)
from lofi_pipeline.entities import CheckpointRecord, Entity, Lineage, RecordError
from lofi_pipeline.entities.base import Sha256
from lofi_pipeline.storage import (
    DataRoot,
    commit_folder,
    file_sha256,
    read_json,
    write_json_atomic,
)
from lofi_pipeline.training.averages import AVERAGE, LIVE
from lofi_pipeline.training.errors import disk_faults
from lofi_pipeline.training.stopping import Watch
from lofi_pipeline.training.weights import Tensors, read_adapter

OPTIMISER_FILE = "optimizer.safetensors"
STATE_FILE = "state.json"
ADAPTER_FILE = "adapter.safetensors"
AVERAGE_FILE = "average.safetensors"


class TrainingState(Entity):
    """Where a training stands. Learning rate and data follow from the step."""

    lineage: Sha256
    step: int = Field(ge=0, description="Steps done, skipped ones included")
    skipped: int = Field(default=0, ge=0)
    skipped_in_a_row: int = Field(default=0, ge=0)
    loss_sum: float = Field(default=0.0, description="Of the finite steps since the last checkpoint")
    loss_count: int = Field(default=0, ge=0)
    processes: int = Field(
        default=1, ge=1, exclude_if=lambda count: count == 1, description="How many trained together"
    )
    watch: Watch = Field(
        default=Watch(), exclude_if=lambda found: found == Watch(), description="For ending early"
    )
    ended: str | None = Field(
        default=None, exclude_if=lambda why: why is None, description="Why training ended before max_steps"
    )

    @property
    def counted(self) -> int:
        """Steps that moved the weights."""
        return self.step - self.skipped


class SnapshotState(Entity):
    """state.json of a resume snapshot: the state, and the hashes of the tensors beside it."""

    state: TrainingState
    files: dict[str, Sha256]


@dataclass(frozen=True)
class ResumePoint:
    """A state to go on from."""

    state: TrainingState
    adapter: Tensors
    moments: Tensors
    where: str
    """Where it was found, to be shown."""
    average: Tensors | None = None
    """The average of the weights, where one is kept; `adapter` are the live ones."""


def write_resume(folder: Path, state: TrainingState, moments: Tensors) -> None:
    """Write resume/ into a checkpoint folder that is about to be committed; the published adapter itself lies beside it."""
    target = folder / RESUME_FOLDER
    target.mkdir(exist_ok=True)
    save_file(moments, target / OPTIMISER_FILE)
    write_json_atomic(target / STATE_FILE, state)


def write_as_trained(folder: Path, adapter: Tensors, average: Tensors | None) -> None:
    """Write the live weights, and their average where one is kept, into resume/: of an adapter that is published in another form."""
    save_file(adapter, folder / RESUME_FOLDER / ADAPTER_FILE)
    if average is not None:
        save_file(average, folder / RESUME_FOLDER / AVERAGE_FILE)


def read_as_trained(folder: Path) -> Tensors:
    """The weights that the checkpoint in `folder` publishes, in the form in which they were trained."""
    place = folder / RESUME_FOLDER
    if not (place / ADAPTER_FILE).is_file():
        return read_adapter(folder)
    return load_file(place / (AVERAGE_FILE if (place / LIVE).is_dir() else ADAPTER_FILE))


def write_resume_snapshot(
    home: Path, state: TrainingState, adapter: Tensors, moments: Tensors, average: Tensors | None = None
) -> None:
    """Keep the state between checkpoints; the former one is removed when the new one is whole."""
    place = home / SNAPSHOT_FOLDER
    target = place / f"step={state.step}"
    tensors = {ADAPTER_FILE: adapter, OPTIMISER_FILE: moments}
    if average is not None:
        tensors[AVERAGE_FILE] = average
    if not target.exists():
        with commit_folder(target) as folder, disk_faults(target):
            for name, held in tensors.items():
                save_file(held, folder / name)
            files = {name: file_sha256(folder / name) for name in tensors}
            write_json_atomic(folder / STATE_FILE, SnapshotState(state=state, files=files))
    for other in place.glob("step=*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


def clear_resume_snapshot(home: Path) -> None:
    """Remove the resume snapshot: a checkpoint of the same or a later step is committed."""
    shutil.rmtree(home / SNAPSHOT_FOLDER, ignore_errors=True)


def find_resume_point(
    root: DataRoot, lineage: Lineage, log: Callable[[str], None] = lambda sentence: None
) -> ResumePoint | None:
    """The furthest whole state of this lineage, from a snapshot or a checkpoint.

    A damaged one is passed over, and `log` is called with a sentence about it.
    """
    candidates: list[tuple[int, Path, CheckpointRecord | None]] = []
    home = lineage_home(root, lineage.lineage)
    for found in scan_checkpoints(root, home):
        if found.record and found.record.lineage.lineage == lineage.lineage and not found.record.pruned:
            candidates.append((found.step, found.folder, found.record))
    for folder in (home / SNAPSHOT_FOLDER).glob("step=*"):
        if (number := folder.name.removeprefix("step=")).isdecimal():
            candidates.append((int(number), folder, None))
    for _step, folder, record in sorted(
        candidates, key=lambda item: (item[0], item[2] is not None), reverse=True
    ):
        try:
            point = _of_checkpoint(folder, record) if record else _of_snapshot(folder)
        except CheckpointError as error:
            log(f"cannot go on from {folder.name}: {error}")
            continue
        if point.state.lineage == lineage.lineage:
            return point
    return None


def _of_checkpoint(folder: Path, record: CheckpointRecord) -> ResumePoint:
    if fault := files_fault(folder, record):
        raise CheckpointError(fault)
    try:
        path = folder / RESUME_FOLDER / STATE_FILE
        state = TrainingState.parse(read_json(path), where=str(path))
        moments = load_file(folder / RESUME_FOLDER / OPTIMISER_FILE)
        if (own := folder / RESUME_FOLDER / ADAPTER_FILE).is_file():
            beside = own.with_name(AVERAGE_FILE)
            average = load_file(beside) if beside.is_file() else None
            return ResumePoint(state, load_file(own), moments, folder.name, average)
        published = read_adapter(folder)
        live, average = folder / RESUME_FOLDER / LIVE, folder / RESUME_FOLDER / AVERAGE
        if live.is_dir():
            return ResumePoint(state, read_adapter(live), moments, folder.name, published)
        beside = read_adapter(average) if average.is_dir() else None
        return ResumePoint(state, published, moments, folder.name, beside)
    except (OSError, RecordError) as error:
        raise CheckpointError(f"has no state to resume from: {error}") from error


def _of_snapshot(folder: Path) -> ResumePoint:
    try:
        path = folder / STATE_FILE
        snapshot = SnapshotState.parse(read_json(path), where=str(path))
        for name, sha256 in snapshot.files.items():
            if file_sha256(folder / name) != sha256:
                raise CheckpointError(f"{name} is damaged (its hash differs)")
        adapter, moments = load_file(folder / ADAPTER_FILE), load_file(folder / OPTIMISER_FILE)
        average = load_file(folder / AVERAGE_FILE) if AVERAGE_FILE in snapshot.files else None
    except (OSError, RecordError) as error:
        raise CheckpointError(f"is not whole: {error}") from error
    where = f"the state kept at step {snapshot.state.step}"
    return ResumePoint(snapshot.state, adapter, moments, where, average)
