"""The base model of an audited checkpoint, where it lies on this machine; nothing is fetched for an audit. Torch-free.

What its licence comes to is in audit/training_facts.py.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    BaseModelFacts,
    Lineage,
)
from lofi_pipeline.environment import Environment
from lofi_pipeline.training.bases import NANO, NANO_FOLDER, describe_base
from lofi_pipeline.training.errors import BaseModelError


def base_at_hand(lineage: Lineage, config: PipelineConfig, *, quick: bool = False) -> BaseAtHand | None:
    """The base a lineage names, or the configured one; None when neither lies here.

    Its files are hashed, which takes a while for a large one: `quick` looks at the embedded base only.
    """
    configured = config.training.base
    names = dict.fromkeys([lineage.base.name, Environment.read().base or configured])
    found = []
    for name in names:
        folder = _folder(name)
        if folder is None or (quick and name != NANO):
            continue
        with suppress(BaseModelError, OSError):
            licence = config.training.base_licence if name == configured else None
            facts = describe_base(NANO if name == NANO else str(folder), licence=licence)
            found.append(BaseAtHand(facts, folder))
    same = [base for base in found if base.facts.sha256 == lineage.base.sha256]
    named_alike = [base for base in found if base.facts.name == lineage.base.name]
    return next(iter([*same, *named_alike]), None)


def _folder(name: str) -> Path | None:
    if name == NANO:
        return NANO_FOLDER
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        return Path(snapshot_download(name, local_files_only=True))
    return None


@dataclass(frozen=True)
class BaseAtHand:
    """The base model as it lies on this machine: its facts now, and its folder."""

    facts: BaseModelFacts
    folder: Path
