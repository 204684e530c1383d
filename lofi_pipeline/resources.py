"""What an asset is given: the data root and the configuration that belongs to it."""

from pathlib import Path

import dagster as dg

from lofi_pipeline.config import PipelineConfig, base_name, load_config
from lofi_pipeline.storage import DataRoot


class Workspace(dg.ConfigurableResource):
    """The data root; without a setting the one that `DataRoot.find` finds."""

    data_root: str = ""

    @property
    def root(self) -> DataRoot:
        """Where this pipeline's music, records and checkpoints lie."""
        return DataRoot.find(Path(self.data_root) if self.data_root else None)

    @property
    def config(self) -> PipelineConfig:
        """The pipeline's configuration, validated."""
        return load_config()


def base_licence(config: PipelineConfig) -> str | None:
    """What the configuration says of the licence of the base asked for; it speaks of its own base alone."""
    return config.training.base_licence if base_name(config) == config.training.base else None
