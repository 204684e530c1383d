"""Whose turn it is to train on a data root.

A lineage is trained by one process at a time. So many lineages are trained at once as training.at_once says: the first to come in checkpoints/
itself, as the active lineage, and others beside it, each in its own folder of the archive and on a GPU of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import Timeout

from lofi_pipeline.checkpoints.manifest import activate_lineage, begin_beside, lineage_lock, training_lock
from lofi_pipeline.entities import Lineage
from lofi_pipeline.processes import ProcessMark
from lofi_pipeline.storage import DataRoot, Held, Holder, leased, locked
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import Emit, EventKind, TrainingEvent, TrainingJob

LOOK_SECONDS = 0.5
GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def taking_turns(root: DataRoot, job: TrainingJob, lineage: Lineage, end: int, emit: Emit) -> Iterator[None]:
    """Wait for this training's turn; for the block, its lineage is its own, and has its folder.

    Raises:
        TrainingError: others work for longer than the job may wait; it says who.
    """
    turn = _Turn(root, job, lineage, end, emit)
    with ExitStack() as held:
        turn.take(held)
        if job.at_once > 1:
            held.enter_context(own_gpu(root, job))
        yield


class _Turn:
    def __init__(self, root: DataRoot, job: TrainingJob, lineage: Lineage, end: int, emit: Emit) -> None:
        self.root, self.job, self.lineage, self.end, self.emit = root, job, lineage, end, emit
        self.what = f"trains lineage {lineage.lineage[:8]} ({lineage.preset})"
        self.until = time.monotonic() + job.wait_seconds
        self.told: str | None = None

    def take(self, held: ExitStack) -> None:
        """The lineage first, so that no second process moves it; then a place."""
        silent = self.job.silent_seconds
        own = leased(
            lineage_lock(self.root, self.lineage.lineage),
            self.what,
            wait_seconds=self.job.wait_seconds,
            silent_seconds=silent,
            on_wait=self.say,
        )
        try:
            held.enter_context(own)
        except Held as other:
            raise self.waited(other.holder) from other
        while (busy := self._place(held)) is not None:
            if time.monotonic() >= self.until:
                raise self.waited(busy.holder) from busy
            self.say(busy.holder)
            time.sleep(LOOK_SECONDS)

    def _place(self, held: ExitStack) -> Held | None:
        """Take the first place that is free, and make the lineage's folder: who holds the others when there is none."""
        busy = Held(None)
        with locked(
            self.root.checkpoints / "places"
        ):  # nobody moves lineages while another looks where his lies
            for number in range(self.job.at_once):
                try:
                    held.enter_context(
                        leased(
                            training_lock(self.root, number),
                            self.what,
                            silent_seconds=self.job.silent_seconds,
                        )
                    )
                except Held as other:
                    busy = other if number == 0 else busy
                    if busy.holder is None:
                        break  # no training that says so: gc, or one of an older version, which knows of no others
                    continue
                if number == 0:
                    activate_lineage(self.root, self.lineage)
                else:
                    begin_beside(self.root, self.lineage)
                return None
        return busy

    def say(self, holder: Holder | None) -> None:
        """Whom is waited for, once for each."""
        message = f"{_who(holder)}: waiting for it"
        if message != self.told:
            self.told = message
            self.emit(TrainingEvent(kind=EventKind.PROGRESS, step=0, max_steps=self.end, message=message))

    def waited(self, holder: Holder | None) -> TrainingError:
        """The error of one that waited for too long."""
        return TrainingError(
            f"{_who(holder)}, still after {self.job.wait_seconds:.0f} s; wait for it or end it, then give the same command again"
        )


def _who(holder: Holder | None) -> str:
    return f"another training works on this data root ({holder or 'it does not say who it is'})"


@contextmanager
def own_gpu(root: DataRoot, job: TrainingJob) -> Iterator[None]:
    """Where trainings share a machine with several GPUs, see only one that no other of them has; before torch is loaded.

    Whoever has said which GPUs it sees, or starts several processes for one training, has chosen.
    """
    count = 0 if job.device == "cpu" or GPUS_VARIABLE in os.environ or "RANK" in os.environ else _gpus()
    if count < 2:
        yield
        return
    place = ProcessMark.own().place
    for number in range(count):
        with ExitStack() as held:
            try:
                held.enter_context(locked(root.checkpoints / f"gpu-{place}-{number}", timeout=0))
            except Timeout:
                continue
            os.environ[GPUS_VARIABLE] = str(number)
            try:
                yield
            finally:
                os.environ.pop(GPUS_VARIABLE, None)
            return
    raise TrainingError(
        f"each of the {count} GPUs of this machine has a training of this data root; lower training.at_once, or train on another machine"
    )


def _gpus() -> int:
    """How many GPUs the driver knows. torch is not asked: it would decide then which it sees."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    asked = subprocess.run(
        [program, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return len(asked.stdout.split()) if asked.returncode == 0 else 0
