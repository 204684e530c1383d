"""The name of a file inside a drop, as source.json may give it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


def _plain_file_name(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or not path.name:
        raise ValueError("must be a file inside the drop: no '..', no absolute path")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half a character; write the name as UTF-8 text") from error
    return path.as_posix()  # "./a.mp3" is a.mp3


DropFileName = Annotated[str, AfterValidator(_plain_file_name)]
