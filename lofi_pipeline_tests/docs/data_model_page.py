"""docs/data-model.md: the entities of config/schemas/*.json with their fields, types and rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lofi_pipeline.entities.schemas import SCHEMAS
from lofi_pipeline_tests.docs.markdown import ROOT, Schema, code, page, sentence, table

ORIGIN = "config/schemas"
FILES = {
    "Track": "every version of the data set, `metadata/datasets/<hash>.json`",
    "StylePreset": "`config/style_presets.yaml`",
    "SourceRecord": "`metadata/sources.json`, an array",
    "Checkpoint": "`checkpoints/manifest.json`, an array",
    "Dataset": "`metadata/dataset_manifest.json`",
    "QualityMetrics": "`scores.json` in the checkpoint's folder",
    "TagCategory": "`config/tag_categories.yaml`",
}
"""Where an entity is kept; paths without config/ are relative to the data root."""


def load_schemas() -> dict[str, dict[str, Any]]:
    """File name (without .json) to schema, in the order of the models."""
    folder = ROOT / "config" / "schemas"
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in SCHEMAS}


def data_model_page() -> str:
    """The whole page."""
    schemas = load_schemas()
    parts = [
        "The entities that other programs may rely on. Each has a JSON Schema (2020-12) in `config/schemas/`, which is written "
        "from the models in `lofi_pipeline/entities/`. Unknown fields are refused. Paths are relative to the data root. "
        "[Where things lie](architecture.md#where-things-lie) lists all files.",
        "Some rules need more than a schema: a date must not lie in the future, a style must be one of the presets, counts must "
        "add up. The models hold these.",
    ]
    shown: set[str] = set()
    for name, schema in schemas.items():
        link = f"[config/schemas/{name}.json](../config/schemas/{name}.json)"
        parts += [
            f"## {schema['title']}",
            f"{sentence(schema['description'])} Kept in {FILES[schema['title']]}. Schema: {link}.",
            _fields(Schema(schema), schema),
            _conditions(schema),
        ]
        for title, inner in schema.get("$defs", {}).items():
            if title in shown:
                continue
            shown.add(title)
            parts += [f"### {title}", sentence(inner.get("description", "")), _definition(schema, inner)]
    return page("The data model", ORIGIN, *parts)


def _definition(schema: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    if "enum" in inner:
        return "Values: " + ", ".join(code(value) for value in inner["enum"]) + "."
    return _fields(Schema(schema), inner)


def _fields(schema: Schema, model: Mapping[str, Any]) -> str:
    required = set(model.get("required", []))
    return table(
        ["field", "type", "required", "default", "rule", "meaning"],
        [
            (
                code(name),
                schema.type_of(field),
                "yes" if name in required else "no",
                code(field.get("default")),
                schema.range_of(field),
                sentence(schema.resolved(field).get("description", "")),
            )
            for name, field in model["properties"].items()
        ],
    )


def _conditions(schema: Mapping[str, Any]) -> str:
    """The rules "if this, then that" of a schema, one line each."""
    found = [rule for rule in [schema, *schema.get("allOf", [])] if "if" in rule]
    return "\n".join(f"- Where {_words(rule['if'])}: {_words(rule['then'])}." for rule in found)


def _words(part: Mapping[str, Any]) -> str:
    said = []
    for name, field in part.get("properties", {}).items():
        if "const" in field:
            said.append(f"`{name}` is {code(field['const'])}")
        elif "pattern" in field:
            said.append(f"`{name}` matches {code(field['pattern'])}")
        elif name in part.get("required", []):
            said.append(f"`{name}` is required")
    return " and ".join(said)
