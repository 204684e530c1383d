"""A training that was packed into a folder, to be carried out on a machine without the pipeline: what it holds, and its run there.

The folder holds a small data root with the latents and conditions, and the modules that train. It is written in exporting/.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field

from lofi_pipeline.checkpoints.ledger_entries import BUNDLE
from lofi_pipeline.entities import Entity, Lineage
from lofi_pipeline.entities.base import RelativePath, Sha256
from lofi_pipeline.errors import LofiError
from lofi_pipeline.processes import messages_apart
from lofi_pipeline.storage import DataRoot, file_sha256, in_words, read_ledger, read_record
from lofi_pipeline.training.bases import describe_base
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import TrainingJob
from lofi_pipeline.training.run import Reporter, StopRequest, train

BUNDLE_RECORD = "bundle.json"
DATA, CODE = "data", "code"
"""Folders of a bundle: its data root, and the modules."""


class TrainingBundle(Entity):
    """bundle.json: the training, and each file that it rests on. Paths are relative to the bundle."""

    lineage: Lineage = Field(description="Which every checkpoint that is trained here will have")
    job: TrainingJob
    hub_id: str | None = Field(
        default=None, description="Of the base model; None: it was a folder, and is to be named"
    )
    files: dict[RelativePath, Sha256]


def train_bundle(folder: Path, base: str | None, device: Literal["auto", "cpu", "cuda"] = "auto") -> int:
    """Train to the end, or until asked to stop; the same call goes on from there. Returns the exit code.

    What it reports, and on which stream, is as in training/run.py. That the files are those of the bundle was seen before.
    """
    events = messages_apart()
    stop = StopRequest()
    try:
        job = _job(folder, base, device)
        with Reporter(events) as reporter:
            train(job, reporter, stop)
    except (LofiError, OSError) as error:
        print(f"training failed: {in_words(error)}", file=sys.stderr)
        return 1
    print(f"The checkpoints lie in {DataRoot(job.data_root).checkpoints}", file=sys.stderr)
    return 0


def _job(folder: Path, base: str | None, device: Literal["auto", "cpu", "cuda"]) -> TrainingJob:
    """The job of a bundle on this machine.

    Raises:
        TrainingError: bundle.json or the ledger is not that of the bundle, or the base is another one.
    """
    path, root = folder / BUNDLE_RECORD, DataRoot(folder / DATA)
    bundle = read_record(TrainingBundle, path)
    if read_ledger(root).hashes.get(BUNDLE) != file_sha256(path):
        raise TrainingError(f"{path}: is not the one that was exported; export the bundle again")
    name = base or bundle.hub_id
    if name is None:
        raise TrainingError(
            f"{path}: names no hub id for the base model {bundle.lineage.base.name}; say where it lies: --base FOLDER"
        )
    facts = describe_base(name)
    if facts.sha256 != bundle.lineage.base.sha256:
        raise TrainingError(
            f"base model {name!r}: is not {bundle.lineage.base.name} that the latents were made with (its hash is {facts.sha256[:12]}, "
            f"theirs {bundle.lineage.base.sha256[:12]}); fetch that one, whole"
        )
    return bundle.job.model_copy(update={"data_root": root.path, "base": name, "device": device})
