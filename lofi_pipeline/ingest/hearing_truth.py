"""What is known of some recordings, as a table that anyone can write: the truth that measurements are compared with.

file,tempo,key,metre,voice
night.flac,82,A minor,4/4,no

An empty cell is not known; of the columns only `file` must be there. Errors name line and column.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from lofi_pipeline.entities import Entity, RecordError, few
from lofi_pipeline.entities.metre import METRES, Metre

MOST_ROWS = 100_000
_SLOWEST, _FASTEST = 20.0, 400.0
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "s": 1, "b": -1, "♭": -1}
_MODES = {
    "major": "major",
    "maj": "major",
    "M": "major",
    "": "major",
    "minor": "minor",
    "min": "minor",
    "m": "minor",
}
_KEY = re.compile(r"([A-Ga-g])([#♯b♭s]?)[\s:]*([a-zA-Z]*)")
_YES_AND_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class TruthError(RecordError):
    """A truth file cannot be used. The message names the line and the column."""


class Truth(Entity):
    """What is known of one recording; None: not known."""

    file: str
    tempo: float | None = None
    tonic: int | None = Field(default=None, description="Half tones above C")
    mode: Literal["major", "minor"] | None = None
    metre: Metre | None = None
    voice: bool | None = None


def read_truth(path: Path, folder: Path) -> list[Truth]:
    """The rows of a truth file about recordings in `folder`, in their order.

    Raises:
        TruthError: it is no such table, or a row says what cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TruthError(f"{path}: cannot be read as text ({error}); save it as CSV in UTF-8") from error
    try:
        return list(_rows(text, path, folder))
    except csv.Error as error:
        raise TruthError(f"{path}: is no CSV ({error}); save it as CSV with commas") from error


def _rows(text: str, path: Path, folder: Path) -> Iterator[Truth]:
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    names = [name.strip().lower() for name in next(lines, [])]
    _check_header(names, path)
    seen: dict[str, int] = {}
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}: line {lines.line_num}"
        if len(cells) != len(names):
            raise TruthError(
                f"{where}: has {len(cells)} cells, the first line has {len(names)}; make them as many"
            )
        if len(seen) == MOST_ROWS:
            raise TruthError(f"{where}: more than {MOST_ROWS} rows; take several files")
        row = dict(zip(names, map(str.strip, cells), strict=True))
        truth = _truth(row, where, folder)
        if truth.file in seen:
            raise TruthError(
                f"{where}, column file: {truth.file!r:.80} is in line {seen[truth.file]} already; keep one"
            )
        seen[truth.file] = lines.line_num
        yield truth


def _check_header(names: list[str], path: Path) -> None:
    if "file" not in names:
        raise TruthError(f"{path}: line 1: no column `file`; begin with the line file,{','.join(_COLUMNS)}")
    for number, name in enumerate(names, start=1):
        if name not in ("file", *_COLUMNS):
            raise TruthError(
                f"{path}: line 1, column {number}: unknown column {name!r:.40}; there are: file, {', '.join(_COLUMNS)}"
            )
        if names.index(name) != number - 1:
            raise TruthError(f"{path}: line 1, column {number}: {name} is there twice; keep one")


def _truth(row: dict[str, str], where: str, folder: Path) -> Truth:
    name = row["file"]
    if not _is_below(folder, name):
        raise TruthError(
            f"{where}, column file: {name!r:.80} is not in {folder}; name files as they lie below it"
        )
    known: dict[str, object] = {}
    for column, read in _COLUMNS.items():
        if not (cell := row.get(column, "")):
            continue
        found = read(cell)
        if found is None:
            raise TruthError(f"{where}, column {column}: {cell!r:.40} is not {_EXPECTED[column]}")
        known |= found
    return Truth.parse({"file": name, **known}, where=where)


def _is_below(folder: Path, name: str) -> bool:
    try:
        target = (folder / name).resolve()
        return target.is_file() and target.is_relative_to(folder.resolve())
    except (OSError, ValueError):  # too long, or with a character that no name has
        return False


def _tempo(cell: str) -> dict[str, object] | None:
    try:
        bpm = float(cell)
    except ValueError:
        return None
    return {"tempo": bpm} if math.isfinite(bpm) and _SLOWEST <= bpm <= _FASTEST else None


def key_number(cell: str) -> tuple[int, str] | None:
    """Half tones above C, and the mode, of a key such as `A minor`, `F#m`, `Eb:maj`; None if it is none."""
    found = _KEY.fullmatch(cell.strip())
    said = found[3] if found else None
    mode = None if said is None else _MODES.get(said if len(said) == 1 else said.lower())
    if found is None or mode is None:
        return None
    return (_LETTERS[found[1].upper()] + _SIGNS[found[2]]) % 12, mode


def _key(cell: str) -> dict[str, object] | None:
    found = key_number(cell)
    return None if found is None else {"tonic": found[0], "mode": found[1]}


def _metre(cell: str) -> dict[str, object] | None:
    return {"metre": cell} if cell in METRES else None


def _voice(cell: str) -> dict[str, object] | None:
    said = _YES_AND_NO.get(cell.lower())
    return None if said is None else {"voice": said}


_COLUMNS: dict[str, Callable[[str], dict[str, object] | None]] = {
    "tempo": _tempo,
    "key": _key,
    "metre": _metre,
    "voice": _voice,
}
_EXPECTED = {
    "tempo": f"a tempo from {_SLOWEST:g} to {_FASTEST:g} bpm; write such as 92.5, or leave it empty",
    "key": "a key; write such as A minor, F# major or Ebm, or leave it empty",
    "metre": f"a metre that is told apart; there are: {few(METRES)}; or leave it empty",
    "voice": "yes or no; write one of them, or leave it empty",
}
