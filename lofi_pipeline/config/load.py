"""The configuration as it is in use: the file and the environment together."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lofi_pipeline.config.files import config_file, read_yaml
from lofi_pipeline.config.settings import DELIMITER, PREFIX, PipelineConfig
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import Environment


def load_config(path: Path | None = None) -> PipelineConfig:
    """Read and validate the configuration.

    Raises:
        RecordError: a wrong key or value, named; or no readable YAML.
    """
    return _load(path or config_file(), _variables())


def base_name(config: PipelineConfig) -> str:
    """The base model asked for: LOFI_BASE (what `lofi run --base` sets), else the configuration's."""
    return Environment.read().base or config.training.base


def _variables() -> tuple[tuple[str, str], ...]:
    """The environment variables that stand for keys of the configuration, with their values."""
    given = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value}
    sections = {name: name[len(PREFIX) :].lower().partition(DELIMITER)[0] for name in given}
    found = {name for name, section in sections.items() if section in PipelineConfig.model_fields}
    if wrong := sorted(name for name in given if DELIMITER in name and name not in found):
        raise RecordError(f"environment: {', '.join(wrong)}: no such section of the configuration")
    return tuple((name, given[name]) for name in sorted(found))


@cache
def _load(path: Path, variables: tuple[tuple[str, str], ...]) -> PipelineConfig:
    where = str(path) + (f" with {', '.join(name for name, _ in variables)}" if variables else "")
    data = read_yaml(path)
    # Names that pydantic-settings takes for options of its own
    if isinstance(data, dict) and (wrong := [str(key) for key in data if not str(key)[:1].isalpha()]):
        raise RecordError(f"{where}: {', '.join(wrong)}: no such section of the configuration")
    return PipelineConfig.parse(data, where=where)
