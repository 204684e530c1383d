"""What a person may say of a checkpoint, in the studio or by `lofi scores`: that it is the best, or that it keeps its weights."""

from __future__ import annotations

from collections.abc import Sequence

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.pins import keep, let_go, pin, unpin
from lofi_pipeline.entities import CheckpointRecord, few
from lofi_pipeline.storage import DataRoot

LONGEST_REASON = 500


def find_checkpoint_named(found: Sequence[CheckpointFolder], wanted: str) -> CheckpointFolder:
    """The checkpoint with this step, id or partition key.

    Raises:
        CheckpointError: there is none.
    """
    for item in found:
        if item.record and wanted in (str(item.step), item.folder.name, item.key):
            return item
    there = few([str(item.step) for item in found if item.record]) or "none yet"
    raise CheckpointError(f"no checkpoint {wanted!r}; there are the steps {there}")


def name_best(root: DataRoot, item: CheckpointFolder, why: str) -> None:
    """Have a checkpoint be the best of its lineage, whatever the scores say.

    Raises:
        CheckpointError: it can't be, or no reason is given.
    """
    record = _with_weights(item)
    if not record.checkpoint.is_valid:
        raise CheckpointError(f"step {item.step} is not valid; pin another")
    if item.scores is None:
        raise CheckpointError(f"step {item.step} has no scores yet; run lofi run first")
    pin(root, record, _reason(why))


def keep_weights(root: DataRoot, item: CheckpointFolder, why: str) -> None:
    """Have a checkpoint never be pruned.

    Raises:
        CheckpointError: its weights are gone, or no reason is given.
    """
    keep(root, _with_weights(item), _reason(why))


def take_back_best(root: DataRoot, item: CheckpointFolder) -> None:
    """Have votes and scores decide again which is the best of the checkpoint's lineage."""
    if item.record:
        unpin(root, item.record)


def take_back_keeping(root: DataRoot, item: CheckpointFolder) -> None:
    """Have retention decide again over a checkpoint's weights."""
    if item.record:
        let_go(root, item.record)


def _with_weights(item: CheckpointFolder) -> CheckpointRecord:
    if item.record is None:
        raise CheckpointError(item.error or f"{item.folder.name}: has no record")
    if item.record.pruned:
        raise CheckpointError(f"step {item.step} has no weights any more: they were pruned; pin another")
    return item.record


def _reason(why: str) -> str:
    why = " ".join(why.split())
    if not why:
        raise CheckpointError("give the reason: it is shown wherever the checkpoint is")
    if len(why) > LONGEST_REASON:
        raise CheckpointError(f"the reason has {len(why)} characters; give one of at most {LONGEST_REASON}")
    return why
