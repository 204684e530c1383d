"""The licence that a model's card names: `license` in the front matter of the README.md in its folder. Torch-free.

https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml

MODEL_CARD = "README.md"
MAX_BYTES = 64_000
MAX_LICENCE = 200
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_NOT_SAID = {"", "unknown", "other"}


def licence_of(folder: Path) -> str | None:
    """What the card says, such as "apache-2.0"; of `license: other` the license_name. None: no card, or it does not say.

    Cards come from strangers: at most MAX_BYTES are read, no object is constructed, and what cannot be read counts as not said.
    """
    path = folder / MODEL_CARD
    if not path.is_file():
        return None
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    front = _FRONT_MATTER.match(text)
    fields = _scalars(front[1]) if front else {}
    for licence in (fields.get("license", ""), fields.get("license_name", "")):
        if licence.casefold() not in _NOT_SAID and len(licence) <= MAX_LICENCE and licence.isprintable():
            return licence
    return None


def _scalars(text: str) -> dict[str, str]:
    """The top-level fields with a single value, given once. Composed only: constructing would follow merge keys, however many."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    given = Counter(key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode))
    return {
        key.value: value.value.strip()
        for key, value in pairs
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode) and given[key.value] == 1
    }
