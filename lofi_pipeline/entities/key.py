"""Keys as records have them: a tonic with sharps, and major or minor, such as "A minor"."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_OTHER_NAMES = {
    "DB": "C#",
    "EB": "D#",
    "GB": "F#",
    "AB": "G#",
    "BB": "A#",
    "CB": "B",
    "FB": "E",
    "E#": "F",
    "B#": "C",
}
_KEY = re.compile(r"([A-G])\s*(#|♯|b|♭|-?sharp|-?flat)?\s*(major|maj|minor|min|m)?", re.IGNORECASE)
_SIGNS = {"": "", "#": "#", "♯": "#", "sharp": "#", "b": "B", "♭": "B", "flat": "B"}


def tonic_of(name: str) -> str | None:
    """The tonic of a name such as "B♭", with a sharp in place of a flat; None: it is none."""
    plain = name.strip().upper().replace("♯", "#").replace("♭", "B")
    plain = _OTHER_NAMES.get(plain, plain)
    return plain if plain in TONICS else None


def keyscale(text: str) -> str:
    """A key as records have it, of how people write it: "Bb minor", "F# maj", "Am".

    Raises:
        ValueError: it is no key.
    """
    found = _KEY.fullmatch(text.strip())
    sign = _SIGNS[(found[2] or "").lower().lstrip("-")] if found else ""
    tonic = tonic_of(found[1].upper() + sign) if found else None
    if found is None or tonic is None or not found[3]:
        raise ValueError('must be a tonic with major or minor, such as "A minor" or "F# major"')
    minor = found[3] == "m" or found[3].lower().startswith("min")
    return f"{tonic} {'minor' if minor else 'major'}"


Keyscale = Annotated[
    str,
    AfterValidator(keyscale),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": 20}),
]


def same_notes(key: str) -> str:
    """The relative key: the minor one of a major key, and the other way round."""
    tonic, mode = key.split(" ")
    steps = 3 if mode == "minor" else -3
    return f"{TONICS[(TONICS.index(tonic) + steps) % 12]} {'major' if mode == 'minor' else 'minor'}"
