"""Where the items of the lists in a JSON file lie that this project wrote: each can be read alone.

Of a record of 50,000 tracks, all values at once take more memory than all that is kept of them.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

_LIST = re.compile(rb'\n  "([a-z_]+)": \[(?=\n    \{\n)')
_OPENS, _CLOSES, _ENDS = b"\n    {\n", b"\n    }", b"\n  ]"

Places = dict[str, list[tuple[int, int]]]
"""By list, where each of its items begins and ends. Lists that are empty, or not of objects, are not in it."""


def list_items(data: bytes) -> Places | None:
    """The places of the items of the record's own lists; None where the file is laid out otherwise."""
    found: Places = {}
    for match in _LIST.finditer(data):
        name, at, more = match[1].decode(), match.end(), True
        if name in found:
            return None
        found[name] = []
        while more:
            end = data.find(_CLOSES, at) + len(_CLOSES)
            if not data.startswith(_OPENS, at) or end < at:
                return None
            found[name].append((at + len(_OPENS) - 2, end))
            more = data[end : end + 1] == b","
            at = end + 1
        if not data.startswith(_ENDS, at - 1):
            return None
    return found


def without_items(data: bytes, places: Places) -> bytes:
    """The file with nothing in its lists."""
    cuts = sorted(
        (found[0][0] - len(_OPENS) + 2, found[-1][1] + len(_ENDS) - 1) for found in places.values() if found
    )
    kept, at = bytearray(), 0
    for start, end in cuts:
        kept += data[at:start]
        at = end
    return bytes(kept + data[at:])


def last_member(path: Path, name: str) -> Any:
    """An object that a record holds near its end, without reading what comes before.

    Raises:
        KeyError: there is none, or the file is laid out otherwise.
        ValueError: it is no JSON.
        OSError: the file can't be read.
    """
    start, window = f'\n  "{name}": {{\n'.encode(), 1 << 16
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - window))
            data = file.read()
            at = data.rfind(start)
            if at >= 0:
                end = data.index(b"\n  }", at) + 4
                return json.loads(b"{" + data[at:end] + b"}")[name]
            if window >= size:
                raise KeyError(name)
            window *= 4
