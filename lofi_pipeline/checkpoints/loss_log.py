"""Loss over steps: training_log.jsonl beside the checkpoints of a lineage, written by the trainer, read by whoever draws it."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from pydantic import Field, ValidationError

from lofi_pipeline.entities import Entity
from lofi_pipeline.storage import DataRoot, naming, write_bytes_atomic

LOG_NAME = "training_log.jsonl"


class NoiseBands(Entity):
    """A loss at one timestep in each band of noise."""

    high_noise: float
    middle_noise: float
    low_noise: float

    @property
    def mean(self) -> float:
        """Of the three."""
        return (self.high_noise + self.middle_noise + self.low_noise) / 3


class LogEntry(Entity):
    """One step. A skipped step has no loss; a validation loss is measured at checkpoints and at step 0, the base."""

    step: int = Field(ge=0)
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    held_out: NoiseBands | None = Field(default=None, description="Of validation tracks, at fixed timesteps")
    seen: NoiseBands | None = Field(default=None, description="Of training tracks, at the same timesteps")
    beside: float | None = Field(
        default=None,
        description="Validation loss of the weights beside the published ones: the live ones, or their average",
    )

    @property
    def gap(self) -> float | None:
        """How much higher the loss of validation tracks is than that of training tracks, over all bands."""
        return self.held_out.mean - self.seen.mean if self.held_out and self.seen else None


def training_log(root: DataRoot, lineage: str | None = None) -> Path:
    """The log of the active lineage, or of an archived one."""
    folder = root.checkpoints if lineage is None else root.archived_lineage(lineage)
    return folder / LOG_NAME


def read_training_log(path: Path) -> list[LogEntry]:
    """All entries in the order of steps; a line cut off by a crash is left out; [] when there is no log."""
    entries: dict[int, LogEntry] = {}
    if not path.is_file():
        return []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = LogEntry.model_validate_json(line)
        except ValidationError:
            continue
        entries[entry.step] = entry
    return [entries[step] for step in sorted(entries)]


def rewind(path: Path, step: int) -> None:
    """Remove what was logged after `step`, because training goes on from there."""
    kept = [entry for entry in read_training_log(path) if entry.step <= step]
    write_bytes_atomic(path, "".join(_line(entry) for entry in kept).encode())


def open_log(path: Path) -> FileIO:
    """The log, to add lines to. Nothing is held back: a disk that is full would be told of again, without a name, when it is closed."""
    return path.open("ab", buffering=0)


def append(log: FileIO, entry: LogEntry) -> None:
    """Add one line, visible to readers at once."""
    with naming(Path(os.fsdecode(log.name))):
        log.write(_line(entry).encode())


def _line(entry: LogEntry) -> str:
    return entry.model_dump_json(exclude_none=True) + "\n"
