"""Starting a training process and following what it says. Torch-free: this is the door for assets and the
command line.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from lofi_pipeline.processes import child_process
from lofi_pipeline.storage import write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import EventKind, TrainingEvent, TrainingJob


def train_in_process(
    job: TrainingJob,
    on_event: Callable[[TrainingEvent], None],
    *,
    command: tuple[str, ...] = (sys.executable, "-m", "lofi_pipeline.training.run"),
) -> TrainingEvent:
    """Train in a process of its own and call `on_event` with each event; returns the last one.

    The process ends when this one does, however it ends; when this call is interrupted it is asked to keep
    its state first. `command` may be an `accelerate launch ... -m lofi_pipeline.training.run` for several
    GPUs.

    Raises:
        TrainingError: the process failed, or stopped before the end; with its last lines.
    """
    last = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        write_json_atomic(path, job)
        with child_process([*command, "--job", str(path), "--end-with-parent"]) as child:
            for line in child.messages:
                try:
                    last = TrainingEvent.model_validate_json(line)
                except ValidationError:
                    child.last_words.append(line.rstrip())
                    continue
                on_event(last)
            code = child.process.wait()
    if code != 0:
        raise TrainingError("\n".join(child.last_words) or f"the training process ended with code {code}")
    if last is None or last.kind is not EventKind.FINISHED:
        raise TrainingError("training was stopped before its end; run again to go on from where it stopped")
    return last
