"""The hashes of many files at once, and what their tags say of their rights, in threads; a file that changes meanwhile gets none.

What is in a drop is listed in listing.py, and what becomes of it is decided in scan.py.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from lofi_pipeline.audio import HEAD_BYTES, why_no_audio
from lofi_pipeline.entities import DropAudio
from lofi_pipeline.ingest.errors import ChangedMeanwhile
from lofi_pipeline.ingest.said_by_tags import said_by_tags
from lofi_pipeline.storage import DataRoot, sparse_reason

MOST_THREADS = 8
"""More of them wait for the disk."""
_BATCH_FILES, _BATCH_BYTES = 64, 16 << 20
"""What a thread is handed at once: enough for its start to cost nothing, little enough to be done soon."""
_AHEAD = 4
"""Batches for each thread that are handed out before the first of them is asked for."""
_BLOCK = 1 << 20


def settled_sha256(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file that has this size and time before its first byte is read and after its last.

    Raises:
        ChangedMeanwhile: it has not; its bytes may be of two contents.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return _settled(file, size, modified_ns)


def _settled(file: BinaryIO, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    before = _looks(file.fileno())
    while block := file.read(min(size + 1, _BLOCK)):
        digest.update(block)
    if not (size, modified_ns) == before == _looks(file.fileno()):
        raise ChangedMeanwhile
    return digest.hexdigest()


def _looks(descriptor: int) -> tuple[int, int]:
    info = os.fstat(descriptor)
    return info.st_size, info.st_mtime_ns


def hashed(
    root: DataRoot, files: Iterable[DropAudio], *, threads: int | None = None
) -> Generator[DropAudio, None, None]:
    """The files with their hashes, or with the reason why they have none; in the order given, whoever is done first."""
    workers = threads or min(MOST_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[list[DropAudio]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="hash") as pool:
        try:
            for batch in _batches(files):
                waiting.append(pool.submit(_hash_all, root, batch))
                if len(waiting) >= _AHEAD * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:  # whoever asked may have stopped asking
            for future in waiting:
                future.cancel()


def _batches(files: Iterable[DropAudio]) -> Iterator[list[DropAudio]]:
    batch: list[DropAudio] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _hash_all(root: DataRoot, files: list[DropAudio]) -> list[DropAudio]:
    return [_hash(root.path / file.path, file) for file in files]


def _hash(path: Path, file: DropAudio) -> DropAudio:
    try:
        if fault := sparse_reason(path):
            return _refused(file, fault)
        with path.open("rb") as opened:
            if file.sha256 is None and (fault := why_no_audio(opened.read(HEAD_BYTES), file.size)):
                return _refused(file, fault)
            opened.seek(0)
            sha256 = file.sha256 or _settled(opened, file.size, file.modified_ns)
            said = said_by_tags(opened, path.name)
        return file.model_copy(update={"sha256": sha256, "said": said})
    except ChangedMeanwhile as error:
        return _refused(file, str(error))
    except OSError as error:
        return _refused(file, f"cannot be read ({error.strerror}); check its permissions")


def _refused(file: DropAudio, reason: str) -> DropAudio:
    return file.model_copy(update={"refusal": f"{file.path}: {reason}"})
