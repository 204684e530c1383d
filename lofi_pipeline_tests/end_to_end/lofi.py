"""`lofi` as a user runs it: a process of its own on a data root of its own, with a small configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import dagster as dg
import psutil
import yaml

from lofi_pipeline.automation.instance import HOME_VARIABLE
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot

COMMAND = (sys.executable, "-m", "lofi_pipeline.cli")
TIMEOUT = 540.0
"""Seconds until what never happens is called missing: no measure of speed."""
T = TypeVar("T")
TRAINER = "lofi_pipeline.training.run"

INTERVAL, STEPS = 12, 60
CHECKPOINTS = STEPS // INTERVAL
SMALL: dict[str, dict[str, Any]] = {
    "dataset": {"validation_ratio": 0.34},
    "ingest": {"stable_seconds": 1.0},
    "training": {
        "base": "nano",
        "active": "toy",
        "presets": {
            "toy": {
                "checkpoint_interval": INTERVAL,
                "max_steps": STEPS,
                "batch_size": 4,
                "crop_seconds": 3.0,
                "learning_rate": 0.01,
                "warmup_steps": 2,
                "lora_rank": 4,
                "lora_alpha": 8,
                "precision": "fp32",
                "validation_batches": 1,
            }
        },
    },
    "evaluation": {
        "embedder": "nano",
        "clip_seconds": 1.0,
        "inference_steps": 2,
        "validation_prompts": 2,
        "guidance_scale": 1.0,
        "style_prompts": False,  # 76 clips for the last and for the best
    },
    "retention": {"keep_best": 3, "keep_most": 3},
}


def write_config(folder: Path, **changes: dict[str, Any]) -> Path:
    """A copy of config/ whose pipeline.yaml has the small settings, and these changes to them by section."""
    shutil.copytree(PROJECT_ROOT / "config", folder)
    path = folder / "pipeline.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    for layer in (SMALL, changes):
        for section, values in layer.items():
            settings[section] = settings.get(section, {}) | values
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Finished:
    """What a command left: exit code, and everything it printed."""

    code: int
    said: str


class Running:
    """A command that was started; what it prints goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def family(self) -> list[psutil.Process]:
        """The process and everything below it."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def trainer(self) -> psutil.Process | None:
        """The training process below it, if there is one now."""
        for process in self.family():
            try:
                if TRAINER in process.cmdline():
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def wait_for(self, condition: Callable[[], T | None], what: str, *, pause: float = 0.05) -> T:
        """Poll until `condition` gives something; fail when the command ends before, or after TIMEOUT.

        `pause`: seconds from one look to the next, more where a look is work for the command itself.
        """
        deadline = time.monotonic() + TIMEOUT
        while not (found := condition()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.said}"
            assert time.monotonic() < deadline, f"no {what} after {TIMEOUT:.0f} s:\n{self.said}"
            time.sleep(pause)
        return found

    def finish(self) -> Finished:
        """Wait for the end."""
        return Finished(self.process.wait(timeout=TIMEOUT), self.said)


@dataclass(frozen=True)
class Lofi:
    """The command line on one data root."""

    root: DataRoot
    config: Path
    base: Path

    def start(self, *arguments: str) -> Running:
        """Start `lofi ARGUMENTS --data <root>`."""
        log = self.root.path.with_name(f"{self.root.path.name}-{time.monotonic_ns()}.log")
        environment = os.environ | {
            "LOFI_CONFIG_ROOT": str(self.config),
            "OMP_NUM_THREADS": "1",
            "LOFI_TORCH_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("LOFI_DATA_ROOT", "LOFI_BASE", "DAGSTER_HOME"):
            environment.pop(name, None)
        with log.open("wb") as output:
            command = [*COMMAND, *arguments, "--data", str(self.root.path)]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )
        return Running(process, log)

    def __call__(self, *arguments: str) -> Finished:
        """Run a command to its end."""
        return self.start(*arguments).finish()

    def run(self, *arguments: str) -> dict[str, Any]:
        """`lofi run --base <toy> --json`, which must go well; what it wrote."""
        target = self.root.path.with_name(f"{self.root.path.name}-{time.monotonic_ns()}.json")
        done = self("run", "--base", str(self.base), "--json", str(target), *arguments)
        assert done.code == 0, done.said
        return json.loads(target.read_bytes())

    def copy(self, path: Path) -> Lofi:
        """The same on a copy of the data root, its history included."""
        shutil.copytree(self.root.path, path)
        return Lofi(DataRoot(path), self.config, self.base)


@contextmanager
def history(root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that lies in a data root."""
    with (
        mock.patch.dict(os.environ, {HOME_VARIABLE: str(root.dagster_home)}),
        dg.DagsterInstance.get() as opened,
    ):
        yield opened


def materialized(root: DataRoot, asset: str) -> set[str]:
    """The partitions of an asset that the history says are materialized."""
    with history(root) as instance:
        return instance.get_materialized_partitions(dg.AssetKey(asset))
