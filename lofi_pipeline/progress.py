"""How far long work is: said by whoever does it, shown by whoever listens (the command line's bars; nobody by default)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One message: `done` of `total` of a stage."""

    stage: str
    done: int
    total: int
    message: str = ""


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


def report(stage: str, done: int, total: int, message: str = "") -> None:
    """Tell all listeners in this process."""
    for listener in list(_listeners):
        listener(Progress(stage, done, total, message))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` told while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
