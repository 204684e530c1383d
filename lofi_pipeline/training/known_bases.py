"""Where base models lie that were trained on here: records of a training name a base, and not the way to its folder.

Kept in cache/bases.json, by the hash of the base. A checkpoint is verified and scored on the base that it was trained on, also
where the configuration names another by now.
"""

from __future__ import annotations

from pydantic import ValidationError

from lofi_pipeline.entities import BaseModelFacts, Entity, Lineage
from lofi_pipeline.storage import DataRoot, locked, read_json, write_json_atomic
from lofi_pipeline.training.bases import NANO, shown_name
from lofi_pipeline.training.hub import hub_id


class KnownBases(Entity):
    """What was asked for, by the hash of the base that it gave."""

    bases: dict[str, str] = {}


def note_base(root: DataRoot, base: BaseModelFacts, asked: str) -> None:
    """Remember where a base lies."""
    path = root.known_bases_json
    with locked(path):
        known = _known(root)
        if known.get(base.sha256) != asked:
            write_json_atomic(path, KnownBases(bases={**known, base.sha256: asked}))


def base_of(root: DataRoot, lineage: Lineage, configured: str) -> str:
    """The base that a training had, as it is to be asked for; `configured` where that is it, or where it is not known."""
    base = lineage.base
    if lineage.imported or shown_name(configured) == base.name:
        return configured
    if found := _known(root).get(base.sha256):
        return found
    if asked := hub_id(base.name):
        return f"{asked.repository}@{base.revision}" if base.revision else base.name
    return NANO if base.name == NANO else configured


def _known(root: DataRoot) -> dict[str, str]:
    try:
        return KnownBases.model_validate(read_json(root.known_bases_json)).bases
    except (OSError, ValueError, ValidationError):
        return {}  # a cache
