"""A folder outside the data root that is written whole or not at all, and is known again as one of ours.

One that is there already is replaced only when it is an export that nobody has touched since.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from lofi_pipeline.entities import Entity, RecordError, few
from lofi_pipeline.entities.base import Sha256
from lofi_pipeline.exporting.errors import ExportError
from lofi_pipeline.storage import (
    TEMPORARY_PREFIX,
    DataRoot,
    commit_folder,
    file_sha256,
    read_json,
    write_bytes_atomic,
    write_json_atomic,
)

MARK = "lofi-export.json"


class ExportMark(Entity):
    """lofi-export.json: what an export is, and each of its files."""

    kind: str = Field(description="The format, or what else was exported")
    dataset: str = Field(description="The data set version's id")
    dataset_hash: Sha256
    split: str
    tracks: int = Field(ge=1)
    left_behind: dict[str, str] = Field(
        default_factory=dict, description="By track that was not exported, why"
    )
    files: dict[str, Sha256] = Field(default_factory=dict, description="SHA-256 by path in the folder")


def settle_target(root: DataRoot, target: Path) -> Path:
    """Where an export is to lie, which is free, empty, or an untouched export.

    Raises:
        ExportError: it is within the data root, or something else lies there.
    """
    target = target.expanduser().absolute()
    place = target.resolve()
    if place.is_relative_to(root.path.resolve()) or root.path.resolve().is_relative_to(place):
        raise ExportError(f"{target}: lies in the data root, or holds it; name a folder elsewhere")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ExportError(f"{target}: is a link or a file; name a folder that is not there yet")
    if target.is_dir() and any(target.iterdir()):
        _require_untouched(target)
    return place


def read_mark(folder: Path) -> ExportMark | None:
    """What an export says of itself; None where none lies there.

    Raises:
        RecordError: it can't be read.
    """
    path = folder / MARK
    if not path.is_file():
        return None
    return ExportMark.parse(read_json(path), where=str(path))


def _require_untouched(target: Path) -> None:
    try:
        mark = read_mark(target)
    except RecordError as error:
        raise ExportError(f"{error}; name another folder") from error
    if mark is None:
        raise ExportError(
            f"{target}: is not empty, and no export of this project; name another folder, or an empty one"
        )
    there = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if not path.is_dir()}
    odd = sorted(there.keys() - mark.files.keys() - {MARK})
    odd += sorted(
        name for name, hashed in mark.files.items() if name in there and file_sha256(there[name]) != hashed
    )
    if odd:
        raise ExportError(
            f"{target}: holds what the export before did not write, or what was changed since: {few(odd)}; move it away, or name "
            "another folder"
        )


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes `target` when the block ends well, in place of what `settle_target` allowed.

    On any error `target` is as it was.
    """
    aside: Path | None = None
    try:
        with commit_folder(target) as folder:
            yield folder
            if target.exists():
                aside = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent))
                target.rename(aside / target.name)
    except BaseException:
        if aside is not None and not target.exists():
            (aside / target.name).rename(target)
            aside.rmdir()
        raise
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def write_files(
    folder: Path, files: Mapping[str, bytes], mark: ExportMark, *, beside: Mapping[str, str]
) -> None:
    """Write the files, and last the mark, which names them and those that lie there already with their hashes."""
    for name, data in files.items():
        write_bytes_atomic(folder / name, data)
    hashes = {name: sha256(data).hexdigest() for name, data in files.items()}
    named = mark.model_copy(update={"files": dict(sorted({**hashes, **beside}.items()))})
    write_json_atomic(folder / MARK, named)
