"""Writing that leaves either the old file or the new one, never half of it; reading, hashing and locking files.

Which files there are is in data_root.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import IO, Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json, to_jsonable_python

from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.entities.packed_members import PackedMembers
from lofi_pipeline.processes import ProcessMark
from lofi_pipeline.storage import json_text
from lofi_pipeline.storage.errors import UnreadableRecord

TEMPORARY_PREFIX = ".tmp-"
Record = TypeVar("Record", bound=Entity)
_WRITER = re.compile(re.escape(TEMPORARY_PREFIX) + r"([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,19})-[0-9a-f]{8}-")
_SMALL_FILE = 1 << 16
"""Bytes up to which a file is hashed at once: a tenth of a millisecond less for each of a million prompts."""
_LONGEST_NAME = 255
"""Bytes that a file's name may have."""
_BLOCK_BYTES = 1 << 16


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
    """A free name that says who writes there, and ends as `path` does, cut where it would be too long."""
    place, pid, started = ProcessMark.own()
    start = f"{TEMPORARY_PREFIX}{place}-{pid}-{started}-{secrets.token_hex(4)}-"
    end = os.fsencode(path.name)
    if len(start) + len(end) > _LONGEST_NAME:
        end = end[len(start) - _LONGEST_NAME :].lstrip(bytes(range(0x80, 0xC0)))  # no half letter
    return path.parent / (start + os.fsdecode(end))


def writer_of(temporary: str) -> ProcessMark | None:
    """The process that gave a temporary file or folder this name; None for a name that does not say it."""
    named = _WRITER.match(temporary)
    return ProcessMark(named[1], int(named[2]), int(named[3])) if named else None


def intended_name(name: str) -> str:
    """The name that a temporary file or folder is to get; any other name as it is."""
    while named := _WRITER.match(name):
        name = name[named.end() :]
    return name


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


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in `parent` that is removed after the block, or by the next run where this process is killed."""
    folder = _temporary_beside(parent / name)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_bytes_atomic(path: Path, data: bytes | bytearray) -> None:
    """Replace `path` with `data`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value, which content hashes are taken of: sorted keys, no spaces, no escapes of non-ASCII."""
    return plain_json(_jsonable(value))


def plain_json(value: Any) -> str:
    """`canonical_json` of what is JSON already: no models, and no keys but texts."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_file(value: Any) -> bytes:
    """The file of a model, or of a list or mapping of models: indented JSON."""
    return b"".join(json_blocks(value))


def is_json_file_of(data: bytes, value: Any) -> bool:
    """Whether these bytes are the file that `write_json_atomic` writes of a value; no second copy of them is made."""
    at = 0
    for piece in _json_pieces(value, "\n", levels=2):
        encoded = piece.encode()
        if not data.startswith(encoded, at):
            return False
        at += len(encoded)
    return data[at:] == b"\n"


def nested_json(value: Any, *, depth: int) -> bytes:
    """The text of a value where it stands so deep within a file that `write_json_atomic` writes."""
    return _indented_json(value, "\n" + "  " * depth).encode()


def file_holds(path: Path, value: Any) -> bool:
    """Whether a file is the one that `write_json_atomic` writes of a value."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _common_start(file, json_blocks(value))[1] is None


def write_json_atomic(path: Path, value: Any) -> None:
    """Write a model, or a list or mapping of models, as indented JSON; a file that holds it already is left alone.

    The text is never in memory as a whole: that of 100,000 files would take as much as the files' records themselves.
    """
    _replace_by(path, json_blocks(value))


@dataclass(frozen=True)
class FileFacts:
    """What a file comes to."""

    sha256: str
    size: int
    """In bytes."""


def write_blocks_atomic(
    path: Path, blocks: Iterable[bytes], *, before: Callable[[str], None] = lambda sha256: None
) -> FileFacts:
    """Write a file a block at a time, whole or not at all; one that holds the blocks already is left alone.

    `before` is called with its SHA-256 when it is written, and before it stands there.
    """
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for block in blocks:
            digest.update(block)
            size += len(block)
            yield block

    _replace_by(path, counted(), before=lambda: before(digest.hexdigest()))
    return FileFacts(digest.hexdigest(), size)


def _replace_by(path: Path, blocks: Iterator[bytes], *, before: Callable[[], None] = lambda: None) -> None:
    with path.open("rb") if path.is_file() else io.BytesIO() as former:
        common, differing = _common_start(former, blocks)
        if differing is None:
            before()
            return
        former.seek(0)
        with replacing(path) as temporary:
            with temporary.open("wb") as file:
                while common and (block := former.read(min(common, _BLOCK_BYTES))):
                    common -= file.write(block)
                file.write(differing)
                file.writelines(blocks)
            before()


def _common_start(former: IO[bytes], blocks: Iterator[bytes]) -> tuple[int, bytes | None]:
    """How many bytes a file begins with as the blocks do, and the block that differs first; None: the file is the same."""
    common = 0
    for block in blocks:
        if former.read(len(block)) != block:
            return common, block
        common += len(block)
    return common, b"" if former.read(1) else None


def json_blocks(value: Any) -> Iterator[bytes]:
    """The file of `json_file`, a block at a time."""
    block = bytearray()
    for piece in chain(_json_pieces(value, "\n", levels=2), "\n"):
        block += piece.encode()
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


_ITEMS_AT_ONCE = 20
_ODD_NUMBERS = ("0.0000", "NaN", "Infinity")
_EXPONENT = re.compile(r"e(?<=[0-9]e)[+-][0-9]")
"""What pydantic may write otherwise than Python: a number below 0.0001 or from 10**16 on, and what is none in JSON."""


def _json_pieces(value: Any, line: str, levels: int) -> Iterator[str]:
    """The text of `_indented_json`, the outer levels a few items at a time."""
    value, inner = _fields_of(value), f"{line}  "
    if not (levels and value and isinstance(value, Mapping | list | tuple | Packed)):
        yield _indented_json(value, line)
        return
    is_mapping = isinstance(value, Mapping)
    before = f"{'{' if is_mapping else '['}{inner}"
    if levels == 1:
        items = iter(value.items() if is_mapping else value)
        while some := list(islice(items, _ITEMS_AT_ONCE)):
            text = _indented_json(dict(some) if is_mapping else some, line)
            yield f"{before}{text[len(inner) + 1 : -len(line) - 1]}"
            before = f",{inner}"
    else:
        for item in value:
            yield f"{before}{encode_basestring(str(item))}: " if is_mapping else before
            yield from _json_pieces(value[item] if is_mapping else item, inner, levels - 1)
            before = f",{inner}"
    yield f"{line}{'}' if is_mapping else ']'}"


def _indented_json(value: Any, line: str) -> str:
    """What `json.dumps(..., indent=2)` makes of a value and the models in it; `line` is how a line within it begins.

    That function indents in Python, a character of punctuation at a time; pydantic is fifty times as fast.
    """
    text = to_json(value, indent=2, by_alias=False, serialize_as_any=True, fallback=_items_of).decode()
    if any(odd in text for odd in _ODD_NUMBERS) or _EXPONENT.search(text):
        plain = to_jsonable_python(value, by_alias=False, serialize_as_any=True, fallback=_items_of)
        text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return text.replace("\n", line)


def _items_of(value: Any) -> list[Any] | dict[str, Any]:
    """What pydantic does not know: packed entities alone."""
    if isinstance(value, Packed):
        return list(value)
    if isinstance(value, PackedMembers):
        return dict(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _fields_of(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in _field_names(type(value))}
        for name, excluded in _left_out_if(type(value)):
            if excluded(fields[name]):
                del fields[name]
        return fields
    return value


@cache
def _left_out_if(kind: type[BaseModel]) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
    """The fields that a dump leaves out of a record that does not have them."""
    fields = kind.model_fields.items()
    return tuple((name, field.exclude_if) for name, field in fields if field.exclude_if is not None)


@cache
def _field_names(kind: type[BaseModel]) -> tuple[str, ...]:
    return tuple(kind.model_fields)


def _jsonable(value: Any) -> Any:
    """`value` with its models as mappings."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | Packed):
        return [_jsonable(item) for item in value]
    return value


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
        FileNotFoundError: no such file.
    """
    return parse_json(path.read_bytes(), path)


def read_record(kind: type[Record], path: Path, *, where: str | None = None) -> Record:
    """The record in `path`, which messages name as `where`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
        RecordError: it breaks rules of its kind.
        FileNotFoundError: no such file.
    """
    return parsed(kind, path.read_bytes(), path, where=where or str(path))


def parsed(kind: type[Record], data: bytes, path: Path, *, where: str) -> Record:
    """The record in bytes that were read from `path`, which messages name as `where`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
        RecordError: it breaks rules of its kind.
    """
    try:
        return kind.model_validate_json(data)  # five times as fast, and no second copy in memory
    except ValidationError:
        return kind.parse(parse_json(data, path), where=where)


def parse_json(data: bytes, path: Path) -> Any:
    """The JSON value in bytes that were read from `path`.

    Raises:
        UnreadableRecord: not UTF-8 JSON.
    """
    try:
        return json_text.loads(data)
    except (ValueError, RecursionError) as error:  # also numbers that are too long to be read
        raise UnreadableRecord(f"{path}: is not JSON ({error}); repair or remove the file") from error


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with open(path, "rb", buffering=0) as handle:
        start = handle.read(_SMALL_FILE)
        if len(start) < _SMALL_FILE and not handle.read(1):
            return hashlib.sha256(start).hexdigest()
        handle.seek(0)
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_sha256(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, as hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def list_sha256(items: Iterable[str], rest: Sequence[Any]) -> str:
    """`content_sha256` of a list that begins with a list of `items`, canonical JSON already, without having all of its text in memory."""
    digest, between = hashlib.sha256(b"[["), b""
    for item in items:
        digest.update(between + item.encode())
        between = b","
    digest.update(b"]")
    for value in rest:
        digest.update(f",{canonical_json(value)}".encode())
    digest.update(b"]")
    return digest.hexdigest()


@contextmanager
def locked(path: Path, *, timeout: float = 600) -> Iterator[None]:
    """Hold the lock that belongs to `path` (a hidden file beside it), between processes and threads.

    Raises:
        filelock.Timeout: another holds it for longer than `timeout` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock_file(path), timeout=timeout):
        yield


def is_locked(path: Path) -> bool:
    """Whether a process or a thread holds the lock that belongs to `path`, also one in another container on the same files."""
    if not lock_file(path).exists():
        return False
    try:
        with FileLock(lock_file(path), timeout=0):
            return False
    except Timeout:
        return True


def lock_file(path: Path) -> Path:
    """The file of the lock that belongs to `path`."""
    return path.parent / f".{path.name}.lock"


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
            if _same_bytes(source, destination):
                return
            shutil.copyfile(source, temporary)
            _sync_file(temporary)
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)


def _same_bytes(first: Path, second: Path) -> bool:
    sizes = [path.stat().st_size if path.is_file() else None for path in (first, second)]
    return sizes[0] == sizes[1] and file_sha256(first) == file_sha256(second)
