"""Committing a checkpoint, and verifying one: by hashes, and by loading it into its base and comparing answers.

What needs no weights to be loaded (records, the manifest, retention) is in checkpoints/; the adapter's files are in weights.py.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.kept import kept_of, with_present_times
from lofi_pipeline.checkpoints.ledger_entries import enter_checkpoint
from lofi_pipeline.checkpoints.manifest import (
    RESUME_FOLDER,
    files_fault,
    lineage_home,
    read_record,
    set_aside,
    write_record,
)
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    BaseModelFacts,
    Checkpoint,
    CheckpointRecord,
    Lineage,
    checkpoint_id_of,
    now,
)
from lofi_pipeline.storage import DataRoot, commit_folder, file_sha256, read_ledger, write_json_atomic
from lofi_pipeline.training.averages import Averages
from lofi_pipeline.training.bases import TRANSFORMER, describe_base, load_base, pick_device
from lofi_pipeline.training.comfyui import comfyui_file, write_for_comfyui
from lofi_pipeline.training.errors import NonFiniteTraining, disk_faults
from lofi_pipeline.training.lokr import lokr_set_aside
from lofi_pipeline.training.resume import TrainingState, write_as_trained, write_resume
from lofi_pipeline.training.weights import (
    BASE_ADVICE,
    DIFFUSERS_FILE,
    LIVE_ADAPTER,
    PARITY_FILE,
    PEFT_CONFIG,
    PEFT_FILE,
    ParityCheck,
    Tensors,
    adapter_tensors,
    is_published_as_trained,
    load_checkpoint_into,
    read_parity_check,
    take_parity_check,
    write_adapter,
    write_diffusers_adapter,
    write_parity_check,
)

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

__all__ = [
    "Base",
    "Verification",
    "commit_checkpoint",
    "load_checkpoint_into",
    "record_of_files",
    "record_verification",
    "require_answers_of",
    "verify_checkpoint",
    "write_proved_adapter",
]

RELOADED_ADAPTER = "reloaded"
NEEDED_FILES = (DIFFUSERS_FILE, PEFT_FILE, PEFT_CONFIG, PARITY_FILE)
# Errors of a parity check: 0 is identical, 1 an adapter that is ignored; a lost alpha gives about 0.5. Where the checkpoint
# is committed the arithmetic is the same, except that a base in bfloat16 rounds the adapter it loads. Elsewhere the base may
# be in another precision.
COMMIT_TOLERANCE = {"float32": 1e-3}
TOLERANCE = 0.1
SAME_BASE_TOLERANCE = 0.1


class Verification(NamedTuple):
    """Whether a checkpoint is what was committed, and a sentence on why not."""

    is_valid: bool
    reason: str | None = None


@dataclass
class Base:
    """A base model for verifying one checkpoint after another: loaded when first needed."""

    name: str
    device: str = "auto"
    _facts: BaseModelFacts | None = field(default=None, repr=False)
    _pipeline: Any = field(default=None, repr=False)

    @property
    def facts(self) -> BaseModelFacts:
        """Name and hash of the base."""
        self._facts = self._facts or describe_base(self.name)
        return self._facts

    @property
    def pipeline(self) -> AceStepPipeline:
        """The base's transformer, loaded: a LoRA is on nothing else."""
        self._pipeline = self._pipeline or load_base(
            self.name, device=pick_device(self.device), only=TRANSFORMER
        )
        return self._pipeline


def commit_checkpoint(
    root: DataRoot,
    lineage: Lineage,
    pipeline: AceStepPipeline,
    *,
    state: TrainingState,
    moments: Tensors,
    loss: float | None,
    validation_loss: float | None,
    averages: Averages | None = None,
) -> CheckpointRecord:
    """Write the live adapter at `state.step` as a checkpoint that becomes visible whole, or not at all.

    A checkpoint of this lineage that is there already is left alone: the same training gives the same weights. Another one
    is set aside. Before the rename the files are loaded as a second adapter, which must answer as the live one does.
    `moments` are the optimiser's by `<parameter>/<moment>`, `loss` is the mean since the checkpoint before. With `averages` the
    published ones of live weights and average are written, and the others into resume/.

    Raises:
        CheckpointError: what was written does not answer as the live adapter does.
        NonFiniteTraining: the adapter makes the model answer NaN or infinity.
        OSError: the disk is full, for one; no file is left over.
    """
    checkpoint_id = checkpoint_id_of(state.step)
    target = lineage_home(root, lineage.lineage) / checkpoint_id
    if target.exists():
        if earlier := _committed_before(target, lineage):
            return earlier
        set_aside(root, target)
    with commit_folder(target) as folder:
        with disk_faults(folder):
            write_resume(folder, state, moments)
            if not is_published_as_trained(pipeline.transformer):
                average = averages.tensors() if averages else None
                write_as_trained(folder, adapter_tensors(pipeline.transformer), average)
            if averages and averages.beside:
                with averages.not_published():
                    (beside := folder / RESUME_FOLDER / averages.beside).mkdir()
                    write_diffusers_adapter(beside, pipeline)
        not_finite = (
            f"the adapter's answers are not finite at step {state.step}: nothing was saved. Lower the learning rate "
            f"of training.presets.{lineage.preset} and run again"
        )
        with averages.published() if averages else nullcontext():
            write_proved_adapter(folder, pipeline, checkpoint_id, not_finite=not_finite)
            with disk_faults(folder):
                write_for_comfyui(folder, pipeline.transformer, comfyui_file(root, lineage, state.step))
        losses = {"loss": loss, "validation_loss": validation_loss}
        facts = losses | {"skipped_steps": state.skipped, "ended": state.ended}
        record = record_of_files(root, folder, lineage, state.step, facts)
        write_json_atomic(folder / CHECKPOINT_RECORD, record)
    enter_checkpoint(root, record)
    return record


def _committed_before(folder: Path, lineage: Lineage) -> CheckpointRecord | None:
    """The record of a checkpoint of this lineage that lies in `folder`, whole or pruned after it was scored."""
    with suppress(CheckpointError):
        record = read_record(folder)
        if record.lineage.lineage == lineage.lineage and (
            record.pruned or files_fault(folder, record) is None
        ):
            return record
    return None


def _checkpoint(root: DataRoot, lineage: Lineage, step: int) -> Checkpoint:
    """The data model's facts about the checkpoint of `step`, as of now."""
    checkpoint_id = checkpoint_id_of(step)
    return Checkpoint.checked(
        {
            "checkpoint_id": checkpoint_id,
            "step": step,
            "path": f"{root.checkpoints.name}/{checkpoint_id}",
            "timestamp": now(),
            "is_valid": True,
            "config_hash": lineage.config_hash,
            "dataset_hash": lineage.dataset_hash,
        },
        where=checkpoint_id,
        checkpoint_interval=lineage.checkpoint_interval,
    )


def write_proved_adapter(
    folder: Path, pipeline: AceStepPipeline, checkpoint_id: str, *, not_finite: str
) -> None:
    """Write the live adapter and its parity check into `folder`, and prove that the files load as it is.

    Raises:
        CheckpointError: what was written does not answer as the live adapter does.
        NonFiniteTraining: the adapter makes the model answer NaN or infinity; with `not_finite` as its sentence.
        OSError: the disk is full, for one.
    """
    with disk_faults(folder):
        write_adapter(folder, pipeline)
    live = take_parity_check(pipeline.transformer)
    if not live.is_finite:
        raise NonFiniteTraining(not_finite)
    with disk_faults(folder):
        write_parity_check(folder, live)
    tolerance = COMMIT_TOLERANCE.get(_dtype(pipeline.transformer), TOLERANCE)
    _require_same_answers(live, _reloaded_beside_live(pipeline, folder), checkpoint_id, tolerance)


def require_answers_of(folder: Path, transformer: Any, name: str) -> None:
    """The live adapter, which was given the weights in `folder`, answers as they did where they were trained.

    Raises:
        CheckpointError: another kind, rank or alpha makes something else of them.
    """
    tolerance = COMMIT_TOLERANCE.get(_dtype(transformer), TOLERANCE)
    error = read_parity_check(folder).error_of(take_parity_check(transformer))
    if not error <= tolerance:
        raise CheckpointError(
            f"start_from {name}: its weights answer otherwise in this preset (error {error:.3g}; 0 is identical); set adapter, "
            f"lora_rank, lora_alpha, rank_pattern and alpha_pattern to what {folder.name}/{PEFT_CONFIG} says"
        )


def _dtype(transformer: Any) -> str:
    return str(transformer.proj_in_conv.weight.dtype).removeprefix("torch.")


def record_of_files(
    root: DataRoot, folder: Path, lineage: Lineage, step: int, facts: dict[str, float | None]
) -> CheckpointRecord:
    """The record of what was written into `folder` as the checkpoint of `step`; `facts` are those of the training."""
    checkpoint = _checkpoint(root, lineage, step)
    return CheckpointRecord.parse(
        {
            "checkpoint": checkpoint,
            "lineage": lineage,
            "files": (files := _file_hashes(folder)),
            "kept_files": kept_of(folder, files),
            "ledger": read_ledger(root).mark(),
            **facts,
        },
        where=checkpoint.checkpoint_id,
        context={"checkpoint_interval": lineage.checkpoint_interval},
    )


def _file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _reloaded_beside_live(pipeline: AceStepPipeline, folder: Path) -> ParityCheck:
    """The answers of the files in `folder`, loaded as a second adapter; the live one is left as it was."""
    transformer: Any = pipeline.transformer
    trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    with warnings.catch_warnings():
        # peft warns of a second adapter, which is meant here
        warnings.simplefilter("ignore", UserWarning)
        try:
            with lokr_set_aside(transformer):
                load_checkpoint_into(pipeline, folder, adapter_name=RELOADED_ADAPTER)
                try:
                    transformer.set_adapter(RELOADED_ADAPTER)
                    return take_parity_check(transformer)
                finally:
                    transformer.delete_adapters(RELOADED_ADAPTER)
        finally:
            transformer.set_adapter(LIVE_ADAPTER)
            _train_only(transformer, trained)


def _train_only(transformer: Any, trained: list[Any]) -> None:
    transformer.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)


def _require_same_answers(kept: ParityCheck, found: ParityCheck, name: str, tolerance: float) -> None:
    error = kept.error_of(found)
    if not error <= tolerance:  # NaN is an error too
        raise CheckpointError(
            f"{name}: loads, but answers otherwise than when it was trained (error {error:.3g}; 0 is identical, "
            "1 an adapter that is ignored); copy the whole folder again, or train again"
        )


def verify_checkpoint(root: DataRoot, folder: Path, base: Base | str) -> Verification:
    """Check a checkpoint: its record, its files' readability and hashes, its base, and its answers after reloading.

    Nothing is written; `record_verification` writes the verdict. A pruned checkpoint has nothing left to load: its verdict
    stays what its record says.

    Raises:
        BaseModelError: the base itself is not there.
    """
    root.relative(folder)  # refuses what lies outside
    model = Base(base) if isinstance(base, str) else base
    try:
        record = read_record(folder)
    except CheckpointError as error:
        return Verification(False, str(error))
    if record.pruned:
        return Verification(record.checkpoint.is_valid, record.invalid_reason)
    name = folder.name
    if unlisted := [needed for needed in NEEDED_FILES if needed not in record.files]:
        return Verification(
            False, f"{name}: checkpoint.json does not list {unlisted[0]}; copy the whole folder again"
        )
    if fault := files_fault(folder, record):
        return Verification(False, f"{name}: {fault}")
    trained_on = record.lineage.base
    if trained_on.sha256 != model.facts.sha256:
        return Verification(
            False,
            f"{name}: was trained on the base {trained_on.name} ({trained_on.sha256[:8]}), this is "
            f"{model.facts.name} ({model.facts.sha256[:8]}); set training.base to the one it was trained on",
        )
    try:
        _require_it_answers_as_trained(model, folder)
    except CheckpointError as error:
        return Verification(False, str(error))
    return Verification(True)


def _require_it_answers_as_trained(model: Base, folder: Path) -> None:
    """Load the checkpoint into its base and ask for the answers that were kept with it.

    Raises:
        CheckpointError: it does not load, does not run, or answers otherwise.
        BaseModelError: the base itself is not there.
    """
    pipeline = model.pipeline
    load_checkpoint_into(pipeline, folder, adapter_name=RELOADED_ADAPTER)
    try:
        pipeline.set_adapters(RELOADED_ADAPTER)
        kept, found = read_parity_check(folder), take_parity_check(pipeline.transformer)
        if not kept.base_error_of(found) <= SAME_BASE_TOLERANCE:
            raise CheckpointError(
                f"{folder.name}: was trained on a base that answers otherwise; {BASE_ADVICE}"
            )
        _require_same_answers(kept, found, folder.name, TOLERANCE)
    except (KeyError, RuntimeError, OSError) as error:
        raise CheckpointError(
            f"{folder.name}: does not run on this base model ({error}); {BASE_ADVICE}"
        ) from error
    finally:
        pipeline.delete_adapters(RELOADED_ADAPTER)


def record_verification(folder: Path, verification: Verification) -> CheckpointRecord | None:
    """Write the verdict into checkpoint.json where that says otherwise, and of a valid one the present times of its files.

    None without a readable record.
    """
    try:
        record = read_record(folder)
    except CheckpointError:
        return None
    checkpoint = record.checkpoint.model_copy(update={"is_valid": verification.is_valid})
    judged = record.model_copy(update={"checkpoint": checkpoint, "invalid_reason": verification.reason})
    if verification.is_valid:
        judged = with_present_times(folder, judged)
    if judged != record:
        write_record(folder, judged)
    return judged
