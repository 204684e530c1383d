"""How far long work is: said by whoever does it, shown by whoever listens (the command line's bars; nobody by default).

Whoever reports is also told when to stop: between two pieces of work, where nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event


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
_asked_to_stop = Event()


def report(stage: str, done: int, total: int, message: str = "") -> None:
    """Tell all listeners in this process.

    Raises:
        Stopped: somebody asked for an end.
    """
    go_on()
    for listener in list(_listeners):
        listener(Progress(stage, done, total, message))


def stop() -> None:
    """Ask all work in this process to end where it next reports."""
    _asked_to_stop.set()


def go_on() -> None:
    """Raises: Stopped, once somebody asked for an end."""
    if _asked_to_stop.is_set():
        raise Stopped


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` told while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
