"""Python's search for objects that hold each other, left out where many records come into memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """A block, or a function, in which nothing is searched: records do not hold each other, and each of many would be looked at again
    and again while the others come, which takes as long as reading them."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
