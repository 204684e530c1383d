"""Checkpoint folders under a data root, among the active ones and in the archive: found, and their records read.

Nothing is written here, and no weights are loaded. manifest.py writes records and moves folders.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lofi_pipeline.checkpoints.pins import read_kept, read_pins
from lofi_pipeline.checkpoints.votes import Preference, preferences_of, read_preferences
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    SCORES_RECORD,
    Checkpoint,
    CheckpointRecord,
    Pin,
    RecordError,
    Scores,
)
from lofi_pipeline.entities.checkpoint import (
    IMPORTED_STEP,
    checkpoint_id_of,
    is_checkpoint_id,
    step_of_folder,
)
from lofi_pipeline.storage import DataRoot, is_kept, parse_json, read_json, require_words

SAMPLES_FOLDER = "samples"
PEFT_FILE = "adapter_model.safetensors"
"""The adapter in the form that other programs read; its hash names a checkpoint in the ledger."""
PEFT_CONFIG = "adapter_config.json"
COMFYUI_FOLDER = "comfyui"
"""The adapter once more, for ComfyUI; checkpoints of an earlier version have none."""


@dataclass(frozen=True)
class CheckpointFolder:
    """A checkpoint's folder, with its records, or why they cannot be read."""

    folder: Path
    record: CheckpointRecord | None = None
    error: str | None = None
    scores: Scores | None = None
    scores_error: str | None = None
    data: bytes = b""
    """checkpoint.json as it was read: an audit compares how it is spelled."""
    pin: Pin | None = None
    """A person's word that it is the best."""
    kept: Pin | None = None
    """A person's word that it keeps its weights."""
    preferences: tuple[Preference, ...] = ()
    """What people preferred who compared it blind with another, itself as `one`."""

    @property
    def key(self) -> str:
        """The partition key, or the folder's name where the record can't be read."""
        return self.record.partition_key if self.record else self.folder.name

    @property
    def step(self) -> int:
        """The step that the folder's name says."""
        return step_of_folder(self.folder.name)

    @property
    def measured(self) -> Scores | None:
        """The scores, where they are still those that were measured of this checkpoint: others decide nothing."""
        if self.scores is None or self.record is None:
            return None
        written = self.record.kept_files.get(SCORES_RECORD)
        is_whole = written is None or is_kept(self.folder / SCORES_RECORD, written)
        return self.scores if is_whole and self.scores.step == self.step else None

    def entry(self) -> Checkpoint | None:
        """What manifest.json beside it should say: the record with the scores; None where the record cannot be read."""
        if self.record is None or self.scores is None:
            return self.record.checkpoint if self.record else None
        metrics = self.scores.metrics
        return self.record.checkpoint.model_copy(
            update={
                "fad_score": metrics.fad_score,
                "clap_score": metrics.clap_score,
                "samples_generated": any(sample.path for sample in self.scores.samples),
            }
        )


def all_checkpoints(root: DataRoot) -> list[CheckpointFolder]:
    """Every checkpoint folder, the active ones first, by step; without what people said of them."""
    parents = [root.checkpoints, *sorted(root.checkpoint_archive.glob("*"))]
    return [found for parent in parents for found in _scan(root, parent)]


def imported_checkpoints(root: DataRoot) -> list[CheckpointFolder]:
    """The LoRAs that were trained elsewhere and taken in; each is alone in its folder of the archive."""
    folders = sorted(root.checkpoint_archive.glob(f"*/{checkpoint_id_of(IMPORTED_STEP)}"))
    read = (read_checkpoint_folder(root, it) for it in folders if it.is_dir() and not it.is_symlink())
    return [found for found in read if found.record and found.record.lineage.imported]


def scan_checkpoints(root: DataRoot, folder: Path | None = None) -> list[CheckpointFolder]:
    """The checkpoints in `folder` (by default the active ones), by step. Paths in the records are where they lie now.

    Raises:
        RecordError: what persons pinned or voted can't be read, or is not what was sealed.
    """
    return _with_peoples_words(root, _scan(root, folder or root.checkpoints))


def _scan(root: DataRoot, folder: Path) -> list[CheckpointFolder]:
    found = [
        path
        for path in folder.glob("*")
        if is_checkpoint_id(path.name) and path.is_dir() and not path.is_symlink()
    ]
    return sorted((read_checkpoint_folder(root, path) for path in found), key=lambda item: item.step)


def _with_peoples_words(root: DataRoot, found: list[CheckpointFolder]) -> list[CheckpointFolder]:
    if not found:
        return []
    require_words(root, root.pins_json, root.votes)
    pins, kept, preferences = read_pins(root), read_kept(root), read_preferences(root)
    return [
        replace(
            item,
            pin=pins.get(item.key),
            kept=kept.get(item.key),
            preferences=preferences_of(item.key, preferences),
        )
        for item in found
    ]


def read_checkpoint_record(folder: Path) -> CheckpointRecord:
    """checkpoint.json of a checkpoint folder.

    Raises:
        FileNotFoundError: it is absent.
        OSError, RecordError: it is unreadable, breaks a rule of the data model, or is another checkpoint's.
    """
    return _parse_record(folder, (folder / CHECKPOINT_RECORD).read_bytes())


def _parse_record(folder: Path, data: bytes) -> CheckpointRecord:
    path = folder / CHECKPOINT_RECORD
    found = parse_json(data, path)
    interval = 1
    with suppress(TypeError, KeyError, ValueError):
        interval = max(1, int(found["lineage"]["checkpoint_interval"]))
    record = CheckpointRecord.parse(found, where=path.name, context={"checkpoint_interval": interval})
    if record.checkpoint.checkpoint_id != folder.name:
        raise RecordError(
            f"{path.name} is of {record.checkpoint.checkpoint_id}; give the folder its own name back"
        )
    return record


def read_checkpoint_folder(root: DataRoot, folder: Path) -> CheckpointFolder:
    """The records in one folder; the checkpoint's path is where it lies now."""
    where = root.relative(folder / CHECKPOINT_RECORD)
    try:
        data = (folder / CHECKPOINT_RECORD).read_bytes()
        record = _parse_record(folder, data)
    except FileNotFoundError:
        return CheckpointFolder(folder, error=f"{where} is missing; copy the whole folder again")
    except (OSError, RecordError) as error:
        return CheckpointFolder(folder, error=f"{where} is not readable: {error}")
    moved = record.checkpoint.model_copy(update={"path": root.relative(folder)})
    scores, scores_error = _scores(root, folder / SCORES_RECORD)
    record = record.model_copy(update={"checkpoint": moved})
    return CheckpointFolder(folder, record, None, scores, scores_error, data)


def _scores(root: DataRoot, path: Path) -> tuple[Scores | None, str | None]:
    if not path.is_file():
        return None, None
    try:
        return Scores.parse(read_json(path), where=root.relative(path)), None
    except (OSError, RecordError) as error:
        return None, f"{root.relative(path)}: can't be read: {error}"
