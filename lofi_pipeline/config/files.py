"""Which files the configuration is read from, and how YAML is read. What may stand in them belongs in `settings`.

`--config` or LOFI_CONFIG names a file in place of pipeline.yaml, LOFI_CONFIG_ROOT a folder with all of them. Else they are
the checkout's config/, or those that the installed package brought along.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import CONFIG_ROOT_VARIABLE, CONFIG_VARIABLE, Environment
from lofi_pipeline.installation import shipped

PIPELINE_FILE = "pipeline.yaml"


def config_root() -> Path:
    """The folder of the configuration: LOFI_CONFIG_ROOT, else what comes with the project."""
    return Environment.read().config_root or shipped("config")


def config_file(name: str = PIPELINE_FILE) -> Path:
    """The file of the configuration with this name; others than pipeline.yaml lie beside a file that was given, or not."""
    given = Environment.read().config
    if given is None:
        return config_root() / name
    beside = given if name == PIPELINE_FILE else given.with_name(name)
    return beside if name == PIPELINE_FILE or beside.is_file() else config_root() / name


class _Loader(yaml.SafeLoader):
    """YAML without its surprises: `off`, `no` and `on` are words, dates are text, and no key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(
                problem=f"{', '.join(sorted(twice))}: is there twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in known if tag not in (_BOOLEAN, "tag:yaml.org,2002:timestamp")]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(path: Path) -> object:
    """The YAML value in `path`.

    Raises:
        RecordError: no such file, or not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise RecordError(
            f"{path}: no such file; name another with --config or {CONFIG_VARIABLE}, or the folder of all files of the "
            f"configuration with {CONFIG_ROOT_VARIABLE}"
        ) from error
    except RecursionError as error:
        raise RecordError(f"{path}: its brackets are nested too deeply to be read") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a number of thousands of digits
        raise RecordError(f"{path}: is not YAML: {error}") from error
