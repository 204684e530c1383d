"""What else is written of a source's rights, in url, notes and tags of files: which licences it names, and what it denies.

Whether that is stricter than the licence that source.json states is judged in licensing/judge.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lofi_pipeline.entities import DropManifest, SourceRecord, Statement
from lofi_pipeline.licensing.denials import denials
from lofi_pipeline.licensing.errors import UnreadableLicence
from lofi_pipeline.licensing.policy import Policy

MOST_SEARCHED = 20_000
"""Characters of a text that are searched for licences."""
MOST_NAMED = 20
LONGEST_NAME = 12
"""Words that the name of a licence may have."""

_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[A-Za-z0-9.\-/]+", re.I
)
_BEGINS = re.compile(
    r"\b(?:creative commons|cc[ \-]?(?:by|0|zero|pdm?|attribution)|attribution[ \-]?(?:\d|non|no|share|\(|cc)|public domain"
    r"|(?:gnu )?(?:free documentation|general public)|gfdl|a?gpl|art libre|licence art|free art|lal[ \-]\d)",
    re.I,
)
_ALL_RESERVED = re.compile(
    r"\ball rights (?:are )?reserved\b|\balle rechte vorbehalten\b|\btous droits r[ée]serv[ée]s\b|\btodos los derechos reservados\b"
    r"|\btutti i diritti (?:sono )?riservati\b|\btodos os direitos reservados\b|\balle rechten voorbehouden\b",
    re.I,
)
_PRIVATE = re.compile(
    r"\b(?:non-?commercial|personal|private) use only\b|\bonly for (?:personal|private|non-?commercial) use\b"
    r"|\bfor (?:personal|private|non-?commercial) (?:use|purposes) only\b|\b(?:not for|no) commercial (?:use|purposes?|usage)\b"
    r"|\bnur (?:für den )?(?:privaten?|nicht-?kommerzielle[nr]?) (?:gebrauch|nutzung|zwecken?)\b|\busage priv[ée] uniquement\b",
    re.I,
)
_VERSION = re.compile(r"-\d+(?:\.\d+)?$")
CREDENTIALS = "content credentials"
"""The place of a statement that was read in them."""
CREDENTIALS_NOT_READ = "C2PA"
"""The place of a statement that says only that there are content credentials."""
ALL_RESERVED = "All rights reserved"
NON_COMMERCIAL = "CC BY-NC"
"""What words that only keep commercial use back are judged as."""


def statements_of(source: SourceRecord | DropManifest, *, url: str | None = None) -> list[Statement]:
    """What a source says of its rights beside its licence. `url`: of a record, which has none itself."""
    where = {"notes": source.notes, "url": source.url if isinstance(source, DropManifest) else url}
    if isinstance(source, DropManifest):
        where["defaults.url"] = source.defaults.url
    return [Statement(place=place, text=text) for place, text in where.items() if text and text.strip()]


def has_weight(text: str, policy: Policy) -> bool:
    """Whether a text names a licence or denies training."""
    return bool(named_licences(text, policy) or denials(text, most=1))


@lru_cache(maxsize=4_096)  # the files of a source mostly say the same
def named_licences(text: str, policy: Policy) -> tuple[str, ...]:
    """The licences that a text names, in the words in which the policy knows them."""
    text = text[:MOST_SEARCHED]
    found = list(dict.fromkeys([*_by_address(text, policy), *_by_name(text, policy)]))[:MOST_NAMED]
    # "All rights reserved. Licensed under CC BY": the latter is the licence
    if not found and _ALL_RESERVED.search(text):
        found.append(ALL_RESERVED)
    if _PRIVATE.search(text):
        found.append(NON_COMMERCIAL)
    return tuple(dict.fromkeys(found))


def _by_address(text: str, policy: Policy) -> Iterator[str]:
    for address in _URL.findall(text):
        parts = address.rstrip("./-").split("/")
        # The address of a translation or adaptation, and what stands after it, is that of its licence
        while len(parts) > 3:
            if _known("/".join(parts), policy):
                yield "/".join(parts)
                break
            parts.pop()


def _by_name(text: str, policy: Policy) -> Iterator[str]:
    text = _URL.sub(" ", text)
    for begin in _BEGINS.finditer(text):
        words = text[begin.start() : begin.start() + 200].split()[:LONGEST_NAME]
        names = [" ".join(words[:count]).rstrip(".,;:!") for count in range(len(words), 0, -1)]
        if name := next((name for name in names if _known(name, policy)), None):
            yield name


def _known(name: str, policy: Policy) -> bool:
    try:
        return policy.find(name) is not None
    except UnreadableLicence:
        return False


def same_licence(one: str, others: Sequence[str]) -> bool:
    """Whether a canonical id is among others; one that names no version is that of any version."""
    return any(one == other or _without_version(one, other) for other in others)


def _without_version(one: str, other: str) -> bool:
    """Whether one of two ids is the other without its version, such as LicenseRef-CC-BY and CC-BY-4.0."""
    families = {_VERSION.sub("", licence.removeprefix("LicenseRef-")) for licence in (one, other)}
    return len(families) == 1 and not (_VERSION.search(one) and _VERSION.search(other))
