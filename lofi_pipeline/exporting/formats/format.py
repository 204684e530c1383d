"""What a format is: who reads it, what it can't say, and the files beside the audio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import Dataset, Split, Trigger
from lofi_pipeline.exporting.song import Song

TextFiles = Iterator[tuple[str, str]]
"""Paths in the folder, with what stands in the file."""


@dataclass(frozen=True)
class Contents:
    """What an export holds, and where it will lie."""

    songs: Sequence[Song]
    folder: Path
    split: Split
    dataset: Dataset
    trigger: Trigger | None = None
    """The word that is to be in every caption, for readers that put it there themselves."""


@dataclass(frozen=True)
class Format:
    """One program's way to read a data set. The audio lies in the folder itself, or in one named as the split."""

    reader: str
    start: str
    """How to begin with it there; {folder} and {split} are filled in."""
    lost: str
    files: Callable[[Contents], TextFiles]
    by_split: bool = False
    check_target: Callable[[Path], None] = lambda folder: None


def json_text(value: Any) -> str:
    """JSON that every reader takes, whatever strangers wrote into it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def json_line(value: Any) -> str:
    """One line of JSON Lines: no line break in it, of whatever kind a reader takes for one."""
    return json.dumps(value, ensure_ascii=True) + "\n"
