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
from lofi_pipeline.training.hub import hub_id, snapshot


def base_at_hand(lineage: Lineage, config: PipelineConfig, *, quick: bool = False) -> BaseAtHand | None:
    """The base a lineage names, or the configured one; None when neither lies here.

    Its files are hashed, which takes a while for a large one: `quick` looks at the embedded base only.
    """
    configured = config.training.base
    trained_on = [lineage.base.name]
    if lineage.base.revision and (asked := hub_id(lineage.base.name)):
        trained_on = [f"{asked.repository}@{lineage.base.revision}", *trained_on]
    names = dict.fromkeys([*trained_on, Environment.read().base or configured])
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
    asked = hub_id(name)
    if asked is None:
        return None
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        return snapshot(asked, local_only=True)
    return None


@dataclass(frozen=True)
class BaseAtHand:
    """The base model as it lies on this machine: its facts now, and its folder."""

    facts: BaseModelFacts
    folder: Path
