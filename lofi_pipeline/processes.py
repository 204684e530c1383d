"""Processes of ours that a process of ours starts: training, the Dagster run around it, and workers.

A child ends with its parent, however that ends. One that has messages writes them line by line to standard output, where
nothing else goes; what the lines mean is not said here. And which process is which, also after it is gone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, NamedTuple, TextIO

import psutil

LAST_LINES = 20
ENDING_SECONDS = 60
WATCH_SECONDS = 0.5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


class ProcessMark(NamedTuple):
    """Tells a process apart from all others: of other machines and containers, of earlier boots, of the same id later."""

    place: str
    pid: int
    started: int

    @classmethod
    def own(cls) -> ProcessMark:
        """Of this process."""
        return _mark(os.getpid())

    @property
    def is_of_here(self) -> bool:
        """Whether it can be told here if the process lives: the id of another place means nothing."""
        return self.place == _place()

    def is_gone(self) -> bool:
        """Whether the process certainly is no more."""
        if not self.is_of_here:
            return False
        try:
            return not psutil.pid_exists(self.pid) or _started(self.pid) != self.started
        except (OSError, psutil.AccessDenied):
            return False  # it is there, and does not let itself be looked at
        except psutil.NoSuchProcess:
            return True


@cache
def _mark(pid: int) -> ProcessMark:
    started = None
    with suppress(OSError):  # such as where /proc is not mounted
        started = _started(pid)
    return ProcessMark(_place(), pid, started or 0)


@cache
def _place() -> str:
    """Eight digits for this boot of this machine, and this container on it."""
    facts = [platform.node()]
    try:
        facts += [_BOOT_ID.read_text(), os.readlink(_NAMESPACE)]
    except OSError:
        facts.append(str(round(psutil.boot_time())))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _started(pid: int) -> int | None:
    """When a process began, in a unit of the system; None for one that has ended and is not cleared away yet.

    Linux counts from the boot: a clock that is set does not change it, as it changes psutil's create_time.
    """
    if sys.platform == "linux":
        # After the name, which may hold spaces and brackets: the state, and nineteen fields later the start.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    process = psutil.Process(pid)
    return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())


def own_environment() -> dict[str, str]:
    """The environment for a process of ours: no module is taken from the working directory, which may hold anything."""
    return {**os.environ, "PYTHONSAFEPATH": "1"}


@dataclass
class Child:
    """A process that was started: its messages as they come, and the last lines of its standard error."""

    process: subprocess.Popen[str]
    messages: IO[str]
    last_words: deque[str]
    _is_asked: bool = False

    def ask_to_end(self) -> None:
        """Send SIGTERM, once: a second one would end it before it has kept what it was asked to keep."""
        if not self._is_asked:
            self._is_asked = True
            self.process.terminate()


@contextmanager
def child_process(command: Sequence[str], *, ending_seconds: float = ENDING_SECONDS) -> Iterator[Child]:
    """Start a command that calls `end_with_parent`. When it still runs at the end of the block it is asked to end, and
    killed when that takes longer than `ending_seconds`.

    It has a session of its own: a Ctrl-C in the terminal reaches it through its parent alone.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=own_environment(),
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout and process.stderr
        child = Child(process, process.stdout, deque(maxlen=LAST_LINES))
        listener = Thread(
            target=child.last_words.extend, args=(map(str.rstrip, process.stderr),), daemon=True
        )
        listener.start()
        try:
            yield child
        finally:
            child.ask_to_end()
            try:
                process.wait(timeout=ending_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
            listener.join(timeout=5)


def end_with_parent() -> None:
    """End this process when whoever started it is gone: its end of our standard input closes."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def worker_processes(count: int) -> Iterator[None]:
    """Have joblib's Parallel in the block use so many workers (-1: one for each core), of one thread each.

    They stay for later blocks, and end soon after this process, however it ends: joblib's own would go on with their work.
    """
    from joblib import parallel_config

    # Workers that idled too long end and are started again: no news. Said in a thread, where catch_warnings does not reach.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
    with parallel_config(
        backend="loky",
        n_jobs=count,
        inner_max_num_threads=1,
        initializer=end_with_process,
        initargs=(os.getpid(),),
    ):
        yield


def end_with_process(parent: int) -> None:
    """End this process soon after the one that started it, whose id is `parent`.

    Its parent's id is looked at, because Linux's own signal for it comes as soon as the thread that started us ends.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def messages_apart() -> TextIO:
    """A stream on the real standard output; everything else that is printed goes to standard error."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return messages
