"""Losses for TensorBoard, W&B or MLflow, by accelerate's trackers. Nothing goes over a network unless somebody sets it up so.

What they write lies in cache/trackers/<lineage>/. A tracker that fails ends no training.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from lofi_pipeline.checkpoints.loss_log import LogEntry
from lofi_pipeline.entities import Lineage
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.errors import TrainingError

PROJECT = "lofi"
DEFAULT = "tensorboard"


def wanted_trackers(asked: tuple[str, ...] | None) -> list[Any]:
    """The trackers to log to: those asked for, else TensorBoard where it is installed.

    Raises:
        TrainingError: one that was asked for is not installed.
    """
    if asked is None:
        return [DEFAULT] if find_spec(DEFAULT) else []
    for name in asked:
        if find_spec(name) is None:
            raise TrainingError(
                f"training.trackers: {name} is not installed; pip install {name} (TensorBoard is in the extra `trackers`), or leave "
                "it out"
            )
    return list(asked)


def tracker_folder(root: DataRoot, lineage: Lineage) -> Path:
    """Where what is logged for a lineage lies."""
    return root.cache / "trackers" / lineage.lineage[:12]


class Trackers:
    """The trackers of one training process."""

    def __init__(
        self,
        accelerator: Accelerator,
        folder: Path,
        names: list[str],
        say: Callable[[str], None],
    ) -> None:
        self._accelerator, self._folder, self._names, self._say = accelerator, folder, names, say

    def open(self, step: int) -> None:
        """Begin, after `step`: what was logged later by a training that was killed is taken back where that is possible."""
        if not self._names:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        local = f"sqlite:///{self._folder / 'mlflow.db'}"
        settings: dict[str, dict[str, Any]] = {
            "tensorboard": {"purge_step": step + 1},
            "wandb": {"mode": os.environ.get("WANDB_MODE", "offline"), "dir": str(self._folder)},
            "mlflow": {"logging_dir": os.environ.get("MLFLOW_TRACKING_URI", local)},
        }
        kept = {name: settings[name] for name in self._names}
        self._try(lambda: self._accelerator.init_trackers(PROJECT, init_kwargs=kept))

    def log(self, entry: LogEntry) -> None:
        """Log one step."""
        if self._names and (values := _flat(entry)):
            self._try(lambda: self._accelerator.log(values, step=entry.step))

    def close(self) -> None:
        """End well."""
        if self._names:
            self._try(self._accelerator.end_training)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # theirs are of all kinds
            self._say(f"nothing more is logged to {', '.join(self._names)}: {error}")
            self._names = []


def _flat(entry: LogEntry) -> dict[str, float]:
    """What was measured at a step, by names with a slash where there are several of a kind."""
    values: dict[str, float] = {}
    for name, value in entry.model_dump(exclude={"step"}, exclude_none=True).items():
        parts = value if isinstance(value, dict) else {"": value}
        values |= {f"{name}/{part}".rstrip("/"): number for part, number in parts.items()}
    return values | ({"gap": entry.gap} if entry.gap is not None else {})
