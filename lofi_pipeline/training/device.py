"""What happens on the device while it trains: the peak of its memory, and its faults in words."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil
import torch

from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.memory import (
    MemoryPlan,
    Saving,
    Shape,
    gigabytes,
    largest_load,
    plan_memory,
    savings,
)
from lofi_pipeline.training.records import TrainingJob

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_ALLOCATION_FAULTS = ("can't allocate memory", "not enough memory", "out of memory")


class PeakMemory:
    """The most memory that was taken since this was made."""

    def __init__(self, device: str) -> None:
        self._on_gpu = device.startswith("cuda")
        self._before = 0
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            self._before = psutil.Process().memory_info().rss
            with suppress(OSError):  # without it: the peak of the process's whole life
                _CLEAR.write_text(_RESET_PEAK)

    def beside(self, plan: MemoryPlan) -> str:
        """One line: the peak, and what was planned."""
        planned = f"memory: {gigabytes(plan.total)} by plan"
        if self._on_gpu:
            return f"{planned}, {gigabytes(torch.cuda.max_memory_allocated())} at the peak on the GPU"
        peak = _resident_peak()
        return (
            f"{planned}; at the peak the process had {gigabytes(peak)} in memory, {gigabytes(peak - self._before)} more "
            "than before the base was loaded"
        )


def _resident_peak() -> int:
    with suppress(OSError, IndexError):
        (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no room for something, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _ALLOCATION_FAULTS)


@contextmanager
def device_faults(
    advice: Callable[[], str], where: Callable[[], str] = lambda: "while encoding"
) -> Iterator[None]:
    """Say in words that there was no room, or that the GPU failed.

    `advice`: what to do where there was no room. `where`: at which moment it was.

    Raises:
        TrainingError: one of both.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        if is_out_of_memory(error):
            raise TrainingError(f"out of memory {where()} ({first}). {advice()}") from error
        if isinstance(error, torch.AcceleratorError) or "CUDA error" in first:
            raise TrainingError(
                f"the GPU failed {where()} ({first}). Run again: training goes on from the last state that was kept; "
                "if it fails again, look what the driver says (nvidia-smi, dmesg)"
            ) from error
        raise


class TrainingMemory:
    """The memory of one training: planned, measured, and what to lower where it is too little."""

    def __init__(
        self, shape: Shape, job: TrainingJob, crops: Sequence[Sequence[tuple[int, int]]], device: str
    ) -> None:
        """`crops`: latent frames and condition tokens of each track's crop, with each of its captions."""
        load = largest_load(job.preset, [pair for captions in crops for pair in captions])
        self.plan = plan_memory(shape, job.preset, load)
        self._savings = savings(shape, job.preset, load, f"training.presets.{job.preset_name}")
        self._peak = PeakMemory(device)

    def planned(self) -> str:
        """One line."""
        return f"memory by plan {self.plan}"

    def measured(self) -> str:
        """One line."""
        return self._peak.beside(self.plan)

    def faults_in_words(self, step: Callable[[], int]) -> AbstractContextManager[None]:
        """See `device_faults`."""
        return device_faults(lambda: _advice(self.plan, self._savings), lambda: f"at step {step()}")


def _advice(plan: MemoryPlan, savings: list[Saving]) -> str:
    """What to lower, in order."""
    if not savings:
        return f"By plan training takes {plan}. Nothing can be lowered further: take a smaller base or a larger GPU"
    lines = "; ".join(f"{saving.setting} saves {gigabytes(saving.saves)}" for saving in savings)
    return f"By plan training takes {plan}. Lower, in this order, and run again: {lines}"
