"""For tests of what this user may not read or write: root may all, so it gives that up first."""

from __future__ import annotations

import ctypes
import sys

_DROP_FROM_BOUNDING_SET = 24
_OVERRIDE_RIGHTS, _OVERRIDE_READING = 1, 2


def as_any_user() -> None:
    """As `preexec_fn` of a child: rights count for it, also where it is root's. The same for what it starts."""
    assert sys.platform == "linux"
    for capability in (_OVERRIDE_RIGHTS, _OVERRIDE_READING):
        ctypes.CDLL(None).prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
