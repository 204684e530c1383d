"""Keys of a bucket and paths of a data root: the same names. A key that could lead anywhere else is refused by its name."""

from __future__ import annotations

import unicodedata

_LONGEST_PART = 255
"""Bytes that a file's name may have."""


def why_refused(key: str) -> str | None:
    """Why no file may have the path that a key says, as the rest of a sentence; None: it may."""
    parts = key.split("/")
    if "\\" in key or ":" in parts[0]:
        return "is a path of another system"
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of its folder"
    if any(part.startswith(".") for part in parts):
        return "has a hidden name"
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for letter in key):
        return "has letters in it that cannot be seen"
    if any(part != part.strip() for part in parts):
        return "has a name that begins or ends with a space"
    if any(len(part.encode()) > _LONGEST_PART for part in parts):
        return "has a name that is too long for a file"
    return None


def shown(key: str) -> str:
    """A key as it can be put into a message."""
    return ascii(key)[1:-1] if why_refused(key) else key
