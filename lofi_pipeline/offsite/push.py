"""Putting into the store what is new or was changed here. What is written once is never replaced by other bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from lofi_pipeline.entities import KeptFile
from lofi_pipeline.offsite.bucket import Bucket, Stored
from lofi_pipeline.offsite.contents import files_of, is_written_once
from lofi_pipeline.offsite.errors import StoreError
from lofi_pipeline.offsite.index import alone, load_index, note
from lofi_pipeline.offsite.keys import shown, why_refused
from lofi_pipeline.storage import DataRoot, kept_file, load_evicted, looks_kept

THREADS = 8
_NOTED_AT_ONCE = 100

Progress = Callable[[int, int, str], None]


@dataclass
class Pushed:
    """What was done."""

    files: int = 0
    bytes: int = 0
    removed: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    """By path, why a file was not put."""


def push(
    root: DataRoot,
    bucket: Bucket,
    *,
    delete: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> Pushed:
    """Put what is not there yet, or was changed since.

    Args:
        delete: remove what lies there of files that were removed here.

    Raises:
        StoreError: the store cannot be reached; or holds other bytes under a name that is written once.
    """
    done = Pushed()
    with alone(root, bucket.url):
        known = load_index(root, bucket.url)
        present = list(files_of(root))
        waiting = []
        for path in present:
            if (why := why_refused(path)) is not None:
                done.skipped[shown(path)] = f"its name {why}"
            elif path not in known or not looks_kept(root.path / path, known[path]):
                waiting.append(path)
        _put_all(root, bucket, waiting, done, progress)
        if delete:
            evicted = load_evicted(root)
            gone = known.keys() - set(present) - (evicted.files.keys() if evicted else set())
            _remove_all(root, bucket, sorted(gone), done)
    return done


def _put_all(root: DataRoot, bucket: Bucket, paths: list[str], done: Pushed, progress: Progress) -> None:
    noted: dict[str, KeptFile | None] = {}
    if paths:
        bucket.require_conditions()

    def settle() -> None:
        note(root, bucket.url, noted)
        noted.clear()

    try:
        for number, (path, file) in enumerate(_in_threads(root, bucket, paths), start=1):
            progress(number, len(paths), path)
            if isinstance(file, str):
                done.skipped[path] = file
                continue
            noted[path] = file
            done.files += 1
            done.bytes += file.size
            if len(noted) >= _NOTED_AT_ONCE:
                settle()
    finally:
        settle()


def _in_threads(root: DataRoot, bucket: Bucket, paths: Iterable[str]) -> Iterator[tuple[str, KeptFile | str]]:
    """Each path with what was put, or why it was not; a few at a time. The first error ends it, after what is under way."""
    left = iter(paths)
    error: BaseException | None = None
    with ThreadPoolExecutor(THREADS, thread_name_prefix="push") as pool:
        running: dict[Future[KeptFile | str], str] = {
            pool.submit(put_file, root, bucket, path): path for path in islice(left, THREADS)
        }
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                if (failed := future.exception()) is not None:
                    error = error or failed
                else:
                    yield path, future.result()
                if error is None and (following := next(left, None)) is not None:
                    running[pool.submit(put_file, root, bucket, following)] = following
    if error is not None:
        raise error


def put_file(root: DataRoot, bucket: Bucket, path: str) -> KeptFile | str:
    """Put one file; what it was, or why it was not put.

    Raises:
        StoreError: the store cannot be reached; or holds other bytes under a name that is written once.
    """
    place = root.path / path
    try:
        file = kept_file(place)
    except FileNotFoundError:
        return "was removed meanwhile"
    there: Stored | None = None
    for _ in range(3):
        if bucket.put(path, place, file, instead_of=there):
            return file if looks_kept(place, file) else "was changed meanwhile; the next push puts it"
        there = bucket.head(path)
        if there and there.sha256 == file.sha256 and there.size == file.size:
            return file
        if there and is_written_once(path):
            raise StoreError(
                f"{bucket.url}/{path}: holds other bytes than {place}, though such a file never changes; compare both, and remove the wrong one"
            )
    return "somebody else puts it at the same time; the next push looks again"


def _remove_all(root: DataRoot, bucket: Bucket, paths: list[str], done: Pushed) -> None:
    removed: dict[str, KeptFile | None] = {}
    try:
        for path in paths:
            bucket.delete(path)
            removed[path] = None
            done.removed += 1
    finally:
        note(root, bucket.url, removed)
