"""config/schemas/*.json from the models: `python -m lofi_pipeline.entities.schemas` writes them, `--check` compares."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DictSchema

from lofi_pipeline.entities.base import Entity
from lofi_pipeline.entities.checkpoint import Checkpoint, QualityMetrics
from lofi_pipeline.entities.dataset import Dataset
from lofi_pipeline.entities.source import SourceRecord
from lofi_pipeline.entities.style import StylePreset, TagCategory
from lofi_pipeline.entities.track import Track
from lofi_pipeline.installation import shipped

COMMAND = "python -m lofi_pipeline.entities.schemas"
SCHEMA_FOLDER = shipped("config/schemas")
SCHEMAS: dict[str, type[Entity]] = {
    "track": Track,
    "style_preset": StylePreset,
    "source_record": SourceRecord,
    "checkpoint": Checkpoint,
    "dataset": Dataset,
    "quality_metrics": QualityMetrics,
    "tag_category": TagCategory,
}


class _Strict(GenerateJsonSchema):
    """Refuses the keys of a mapping that pydantic refuses: it only writes which ones have a rule."""

    def dict_schema(self, schema: DictSchema) -> JsonSchemaValue:
        generated = super().dict_schema(schema)
        return {**generated, "additionalProperties": False} if "patternProperties" in generated else generated


def schema_of(model: type[Entity]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record as it is read. Rules that need the clock, the presets or two fields'
    arithmetic (a date not in the future, known styles, counts that add up) are the model's alone.
    """
    schema = model.model_json_schema(mode="validation", schema_generator=_Strict)
    # What a docstring says after its first paragraph is for those who call the model
    about = schema["description"].split("\n\n")[0]
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "description": about}


def rendered() -> dict[str, str]:
    """File name to text, of every schema."""
    return {f"{name}.json": json.dumps(schema_of(model), indent=2) + "\n" for name, model in SCHEMAS.items()}


def differing(folder: Path) -> list[str]:
    """The schema files in `folder` that are not what the models say: changed, missing or left over."""
    wanted = rendered()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(folder: Path) -> list[str]:
    """Make `folder` hold exactly the schemas; returns the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted, changed = rendered(), differing(folder)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas, or with --check only say which differ. Exit code 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a file differs from its model"
    )
    parser.add_argument(
        "--folder", type=Path, default=SCHEMA_FOLDER, help="default: config/schemas of the project"
    )
    options = parser.parse_args(arguments)
    if not options.check:
        changed = write(options.folder)
        print(f"{len(SCHEMAS)} schemas in {options.folder}, changed: {', '.join(changed) or 'none'}")
        return 0
    if wrong := differing(options.folder):
        print(f"{options.folder}: {', '.join(wrong)} differ from the models; run: {COMMAND}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
