"""Starting a training process and following what it says. Torch-free: this is the door for assets and the
command line.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lofi_pipeline.processes import child_process
from lofi_pipeline.storage import write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import EventKind, TrainingEvent, TrainingJob

TRAINING = ("-m", "lofi_pipeline.training.run")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
ACCELERATE = ("-m", "accelerate.commands.launch", "--config_file")


def command_of(launcher: int | str) -> tuple[str, ...]:
    """The command of a training process, or of what starts several of them: see training.launcher.

    Raises:
        TrainingError: there is no such configuration file.
    """
    if launcher == 1:
        return (sys.executable, *TRAINING)
    if isinstance(launcher, int):
        return (sys.executable, *TORCHRUN, str(launcher), *TRAINING)
    file = Path(launcher).expanduser()
    if not file.is_file():
        raise TrainingError(
            f"training.launcher: {file}: no such file; give the number of GPUs, or the file that `accelerate config "
            "--config_file FILE` writes"
        )
    return (sys.executable, *ACCELERATE, str(file.resolve()), *TRAINING)


@dataclass
class Told:
    """What a training process has said so far; `on_event` is called with each event."""

    on_event: Callable[[TrainingEvent], None]
    _last: TrainingEvent | None = None
    _failure: str | None = None

    def take(self, line: str) -> bool:
        """Take a line; False for one that is no event."""
        try:
            event = TrainingEvent.model_validate_json(line)
        except ValidationError:
            return False
        if event.kind is EventKind.FAILED:  # the first process that fails takes the others with it
            self._failure = self._failure or event.message
        else:
            self._last = event
            self.on_event(event)
        return True

    def end(self, failed: bool, last_words: str) -> TrainingEvent:
        """The last event of a training that has ended.

        Raises:
            TrainingError: it failed, with its own sentence or its last words, or stopped before the end.
        """
        if failed:
            raise TrainingError(self._failure or last_words)
        if self._last is None or self._last.kind is not EventKind.FINISHED:
            raise TrainingError(
                "training was stopped before its end; run again to go on from where it stopped"
            )
        return self._last


def train_in_process(
    job: TrainingJob,
    on_event: Callable[[TrainingEvent], None],
    *,
    launcher: int | str = 1,
) -> TrainingEvent:
    """Train in a process of its own, or several, and call `on_event` with each event; returns the last one.

    They end when this one does, however it ends; when this call is interrupted they are asked to keep their state first.

    Raises:
        TrainingError: the process failed, with its own sentence or its last lines, or stopped before the end.
    """
    command = command_of(launcher)
    told = Told(on_event)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        write_json_atomic(path, job)
        with child_process([*command, "--job", str(path), "--end-with-parent"]) as child:
            for line in child.messages:
                if not told.take(line):
                    child.last_words.append(line.rstrip())
            code = child.process.wait()
    words = "\n".join(child.last_words)
    return told.end(code != 0, words or f"the training process ended with code {code}")
