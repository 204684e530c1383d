"""Removing here what lies in the store: each object is asked for first, the record is written, then the file goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from lofi_pipeline.checkpoints.manifest import no_training
from lofi_pipeline.entities import KeptFile
from lofi_pipeline.offsite.bucket import Bucket
from lofi_pipeline.offsite.contents import EVICTABLE, files_of, may_be_evicted
from lofi_pipeline.offsite.errors import StoreError
from lofi_pipeline.offsite.index import alone, load_index
from lofi_pipeline.storage import DataRoot, load_evicted, looks_kept, save_evicted

Progress = Callable[[int, int, str], None]


def evict(
    root: DataRoot,
    bucket: Bucket,
    groups: Iterable[str],
    *,
    progress: Progress = lambda done, total, what: None,
) -> dict[str, KeptFile]:
    """Remove the files of some groups that lie in the store just as they are here. Returns what was removed.

    Raises:
        StoreError: the store cannot be reached, or has lost an object; a training works; or a group may not go.
    """
    chosen = tuple(groups)
    if strange := [group for group in chosen if group not in EVICTABLE]:
        raise StoreError(f"{strange[0]}: cannot be evicted; there are: {', '.join(EVICTABLE)}")
    try:
        with alone(root, bucket.url), no_training(root):
            going = _confirmed(root, bucket, chosen, progress)
            former = load_evicted(root)
            save_evicted(root, bucket.url, {**(former.files if former else {}), **going})
            for path in going:
                (root.path / path).unlink(missing_ok=True)
    except Timeout as error:
        raise StoreError(
            f"{root.path}: a training works on this data root; evict when it has ended"
        ) from error
    return going


def _confirmed(
    root: DataRoot, bucket: Bucket, groups: tuple[str, ...], progress: Progress
) -> dict[str, KeptFile]:
    """What lies in the store now as it lies here."""
    known = load_index(root, bucket.url)
    paths = [path for path in files_of(root) if may_be_evicted(path, groups) and path in known]
    going: dict[str, KeptFile] = {}
    for number, path in enumerate(paths, start=1):
        progress(number, len(paths), path)
        if not looks_kept(root.path / path, known[path]):
            continue  # changed since: the next push puts it
        there = bucket.head(path)
        if there and there.sha256 is None:  # somebody else put it: it is read once more
            digest, there = bucket.fetch(path, Path(os.devnull))
            there = replace(there, sha256=digest)
        if there is None or (there.sha256, there.size) != (known[path].sha256, known[path].size):
            raise StoreError(
                f"{bucket.url}/{path}: is not what was put there any more; look who changed it. Nothing was removed here"
            )
        going[path] = known[path]
    return going
