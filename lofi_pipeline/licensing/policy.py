"""The licence policy: config/licence_policy.yaml as models. A working tool, not legal advice.

How a policy is applied to a source is in licensing/judge.py.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from lofi_pipeline.config import LicensingSettings, config_file, read_yaml
from lofi_pipeline.entities import Entity, Obligation
from lofi_pipeline.licensing.creative_commons import SIX, CommonsName, read_commons
from lofi_pipeline.licensing.errors import PolicyError
from lofi_pipeline.licensing.expression import is_registered
from lofi_pipeline.licensing.text import TEXT_RULES, normalize_license
from lofi_pipeline.storage import content_sha256

FILE_NAME = "licence_policy.yaml"
NEWEST_VERSION = "4.0"
TOOL_IDS = {
    "cc0": "CC0-1.0",
    "pdm": "CC-PDM-1.0",
    "pd": "CC-PDM-1.0",
    "pdd": "CC-PDDC",
    "pddc": "CC-PDDC",
    "sa": "CC-SA-1.0",
    "nc": "LicenseRef-CC-NC-1.0",
    "nc-sa": "LicenseRef-CC-NC-SA-1.0",
    "nd": "LicenseRef-CC-ND-1.0",
    "nc-nd": "LicenseRef-CC-ND-NC-1.0",
    "sampling": "LicenseRef-CC-Sampling-1.0",
    "sampling+": "LicenseRef-CC-Sampling-Plus-1.0",
    "nc-sampling+": "LicenseRef-CC-NC-Sampling-Plus-1.0",
    "devnations": "LicenseRef-CC-DevNations-2.0",
}
"""The ids of what Creative Commons published beside its six licences; whose ids have a version."""
_OWN_PORT = re.compile(r"(?i)^LicenseRef-(?=CC-[a-z\-]+-2\.1-[a-z]{2}$)")
"""Before the ids that verdicts give to ports which SPDX has no id for: LicenseRef-CC-BY-2.1-ES."""
Profile = Literal["cc", "strict"]


class Need(StrEnum):
    """What it takes, beside the licence, to train on the music."""

    NOTHING = "nothing"
    EVIDENCE = "evidence"
    GRANT = "grant"
    REFUSED = "refused"


class LicenceRule(Entity):
    """One licence: how people write it, and what the policy makes of it."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9.\-]+(\{version\})?$",
        description="SPDX id, with {version} where there are several; LicenseRef-... where SPDX has none",
    )
    name: str
    patterns: list[str] = Field(
        default_factory=list,
        description="Regular expressions over the whole plain text; those of Creative Commons need none",
    )
    needs: dict[Profile, Need]
    commercial_use: bool = True
    strictness: int = Field(ge=0, le=99)
    obligations: list[Obligation]
    reason: str
    url: str | None = Field(description="Where the licence's text is public, with {version} likewise")
    source: str | None = Field(
        default=None, pattern=r"^https://\S+$", description="Where the reason can be read up"
    )

    def id_of(self, version: str | None, port: str | None = None) -> str:
        """The canonical id of a version, such as CC-BY-4.0; LicenseRef-CC-BY when nobody said which version.

        A port is named where SPDX names it (CC-BY-3.0-US), or where there is nothing but ports (2.1).
        """
        if "{version}" not in self.id:
            return self.id
        if not version:
            return f"LicenseRef-{self.id.replace('-{version}', '')}"
        unported = self.id.replace("{version}", version)
        if not port:
            return unported
        ported = f"{unported}-{port.upper()}"
        if is_registered(ported):
            return ported
        return unported if is_registered(unported) else f"LicenseRef-{ported}"

    def url_of(self, version: str | None, port: str | None = None) -> str | None:
        """The public address of the text; that of the newest version when nobody said which."""
        if not self.url:
            return None
        url = self.url.replace("{version}", version or NEWEST_VERSION)
        if port and version:
            url = url.replace(f"/{version}/", f"/{version}/{port}/")
        return url.replace("/by-nc-nd/1.0/", "/by-nd-nc/1.0/")


class Found(NamedTuple):
    """What a text names: a rule of the policy, and the version and port if given."""

    rule: LicenceRule
    version: str | None = None
    port: str | None = None


class _PolicyFile(Entity):
    macros: dict[str, str]
    licences: list[LicenceRule]


class Policy:
    """The compiled policy: `find("CC BY 4.0")` gives the rule and the version."""

    def __init__(self, rules: list[LicenceRule], macros: dict[str, str], *, where: str) -> None:
        self.rules = tuple(rules)
        self.sha256 = content_sha256([rules, macros, TEXT_RULES])
        self._by_id = {rule.id: rule for rule in rules}
        self._by_reference = {_plain_reference(rule): rule for rule in rules}
        # A group name may occur once in an expression; a second mention of the version is there to be matched only
        macros = {**macros, "version2": macros.get("version", "").replace("?P<version>", "?:")}
        self._compiled = [
            (_compiled(pattern, macros, rule, where), rule) for rule in rules for pattern in rule.patterns
        ]

    def find(self, text: str) -> Found | None:
        """The licence that a readable text names from its first to its last word, with the version such as "4.0" if given.

        Raises:
            UnreadableLicence: it names several licences of Creative Commons, or one that was never published.
        """
        name = read_commons(_OWN_PORT.sub("", text))
        if name is not None and (rule := self._by_id.get(_id_of(name))):
            return Found(rule, name.version, name.port)
        plain = normalize_license(text)
        for pattern, rule in self._compiled:
            if match := pattern.fullmatch(plain):
                version = (match.groupdict().get("version") or "").strip()
                return Found(rule, (f"{version}.0" if version.isdigit() else version) or None)
        reference = self._by_reference.get(plain)
        return Found(reference) if reference else None

    def hash_with(self, settings: LicensingSettings) -> str:
        """The hash of all that a verdict depends on beside the source: the policy, the settings and the text rules."""
        return content_sha256([self.sha256, settings])


def _id_of(name: CommonsName) -> str:
    """The id of the rule for a name of Creative Commons."""
    return f"CC-{name.units.upper()}-{{version}}" if name.units in SIX else TOOL_IDS[name.units]


def _plain_reference(rule: LicenceRule) -> str:
    """The plain text of a rule's own id without a version, such as "licenseref cc by": verdicts hold such ids."""
    return rule.id_of(None).casefold().replace("-", " ")


def _compiled(pattern: str, macros: dict[str, str], rule: LicenceRule, where: str) -> re.Pattern[str]:
    for name, text in macros.items():
        pattern = pattern.replace(f"{{{name}}}", text)
    try:
        return re.compile(pattern)
    except re.error as error:
        raise PolicyError(
            f"{where}: {rule.id}: {pattern!r} is no regular expression, mend it: {error}"
        ) from error


def load_policy(path: Path | None = None) -> Policy:
    """Read and compile config/licence_policy.yaml.

    Raises:
        RecordError: unreadable, or a wrong key or value; named.
        PolicyError: a pattern is no regular expression.
    """
    path = path or config_file(FILE_NAME)
    info = path.stat() if path.is_file() else None
    return _load(path, (info.st_mtime_ns, info.st_size) if info else None)


@cache
def _load(path: Path, edition: tuple[int, int] | None) -> Policy:
    """`edition` is another one when the file was edited: daemons live long."""
    file = _PolicyFile.parse(read_yaml(path), where=str(path))
    missing = [rule.id for rule in file.licences if set(rule.needs) != {"cc", "strict"}]
    if missing:
        raise PolicyError(f"{path}: needs of {', '.join(missing)}: say what each of cc and strict needs")
    return Policy(file.licences, file.macros, where=str(path))
