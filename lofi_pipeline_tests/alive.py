"""How many objects are in memory at once, whatever the tests before left there."""

from __future__ import annotations

import gc
import sys
from collections import Counter


class Alive:
    """The objects of some types that came into memory since this was made, and are still there."""

    def __init__(self, *types: type) -> None:
        gc.collect()
        self._types = types
        self._before = self._found()  # held, so that none of them gives its id to another one

    def count(self) -> Counter[type]:
        """How many there are now, by type."""
        before = set(map(id, self._before))
        return Counter(type(it) for it in self._found() if id(it) not in before)

    def _found(self) -> list[object]:
        # Another thread may be making a tuple, which Python forbids while somebody else refers to it
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60)
        try:
            return [it for it in gc.get_objects() if type(it) in self._types]
        finally:
            sys.setswitchinterval(interval)
