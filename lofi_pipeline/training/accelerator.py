"""One training process, or several that train on copies of the model and share each batch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, InitProcessGroupKwargs

from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import TrainingJob
from lofi_pipeline.training.resume import TrainingState

ENCODING_TIME = timedelta(days=2)
COPIES_OF_THE_MODEL = (DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)


def open_accelerator(job: TrainingJob, device: str, **trackers: Any) -> Accelerator:
    """One process, or one of several that train on copies of the model.

    Raises:
        TrainingError: the launcher shares the model out over processes.
    """
    # The first process may wait for another training, and encodes while the others wait for it
    patience = timedelta(seconds=job.wait_seconds) + ENCODING_TIME
    found = Accelerator(
        cpu=device == "cpu",
        mixed_precision="no",
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=patience),
            DistributedDataParallelKwargs(broadcast_buffers=False),
        ],
        **trackers,
    )
    if found.distributed_type not in (*COPIES_OF_THE_MODEL, DistributedType.NO):
        raise TrainingError(
            f"training.launcher: {found.distributed_type.value} shares the model out over processes, which the trainer can't: "
            "the base's weights are frozen, so set distributed_type to MULTI_GPU, and lower batch_size or set "
            "gradient_checkpointing where memory is short"
        )
    return found


def refuse_other_processes(state: TrainingState, end: int, here: int) -> None:
    """On another number each step would see another number of tracks: another training under the same name.

    Args:
        state: where training goes on from.
        end: the step it ends at.
        here: how many processes train now.

    Raises:
        TrainingError: they are not as many as before.
    """
    if not state.ended and state.step < end and state.processes != here:
        raise TrainingError(
            f"this training came to step {state.step} on {_counted(state.processes)}, and here is {_counted(here)}: each "
            "step would see another number of tracks. Set training.launcher to what it was, or change the preset's "
            "batch_size: that begins another training"
        )


def _counted(processes: int) -> str:
    return f"{processes} process" if processes == 1 else f"{processes} processes"
