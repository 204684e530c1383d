"""What a run of `train` may choose in place of the configuration, in Dagster's launchpad or by a script.

A choice counts as the same setting in the configuration would: the lineage, its hashes and resuming know no difference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from lofi_pipeline.config import TrainingPreset, TrainingSettings, load_config
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.errors import LofiError
from lofi_pipeline.resources import Workspace, base_licence, base_name

NEWEST = "trained_on_all_that_is_ready"


class TracksWait(LofiError):
    """The data set that a training would take is not that of all tracks which are ready."""


def _preset_names() -> list[str]:
    try:
        return sorted(load_config().training.presets)
    except (LofiError, OSError):
        return ["nano"]  # the run says what is wrong with the configuration


_PRESETS = _preset_names()
if TYPE_CHECKING:

    class Preset(StrEnum):
        """The presets of the configuration."""

else:
    Preset = StrEnum("Preset", {name: name for name in _PRESETS})


class IfTracksWait(StrEnum):
    """What a training does where build_dataset would give another data set than the one that is there."""

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Asked:
    """What a run trains: the settings with the preset in use, and the base, whatever the environment names."""

    settings: TrainingSettings
    base: str
    base_licence: str | None


class TrainingChoice(dg.Config):
    """What is trained. What is left out is as the configuration says."""

    preset: Preset | None = Field(
        default=None, description=f"In place of training.active: {' or '.join(_PRESETS)}"
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description="Where training ends, in place of the preset's max_steps; with another number it is another training, which "
        "begins at step 0",
    )
    base: str | None = Field(
        default=None,
        min_length=1,
        description="In place of training.base: nano, a hub id, or a folder in diffusers layout",
    )
    if_tracks_wait: IfTracksWait = Field(
        default=IfTracksWait.WARN,
        description="Whether to train on a data set that lacks what has become ready since it was built",
    )

    def asked(self, workspace: Workspace) -> Asked:
        """The settings that hold for this run."""
        config = workspace.config
        settings = config.training
        if self.preset:
            settings = settings.model_copy(update={"active": self.preset.value})
        if self.steps:
            preset = settings.presets[settings.active].model_dump() | {"max_steps": self.steps}
            presets = {
                **settings.presets,
                settings.active: TrainingPreset.parse(preset, where="the launchpad"),
            }
            settings = settings.model_copy(update={"presets": presets})
        base = self.base or base_name(config)
        return Asked(settings, base, base_licence(config, base))


class LaunchedTraining(TrainingChoice):
    """What the launchpad of `train` asks for."""

    quiet: bool = Field(default=False, description="Nothing but what is critical to the console")


@dg.config_mapping
def one_choice(choice: LaunchedTraining) -> dg.RunConfig:
    """The same choice for every asset of the job."""
    same = TrainingChoice(**choice.model_dump(exclude={"quiet"}))
    level = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}} if choice.quiet else {}
    return dg.RunConfig(ops=dict.fromkeys(("base_model", "encoded_dataset", "lora_training"), same), **level)


def tell_version(
    workspace: Workspace, version: DatasetVersion, choice: TrainingChoice, log: Callable[[str], None]
) -> str | None:
    """Say which data set version is trained on; what it lacks, if it is not that of all tracks which are ready.

    Raises:
        TracksWait: it is not, and the choice is to fail then.
    """
    from lofi_pipeline.dataset import dataset_is_current

    dataset = version.dataset
    log(f"data set version {dataset.dataset_id}: {dataset.train_count} tracks to train on")
    if dataset_is_current(workspace.root, workspace.config):
        return None
    lacks = (
        f"tracks, licences or settings have changed since {dataset.dataset_id} was built: run build_dataset first to train on "
        "what is ready now"
    )
    if choice.if_tracks_wait is IfTracksWait.FAIL:
        raise TracksWait(lacks)
    return lacks
