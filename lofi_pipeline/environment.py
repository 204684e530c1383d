"""Every environment variable that the project reads, as one model. What a file can say belongs in `config`.

Beside these, each key of pipeline.yaml has a variable of its own: see `config.PipelineConfig`. `lofi` itself sets DAGSTER_HOME.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lofi_pipeline.entities import RecordError, describe_errors

_PREFIX = "LOFI_"
DATA_ROOT_VARIABLE = "LOFI_DATA_ROOT"
CONFIG_VARIABLE = "LOFI_CONFIG"
CONFIG_ROOT_VARIABLE = "LOFI_CONFIG_ROOT"
DAGSTER_CONFIG_VARIABLE = "LOFI_DAGSTER_CONFIG"
WORKSPACE_VARIABLE = "LOFI_WORKSPACE"
BASE_VARIABLE = "LOFI_BASE"
THREADS_VARIABLE = "LOFI_TORCH_THREADS"
WEBHOOK_VARIABLE = "LOFI_ALERT_WEBHOOK"


class Environment(BaseSettings):
    """The environment variables, as they are now. An empty one counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    data_root: Path | None = Field(
        default=None,
        validation_alias=DATA_ROOT_VARIABLE,
        description="The data root; `--data` goes before it. Without both: data/ of the checkout, or of the working "
        "directory where the package is installed.",
    )
    config: Path | None = Field(
        default=None,
        validation_alias=CONFIG_VARIABLE,
        description="The file to read in place of pipeline.yaml; `--config` goes before it. The style presets, the vocabulary "
        "and the licence policy are taken from beside it where they lie there.",
    )
    config_root: Path | None = Field(
        default=None,
        validation_alias=CONFIG_ROOT_VARIABLE,
        description="The folder with all files of the configuration. Without it: config/ of the checkout, or of the installed "
        "package.",
    )
    dagster_config: Path | None = Field(
        default=None,
        validation_alias=DAGSTER_CONFIG_VARIABLE,
        description="The Dagster configuration in place of the shipped dagster.yaml; `--dagster-config` goes before it. It can "
        "run programs, so it must lie outside the data root.",
    )
    workspace: Path | None = Field(
        default=None,
        validation_alias=WORKSPACE_VARIABLE,
        description="The Dagster workspace in place of the shipped workspace.yaml: where a code server runs on its own. It can run "
        "programs, so it must lie outside the data root.",
    )
    kubernetes_gpus: int = Field(
        default=0,
        ge=0,
        validation_alias="LOFI_KUBERNETES_GPUS",
        description="GPUs that the pod of a training or a scoring asks for, where runs are pods (deploy/kubernetes).",
    )
    training_pod: Path | None = Field(
        default=None,
        validation_alias="LOFI_TRAINING_POD",
        description="A manifest of Kubernetes of `kind: Pod`: a training becomes such a pod (deploy/kubernetes), needs the extra "
        "`kubernetes`. It can run programs, so it must lie outside the data root. Without it: a training is a process on the "
        "machine of its run.",
    )
    most_hours: float | None = Field(
        default=None,
        gt=0,
        validation_alias="LOFI_MOST_HOURS",
        description="Hours after which Dagster ends a run, while `lofi ui` or the daemon runs; what it had done is kept, and the run is "
        "done again up to twice. Without it: none is ended. A training may take days.",
    )
    base: str | None = Field(
        default=None,
        validation_alias=BASE_VARIABLE,
        description="The base model, in place of training.base; `--base` goes before it.",
    )
    torch_threads: int | None = Field(
        default=None,
        ge=1,
        validation_alias=THREADS_VARIABLE,
        description="Threads for a training. Without it: half of the cores, so that the scoring beside it has some. Scoring itself "
        "always takes one thread, so that its figures do not depend on the machine's load.",
    )

    alert_webhook: str | None = Field(
        default=None,
        repr=False,  # whoever knows it may post there
        validation_alias=WEBHOOK_VARIABLE,
        description="An address that is told of each run that fails while `lofi ui` runs, as JSON that Slack takes: a reason, in "
        "which names of files may stand. Without it: nothing is sent anywhere.",
    )

    @classmethod
    def read(cls) -> Self:
        """The variables of this process.

        Raises:
            RecordError: a value breaks a rule; the variable is named.
        """
        return _read(cls, tuple(item for item in os.environ.items() if item[0].upper().startswith(_PREFIX)))


Read = TypeVar("Read", bound=Environment)


@lru_cache(maxsize=1)  # a millisecond each time; whoever judges ten thousand sources asks as often
def _read(kind: type[Read], _variables: tuple[tuple[str, str], ...]) -> Read:
    try:
        return kind()
    except ValidationError as error:
        raise RecordError(describe_errors(error, where="environment", kind="variable")) from error
