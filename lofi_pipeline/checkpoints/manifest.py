"""Writing what says which checkpoints a data root holds: records, the manifest, and the archive of former lineages.

checkpoint.json and scores.json in a checkpoint's folder are the truth; manifest.json is compiled from them. Torch-free: what
loads weights is in training/.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path

from filelock import Timeout
from safetensors import SafetensorError, safe_open

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import read_checkpoint_record, scan_checkpoints
from lofi_pipeline.checkpoints.loss_log import LOG_NAME
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    Checkpoint,
    CheckpointRecord,
    Lineage,
    RecordError,
)
from lofi_pipeline.storage import (
    DataRoot,
    Holder,
    elsewhere,
    file_sha256,
    live_holders,
    locked,
    read_json,
    remove_left_over,
    write_json_atomic,
)

LINEAGE_RECORD = "lineage.json"
SNAPSHOT_FOLDER = ".rolling"
WEIGHTS_SUFFIX = ".safetensors"
RESUME_FOLDER = "resume"
SET_ASIDE_FOLDER = "set-aside"


BESIDE = ".beside"
"""Marks the folder of a lineage in the archive that was trained there, beside the active one: its checkpoints are scored there."""


def training_lock(root: DataRoot, place: int = 0) -> Path:
    """What a training holds with `leased` as long as it works on a data root: the active lineage's place, or one beside it."""
    return root.checkpoints / ("training" if place == 0 else f"training-{place + 1}")


def lineage_lock(root: DataRoot, lineage: str) -> Path:
    """What a training holds with `leased` as long as it trains a lineage."""
    return root.checkpoints / f"lineage-{lineage[:16]}"


def trainings(root: DataRoot) -> list[Holder]:
    """Who trains on a data root now."""
    return live_holders(root.checkpoints, training_lock(root).name)


@contextmanager
def no_training(root: DataRoot) -> Iterator[None]:
    """Keep trainings from beginning while the block goes on.

    Raises:
        filelock.Timeout: one works.
    """
    with locked(training_lock(root), timeout=0):
        if trainings(root):
            raise Timeout(str(training_lock(root)))
        yield


def lineage_home(root: DataRoot, lineage: str) -> Path:
    """The folder of a lineage: checkpoints/ itself for the active one, its own in the archive for any other."""
    active = active_lineage(root)
    return root.checkpoints if active and active.lineage == lineage else root.archived_lineage(lineage)


def trained_beside(root: DataRoot) -> list[Path]:
    """The folders of lineages that were trained beside the active one, or are."""
    return sorted(mark.parent for mark in root.checkpoint_archive.glob(f"*/{BESIDE}"))


def begin_beside(root: DataRoot, lineage: Lineage) -> None:
    """Make the folder in which a lineage is trained while another one is the active one, and stays that.

    Raises:
        CheckpointError: its files lie in an object store alone.
    """
    _require_here(root, lineage)
    home = root.archived_lineage(lineage.lineage)
    home.mkdir(parents=True, exist_ok=True)
    write_json_atomic(home / LINEAGE_RECORD, lineage)
    (home / BESIDE).touch()


def read_record(folder: Path) -> CheckpointRecord:
    """checkpoint.json of a checkpoint folder.

    Raises:
        CheckpointError: absent, unreadable, breaking a rule of the data model, or of another checkpoint.
    """
    try:
        return read_checkpoint_record(folder)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder.name}: checkpoint.json is missing; copy the whole folder again"
        ) from error
    except (OSError, RecordError) as error:
        raise CheckpointError(f"{folder.name}: checkpoint.json is not readable: {error}") from error


def write_record(folder: Path, record: CheckpointRecord) -> None:
    """Replace checkpoint.json of a checkpoint folder."""
    write_json_atomic(folder / CHECKPOINT_RECORD, record)


def find_checkpoint(root: DataRoot, partition_key: str) -> Path | None:
    """The folder of the checkpoint with this partition key, among the active ones or in the archive."""
    parents = [root.checkpoints, *sorted(root.checkpoint_archive.glob(f"{partition_key[:8]}*"))]
    for parent in parents:
        for found in scan_checkpoints(root, parent):
            if found.record and found.record.partition_key == partition_key:
                return found.folder
    return None


@contextmanager
def staying_in_place(root: DataRoot, partition_key: str) -> Iterator[Path | None]:
    """The folder of the checkpoint with this partition key, which no training moves to the archive while the block goes on."""
    with locked(_place_of(root, partition_key), timeout=-1):
        yield find_checkpoint(root, partition_key)


def _place_of(root: DataRoot, partition_key: str) -> Path:
    return root.checkpoints / partition_key


def missing_files(folder: Path, record: CheckpointRecord) -> list[str]:
    """Files that the record names and that are not there, such as while the folder is being copied in."""
    return [name for name in sorted(record.files) if not (folder / name).is_file()]


def files_fault(folder: Path, record: CheckpointRecord) -> str | None:
    """What is wrong with a checkpoint's files by name, readability and hash; None when they are those that were committed."""
    if missing := missing_files(folder, record):
        return f"{missing[0]} is missing; copy the whole folder again"
    for name, sha256 in sorted(record.files.items()):
        path = folder / name
        if path.suffix == WEIGHTS_SUFFIX and (fault := _safetensors_fault(path)):
            return f"{name} is truncated or damaged ({fault}); copy it again"
        if file_sha256(path) != sha256:
            return f"{name} is not the file that training wrote (its hash differs): swapped or changed; copy it again"
    return None


def _safetensors_fault(path: Path) -> str | None:
    try:
        with safe_open(path, framework="numpy") as file:
            list(file.keys())
    except (OSError, SafetensorError) as error:
        return str(error)
    return None


def compile_manifest(root: DataRoot, folder: Path | None = None) -> list[Checkpoint]:
    """Write manifest.json, the array of Checkpoint by step, from the records beside it; a damaged manifest is set aside.

    `folder` is that of the active checkpoints by default, or of an archived lineage.
    """
    parent = folder or root.checkpoints
    manifest = parent / root.checkpoint_manifest_json.name
    with locked(manifest):
        if manifest.exists() and not _is_array(manifest):
            manifest.rename(_free_name(parent / SET_ASIDE_FOLDER / manifest.name))
        entries = [entry for found in scan_checkpoints(root, parent) if (entry := found.entry())]
        write_json_atomic(manifest, entries)
    return entries


def _is_array(path: Path) -> bool:
    try:
        return isinstance(read_json(path), list)
    except (OSError, RecordError):
        return False


def _free_name(path: Path) -> Path:
    """`path`, or `path.1`, `path.2`...: the first that is free; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return next(
        free for n in count() if not (free := path if n == 0 else path.with_name(f"{path.name}.{n}")).exists()
    )


def set_aside(root: DataRoot, folder: Path) -> Path:
    """Move a checkpoint folder to checkpoints/set-aside, under a free name, where another one needs its place.

    Nothing is deleted. Returns where it lies now.
    """
    target = _free_name(root.checkpoints / SET_ASIDE_FOLDER / folder.name)
    folder.rename(target)
    return target


def active_lineage(root: DataRoot) -> Lineage | None:
    """The lineage that was trained last, if any."""
    with suppress(FileNotFoundError, RecordError):
        path = root.checkpoints / LINEAGE_RECORD
        return Lineage.parse(read_json(path), where=str(path))
    return None


def _require_here(root: DataRoot, lineage: Lineage) -> None:
    if sentence := elsewhere(root, root.relative(root.archived_lineage(lineage.lineage))):
        raise CheckpointError(sentence)


def activate_lineage(root: DataRoot, lineage: Lineage) -> None:
    """Make a lineage the active one: others go to the archive, whole; its own checkpoints come back from there."""
    root.checkpoints.mkdir(parents=True, exist_ok=True)
    _require_here(root, lineage)
    archive_other_lineages(root, lineage)
    with locked(root.checkpoints / LINEAGE_RECORD):
        former = root.archived_lineage(lineage.lineage)
        if former.is_dir():
            _move_contents(root, former, root.checkpoints)
        write_json_atomic(root.checkpoints / LINEAGE_RECORD, lineage)
    compile_manifest(root)


def archive_other_lineages(root: DataRoot, active: Lineage) -> None:
    """Move checkpoints of other lineages, with their log and resume snapshot, to checkpoints/archive/<lineage>/.

    Folders without a readable record stay, because their lineage is not known.
    """
    with locked(root.checkpoints / LINEAGE_RECORD):
        former = active_lineage(root)
        if former and former.lineage != active.lineage:
            target = root.archived_lineage(former.lineage)
            target.mkdir(parents=True, exist_ok=True)
            # The record last: until it is there, the next call goes on with the rest.
            for name in (LOG_NAME, SNAPSHOT_FOLDER, LINEAGE_RECORD):
                if (root.checkpoints / name).exists():
                    _move(root, root.checkpoints / name, target / name)
        for found in scan_checkpoints(root):
            if found.record and (other := found.record.lineage.lineage) != active.lineage:
                target = root.archived_lineage(other)
                target.mkdir(parents=True, exist_ok=True)
                _move(root, found.folder, target / found.folder.name)
    # All of them: whoever moved checkpoints before may have been killed before he wrote what the archive then held.
    for folder in root.checkpoint_archive.glob("*/"):
        compile_manifest(root, folder)


def _move_contents(root: DataRoot, source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        if path.name not in (root.checkpoint_manifest_json.name, BESIDE) and not path.name.endswith(".lock"):
            _move(root, path, target / path.name)
    shutil.rmtree(source)  # what is left is made again where it is needed: the manifest and the locks


def _move(root: DataRoot, source: Path, target: Path) -> None:
    """Rename, once nobody verifies or scores it; what is at `target` already is set aside, never overwritten."""
    key = None
    with suppress(CheckpointError):  # the log of a lineage, for one
        key = read_record(source).partition_key
    with locked(_place_of(root, key), timeout=-1) if key else nullcontext():
        if target.exists():
            target.rename(_free_name(root.checkpoints / SET_ASIDE_FOLDER / target.name))
        source.rename(target)


def remove_unfinished_checkpoints(home: Path) -> None:
    """Remove the folders of checkpoints of a lineage whose training was killed before they were committed."""
    for parent in (home, home / SNAPSHOT_FOLDER):
        remove_left_over(parent.glob("*"))
