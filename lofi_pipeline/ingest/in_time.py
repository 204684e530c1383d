"""What a process does that works on tracks: it ends itself when one takes too long, and keeps memory for the next."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import current_thread, main_thread

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


@cache
def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next track: getting it from the kernel again costs a tenth of the CPU time."""
    with suppress(OSError, AttributeError):  # not glibc: there is nothing to set
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    """End this process, whatever code it is in, if the block takes longer.

    Only its main thread may say what the alarm does; a worker of Dask works in another, and leaves it as it was: the end.
    """
    if current_thread() is main_thread():
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
