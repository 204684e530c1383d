"""What an asset is given: the data root and the configuration that belongs to it."""

from pathlib import Path

import dagster as dg

from lofi_pipeline.config import PipelineConfig, base_name, load_config
from lofi_pipeline.environment import Environment
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot


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

    @property
    def config(self) -> PipelineConfig:
        """The pipeline's configuration, validated."""
        return load_config()


def base_licence(config: PipelineConfig, base: str | None = None) -> str | None:
    """What the configuration says of the licence of the base asked for; it speaks of its own base alone."""
    return config.training.base_licence if (base or base_name(config)) == config.training.base else None
