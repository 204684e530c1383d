"""Processes of ours that a process of ours starts: training, and the Dagster run around it.

A child ends with its parent, however that ends, and writes its messages line by line to standard output, where nothing
else goes. What the lines mean is not said here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

import psutil

LAST_LINES = 20
ENDING_SECONDS = 60


@dataclass(frozen=True)
class Child:
    """A process that was started, and the last lines of its standard error."""

    process: subprocess.Popen[str]
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def lines(self) -> Iterator[str]:
        """Its messages as they come, until it ends."""
        assert self.process.stdout
        yield from self.process.stdout


@contextmanager
def child_process(command: Sequence[str], *, ending_seconds: float = ENDING_SECONDS) -> Iterator[Child]:
    """Start a command that calls `end_with_parent`. At the end of the block it is asked to end, if it still runs, and
    killed with all below it when it takes longer than `ending_seconds`.

    It has a session of its own: a Ctrl-C in the terminal reaches it through its parent alone.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    child = Child(process)
    assert process.stdin and process.stdout and process.stderr
    listener = threading.Thread(target=_collect, args=(process.stderr, child.last_words), daemon=True)
    listener.start()
    try:
        yield child
    finally:
        _end(process, ending_seconds)
        listener.join(timeout=5)
        process.stdin.close()
        process.stdout.close()


def _collect(stream: TextIO, lines: deque[str]) -> None:
    for line in stream:
        lines.append(line.rstrip())


def _end(process: subprocess.Popen[str], seconds: float) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_family(process.pid)
        process.wait()


def kill_family(pid: int) -> None:
    """Kill a process and all that it started, whatever they are doing."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for process in [*top.children(recursive=True), top]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def end_with_parent() -> None:
    """End this process when whoever started it is gone: its end of our standard input closes."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def messages_apart() -> TextIO:
    """A stream on the real standard output; everything else that is printed goes to standard error."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return messages
