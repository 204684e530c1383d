"""What Python reports of files that are opened and folders that are listed, while a test listens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

Listener = Callable[[str, tuple[Any, ...]], None]
"""Told the name of an audit event and its arguments: https://docs.python.org/3/library/audit_events.html"""
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell a listener of each audit event of this process in the block."""
    _begin()
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@cache
def _begin() -> None:
    """With the first who listens: a hook stays for the life of the process, and each import and each file takes longer from then on."""

    def tell(event: str, arguments: tuple[Any, ...]) -> None:
        for listener in _listeners:
            listener(event, arguments)

    sys.addaudithook(tell)
