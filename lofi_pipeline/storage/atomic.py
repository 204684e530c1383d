"""Writing that leaves either the old file or the new one, never half of it; reading, hashing and locking files.

Which files there are is in data_root.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel

from lofi_pipeline.storage.errors import UnreadableRecord

TEMPORARY_PREFIX = ".tmp-"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have every OSError of the block name a file: writing to an open one fails without a name."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _temporary_beside(path: Path) -> Path:
    return path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}-{path.name}"


def _sync_file(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: what was renamed into it is still there after a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; when the block ends well it is synced and renamed to `path`.

    On any error the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_beside(path)
    try:
        with naming(path):
            yield temporary
            _sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def commit_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which must not exist; when the block ends well it is synced and renamed.

    On any error the temporary folder is removed: what becomes visible at `path` is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_beside(path)
    temporary.mkdir()
    try:
        with naming(path):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync_file(file)
                elif file.is_dir():
                    sync_folder(file)
            sync_folder(temporary)
            temporary.rename(path)
            sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Replace `path` with `data`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value, which content hashes are taken of: sorted keys, no spaces, no escapes of non-ASCII."""
    return json.dumps(
        _jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def write_json_atomic(path: Path, value: Any) -> None:
    """Write a model, or a list or mapping of models, as indented JSON; a file that holds it already is left alone."""
    text = json.dumps(_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return
    write_bytes_atomic(path, data)


def _jsonable(value: Any) -> Any:
    """`value` with its models as mappings."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
        FileNotFoundError: no such file.
    """
    return parse_json(path.read_bytes(), path)


def parse_json(data: bytes, path: Path) -> Any:
    """The JSON value in bytes that were read from `path`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # also numbers too long, and brackets too deep, to be read
        raise UnreadableRecord(f"{path}: is not JSON ({error}); repair or remove the file") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_sha256(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@contextmanager
def locked(path: Path, *, timeout: float = 600) -> Iterator[None]:
    """Hold the lock that belongs to `path` (a hidden file beside it), between processes and threads.

    Raises:
        filelock.Timeout: another holds it for longer than `timeout` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / f".{path.name}.lock", timeout=timeout):
        yield


def link_or_copy(source: Path, destination: Path) -> None:
    """Make `destination` hold the bytes of `source`: a hard link where the file system allows, else a copy.

    Whoever links many files into a folder syncs the folder once, at the end.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists() and destination.samefile(source):
        return
    temporary = _temporary_beside(destination)
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
            _sync_file(temporary)
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
