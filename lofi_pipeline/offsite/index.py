"""metadata/store/pushed.jsonl: what was put into the store, with size, time and hash. The last line on a path counts.

It is the record that what comes back is compared with. What the bucket says of itself decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from lofi_pipeline.entities import Entity, KeptFile
from lofi_pipeline.entities.base import RelativePath
from lofi_pipeline.offsite.errors import StoreError
from lofi_pipeline.storage import DataRoot, add_lines, load_evicted, locked, read_lines, store_records


class PushedFile(Entity):
    """One line: a file that was put, or removed again."""

    store: str
    path: RelativePath
    file: KeptFile | None = None
    """None: the object was removed."""


def index_path(root: DataRoot) -> Path:
    """The path of the record."""
    return store_records(root) / "pushed.jsonl"


def load_index(root: DataRoot, store: str) -> dict[str, KeptFile]:
    """By path, what lies in a store.

    Raises:
        RecordError: the record is damaged.
    """
    path = index_path(root)
    found: dict[str, KeptFile] = {}
    for line in read_lines(PushedFile, path, where=root.relative(path)):
        if line.store == store and line.file:
            found[line.path] = line.file
        elif line.store == store:
            found.pop(line.path, None)
    return found


def note(root: DataRoot, store: str, files: Mapping[str, KeptFile | None]) -> None:
    """Enter what was put or removed."""
    if files:
        lines: Iterable[PushedFile] = (
            PushedFile(store=store, path=path, file=file) for path, file in files.items()
        )
        add_lines(index_path(root), lines)


@contextmanager
def alone(root: DataRoot, store: str) -> Iterator[None]:
    """Keep others from putting, fetching and evicting for this data root meanwhile.

    Raises:
        StoreError: somebody does so now; or files lie in another store only.
    """
    try:
        with locked(store_records(root), timeout=5):
            evicted = load_evicted(root)
            if evicted and evicted.store != store:
                raise StoreError(
                    f"{root.path}: {len(evicted.files)} files lie only in {evicted.store}, and storage.object_store is {store}; set it to the "
                    "former and give `lofi store pull` first"
                )
            yield
    except Timeout as error:
        raise StoreError(
            f"{root.path}: another `lofi store` or `lofi run` works with the store now; wait for it"
        ) from error
