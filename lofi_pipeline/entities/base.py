"""What every entity of the data model has in common: strict fields, shared types, errors that name record, field and rule.

Each entity has a module of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Self, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from lofi_pipeline.entities.errors import RecordError


class Entity(BaseModel):
    """A frozen record of the data model: unknown fields are refused, values are validated."""

    # Built when first used: every process that Dagster starts imports all of them, and needs a few
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def model_post_init(self, context: Any, /) -> None:
        """Share the set of the fields that were given: each of its own, they would take a third of the memory of records."""
        _share_fields_set(self)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, with the set of fields shared."""
        copied = super().model_copy(update=update, deep=deep)
        _share_fields_set(copied)
        return copied

    @classmethod
    def parse(cls, data: object, *, where: str, context: Mapping[str, Any] | None = None) -> Self:
        """Validate `data`.

        Raises:
            RecordError: it breaks rules; names `where` (a file or record), and each field and rule.
        """
        try:
            return cls.model_validate(data, context=dict(context or {}))
        except ValidationError as error:
            raise RecordError(describe_errors(error, where=where, kind=cls.__name__, model=cls)) from error


def absent(value: object) -> bool:
    """Fields that records did not have at first are written only where they are known, so that old records stay as they are."""
    return value is None


def _share_fields_set(entity: Entity) -> None:
    given = frozenset(entity.__pydantic_fields_set__)
    object.__setattr__(entity, "__pydantic_fields_set__", _the_set_of(given))


@cache
def _the_set_of(fields: frozenset[str]) -> set[str]:
    """One set for all records that were given these fields: nobody changes it, they are frozen."""
    return set(fields)


MOST_LISTED = 20


def few(texts: Sequence[str], *, most: int = MOST_LISTED, between: str = ", ") -> str:
    """The texts as one, the first `most` of them: whoever writes a manifest decides how many there are."""
    more = f"{between}and {len(texts) - most} more" if len(texts) > most else ""
    return between.join(texts[:most]) + more


def visible(text: str) -> str:
    """Text that anybody may have written, such as a file's name, with its control characters made visible: no terminal obeys them."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def describe_errors(
    error: ValidationError, *, where: str, kind: str, model: type[BaseModel] | None = None
) -> str:
    """One line for each broken rule, of the first ones: `<where>: <kind>.<field>: <rule>`; a mistyped field of `model` gets a hint."""
    lines = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or "record"
        rule = item["msg"].removeprefix("Value error, ")
        if item["type"] == "string_type" and isinstance(item["input"], bool | int | float):
            rule += ": put it in quotes"
        if item["type"] in ("model_type", "dict_type"):
            rule = "must be fields with their values, {name: value, ...}"
        if item["type"] == "extra_forbidden" and (meant := _meant_field(model, item["loc"])):
            rule += f"; is {meant} meant?"
        got = (
            ""
            if item["type"] == "missing" or isinstance(item["input"], dict)
            else f" (got {item['input']!r:.80})"
        )
        lines.append(f"{where}: {kind.lstrip('_')}.{field}: {rule}{got}")
    return few(lines, between="\n")


def _meant_field(model: type[BaseModel] | None, way: Sequence[int | str]) -> str | None:
    """The field that a name at the end of a way most likely means, in the model that the way leads to."""
    *way_there, name = (str(part) for part in way)
    for part in way_there:
        inner = [model.model_fields[part].annotation] if model and part in model.model_fields else [model]
        model = next((found for found in map(_model_in, inner) if found), None)
    known = {field.casefold(): field for field in model.model_fields} if model else {}
    close = get_close_matches(name.casefold().replace(" ", "_"), list(known), n=1, cutoff=0.6)
    return known[close[0]] if close else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in a type such as `dict[str, Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _relative_path(value: str) -> str:
    # By hand, not by pathlib: this runs for every path of every record
    if value in ("", ".") or value[0] == "/" or "\\" in value or "\0" in value or ".." in value.split("/"):
        raise ValueError("must be a relative path inside the data root, without '..'")
    return value


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
TrackId = Annotated[str, StringConstraints(pattern=r"^track_[0-9]{3,}$")]
RecordingId = Annotated[str, StringConstraints(pattern=r"^(track|refused)_[0-9]{3,}$")]
"""A track, or a file that was refused and is known again by its fingerprint."""
StyleId = Annotated[str, StringConstraints(pattern=r"^(CORE|SEASON|THEME|INST|VOCAL)-[0-9]{2}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[
    str,
    AfterValidator(_relative_path),
    WithJsonSchema({"type": "string", "pattern": r"^(?!/)(?!\.?$)(?!(.*/)?\.\.(/|$))[^\\\u0000]+$"}),
]
Timestamp = AwareDatetime


def track_number(track_id: str) -> int:
    """The number in a track id; sorting by it gives the order in which ids were given, 1000 after 999."""
    return int(track_id.removeprefix("track_"))


def track_id_of(number: int) -> str:
    """The track id with a number."""
    return f"track_{number:03d}"


def recording_order(recording_id: str) -> tuple[bool, int]:
    """Sorting by it gives tracks in the order in which their ids were given, then what was refused."""
    kind, _, number = recording_id.partition("_")
    return kind != "track", int(number)


def now() -> datetime:
    """The present moment in UTC, to the second (what records store)."""
    return datetime.now(UTC).replace(microsecond=0)
