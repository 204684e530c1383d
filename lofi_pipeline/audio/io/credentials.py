"""What the content credentials in a file (C2PA) say of training, in CAWG's training-and-data-mining assertion.

https://cawg.io/training-and-data-mining/1.1/ and, under its first name, `c2pa.training-mining`. Nothing is fetched: neither a
manifest that lies elsewhere, nor the state of a certificate. Who signed does not matter here, for a file can only forbid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Literal

from pydantic import BaseModel, ValidationError

_LABEL = re.compile(r"(?:cawg|c2pa)\.training-mining(?:\.v\d+)?(?:__\d+)?")
_USES = ("ai_generative_training", "ai_training", "data_mining")
"""What bears on generative training: the first that is said decides."""
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False}}


class _Entry(BaseModel):
    use: Literal["allowed", "notAllowed", "constrained"]
    constraint_info: str | None = None


class _Assertion(BaseModel):
    label: str
    data: object = None


class _Mining(BaseModel):
    entries: dict[str, _Entry]


class _Manifest(BaseModel):
    assertions: list[_Assertion] = []


class _Store(BaseModel):
    manifests: dict[str, _Manifest]


def denied_by_credentials(file: BinaryIO) -> str | None:
    """What an open file's credentials deny, in a sentence that says so; empty where they deny nothing.

    None: they cannot be read, or deny nothing while they are not what was signed.
    """
    import c2pa  # 50 MB that hardly a file asks for

    file.seek(0)
    try:
        with c2pa.Reader(file, context=c2pa.Context.from_dict(_OFFLINE)) as reader:
            store, whole = (
                _Store.model_validate_json(reader.json()),
                reader.get_validation_state() != "Invalid",
            )
        denied = list(dict.fromkeys(_denials(store)))
    except (c2pa.C2paError, ValidationError):
        return None
    return " ".join(denied) if denied or whole else None


def _denials(store: _Store) -> Iterator[str]:
    """A sentence for each assertion that denies, also of what the music was made from.

    Raises:
        ValidationError: an assertion of this name says something else.
    """
    for manifest in store.manifests.values():
        for assertion in manifest.assertions:
            if not _LABEL.fullmatch(assertion.label):
                continue
            entries = _Mining.model_validate(assertion.data).entries
            said = {name.partition(".")[2] or name: entry for name, entry in entries.items()}
            use = next((use for use in _USES if use in said), None)
            if use and said[use].use != "allowed":
                info = said[use].constraint_info
                terms = f", but on terms: {info}" if info else ", but on terms that it does not say"
                words = use.replace("_", " ").replace("ai ", "AI ")
                yield f"{words} is not allowed{terms if said[use].use == 'constrained' else ''}."
