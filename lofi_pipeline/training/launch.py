"""Starting a training process and following what it says. Torch-free: this is the door for assets and the
command line.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import IO

from pydantic import ValidationError

from lofi_pipeline.storage import write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import EventKind, TrainingEvent, TrainingJob

ERROR_LINES = 20
ENDING_SECONDS = 60


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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        write_json_atomic(path, job)
        process = subprocess.Popen(
            [*command, "--job", str(path), "--end-with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdin and process.stdout and process.stderr
        complaints: deque[str] = deque(maxlen=ERROR_LINES)
        listener = Thread(target=_collect, args=(process.stderr, complaints), daemon=True)
        listener.start()
        last = None
        try:
            for line in process.stdout:
                try:
                    last = TrainingEvent.model_validate_json(line)
                except ValidationError:
                    complaints.append(line.rstrip())
                    continue
                on_event(last)
            code = process.wait()
        finally:
            _end(process)
            listener.join(timeout=5)
            process.stdin.close()
            process.stdout.close()
    if code != 0:
        raise TrainingError("\n".join(complaints) or f"the training process ended with code {code}")
    if last is None or last.kind is not EventKind.FINISHED:
        raise TrainingError("training was stopped before its end; run again to go on from where it stopped")
    return last


def _collect(stream: IO[str], lines: deque[str]) -> None:
    for line in stream:
        lines.append(line.rstrip())


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
