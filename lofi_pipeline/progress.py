"""How far long work is: said by whoever does it, shown by whoever listens (the command line's bars; nobody by default).

Whoever reports is also told when to stop: between two pieces of work, where nothing is half done. A child process hands
its progress on to its parent as lines of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from threading import Event
from typing import TextIO


class Stopped(Exception):
    """Raised where progress is reported, once somebody asked for an end. No error: whoever handles a LofiError lets it pass."""

    def __init__(self) -> None:
        super().__init__("stopped; what was done is kept, and the same command goes on from there")


@dataclass(frozen=True)
class Progress:
    """One message: `done` of `total` of a stage."""

    stage: str
    done: int
    total: int
    message: str = ""


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []
_told_of_a_stop: list[Callable[[], None]] = []
_asked_to_stop = Event()


def report(stage: str, done: int, total: int, message: str = "") -> None:
    """Show it to all listeners in this process.

    Raises:
        Stopped: somebody asked for an end.
    """
    go_on()
    _show(Progress(stage, done, total, message))


def _show(said: Progress) -> None:
    for listener in list(_listeners):
        listener(said)


def to_lines(stream: TextIO) -> Listener:
    """A listener that writes each message as a line of JSON, at once."""
    return lambda said: print(json.dumps(asdict(said)), file=stream, flush=True)


def show_lines(lines: Iterable[str]) -> None:
    """Show what another process's `to_lines` writes, until it ends or is cut off."""
    with suppress(ValueError):
        for line in lines:
            _show(Progress(**json.loads(line)))


def stop() -> None:
    """Ask all work in this process to end where it next reports, and work in other processes at once."""
    _asked_to_stop.set()
    for act in list(_told_of_a_stop):
        act()


def go_on() -> None:
    """Raises: Stopped, once somebody asked for an end."""
    if _asked_to_stop.is_set():
        raise Stopped


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` shown all progress while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def when_stopped(act: Callable[[], None]) -> Iterator[None]:
    """Have `act` called as soon as somebody asks for an end while the block runs. It is called from a signal handler."""
    _told_of_a_stop.append(act)
    try:
        yield
    finally:
        _told_of_a_stop.remove(act)
