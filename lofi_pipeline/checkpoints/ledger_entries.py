"""What of a checkpoint is entered into the ledger: its record when it is committed, scores and samples when they are written.

The ledger itself is in storage/ledger.py; whether its entries still hold is asked in audit/integrity/ledger.py.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from lofi_pipeline.checkpoints.folder import PEFT_FILE, SAMPLES_FOLDER, scan_checkpoints
from lofi_pipeline.checkpoints.manifest import lineage_home
from lofi_pipeline.entities import (
    SCORES_RECORD,
    CheckpointRecord,
    Lineage,
    Scores,
)
from lofi_pipeline.storage import (
    DataRoot,
    Ledger,
    append_to_ledger,
    content_sha256,
    file_sha256,
    json_file,
    read_ledger,
)

BUNDLE = "training bundle"
"""The first entry of the ledger that a bundle has, with the hash of its bundle.json."""
CHANGES_LATER = {"path", "is_valid"}
"""Of checkpoint.json: what verifying and moving a checkpoint may change."""


def record_hash(record: CheckpointRecord) -> str:
    """The hash of what never changes in checkpoint.json: all but validity, pruning, where it lies, and times of files."""
    kept = record.model_dump(mode="json", exclude={"invalid_reason", "pruned", "kept_files"})
    # Fields that records did not have at first count only where they are set, so that older records keep their hash
    base = kept["lineage"]["base"]
    kept["lineage"]["base"] = {name: value for name, value in base.items() if value is not None}
    if record.lineage.imported is None:
        del kept["lineage"]["imported"]
    if record.ledger is None:
        del kept["ledger"]
    kept["checkpoint"] = {
        name: value for name, value in kept["checkpoint"].items() if name not in CHANGES_LATER
    }
    return content_sha256(kept)


def checkpoint_entries(record: CheckpointRecord) -> dict[str, str]:
    """The entries of checkpoint.json: under the partition key, and under the adapter's own hash, so that neither can be
    changed without the other.
    """
    adapters = [sha256 for name, sha256 in record.files.items() if name == PEFT_FILE]
    names = [record.partition_key, *(f"adapter {sha256}" for sha256 in adapters)]
    return dict.fromkeys(names, record_hash(record))


def bundle_entry(first: str) -> str:
    """The name under which the lineage of an exported bundle is entered here. `first`: the first line of the bundle's own ledger.

    Every checkpoint that is trained there says how that ledger begins, and so which bundle it is from.
    """
    return f"{BUNDLE} {first}"


def is_as_entered(ledger: Ledger, record: CheckpointRecord) -> bool:
    """Whether a record is the one that the ledger knows by its names.

    A partition key has one record, the one that was entered last. An adapter may have several: trainings with other settings
    can end in the same bytes, such as the untrained adapter.
    """
    key, *adapters = checkpoint_entries(record).items()
    name, sha256 = key
    if ledger.hashes.get(name, sha256) != sha256:
        return False
    return all(entry[0] not in ledger.hashes or entry in ledger.entries for entry in adapters)


def scored_files(folder: Path, record: CheckpointRecord, scores: Scores) -> dict[str, Path]:
    """scores.json and the samples, by their names in the ledger."""
    samples = sorted({Path(sample.path).name for sample in scores.all_samples if sample.path})
    key = record.partition_key
    return {f"{key}/{SCORES_RECORD}": folder / SCORES_RECORD} | {
        f"{key}/{SAMPLES_FOLDER}/{name}": folder / SAMPLES_FOLDER / name for name in samples
    }


def enter_checkpoint(root: DataRoot, record: CheckpointRecord) -> None:
    """Enter the record of a checkpoint that has just been committed."""
    append_to_ledger(root, checkpoint_entries(record))


def enter_committed(root: DataRoot, lineage: Lineage) -> None:
    """Enter the checkpoints of a lineage that were committed by a training that was killed before it entered them."""
    known = read_ledger(root).hashes
    for found in scan_checkpoints(root, lineage_home(root, lineage.lineage)):
        record = found.record
        if record and record.lineage.lineage == lineage.lineage and record.partition_key not in known:
            enter_checkpoint(root, record)


def enter_scores(root: DataRoot, folder: Path, record: CheckpointRecord, scores: Scores) -> None:
    """Enter samples that have just been written, and scores that are about to be; they take the place of former entries."""
    files = scored_files(folder, record, scores)
    hashes = {
        name: sha256(json_file(scores)).hexdigest() if path.name == SCORES_RECORD else file_sha256(path)
        for name, path in files.items()
    }
    append_to_ledger(root, hashes)


def were_entered(root: DataRoot, record: CheckpointRecord, digest: str) -> bool:
    """Whether scores of a checkpoint, a file with this hash, were ever entered."""
    return (f"{record.partition_key}/{SCORES_RECORD}", digest) in read_ledger(root).entries
