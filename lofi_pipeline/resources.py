"""What an asset is given: the data root and the configuration that belongs to it; and whose process a run lives in."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import dagster as dg
import psutil

from lofi_pipeline.config import PipelineConfig, base_name, load_config
from lofi_pipeline.environment import Environment
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot, content_sha256, leased, lock_file
from lofi_pipeline.storage.data_root import RUNNING

OWNER_TAG = "lofi/process"


class OtherDataRoot(LofiError):
    """A run is to work on another data root than the one whose history it stands in."""


class Workspace(dg.ConfigurableResource):
    """The data root; without a setting the one that `DataRoot.find` finds."""

    data_root: str = ""

    @property
    def root(self) -> DataRoot:
        """Where this pipeline's music, records and checkpoints lie.

        Raises:
            OtherDataRoot: LOFI_DATA_ROOT, which `lofi` sets, is another. A history that was copied along with a data root
                may hold runs that wait to be started, with whatever configuration somebody gave them.
        """
        asked = DataRoot.find(Path(self.data_root) if self.data_root else None)
        if Environment.read().data_root and asked != (own := DataRoot.find()):
            raise OtherDataRoot(
                f"{asked.path}: the configuration of this run names this data root, but the run stands in the history of "
                f"{own.path}; nothing was done. Launch it anew without `data_root`, or give `--data {asked.path}` to `lofi`"
            )
        return asked

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """For one run, all of which is in this process: whoever started it, the run names its owner while it goes on.

        Else nobody would know that a run which Dagster's daemon began is over, once that was killed.
        """
        run, instance = context.run, context.instance
        if run is None or instance is None or run.tags.get(OWNER_TAG) == owner_tag()[OWNER_TAG]:
            yield self
            return
        with owned(instance, run.run_id) as tags:
            instance.add_run_tags(run.run_id, tags)
            yield self

    @property
    def config(self) -> PipelineConfig:
        """The pipeline's configuration, validated."""
        return load_config()


def owner_tag() -> dict[str, str]:
    """Tags for a run that lives in this process: host, process id and when the process began."""
    return {OWNER_TAG: identity_of(psutil.Process(os.getpid()))}


@contextmanager
def owned(instance: dg.DagsterInstance, run_id: str) -> Iterator[dict[str, str]]:
    """Tags for a run that lives in this process while the block goes on.

    A lease is held so long: who sees the history from another machine, or from another container, sees nothing of the process.
    """
    mark = running_mark(instance, run_id)
    with leased(mark, "a run", on_lost=lambda holder: None):
        try:
            yield owner_tag()
        finally:
            lock_file(mark).unlink(missing_ok=True)


def running_mark(instance: dg.DagsterInstance, run_id: str) -> Path:
    """What is leased while a run goes on. An id that somebody else stored may be anything but the name of a file."""
    return Path(instance.root_directory) / RUNNING / content_sha256(run_id)


def identity_of(process: psutil.Process) -> str:
    """A process as no other is called: host, process id and when it began."""
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def base_licence(config: PipelineConfig, base: str | None = None) -> str | None:
    """What the configuration says of the licence of the base asked for; it speaks of its own base alone."""
    return config.training.base_licence if (base or base_name(config)) == config.training.base else None
