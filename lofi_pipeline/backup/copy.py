"""Copying one file while it is hashed: what arrives is what was read."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from lofi_pipeline.entities import KeptFile

_BLOCK_BYTES = 1 << 20


def copy_file(source: Path, target: Path | None) -> KeptFile:
    """Copy a plain file with its time, or only hash it. A link is not followed, and nothing is waited for in a pipe.

    Raises:
        OSError: it is no plain file, or can't be read or written.
    """
    digest, size = hashlib.sha256(), 0
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as reading:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f"{source}: is no plain file")
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        with open(target or os.devnull, "wb", buffering=0) as writing:
            while block := reading.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                rest = memoryview(block)
                while rest:
                    rest = rest[writing.write(rest) :]
    if target is not None:
        os.utime(target, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    return KeptFile(size=size, mtime_ns=facts.st_mtime_ns, sha256=digest.hexdigest())
