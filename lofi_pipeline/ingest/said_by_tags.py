"""What the tags of an audio file say that bears on its rights.

The tags are read in audio/io/tags.py. Which licence a text names, and what it denies, is in licensing/contradictions.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import BinaryIO

from lofi_pipeline.audio import clean, denied_by_credentials, tags_in
from lofi_pipeline.licensing import load_policy
from lofi_pipeline.licensing.contradictions import (
    CREDENTIALS,
    CREDENTIALS_NOT_READ,
    has_weight,
    named_licences,
)
from lofi_pipeline.licensing.denials import denials, quoted
from lofi_pipeline.licensing.policy import Policy

TAG_RULES = 3
"""Raise it when what is read of tags changes: all are then read anew."""
LONGEST_KEPT = 500
NOTHING: dict[str, str] = {}
"""One for all files that say nothing: most do."""


def said_by_tags(file: BinaryIO, file_name: str) -> dict[str, str]:
    """What the tags of a file say that bears on its rights, by tag; empty where they name no licence and deny nothing.

    Raises:
        OSError: the file cannot be read.
    """
    read = tags_in(file, file_name)
    policy = load_policy()
    said = {name: kept for name, text in read.said.items() if (kept := _kept(text, policy))}
    if read.credentials and (denied := denied_by_credentials(file)) != "":
        place, text = (
            (CREDENTIALS_NOT_READ, "content credentials") if denied is None else (CREDENTIALS, denied)
        )
        said[place] = clean(text, LONGEST_KEPT)
    return said or NOTHING


@lru_cache(maxsize=1_024)  # the files of an album mostly say the same
def _kept(text: str, policy: Policy) -> str:
    """A text that has weight, of a long one only what gives it; else nothing."""
    if not has_weight(text, policy):
        return ""
    if len(text) <= LONGEST_KEPT:
        return text
    return quoted(" … ".join([*named_licences(text, policy), *denials(text)]), most=2 * LONGEST_KEPT)
