"""The name of a file inside a drop, as source.json may give it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


def is_plain_file_name(value: str) -> bool:
    """Whether a name is of letters that can be seen, all of ASCII, without folders or a dot at its start: as it stands, then."""
    odd = "/" in value or "\\" in value or value[:1] in ("", ".")
    return not odd and value.isascii() and value.isprintable()


def _plain_file_name(value: str) -> str:
    if is_plain_file_name(value):
        return value
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or not path.name:
        raise ValueError("must be a file inside the drop: no '..', no absolute path")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half a character; write the name as UTF-8 text") from error
    return path.as_posix()  # "./a.mp3" is a.mp3


DropFileName = Annotated[str, AfterValidator(_plain_file_name)]
