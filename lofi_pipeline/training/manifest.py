"""The checkpoints that lie in a data root: their records, their manifest, and the archive of former lineages.
Torch-free.

checkpoint.json and scores.json in a checkpoint's folder are the truth; manifest.json is compiled from them.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from safetensors import SafetensorError, safe_open

from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    SCORES_RECORD,
    Checkpoint,
    CheckpointRecord,
    Lineage,
    RecordError,
    Scores,
)
from lofi_pipeline.entities.checkpoint import (
    CHECKPOINT_PATTERN,
    DEFAULT_CHECKPOINT_INTERVAL,
    step_of_folder,
)
from lofi_pipeline.storage import (
    TEMPORARY_PREFIX,
    DataRoot,
    UnreadableRecord,
    file_sha256,
    locked,
    read_json,
    write_json_atomic,
)
from lofi_pipeline.training.errors import CheckpointError
from lofi_pipeline.training.history import LOG_NAME

LINEAGE_RECORD = "lineage.json"
ROLLING_FOLDER = ".rolling"
WEIGHTS_SUFFIX = ".safetensors"
RESUME_FOLDER = "resume"
SET_ASIDE_FOLDER = "set-aside"
ARCHIVE_FOLDER = "archive"


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint folder: its record as it lies there, or why it cannot be read."""

    folder: Path
    record: CheckpointRecord | None = None
    scores: Scores | None = None
    error: str | None = None

    @property
    def step(self) -> int:
        """The step its folder's name says, for the order of listing."""
        return step_of_folder(self.folder.name)


def read_record(folder: Path) -> CheckpointRecord:
    """checkpoint.json of a checkpoint folder.

    Raises:
        CheckpointError: absent, unreadable, breaking a rule of the data model, or of another checkpoint.
    """
    path = folder / CHECKPOINT_RECORD
    try:
        data = read_json(path)
        lineage = data.get("lineage") if isinstance(data, dict) else None
        interval = lineage.get("checkpoint_interval") if isinstance(lineage, dict) else None
        known = interval if isinstance(interval, int) and interval > 0 else DEFAULT_CHECKPOINT_INTERVAL
        record = CheckpointRecord.parse(data, where=str(path), context={"checkpoint_interval": known})
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder.name}: checkpoint.json is missing; copy the whole folder again"
        ) from error
    except (OSError, UnreadableRecord, RecordError) as error:
        raise CheckpointError(f"{folder.name}: checkpoint.json is not readable: {error}") from error
    if record.checkpoint.checkpoint_id != folder.name:
        raise CheckpointError(
            f"{folder.name}: checkpoint.json is of {record.checkpoint.checkpoint_id}; give the folder its own name back"
        )
    return record


def write_record(folder: Path, record: CheckpointRecord) -> None:
    """Replace checkpoint.json of a checkpoint folder."""
    write_json_atomic(folder / CHECKPOINT_RECORD, record)


def read_scores(folder: Path) -> Scores | None:
    """scores.json of a checkpoint folder; None when it is absent or unreadable: the checkpoint is to be
    evaluated.
    """
    with suppress(FileNotFoundError, UnreadableRecord, RecordError):
        path = folder / SCORES_RECORD
        return Scores.parse(read_json(path), where=str(path))
    return None


def scan_checkpoints(root: DataRoot, folder: Path | None = None) -> list[FoundCheckpoint]:
    """The checkpoints in `folder` (by default the active ones), by step. Paths in the records are where they
    lie now.
    """
    found = []
    for path in (folder or root.checkpoints).glob(CHECKPOINT_PATTERN):
        if not path.is_dir() or path.is_symlink() or not path.name[13:-5].isdecimal():
            continue
        try:
            record = read_record(path)
        except CheckpointError as error:
            found.append(FoundCheckpoint(path, error=str(error)))
            continue
        checkpoint = record.checkpoint.model_copy(update={"path": root.relative(path)})
        record = record.model_copy(update={"checkpoint": checkpoint})
        found.append(FoundCheckpoint(path, record, read_scores(path)))
    return sorted(found, key=lambda item: item.step)


def find_checkpoint(root: DataRoot, partition_key: str) -> Path | None:
    """The folder of the checkpoint with this partition key, among the active ones or in the archive."""
    places = [root.checkpoints, *sorted((root.checkpoints / ARCHIVE_FOLDER).glob(f"{partition_key[:8]}*"))]
    for place in places:
        for found in scan_checkpoints(root, place):
            if found.record and found.record.partition_key == partition_key:
                return found.folder
    return None


def missing_files(folder: Path, record: CheckpointRecord) -> list[str]:
    """Files the record names that are not there: while a folder is being copied in, it is not whole yet."""
    return [name for name in sorted(record.files) if not (folder / name).is_file()]


def files_fault(folder: Path, record: CheckpointRecord) -> str | None:
    """What is wrong with a checkpoint's files by name, readability and hash; None when they are those that
    landed.
    """
    if missing := missing_files(folder, record):
        return f"{missing[0]} is missing; copy the whole folder again"
    for name, sha256 in sorted(record.files.items()):
        path = folder / name
        if path.suffix == WEIGHTS_SUFFIX and (fault := _safetensors_fault(path)):
            return f"{name} is truncated or damaged ({fault}); copy it again"
        if file_sha256(path) != sha256:
            return f"{name} is not the file that landed (its hash differs): swapped or changed; copy it again"
    return None


def _safetensors_fault(path: Path) -> str | None:
    try:
        with safe_open(path, framework="numpy") as file:
            list(file.keys())
    except (OSError, SafetensorError) as error:
        return str(error)
    return None


def checkpoint_of(found: FoundCheckpoint) -> Checkpoint | None:
    """The data model's record of a found checkpoint, with its scores."""
    if found.record is None:
        return None
    checkpoint = found.record.checkpoint
    if found.scores is None:
        return checkpoint
    metrics = found.scores.metrics
    made = any(sample.path for sample in found.scores.samples)
    update = {"fad_score": metrics.fad_score, "clap_score": metrics.clap_score, "samples_generated": made}
    return checkpoint.model_copy(update=update)


def compile_manifest(root: DataRoot, folder: Path | None = None) -> list[Checkpoint]:
    """Write manifest.json, the array of Checkpoint by step, from the records beside it; an unreadable one is
    set aside.

    `folder` is that of the active checkpoints by default, or of an archived lineage.
    """
    place = folder or root.checkpoints
    manifest = place / root.checkpoint_manifest_json.name
    with locked(manifest):
        if manifest.exists() and not _is_array(manifest):
            manifest.rename(_free_name(place / SET_ASIDE_FOLDER / manifest.name))
        entries = [entry for found in scan_checkpoints(root, place) if (entry := checkpoint_of(found))]
        write_json_atomic(manifest, entries)
    return entries


def _is_array(path: Path) -> bool:
    try:
        return isinstance(read_json(path), list)
    except (OSError, UnreadableRecord):
        return False


def _free_name(path: Path) -> Path:
    """`path`, or `path.1`, `path.2`...: the first that is free; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return next(
        free for n in count() if not (free := path if n == 0 else path.with_name(f"{path.name}.{n}")).exists()
    )


def set_aside(root: DataRoot, folder: Path) -> Path:
    """Move a checkpoint folder that stands in the way to checkpoints/set-aside, under a free name; nothing is
    deleted.
    """
    target = _free_name(root.checkpoints / SET_ASIDE_FOLDER / folder.name)
    folder.rename(target)
    return target


def active_lineage(root: DataRoot) -> Lineage | None:
    """The lineage that was trained last, if any."""
    with suppress(FileNotFoundError, UnreadableRecord, RecordError):
        path = root.checkpoints / LINEAGE_RECORD
        return Lineage.parse(read_json(path), where=str(path))
    return None


def activate_lineage(root: DataRoot, lineage: Lineage) -> None:
    """Make room for a lineage: others go to the archive, whole; its own checkpoints come back from there."""
    root.checkpoints.mkdir(parents=True, exist_ok=True)
    archive_other_lineages(root, lineage)
    with locked(root.checkpoints / LINEAGE_RECORD):
        former = root.archived_lineage(lineage.lineage)
        if former.is_dir():
            _move_contents(root, former, root.checkpoints)
        write_json_atomic(root.checkpoints / LINEAGE_RECORD, lineage)
    compile_manifest(root)


def archive_other_lineages(root: DataRoot, active: Lineage) -> list[Path]:
    """Move checkpoints of other lineages, with their log and rolling state, to checkpoints/archive/<lineage>/.

    Folders without a readable record stay: whose they are is not known. Returns the archive folders written
    to.
    """
    touched: dict[str, Path] = {}
    with locked(root.checkpoints / LINEAGE_RECORD):
        former = active_lineage(root)
        if former and former.lineage != active.lineage:
            target = touched[former.lineage] = root.archived_lineage(former.lineage)
            target.mkdir(parents=True, exist_ok=True)
            for name in (LOG_NAME, ROLLING_FOLDER, LINEAGE_RECORD):
                if (root.checkpoints / name).exists():
                    _move(root, root.checkpoints / name, target / name)
        for found in scan_checkpoints(root):
            if found.record and (theirs := found.record.lineage.lineage) != active.lineage:
                target = touched[theirs] = root.archived_lineage(theirs)
                target.mkdir(parents=True, exist_ok=True)
                _move(root, found.folder, target / found.folder.name)
    for folder in touched.values():
        compile_manifest(root, folder)
    return sorted(touched.values())


def _move_contents(root: DataRoot, source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        if path.name != root.checkpoint_manifest_json.name and not path.name.endswith(".lock"):
            _move(root, path, target / path.name)
    shutil.rmtree(source)  # the manifest and the locks that are left are compiled anew


def _move(root: DataRoot, source: Path, target: Path) -> None:
    """Rename; what stands in the way is set aside, never overwritten."""
    if target.exists():
        target.rename(_free_name(root.checkpoints / SET_ASIDE_FOLDER / target.name))
    source.rename(target)


def remove_leftovers(root: DataRoot) -> None:
    """Remove what a landing that was killed left behind. Only while no training runs on this data root."""
    for place in (root.checkpoints, root.checkpoints / ROLLING_FOLDER):
        for path in place.glob(f"{TEMPORARY_PREFIX}*-*step=*"):
            shutil.rmtree(path, ignore_errors=True)
