"""One file of the cache of latents and conditions: what it says of itself, and whether it holds what was written. Torch-free.

Such a file proves itself: its header holds the hash of all that it holds and the time that the file was given when it was written.
While the file's time is that one, its tensors are not read. Which files there are is in encode.py.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lofi_pipeline.storage import canonical_json

ENCODER_VERSION = "1"
LATENTS, CONDITION = frozenset({"mean", "std"}), frozenset({"condition"})
"""The tensors of the two kinds of file."""
_SHA256, _WRITTEN = "sha256", "written_ns"
_COARSE_NS = 2 * 10**9
"""The coarsest times of any file system (FAT's): a multiple of it can be set on all of them."""


@dataclass(frozen=True)
class EncodedShape:
    """Length and width of the tensors in a file."""

    length: int
    width: int


def write_encoded(path: Path, tensors: Mapping[str, np.ndarray], base_sha256: str) -> None:
    """Write float32 tensors [length, width], with what proves them."""
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    written = time.time_ns() // _COARSE_NS * _COARSE_NS
    about = {"base": base_sha256, "version": ENCODER_VERSION, _WRITTEN: str(written)}
    save_file(arrays, path, metadata={**about, _SHA256: _hash(about, arrays)})
    os.utime(path, ns=(written, written))


def _hash(about: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str:
    """Of the tensors, and of what the header says beside this hash."""
    digest = hashlib.sha256(canonical_json(about).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def tensors_hash(tensors: Mapping[str, np.ndarray]) -> str:
    """What proves an encoding in a shard."""
    return _hash({}, tensors)


def encoded_shape(
    path: Path, names: Set[str], base_sha256: str | None = None, *, read: bool = False
) -> EncodedShape | None:
    """The shape that all tensors in a file share; None when it is absent, damaged, or of another version.

    Args:
        names: the tensors that it should hold.
        base_sha256: the base model that it should be of.
        read: read the tensors even where the file's time says that nothing was changed, and write nothing.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, str] = file.metadata() or {}
            if set(file.keys()) != names or about.get("version") != ENCODER_VERSION:
                return None
            if base_sha256 is not None and about.get("base") != base_sha256:
                return None
            slices = [file.get_slice(name) for name in sorted(names)]
            shapes = {tuple(part.get_shape()) for part in slices}
            if len(shapes) != 1 or any(part.get_dtype() != "F32" for part in slices):
                return None
            if not _holds_what_was_written(path, file, about, read=read):
                return None
            shape = shapes.pop()
    except (OSError, SafetensorError):
        return None
    return EncodedShape(*shape) if len(shape) == 2 and min(shape) > 0 else None


def _holds_what_was_written(path: Path, file: Any, about: Mapping[str, str], *, read: bool) -> bool:
    """Whether the tensors have the hash in the header. A file of the same bytes gets its time back: it was copied."""
    if about.keys() == {"base", "version"}:  # of an earlier version: that it is whole is all that can be said
        return True
    as_it_was = about.get(_WRITTEN) == str(path.stat().st_mtime_ns)
    if as_it_was and not read:
        return True
    proved = {name: value for name, value in about.items() if name != _SHA256}
    if _hash(proved, {name: file.get_tensor(name) for name in file.keys()}) != about.get(_SHA256):  # noqa: SIM118
        return False
    if not as_it_was and not read:
        written = int(about[_WRITTEN])
        with suppress(OSError):
            os.utime(path, ns=(written, written))
    return True
