"""The JSON-LD of Croissant 1.0, written plainly: classes of the same names and fields as mlcroissant's, which need two seconds to import.

That mlcroissant reads what comes out, and would write the same, is asked in tests. What is described is in croissant.py.
"""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum
from typing import Any, ClassVar

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_NAMES = {
    "id": "@id",
    "data_types": "dataType",
    "encoding_formats": "encodingFormat",
    "fields": "field",
    "record_sets": "recordSet",
    "transforms": "transform",
}
"""Where a field's name is not its own name with a capital for each underscore."""
_RESPONSIBLE = {
    "data_annotation_protocol",
    "data_biases",
    "data_collection",
    "data_collection_missing_data",
    "data_collection_timeframe",
    "data_collection_type",
    "data_limitations",
    "data_preprocessing_protocol",
    "data_release_maintenance_plan",
    "data_use_cases",
    "machine_annotation_tools",
    "personal_sensitive_information",
}
"""Fields of the extension for responsible AI."""
_REFERENCES = {"contained_in", "file_object", "file_set", "key"}
"""Fields that name other nodes by their ids."""
_LISTS = {"distribution", "fields", "record_sets"}
"""Fields that are lists also where they hold one node."""


class DataType(StrEnum):
    """What a field holds."""

    TEXT = "sc:Text"
    FLOAT = "sc:Float"
    AUDIO_OBJECT = "sc:AudioObject"


class Context:
    """Stands where mlcroissant has its context."""


class Node:
    """One node of the graph. A field that is None is left out, a list of one is that one."""

    type: ClassVar[str | None] = None

    def __init__(self, *, ctx: Context, **fields: Any) -> None:
        self.fields = fields

    def to_json(self) -> dict[str, Any]:
        """The node and everything in it."""
        found: dict[str, Any] = {} if self.type is None else {"@type": self.type}
        for name, value in self.fields.items():
            if value is not None and value != []:
                found[_name(name)] = _value(value, by_id=name in _REFERENCES, as_list=name in _LISTS)
        return found


class CreativeWork(Node):
    type = "sc:CreativeWork"


class FileObject(Node):
    type = "cr:FileObject"


class FileSet(Node):
    type = "cr:FileSet"


class RecordSet(Node):
    type = "cr:RecordSet"


class Field(Node):
    type = "cr:Field"


class Source(Node):
    """Where a field's values come from."""


class Extract(Node):
    """Which part of a file."""


class Transform(Node):
    """What is made of it."""


class Metadata(Node):
    """The data set itself."""

    type = "sc:Dataset"

    def to_json(self) -> dict[str, Any]:
        """The whole file."""
        return {"@context": CONTEXT, **super().to_json()}


def _name(field: str) -> str:
    if field == "data_collection_timeframe":
        return "rai:dataCollectionTimeFrame"
    first, *others = field.split("_")
    plain = _NAMES.get(field) or first + "".join(word.capitalize() for word in others)
    return f"rai:{plain}" if field in _RESPONSIBLE else plain


def _value(value: Any, *, by_id: bool = False, as_list: bool = False) -> Any:
    if isinstance(value, list | tuple):
        items = [_value(item, by_id=by_id) for item in value]
        return items[0] if len(items) == 1 and not as_list else items
    if isinstance(value, Node):
        return value.to_json()
    if isinstance(value, datetime):
        if value.time() == time.min:
            return value.date().isoformat()
        return value.isoformat().replace("+00:00", "Z")
    return {"@id": value} if by_id else value
