"""Work that Ctrl-C and SIGTERM end soon and cleanly: between two pieces of work, with nothing left running."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from types import FrameType
from typing import TypeVar

import psutil

from lofi_pipeline import progress
from lofi_pipeline.cli.console import errors

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_SECONDS = 0.2


def interruptible(work: Callable[[], T]) -> T:
    """Do `work` in a thread while this one waits for signals: Dagster, in the main thread, keeps them to itself.

    The first signal asks for an end where progress is next reported, and exits with 128 + its number; a second one ends
    everything at once, which costs no more than the work that was under way.
    """
    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            _end_at_once(number)
        progress.stop()

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            done = pool.submit(work)
            is_announced = False
            while not done.done():
                wait([done], timeout=_LOOK_SECONDS)  # without an end, a signal would wait for it too
                if received and not is_announced:
                    is_announced = True
                    errors.print("Stopping after what is under way; once more ends it at once.")
            return done.result()
    except progress.Stopped as stopped:
        errors.print(str(stopped))
        raise SystemExit(128 + received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number: int) -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(128 + number)
