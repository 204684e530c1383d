"""The training process: `python -m lofi_pipeline.training.run --job job.json`.

Standard output carries one TrainingEvent in JSON a line and nothing else; standard error a progress bar when
it is a terminal, and whatever libraries have to say. Exit code 0: trained to the end (or stopped when asked
to), 1: an error, its sentence last on standard error and in the last event. SIGTERM or SIGINT: the state is kept and the
process ends. Several such processes that torchrun or accelerate started train together: the first one tells and writes.
On another machine than whoever started it, it writes its events to a file (`--events`), and ends with a lease (`--end-with`).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lofi_pipeline.checkpoints.ledger_entries import enter_committed
from lofi_pipeline.checkpoints.manifest import lineage_home, remove_unfinished_checkpoints
from lofi_pipeline.entities import RecordError, now
from lofi_pipeline.errors import LofiError
from lofi_pipeline.processes import ENDING_SECONDS, end_with_parent, messages_apart
from lofi_pipeline.storage import DataRoot, in_words, is_held, read_json
from lofi_pipeline.training.bases import describe_base
from lofi_pipeline.training.lineage import last_step, lineage_of, read_version
from lofi_pipeline.training.records import Emit, EventKind, TrainingEvent, TrainingJob
from lofi_pipeline.training.start import refuse_withdrawn, start_of
from lofi_pipeline.training.turns import taking_turns

RANK_VARIABLE = "RANK"
LOOK_SECONDS = 2.0

Stop = Callable[[], bool]


class Reporter:
    """Events to one stream, a progress bar to the terminal if there is one."""

    def __init__(self, events: TextIO) -> None:
        self._events = events
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def __call__(self, event: TrainingEvent) -> None:
        loss = f" loss {event.loss:.4f}" if event.loss is not None else ""
        self._bar.update(
            self._task, completed=event.step, total=event.max_steps, description=f"training{loss}"
        )
        self._events.write(event.model_dump_json(exclude_none=True) + "\n")
        self._events.flush()


class StopRequest:
    """Set by SIGTERM and SIGINT: the step under way is finished, its state kept."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # asked twice: end at once
        self._asked.set()

    def __call__(self) -> bool:
        return self._asked.is_set()

    def end_with(self, lease: Path) -> None:
        """Stop when nobody who lives holds a lease any more: whoever started this may be on another machine."""

        def watch() -> None:
            while is_held(lease):
                time.sleep(LOOK_SECONDS)
            self._asked.set()  # no signal of our own: Kubernetes sends one, too, and a second ends the process at once
            time.sleep(ENDING_SECONDS)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def read_job(path: Path) -> TrainingJob:
    """The job in a file; a RecordError names what is wrong with it."""
    try:
        return TrainingJob.parse(read_json(path), where=str(path))
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such job file") from error


def train(job: TrainingJob, emit: Emit, stop: Stop) -> None:
    """Train in this process, once it is this training's turn."""
    root = DataRoot(job.data_root)
    base = describe_base(job.base, licence=job.base_licence)
    version = read_version(root, job.dataset_hash)
    lineage = lineage_of(version, job.preset_name, job.preset, base, start_of(root, job.preset, base.sha256))
    refuse_withdrawn(root, lineage, now().date())
    end = last_step(lineage)
    is_first = os.environ.get(RANK_VARIABLE, "0") == "0"
    with taking_turns(root, job, lineage, end, emit) if is_first else nullcontext():
        if is_first:
            remove_unfinished_checkpoints(lineage_home(root, lineage.lineage))
            enter_committed(root, lineage)
        from lofi_pipeline.training.loop import Trainer  # torch, diffusers and peft: seconds

        Trainer(job, root, version, lineage, emit).run(stop)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", type=Path, required=True, help="a TrainingJob in JSON")
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument("--end-with", type=Path, metavar="PATH", help="end when nobody holds this lease")
    parser.add_argument(
        "--events", type=Path, metavar="FILE", help="where events go, instead of standard output"
    )
    arguments = parser.parse_args()
    events = arguments.events.open("a", encoding="utf-8") if arguments.events else messages_apart()
    if arguments.end_with_parent:
        end_with_parent()
    stop = StopRequest()
    if arguments.end_with:
        stop.end_with(arguments.end_with)
    job = None
    try:
        job = read_job(arguments.job)
        with Reporter(events) as reporter:
            train(job, reporter, stop)
    except (LofiError, OSError) as error:
        print(f"training failed: {in_words(error)}", file=sys.stderr)
        if job:
            _tell_failure(events, job, in_words(error))
        return 1
    return 0


def _tell_failure(events: TextIO, job: TrainingJob, sentence: str) -> None:
    """As the last event: of several processes, what starts them writes its own lines to standard error, too."""
    event = TrainingEvent(kind=EventKind.FAILED, step=0, max_steps=job.preset.max_steps, message=sentence)
    with suppress(OSError):  # whoever listened is gone
        events.write(event.model_dump_json(exclude_none=True) + "\n")
        events.flush()


if __name__ == "__main__":
    sys.exit(main())
