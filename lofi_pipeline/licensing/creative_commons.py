"""Reads which licence of Creative Commons a text names: its code, its name in many languages, or its address.

`CC BY 3.0 US`, `Attribution 3.0 United States (CC BY 3.0 US)` and `https://creativecommons.org/licenses/by/3.0/us/` are one. A text
is read whole or not at all: one word that is not understood, and it names nothing. What names two licences, or one that was
never published, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from lofi_pipeline.licensing import commons_names as names
from lofi_pipeline.licensing.errors import UnreadableLicence
from lofi_pipeline.licensing.text import fold

SIX = ("by", "by-nc", "by-nc-nd", "by-nc-sa", "by-nd", "by-sa")
RETIRED = ("nc", "nc-nd", "nc-sa", "nd", "sa")
"""Without attribution: published in version 1.0 only, and in 2.0 for Japan."""

_OPTIONAL_SPACE = "[ ]?"
_ADDRESS = re.compile(
    r"(?i)(?<![\w@./:?&%-])<?(?:https?://)?(?:www\.)?creativecommons\.org(?![\w@:.-])"
    r"(?P<path>/[\w./+-]*)?(?P<query>\?(?:ref|lang)=[\w-]*)?(?P<anchor>\#[\w-]*)?/?>?"
)
_BADGE = re.compile(
    r"(?i)(?:https?://)?(?:i\.creativecommons\.org|(?:www\.)?licensebuttons\.net)/(?P<kind>[lp])/(?P<name>[\w.+/-]+?)/\d+x\d+\.(?:png|svg)"
)
"""The address of the small picture that stands beside a licence."""
_LICENCE_PATH = re.compile(
    r"licenses/(?P<units>[a-z+-]+)/(?P<version>\d\.\d)(?:/(?P<port>[a-z]+))?(?:/(?:deed|legalcode|rdf)(?:-plain)?(?:[._][a-z_-]+)*)?"
)
_TOOL_PATHS = {
    "publicdomain/zero/1.0": "cc0",
    "publicdomain/mark/1.0": "pdm",
    "publicdomain/certification/1.0/us": "pddc",
    "licenses/publicdomain": "pddc",
}
_TOOL_FILE = re.compile(r"/(?:deed|legalcode|rdf)(?:-plain)?(?:[._][a-z_-]+)*$")
_PUNCTUATION = re.compile(
    r"[\s\-_.,;:/|()\[\]{}\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u30fb\u3001\u3002\uff65\u05be&=]+"
)
_LISTS = re.compile(r"[,;|&]")
_DECIMAL = re.compile(r"(?<![\d.,])(\d)[_,](\d)(?![\d.,_])")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_GLUED = re.compile(r"(?<![^\W_])(cc)?[ ]?by(nc)?(nd|sa)?(?![^\W\d_])")
_AFTER_LETTER = re.compile(r"(?<=[^\W\d_])!")
_LONE_PLUS = re.compile(r"(?<!\S)\+(?!\S)")
_NUMBER = re.compile(r"v?(\d+(?:\x00\d+)*)(?!\x00|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]$")


class Kind(Enum):
    """What a word in the name of a licence is."""

    MARKER = auto()
    ELEMENT = auto()
    TOOL = auto()
    VERSION = auto()
    PORT = auto()
    WORLDWIDE = auto()
    WORD = auto()
    SENTENCE = auto()


@dataclass(frozen=True)
class Token:
    """One word, or a few that belong together: `value` is its code, such as "nc"."""

    kind: Kind
    value: str = ""
    short: bool = False
    """A code of two letters, which is a word of its own as well: "by"."""


@dataclass(frozen=True)
class CommonsName:
    """A licence or tool that Creative Commons published: units "by-nc-sa", "cc0", "pdm", "sampling+"."""

    units: str
    version: str | None = None
    port: str | None = None

    def __str__(self) -> str:
        maker = "" if self.units in ("cc0", "pd", "pdd", "pdm") else "CC"
        parts = [maker, self.units.upper(), self.version or "", (self.port or "").upper()]
        return " ".join(part for part in parts if part)


def read_commons(text: str) -> CommonsName | None:
    """The one licence that a readable text names, from its first to its last word; None: it names none of these.

    Raises:
        UnreadableLicence: it names several, or one that was never published; the message says which.
    """
    addresses: list[CommonsName] = []
    text = _BADGE.sub(_without_badge, text)
    rest = _ADDRESS.sub(lambda match: addresses.append(_address(match)) or " ", text)
    tokens = _tokens(rest)
    if tokens is None:
        return None
    found = [*addresses, *_named(tokens, listed=bool(_LISTS.search(rest)))]
    if not found or not _is_meant(tokens, bool(addresses)) or not _codes_stand_right(tokens):
        return None
    return _one(found)


def _without_badge(match: re.Match[str]) -> str:
    """The address of the licence that a badge stands for."""
    return f"https://creativecommons.org/{'licenses' if match['kind'] in 'lL' else 'publicdomain'}/{match['name']}/"


def _address(match: re.Match[str]) -> CommonsName:
    """What an address of creativecommons.org names, whether it was published or not."""
    path = re.sub(r"/+$", "", (match["path"] or "").casefold().rstrip(".")).lstrip("/")
    if tool := _TOOL_PATHS.get(_TOOL_FILE.sub("", path)):
        return CommonsName(tool, "1.0" if tool in ("cc0", "pdm") else None)
    named = _LICENCE_PATH.fullmatch(path)
    if named is None:
        raise UnreadableLicence(f"{match[0]} is not the address of a licence")
    units, version, port = named["units"], named["version"], named["port"]
    if port in ("deed", "legalcode", "rdf"):
        port = None
    if units.endswith("nd-nc") and (version == "1.0" or port == "jp"):
        units = units.replace("nd-nc", "nc-nd")
    return CommonsName(units, version, port)


def _exists(name: CommonsName) -> bool:
    """Whether the licence was published in this version, for this country."""
    if name.units in names.TOOL_VERSIONS:
        ported = name.port is None or ("sampling" in name.units and name.port in ("br", "de", "tw"))
        return ported and name.version in (None, *names.TOOL_VERSIONS[name.units])
    if name.units not in (*SIX, *RETIRED):
        return False
    if name.port is not None and name.port not in names.PORTS:
        return False
    versions = names.PORTS[name.port][0].split() if name.port else names.UNPORTED
    if name.units in RETIRED:
        versions = [
            version
            for version in versions
            if version in ("1.0", "2.0") and (name.port == "jp" or version == "1.0")
        ]
    return name.version is None or name.version in versions


def _tokens(text: str) -> list[Token] | None:
    """The text as words that are understood, or None."""
    text = _DECIMAL.sub(r"\1.\2", fold(text))
    text = _AFTER_LETTER.sub(" ", _LONE_PLUS.sub(" ", _POINT.sub("\x00", text)))
    text = _GLUED.sub(
        lambda match: " ".join(["", *filter(None, [match[1], "by", match[2], match[3]]), ""]), text
    )
    text = _PUNCTUATION.sub(" ", text).strip()
    found: list[Token] = []
    place = 0
    while place < len(text):
        token, length = _token_at(text, place, found)
        if token is None:
            return None
        found.append(token)
        place += length
        while place < len(text) and text[place] == " ":
            place += 1
    return found


def _token_at(text: str, place: int, before: list[Token]) -> tuple[Token | None, int]:
    """The word at a place of the text, and its length. After a version, a country goes before a word that is no longer."""
    word = _vocabulary()[0].match(text, place)
    if before and before[-1].kind in (Kind.VERSION, Kind.WORLDWIDE):
        port = _ports().match(text, place)
        if port and (word is None or port.end() == len(text) or _goes_before(port[0], word[0], before)):
            return Token(Kind.PORT, _port_codes()[port[0].replace(" ", "")]), len(port[0])
    if word:
        return _vocabulary()[1][word[0].replace(" ", "")], len(word[0])
    if number := _NUMBER.match(text, place):
        version = number[1].replace("\x00", ".")
        return Token(Kind.VERSION, f"{version}.0" if "." not in version else version), len(number[0])
    return None, 0


def _goes_before(port: str, word: str, before: list[Token]) -> bool:
    """Whether "de" after a version is Germany: where there is such a port, and no longer word as in "no adaptada"."""
    code = _port_codes()[port.replace(" ", "")]
    versions = [token.value for token in before if token.kind is Kind.VERSION]
    return len(port) >= len(word) and any(_exists(CommonsName("by", version, code)) for version in versions)


@cache
def _vocabulary() -> tuple[re.Pattern[str], dict[str, Token]]:
    """All names as one expression, the longest first, and what each is."""
    meanings: dict[str, Token] = {}
    phrases: list[str] = []

    def learn(listed: str, token: Token) -> None:
        for phrase in _phrases(listed):
            phrases.append(phrase)
            meanings.setdefault(phrase.replace(" ", ""), token)

    for units, listed in names.TOOLS.items():
        learn(listed, Token(Kind.TOOL, units))
    learn(names.MARKERS, Token(Kind.MARKER))
    for unit, listed in names.ELEMENTS.items():
        learn(unit, Token(Kind.ELEMENT, unit, short=True))
        learn(listed, Token(Kind.ELEMENT, unit))
    learn(names.WORLDWIDE, Token(Kind.WORLDWIDE))
    learn(names.WORDS, Token(Kind.WORD))
    learn(names.SENTENCES, Token(Kind.SENTENCE))
    return _longest_first(phrases), meanings


@cache
def _port_codes() -> dict[str, str]:
    return {
        phrase.replace(" ", ""): code
        for code, (_, listed) in names.PORTS.items()
        for phrase in _phrases(f"{listed} | {code}")
    }


@cache
def _ports() -> re.Pattern[str]:
    return _longest_first(
        [p for code, (_, listed) in names.PORTS.items() for p in _phrases(f"{listed} | {code}")]
    )


def _phrases(listed: str) -> Iterator[str]:
    """Names as they stand in a prepared text: `NoDerivs | Keine Bearbeitung` are "no derivs", "keine bearbeitung"."""
    for name in listed.split(" | "):
        split = re.sub(r"(?<=[^\W\d_])(?=[A-ZÀ-ÞА-Я][a-zà-ÿа-я])", " ", " ".join(name.split()).lstrip("| "))
        phrase = _PUNCTUATION.sub(" ", _AFTER_LETTER.sub(" ", fold(split))).strip()
        if phrase:
            yield phrase


def _longest_first(phrases: list[str]) -> re.Pattern[str]:
    ordered = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(_phrase(phrase) for phrase in ordered))


def _phrase(phrase: str) -> str:
    """A phrase with or without its spaces, and not as the beginning of a longer word."""
    written = _OPTIONAL_SPACE.join(re.escape(word) for word in phrase.split())
    if _UNSPACED.search(phrase):
        return written
    return written + (r"(?!\x00?\d)" if phrase[-1].isdigit() else r"(?![^\W\d_])")


def _named(tokens: list[Token], *, listed: bool) -> Iterator[CommonsName]:
    """The licences that the words name, each with the version and the country that the text gives."""
    versions = list(dict.fromkeys(token.value for token in tokens if token.kind is Kind.VERSION)) or [None]
    ports = list(dict.fromkeys(token.value for token in tokens if token.kind is Kind.PORT)) or [None]
    for units in _units(tokens, listed=listed):
        for version in versions:
            for port in ports:
                yield CommonsName(units, version, port)


def _units(tokens: list[Token], *, listed: bool) -> list[str]:
    """Which licences are named: each run of elements, and each tool. `CC0 public domain` is CC0; "CC0, public domain" is a list."""
    runs: list[list[str]] = []
    previous = None
    for token in tokens:
        if token.kind is Kind.ELEMENT:
            if previous is not Kind.ELEMENT or token.value == "by" or token.value in runs[-1]:
                runs.append([])
            runs[-1].append(token.value)
        previous = token.kind
    tools = {token.value for token in tokens if token.kind is Kind.TOOL}
    if len(tools) > 1 and not listed:
        tools -= {"pd"}
    if len(tools) > 1:
        tools -= {"pdd"}
    named = ["-".join(sorted(run, key=("by", "nc", "nd", "sa").index)) for run in runs]
    if tools == {"sampling+"} and named == ["nc"]:
        return ["nc-sampling+"]
    return [*dict.fromkeys(named), *sorted(tools)]


def _is_meant(tokens: list[Token], address: bool) -> bool:
    """Whether words such as "music with attribution" are meant as a name: sentences need a version, a code or the maker's name."""
    kinds = [token.kind for token in tokens]
    sure = address or Kind.MARKER in kinds or Kind.VERSION in kinds or Kind.TOOL in kinds
    return sure or Kind.SENTENCE not in kinds


def _codes_stand_right(tokens: list[Token]) -> bool:
    """Whether each "by" or "sa" is a code: in a row of them, after "CC", before a version, or all there is."""
    for place, token in enumerate(tokens):
        if not token.short:
            continue
        before = tokens[place - 1].kind if place else None
        after = tokens[place + 1].kind if place + 1 < len(tokens) else None
        by_alone = token.value == "by" and (after in (Kind.ELEMENT, Kind.VERSION) or len(tokens) == 1)
        if before not in (Kind.MARKER, Kind.ELEMENT) and not by_alone:
            return False
    return True


def _one(found: list[CommonsName]) -> CommonsName:
    """The one licence that all mentions name."""
    units = {name.units for name in found}
    versions = {name.version for name in found if name.version}
    ports = {name.port for name in found if name.port}
    if len(units) > 1 or len(versions) > 1 or len(ports) > 1:
        several = " and ".join(dict.fromkeys(str(name) for name in found))
        raise UnreadableLicence(f"it names more than one licence ({several}); write the one that holds")
    name = CommonsName(units.pop(), next(iter(versions), None), next(iter(ports), None))
    if not _exists(name):
        raise UnreadableLicence(f"Creative Commons never published a {name}")
    return name
