"""JSON as people write it: read strictly, and what is wrong said in words, with the line.

Files and their names are in atomic.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_MOST_NAMED = 5
_QUOTES = "'‘’“”„«»`"


def loads(data: bytes | str) -> Any:
    """The JSON value in a text: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        ValueError: it is none, or gives a key twice in one object; the message says where, and what to do.
    """
    text = data if isinstance(data, str) else _decoded(data)
    if not text.strip():
        raise ValueError("it is empty")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(_in_words(text, error)) from error
    except ValueError as error:
        if "integer string conversion" in str(
            error
        ):  # Python's limit for whole numbers, in the words of a programmer
            raise ValueError("a number in it has thousands of digits; write it shorter") from error
        raise
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply to be read") from error


def _decoded(data: bytes) -> str:
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text; save the file as UTF-8") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = list(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))
        names = ", ".join(json.dumps(key, ensure_ascii=False) for key in twice[:_MOST_NAMED])
        raise ValueError(f"the key {names} is given more than once in one object; keep one of them")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON; write a number, or leave the field out")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)


def _in_words(text: str, error: json.JSONDecodeError) -> str:
    """The fault that people make at this place, else what the parser says."""
    where = f"line {error.lineno}, column {error.colno}"
    rest, before = text[error.pos :], text[: error.pos].rstrip()
    last = before[-1:] or " "
    if rest[:1] in ("}", "]") and last == ",":
        return f"{where}: there is a comma before the {rest[0]}; take it out"
    if last == "," and rest[:1] == ",":
        return f"{where}: there are two commas; take one out"
    if rest.startswith(("//", "/*", "#")):
        return f"{where}: there is a comment, and JSON has none; take it out"
    if rest[:1] and rest[0] in _QUOTES:
        return f'{where}: names and texts stand in straight double quotes, such as "title"'
    if word := re.match(r"(True|False|None|undefined|TRUE|FALSE|NULL|yes|no)\b", rest):
        return (
            f"{where}: {word[1]} is no word of JSON; write true, false or null, or put text in double quotes"
        )
    if error.msg.startswith("Expecting ',' delimiter"):
        return f"{where}: a comma or a closing bracket is missing before this"
    if error.msg.startswith("Invalid \\escape"):
        return f"{where}: a backslash in a text is written twice: \\\\"
    if error.msg.startswith("Invalid control character"):
        return f"{where}: a text goes on over the end of the line, or holds a control character; close its quotes, or write \\n"
    if error.msg.startswith("Extra data"):
        return f"{where}: something follows the end of the JSON; keep one object"
    return f"{where}: {error.msg}"


def odd_texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """(field, character) of each text, key or value, with a control character that is no line end or tab."""
    if isinstance(value, str):
        if not value.isprintable() and (odd := _ODD.search(value)):
            yield where or "record", f"U+{ord(odd[0]):04X}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from odd_texts(key, f"{where}, a key" if where else "a key")
            yield from odd_texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from odd_texts(item, f"{where}.{number}" if where else str(number))


_ODD = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202d\\u202e]")
"""Also the two marks that turn the direction of the letters after them: a name would be shown as another."""
