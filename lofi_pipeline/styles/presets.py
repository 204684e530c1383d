"""The 38 style presets: read from YAML, resolved through `extends`, and checked against the vocabulary.

A field that a preset gives replaces its parent's, whole lists too, and null clears it; a field left out is inherited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lofi_pipeline.config import config_file, read_yaml
from lofi_pipeline.entities import StyleCategory, StylePreset, TagKind
from lofi_pipeline.entities.style import ID_PREFIX
from lofi_pipeline.styles.errors import StyleError, UnknownStyle, UnknownTag
from lofi_pipeline.styles.vocabulary import FILE_NAME as VOCABULARY_FILE
from lofi_pipeline.styles.vocabulary import Vocabulary, load_vocabulary

FILE_NAME = "style_presets.yaml"
PRESET_COUNTS = {
    StyleCategory.CORE: 7,
    StyleCategory.SEASONAL: 9,
    StyleCategory.THEMATIC: 10,
    StyleCategory.INSTRUMENTAL: 7,
    StyleCategory.VOCAL: 5,
}
STYLE_IDS = tuple(
    f"{ID_PREFIX[kind]}-{n:02}" for kind, count in PRESET_COUNTS.items() for n in range(1, count + 1)
)

KIND_OF_FIELD = {
    "base_tags": TagKind.GENRE,
    "instruments": TagKind.INSTRUMENTS,
    "production": TagKind.PRODUCTION,
    "mood_options": TagKind.MOOD,
    "atmosphere": TagKind.ATMOSPHERE,
    "vocal_type": TagKind.VOCAL_TYPE,
}
OWN_FIELDS = ("style_id", "name", "category", "extends")


def load_presets(path: Path | None = None, *, vocabulary: Vocabulary | None = None) -> dict[str, StylePreset]:
    """The presets of config/style_presets.yaml by style id, inheritance resolved, tags canonical.

    Raises:
        RecordError: no readable YAML.
        StyleError: a preset breaks a rule; the message names file, preset, field and rule.
    """
    # The vocabulary beside the presets, so that a configuration folder of one's own is whole in itself
    beside = path.with_name(VOCABULARY_FILE) if path else None
    path = path or config_file(FILE_NAME)
    if vocabulary is not None:
        return dict(_load(path, vocabulary))
    return dict(_load_once(path, beside if beside and beside.is_file() else config_file(VOCABULARY_FILE)))


def preset_of(style_id: str, presets: Mapping[str, StylePreset]) -> StylePreset:
    """The preset of a style id.

    Raises:
        UnknownStyle: no such preset.
    """
    try:
        return presets[style_id]
    except KeyError:
        raise UnknownStyle(
            f"unknown style id {style_id!r:.60}; there are: {', '.join(sorted(presets))}"
        ) from None


@cache
def _load_once(path: Path, vocabulary: Path) -> dict[str, StylePreset]:
    return _load(path, load_vocabulary(vocabulary))


def _load(path: Path, vocabulary: Vocabulary) -> dict[str, StylePreset]:
    presets = resolve_presets(read_yaml(path), vocabulary, where=str(path))
    _check_complete(presets, where=str(path))
    return presets


def resolve_presets(listed: object, vocabulary: Vocabulary, *, where: str) -> dict[str, StylePreset]:
    """Resolve a list of presets as written, parents first, depth first. Counts are not checked.

    Raises:
        StyleError: not a list of presets, an unknown or circular parent, a tag of the wrong kind, a broken rule.
    """
    written = _by_id(listed, where)
    resolved: dict[str, dict[str, Any]] = {}

    def resolve(style_id: str, chain: tuple[str, ...]) -> dict[str, Any]:
        if style_id in resolved:
            return resolved[style_id]
        chain = (*chain, style_id)
        if style_id in chain[:-1]:
            raise StyleError(
                f"{where}: extends runs in a circle: {' -> '.join(chain)}; take one `extends` out"
            )
        if style_id not in written:
            raise StyleError(
                f"{where}: {' -> '.join(chain)}: there is no preset {style_id} to extend; add it, or extend another"
            )
        own = written[style_id]
        parent = own.get("extends")
        inherited = resolve(str(parent), chain) if parent is not None else {}
        resolved[style_id] = {k: v for k, v in inherited.items() if k not in OWN_FIELDS} | own
        return resolved[style_id]

    return {
        style_id: _checked(resolve(style_id, ()), vocabulary, f"{where}: {style_id}") for style_id in written
    }


def _by_id(listed: object, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(listed, list):
        raise StyleError(f"{where}: must be a list of presets")
    written: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(listed):
        if not isinstance(item, dict) or not isinstance(item.get("style_id"), str):
            raise StyleError(f"{where}[{index}]: a preset is a mapping with a style_id")
        if item["style_id"] in written:
            raise StyleError(f"{where}: {item['style_id']} is there twice; keep one")
        written[item["style_id"]] = item
    return written


def _checked(fields: dict[str, Any], vocabulary: Vocabulary, where: str) -> StylePreset:
    preset = StylePreset.parse(fields, where=where)
    canonical: dict[str, Any] = {}
    for field, kind in KIND_OF_FIELD.items():
        value = getattr(preset, field)
        if value is None:
            continue
        tags = value if isinstance(value, list) else [value]
        named = [_tag(tag, kind, vocabulary, f"{where}: {field}") for tag in tags]
        if len(set(named)) != len(named):
            raise StyleError(f"{where}: {field}: a tag is listed twice; keep one")
        canonical[field] = named if isinstance(value, list) else named[0]
    return preset.model_copy(update=canonical)


def _tag(tag: str, kind: TagKind, vocabulary: Vocabulary, where: str) -> str:
    try:
        actual = vocabulary.kind_of(tag)
    except UnknownTag as error:
        raise UnknownTag(f"{where}: {error}") from error
    if actual is not kind:
        raise StyleError(f"{where}: {tag!r} is a tag of the category {actual}, here belongs one of {kind}")
    return vocabulary.canonical(tag)


def _check_complete(presets: Mapping[str, StylePreset], *, where: str) -> None:
    """Check that there are exactly the ids of the data model."""
    wrong: Sequence[tuple[str, list[str]]] = [
        ("missing", [style_id for style_id in STYLE_IDS if style_id not in presets]),
        (
            "not in the data model",
            [style_id for style_id in presets if style_id not in STYLE_IDS],
        ),
    ]
    faults = [f"{what}: {', '.join(ids)}" for what, ids in wrong if ids]
    if faults:
        counts = ", ".join(f"{count} {category}" for category, count in PRESET_COUNTS.items())
        raise StyleError(f"{where}: there must be {counts} presets; {'; '.join(faults)}")
