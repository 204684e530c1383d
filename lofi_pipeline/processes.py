"""Processes of ours that a process of ours starts: training, and the Dagster run around it.

A child ends with its parent, however that ends, and writes its messages line by line to standard output, where nothing
else goes. What the lines mean is not said here.
"""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import IO, TextIO

LAST_LINES = 20
ENDING_SECONDS = 60


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


def messages_apart() -> TextIO:
    """A stream on the real standard output; everything else that is printed goes to standard error."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return messages
