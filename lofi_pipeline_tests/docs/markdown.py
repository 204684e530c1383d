"""Markdown from code: tables, sentences, and what a JSON Schema says of its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lofi_pipeline.entities.base import RelativePath, Sha256

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
NOTICE = "<!-- Written by `make docs` from {origin}; edit that, not this page. -->"


def page(title: str, origin: str, *parts: str) -> str:
    """A whole page: where it comes from, its title, its parts with a blank line between."""
    return "\n\n".join([NOTICE.format(origin=origin), f"# {title}", *(part for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold markdown, but neither bars nor line breaks of their own."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return prose(" ".join(text.split())).replace("|", "\\|")


def prose(text: str) -> str:
    """`text` with what would be taken for a tag of HTML escaped; what stands in code type stays."""
    return re.sub(
        r"`[^`]*`|<", lambda found: found[0].replace("<", "&lt;") if found[0] == "<" else found[0], text
    )


def sentence(text: str) -> str:
    """`text` with a full stop where it ends in none."""
    text = text.strip()
    return text if not text or text[-1] in ".:!?`" else f"{text}."


def code(value: object) -> str:
    """A value as it is written in YAML and JSON, in code type; nothing for what is not given."""
    if value is None or value == "":
        return ""
    return f"`{value if isinstance(value, str | Path) else json.dumps(value, ensure_ascii=False)}`"


PATTERNS = {
    TypeAdapter(RelativePath).json_schema()["pattern"]: "a relative path inside the data root, without `..`",
    TypeAdapter(Sha256).json_schema()["pattern"]: "a SHA-256 in hex digits",
}
"""Patterns that are better said in words."""


class Schema:
    """A JSON Schema (pydantic's dialect) that says of each field what a reader asks: type, range, default."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.definitions: Mapping[str, Any] = schema.get("$defs", {})

    def resolved(self, field: Mapping[str, Any]) -> dict[str, Any]:
        """The field with what it refers to; of "something or null" the something."""
        if "anyOf" in field:
            given = [part for part in field["anyOf"] if part.get("type") != "null"]
            return {**self.resolved(given[0]), **{key: field[key] for key in field if key != "anyOf"}}
        if "$ref" in field:
            named = self.definitions[field["$ref"].rsplit("/", 1)[1]]
            return {**self.resolved(named), **{key: field[key] for key in field if key != "$ref"}}
        return dict(field)

    def model_of(self, field: Mapping[str, Any]) -> str | None:
        """The name of the model whose fields this field has."""
        for part in [field, *field.get("anyOf", [])]:
            name = str(part.get("$ref", "")).rsplit("/", 1)[-1]
            if name and "properties" in self.definitions[name]:
                return name
        return None

    def type_of(self, field: Mapping[str, Any]) -> str:
        """In words: "number", "list of string", "one of `a`, `b`"."""
        found = self.resolved(field)
        nullable = any(part.get("type") == "null" for part in field.get("anyOf", []))
        return self._type(found) + (" or nothing" if nullable else "")

    def _type(self, found: Mapping[str, Any]) -> str:
        if "enum" in found:
            return "one of " + ", ".join(code(value) for value in found["enum"])
        if "const" in found:
            return f"always {code(found['const'])}"
        if found.get("type") == "array":
            parts = found.get("prefixItems") or [found.get("items", {})]
            return "list of " + ", ".join(dict.fromkeys(self.type_of(part) for part in parts))
        if found.get("type") == "object" and "properties" not in found:
            values = found.get("additionalProperties") or next(
                iter(found.get("patternProperties", {}).values()), {}
            )
            return "mapping" + (f" to {self.model_of(values) or self.type_of(values)}" if values else "")
        if found.get("type") == "object":
            return str(found.get("title", "object"))
        return {"date-time": "date and time", "date": "date"}.get(
            str(found.get("format")), str(found.get("type", "anything"))
        )

    def range_of(self, field: Mapping[str, Any]) -> str:
        """Least and greatest value, lengths, pattern."""
        found, parts = self.resolved(field), []
        for key, words in _BOUNDS.items():
            if key in found:
                parts.append(f"{words} {found[key]:g}")
        items = found.get("items")
        if "pattern" in found:
            parts.append(PATTERNS.get(found["pattern"], f"matches {code(found['pattern'])}"))
        elif isinstance(items, Mapping) and (inner := self.range_of(items)):
            parts.append(f"each {inner}")
        parts += [f"keys match {code(pattern)}" for pattern in found.get("patternProperties", {})]
        return ", ".join(parts)

    def unit_of(self, field: Mapping[str, Any]) -> str:
        """The unit that the field states."""
        return str(self.resolved(field).get("unit", ""))


_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "entries at least",
    "maxItems": "entries at most",
}
