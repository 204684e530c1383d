"""Shards of the cache: the latents, or the conditions, of many tracks in one file. Torch-free.

A shard lies in the folder `shards` beside the files of single encodings, and is named by the hash of what it says of itself:
the base model, and by key the hash of each encoding in it. So the same encodings are the same file, wherever they are packed, and
one of which a byte is another is not taken. While its time is SETTLED_NS its tensors are not read. What packs is in packing.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lofi_pipeline.storage import DataRoot, canonical_json, replacing
from lofi_pipeline.storage.json_text import loads
from lofi_pipeline.training.encoded_file import (
    CONDITION,
    ENCODER_VERSION,
    LATENTS,
    EncodedShape,
    tensors_hash,
)
from lofi_pipeline.training.errors import EncodingError, disk_faults

SHARDS = "shards"
"""The folder beside the files of single encodings."""
SETTLED_NS = 946_684_800 * 10**9
"""The time of every shard, the first second of 2000: whatever writes to one gives it another."""
_ABOUT = "about"  # one entry alone: safetensors writes several in any order, and the bytes are to follow from the content
FORMS = {"latents": LATENTS, "conditions": CONDITION}
"""By kind, the tensors of an encoding."""

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Shard:
    """A shard that is whole."""

    path: Path
    kind: str
    """latents or conditions."""
    base_sha256: str
    shapes: Mapping[str, EncodedShape]
    """By key, of each encoding in it."""

    @property
    def folder(self) -> Path:
        """The folder of the single encodings beside it."""
        return self.path.parent.parent

    def tensors(self, key: str) -> dict[str, np.ndarray]:
        """One of its encodings."""
        with safe_open(self.path, framework="numpy") as file:
            return {name: file.get_tensor(f"{entry_of(key)}{name}") for name in sorted(FORMS[self.kind])}

    def size_of(self, key: str) -> int:
        """Bytes that an encoding takes in it."""
        shape = self.shapes[key]
        return 4 * shape.length * shape.width * len(FORMS[self.kind])


def entry_of(key: str) -> str:
    """What the names of an encoding's tensors begin with in a shard."""
    return f"{key}/"


def key_of(entry: str) -> str:
    """The key of the encoding whose tensors' names begin so."""
    return entry.removesuffix("/")


def shard_files(folder: Path) -> list[Path]:
    """The shards beside the files of single encodings in `folder`."""
    return sorted((folder / SHARDS).glob("[!.]*.safetensors"))


def all_shards(root: DataRoot, kinds: Iterable[str] = tuple(FORMS)) -> list[Path]:
    """Every shard of the cache, of all base models."""
    folders = [folder for kind in kinds for folder in sorted((root.cache / kind).glob("*"))]
    return [path for folder in folders for path in shard_files(folder)]


def write_shard(folder: Path, kind: str, base_sha256: str, encodings: Mapping[str, Tensors]) -> Shard:
    """Pack encodings, whole or not at all. One that holds just these is there already, or is replaced where it is damaged.

    Args:
        folder: of the single encodings.

    Raises:
        EncodingError: it cannot be read back.
        OSError: the disk is full, for one.
    """
    members = {key: tensors_hash(tensors) for key, tensors in encodings.items()}
    about = {"base": base_sha256, "kind": kind, "members": members, "version": ENCODER_VERSION}
    text = canonical_json(about)
    path = folder / SHARDS / f"{_name(text)}.safetensors"
    if path.exists() and (there := read_shard(path, read=True)):
        return there
    arrays = {
        f"{entry_of(key)}{name}": np.ascontiguousarray(array)
        for key, tensors in encodings.items()
        for name, array in tensors.items()
    }
    with replacing(path) as temporary, disk_faults(path):
        save_file(arrays, temporary, metadata={_ABOUT: text})
        os.utime(temporary, ns=(SETTLED_NS, SETTLED_NS))
    shard = read_shard(path, read=True)
    if shard is None:
        raise EncodingError(f"{path}: cannot be read back after writing; check the disk")
    return shard


def read_shard(path: Path, *, read: bool = False) -> Shard | None:
    """What a shard holds; None where it is gone or damaged.

    Args:
        read: read the tensors even where the file's time says that nothing was changed, and write nothing.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_ABOUT, "")
            if _name(text) != path.stem:
                return None
            about: dict[str, Any] = loads(text)
            members: dict[str, str] = about["members"]
            names = FORMS[about["kind"]]
            if set(file.keys()) != {f"{entry_of(key)}{name}" for key in members for name in names}:
                return None
            shapes = {key: _shape(file, key, names) for key in members}
            settled = path.stat().st_mtime_ns == SETTLED_NS
            if (read or not settled) and not all(_holds(file, key, names, members[key]) for key in members):
                return None
    except (FileNotFoundError, SafetensorError, ValueError, LookupError, TypeError, AttributeError):
        return None  # who put it into the cache need not be this project
    if not settled and not read:  # it was copied: the same bytes
        with suppress(OSError):
            os.utime(path, ns=(SETTLED_NS, SETTLED_NS))
    return Shard(path, about["kind"], about["base"], shapes)


def keys_in(path: Path) -> Set[str]:
    """The encodings that a shard says it holds: whoever asks where copies of some music lie asks damaged ones, too."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {key_of(name.rpartition("/")[0]) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return set()


def _name(about: str) -> str:
    return sha256(about.encode()).hexdigest()


def _shape(file: Any, key: str, names: Set[str]) -> EncodedShape:
    """Raises: ValueError, where an encoding is not one."""
    slices = [file.get_slice(f"{entry_of(key)}{name}") for name in sorted(names)]
    length, width = slices[0].get_shape()
    if any(part.get_shape() != [length, width] or part.get_dtype() != "F32" for part in slices):
        raise ValueError(f"{key}: is no encoding")
    return EncodedShape(length, width)


def _holds(file: Any, key: str, names: Set[str], digest: str) -> bool:
    return tensors_hash({name: file.get_tensor(f"{entry_of(key)}{name}") for name in names}) == digest
