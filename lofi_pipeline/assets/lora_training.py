"""lora_training: the trainer in a process of its own, or a pod; each checkpoint is entered in Dagster as it lands."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.lora_checkpoints import standing_of
from lofi_pipeline.assets.metadata import lineage_page, rounded, shown
from lofi_pipeline.assets.partitions import CHECKPOINTS, GPU_POOL, OWNERS, add_partitions
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.assets.training_choice import NEWEST, TrainingChoice, tell_version
from lofi_pipeline.config import config_hash
from lofi_pipeline.entities import CheckpointRecord, Lineage
from lofi_pipeline.environment import Environment
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.training.records import TrainingEvent, TrainingJob


@dg.asset(
    group_name="training",
    kinds={"pytorch", "huggingface"},
    owners=OWNERS,
    code_version="1",
    pool=GPU_POOL,
    deps=["encoded_dataset"],
    check_specs=[
        dg.AssetCheckSpec(
            NEWEST,
            asset="lora_training",
            description="The data set that was trained on is what build_dataset gave when the training began.",
        )
    ],
)
@failing_in_words()
def lora_training(
    context: dg.AssetExecutionContext, workspace: Workspace, config: TrainingChoice
) -> dg.MaterializeResult:
    """Trains the LoRA to the end of the preset, from where an interrupted training of the same lineage stopped."""
    from lofi_pipeline.dataset import load_version
    from lofi_pipeline.training.bases import describe_base
    from lofi_pipeline.training.known_bases import note_base
    from lofi_pipeline.training.lineage import lineage_of
    from lofi_pipeline.training.records import TrainingJob
    from lofi_pipeline.training.start import start_of

    root, asked = workspace.root, config.asked(workspace)
    settings, version = asked.settings, load_version(root)
    lacks = tell_version(workspace, version, config, context.log.info)
    base = describe_base(asked.base)
    note_base(root, base, asked.base)
    start = start_of(root, settings.preset, base.sha256)
    lineage = lineage_of(version, settings.active, settings.preset, base, start)
    job = TrainingJob(
        data_root=root.path,
        dataset_hash=version.dataset.hash,
        base=asked.base,
        base_licence=asked.base_licence,
        preset_name=settings.active,
        preset=settings.preset,
        encode_chunk_seconds=settings.encode_chunk_seconds,
        latents=settings.latents,
        trackers=settings.trackers,
        at_once=settings.at_once,
    )
    landed: dict[str, TrainingEvent] = {}
    last = _train(context, job, _follower(context, root, landed), settings.launcher)
    # The losses stand in the event of the last checkpoint; a training that was complete before landed none.
    newest = max(landed.values(), key=lambda event: event.step, default=last)
    facts = newest.model_dump(include={"loss", "validation_loss", "steps_per_second"}, exclude_none=True)
    check = dg.AssetCheckResult(
        check_name=NEWEST,
        passed=lacks is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=shown({"dataset_id": version.dataset.dataset_id, "reason": lacks}),
    )
    return replace(_standing(lineage, last.step, facts), checks=lambda: [check]).result()


def _train(
    context: dg.AssetExecutionContext,
    job: "TrainingJob",
    on_event: "Callable[[TrainingEvent], None]",
    launcher: int | str,
) -> "TrainingEvent":
    """In a process of its own, or in a pod where the environment names a file that says how it is made."""
    from lofi_pipeline.training.errors import TrainingError
    from lofi_pipeline.training.launch import train_in_process

    template = Environment.read().training_pod
    if template is None:
        return train_in_process(job, on_event, launcher=launcher)
    try:
        from lofi_pipeline.assets.training_pod import train_in_pod
    except ImportError as error:
        raise TrainingError(
            'LOFI_TRAINING_POD needs dagster-k8s, which is not installed: pip install "lofi-pipeline[kubernetes]"'
        ) from error
    return train_in_pod(context, job, on_event, template=template, launcher=launcher)


def standing_training(workspace: Workspace) -> Iterator[Standing]:
    """The training that was asked for, when it is complete."""
    if last := completed_training(workspace):
        losses = last.model_dump(include={"loss", "validation_loss"}, exclude_none=True)
        yield _standing(last.lineage, last.checkpoint.step, losses)


def completed_training(workspace: Workspace) -> CheckpointRecord | None:
    """The last checkpoint of the training that data set and configuration ask for now; the base need not lie here."""
    from lofi_pipeline.checkpoints.manifest import active_lineage
    from lofi_pipeline.dataset import current_hash
    from lofi_pipeline.training.lineage import last_checkpoint

    active = active_lineage(workspace.root)
    if active is None or not asked_for(workspace, active):
        return None
    if active.dataset_hash != current_hash(workspace.root):
        return None
    return last_checkpoint(workspace.root, active)


def asked_for(workspace: Workspace, lineage: Lineage) -> bool:
    """Whether a training is one with the base and the preset of the configuration, on whatever data set."""
    from lofi_pipeline.training.bases import shown_name

    config = workspace.config
    if lineage.base.name != shown_name(base_name(config)):
        return False
    start = lineage.started_from.weights if lineage.started_from else None
    return lineage.config_hash == config_hash(config.training.preset, lineage.base.sha256, start)


def _standing(lineage: Lineage, step: int, measured: dict[str, float]) -> Standing:
    return Standing(
        "lora_training",
        f"{lineage.lineage}-{step}",
        lambda: {
            "step": step,
            "lineage": lineage.lineage,
            "studio": lineage_page(lineage),
            "preset": lineage.preset,
            "base": lineage.base.name,
            "dataset_hash": lineage.dataset_hash,
            "config_hash": lineage.config_hash,
            **{name: rounded(value) for name, value in measured.items()},
        },
    )


def _landed(root: DataRoot, event: "TrainingEvent") -> CheckpointRecord:
    """The record of a checkpoint that has just landed, wherever its lineage lies."""
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.manifest import find_checkpoint, read_record

    folder = find_checkpoint(root, event.partition_key or "")
    if folder is None:
        raise CheckpointError(f"{event.partition_key}: was moved away as soon as it had landed; run again")
    return read_record(folder)


def _follower(
    context: dg.AssetExecutionContext, root: DataRoot, landed: "dict[str, TrainingEvent]"
) -> "Callable[[TrainingEvent], None]":
    """What is done with each event: log it, enter checkpoints in Dagster as they land, and note them in `landed` by id."""
    from lofi_pipeline.training.records import EventKind

    def follow(event: "TrainingEvent") -> None:
        losses = f" loss {event.loss:.4f}" if event.loss is not None else ""
        losses += f" held out {event.validation_loss:.4f}" if event.validation_loss is not None else ""
        speed = f" {event.steps_per_second:.2f} steps/s" if event.steps_per_second else ""
        line = f"step {event.step}/{event.max_steps}{losses}{speed} {event.message}".rstrip()
        context.log.info(f"{event.kind.value}: {line}")
        progress.report("lora_training", event.step, event.max_steps, line)
        if event.kind is EventKind.CHECKPOINT and event.checkpoint_id and event.checkpoint_id not in landed:
            landed[event.checkpoint_id] = event
            record = _landed(root, event)
            add_partitions(context.instance, CHECKPOINTS.name, [record.partition_key])
            context.log_event(standing_of(root, record).materialization())

    return follow
