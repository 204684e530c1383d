"""May this music be trained on? A working tool driven by a policy file, not legal advice.

The policy is read in licensing/policy.py. A source with its grant is judged in licensing/judge_source.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lofi_pipeline.entities import Obligation, SourceType, Verdict
from lofi_pipeline.licensing.creative_commons import read_commons
from lofi_pipeline.licensing.errors import UnreadableLicence
from lofi_pipeline.licensing.expression import And, License, Node, read_expression, read_list
from lofi_pipeline.licensing.policy import Found, LicenceRule, Need, Policy, Profile, load_policy
from lofi_pipeline.licensing.text import normalize_license, readable
from lofi_pipeline.licensing.training_words import bans_training, without_grant

UNKNOWN = "LicenseRef-Unknown"
AI_TRAINING_BAN = "LicenseRef-No-AI-Training"
AI_TRAINING_RIGHTS = "LicenseRef-AI-Training-Rights"
GRANTED = "AI training was granted besides the licence."
UNKNOWN_STRICTNESS = 75
BAN_STRICTNESS = 90

_VERSIONS_LISTED = re.compile(r"\d\.\d\s*[,/|]\s*\d\.\d")

ASK = {
    SourceType.COMMISSIONED: "write AI training rights into the commission",
    SourceType.ROYALTY_FREE: "ask the platform for AI training rights",
    SourceType.CREATIVE_COMMONS: "ask the author for AI training rights, or choose CC0 or CC BY music",
    SourceType.PARTNERSHIP: "write AI training rights into the agreement",
}
NAMED = (
    "into the drop and name it in source.json, such as "
    '"grant": {"uses": {"train": "allowed"}, "evidence": [{"document": "contract.pdf"}]}'
)
EVIDENCE = f"put the contract {NAMED}"


def judge(
    license_type: str,
    source_type: SourceType,
    *,
    profile: Profile = "cc",
    commercial: bool = True,
    grant: bool = False,
    commercial_grant: bool = False,
    evidenced: bool = False,
    policy: Policy | None = None,
) -> Verdict:
    """May music under this licence be trained on?

    `license_type` is free text such as "CC BY 4.0" or "Royalty Free with AI Training Rights", or an SPDX expression;
    `grant`, `commercial_grant`: AI training and commercial use were granted elsewhere than in that text, and it is proved;
    `evidenced`: the contract is proved by a document.
    """
    judging = _Judging(
        policy or load_policy(),
        source_type,
        profile,
        commercial and not commercial_grant,
        grant,
        commercial_grant,
        evidenced,
    )
    return _judged(judging, license_type)


@lru_cache(maxsize=1000)  # of thousands of drops, most have one of a few licences
def _judged(judging: _Judging, license_type: str) -> Verdict:
    try:
        text = readable(license_type)
        if bans_training(text):
            return banned(f'"{_printable(license_type):.200}" excludes AI training.')
        found = judging.whole(text)
    except UnreadableLicence as error:
        return _unknown(license_type, str(error))
    return found or _unknown(license_type, f"the policy does not know it; {judging.what_to_do()}")


def stricter(one: Verdict, other: Verdict) -> bool:
    """Whether one verdict allows less, or asks for more, than another."""
    if one.permitted is not other.permitted:
        return other.permitted
    if one.strictness != other.strictness:
        return one.strictness > other.strictness
    if one.commercial_use is not other.commercial_use:
        return other.commercial_use
    return {*one.obligations, *one.terms} > {*other.obligations, *other.terms}


@dataclass(frozen=True)
class _Judging:
    """The circumstances of one judgement; its methods give None for what is not recognised."""

    policy: Policy
    source_type: SourceType
    profile: Profile
    commercial: bool
    """Whether the use is commercial and no grant allows that."""
    grant: bool
    commercial_grant: bool
    evidenced: bool
    granted_in_text: bool = False

    def whole(self, text: str) -> Verdict | None:
        """A readable text: an expression, one licence, or a list of several, all of which hold."""
        listed = read_list(text)
        rights_listed = listed is not None and any(map(self._is_training_rights, listed.sides))
        try:
            # Training rights that are listed hold beside the rest in any order; only "with" makes them a part of a licence
            if rights_listed and listed and (found := self._every(listed)):
                return found
            if found := self.text(text):
                return found
        except UnreadableLicence:
            if listed is None or _contradicts_itself(listed, text):
                raise
        tree = read_expression(text)
        found = self.node(tree) if tree else None
        return found or (self.node(listed) if listed else None)

    def text(self, text: str) -> Verdict | None:
        """A readable text that names one licence, with or without a grant in words."""
        found = self.policy.find(text)
        if found is not None:
            return self._rule(found)
        rest, granted = without_grant(normalize_license(text))
        found = self.policy.find(rest or "ai training rights") if granted else None
        return replace(self, granted_in_text=True)._rule(found) if found else None

    def what_to_do(self) -> str:
        """What helps with a licence that is not known: what there is already is not asked for again."""
        if self.grant:
            return (
                "the grant of AI training is proved, but beside a licence that nobody knows it may not hold: write into "
                'license_type what the document says, such as "AI Training Rights" or "Royalty Free with AI Training Rights"'
            )
        return ASK[self.source_type]

    def node(self, node: Node) -> Verdict | None:
        """A side of an expression, or several."""
        if isinstance(node, License):
            return self._side(node)
        if isinstance(node, And):
            return self._every(node)
        verdicts = [self.node(side) for side in node.sides]
        return _choice([v for v in verdicts if v]) if all(verdicts) else None

    def _side(self, side: License) -> Verdict | None:
        judging = self
        if side.addition is not None:
            if normalize_license(side.addition) not in (
                "licenseref ai training rights",
                "additionref ai training rights",
            ):
                reason = f'The policy does not know the addition "{side.addition:.80}".'
                return _not_known(f"{side.text} WITH {side.addition}", reason) if side.registered else None
            judging = replace(self, granted_in_text=True)
        verdict = judging.text(side.text)
        if verdict is None and side.registered:
            return _not_known(side.text, f'The policy does not know "{side.text:.80}".')
        return verdict

    def _every(self, node: And) -> Verdict | None:
        rights = [side for side in node.sides if self._is_training_rights(side)]
        judging = replace(self, granted_in_text=True) if 0 < len(rights) < len(node.sides) else self
        verdicts = [(self if side in rights else judging).node(side) for side in node.sides]
        return all_of([v for v in verdicts if v]) if all(verdicts) else None

    def _is_training_rights(self, side: Node) -> bool:
        if not isinstance(side, License) or side.addition:
            return False
        try:
            found = self.policy.find(side.text)
        except UnreadableLicence:
            return False
        return found is not None and found.rule.id == AI_TRAINING_RIGHTS

    def _rule(self, found: Found) -> Verdict:
        rule = found.rule
        need = rule.needs[self.profile]
        refusal = self._refusal(rule, need)
        by_grant = refusal is None and need is Need.GRANT
        beside = by_grant and rule.id != AI_TRAINING_RIGHTS
        licence = rule.id_of(found.version, found.port)
        obligations = [
            item
            for item in rule.obligations
            if not (self.commercial_grant and item is Obligation.NON_COMMERCIAL)
        ]
        contract = [Obligation.CONTRACT_TERMS] if by_grant else []
        return Verdict(
            permitted=refusal is None,
            licence=f"{licence} AND {AI_TRAINING_RIGHTS}" if beside else licence,
            reason=refusal or (GRANTED if beside else rule.reason),
            obligations=tuple(dict.fromkeys([*obligations, *contract])),
            strictness=rule.strictness,
            url=rule.url_of(found.version, found.port),
            commercial_use=rule.commercial_use or self.commercial_grant,
        )

    def _refusal(self, rule: LicenceRule, need: Need) -> str | None:
        if need is Need.REFUSED:
            return rule.reason
        if self.commercial and not rule.commercial_use:
            return f"{rule.reason} The configuration says commercial: true."
        if need is Need.EVIDENCE and not (self.evidenced or self.grant):
            return f"{rule.reason} It counts only with evidence: put the document that shows it {NAMED}."
        if need is Need.GRANT and not self.grant:
            if self.granted_in_text or rule.id == AI_TRAINING_RIGHTS:
                return f"The AI training rights count only where the grant says so outright, with evidence: {EVIDENCE}."
            return f"{rule.reason} To train on it, {ASK[self.source_type]}; then {EVIDENCE}."
        return None


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Every side holds: the strictest speaks, what any asks for is asked for."""
    first = max(verdicts, key=lambda verdict: (not verdict.permitted, verdict.strictness))
    sides = [part for verdict in verdicts for part in parts(verdict.licence)]
    return first.model_copy(
        update={
            "permitted": all(verdict.permitted for verdict in verdicts),
            "licence": " AND ".join(dict.fromkeys(sides)),
            "obligations": tuple(dict.fromkeys(o for verdict in verdicts for o in verdict.obligations)),
            "strictness": max(verdict.strictness for verdict in verdicts),
            "commercial_use": all(verdict.commercial_use for verdict in verdicts),
        }
    )


def parts(licence: str) -> list[str]:
    """The sides of a canonical expression that all hold."""
    return [f"({licence})"] if " OR " in licence else licence.split(" AND ")


def _choice(verdicts: list[Verdict]) -> Verdict:
    """The side that asks for least of those that are permitted; none: the refusal of the mildest."""
    best = min(verdicts, key=lambda v: (not v.permitted, v.strictness, len(v.obligations)))
    if best.permitted:
        return best.model_copy(
            update={"reason": f"Of the licences to choose from, {best.licence} is taken. {best.reason}"}
        )
    sides = [f"({v.licence})" if " AND " in v.licence else v.licence for v in verdicts]
    return best.model_copy(update={"licence": " OR ".join(dict.fromkeys(sides))})


def _contradicts_itself(listed: And, text: str) -> bool:
    """Whether a list of punctuation alone rather names one licence in two versions: "Attribution 4.0, CC BY 1.0"."""
    names = [read_commons(side.text) for side in listed.sides if isinstance(side, License)]
    return len({name.units for name in names if name}) == 1 and not _VERSIONS_LISTED.search(text)


def banned(reason: str) -> Verdict:
    """The verdict on words that exclude AI training."""
    return Verdict(
        permitted=False,
        licence=AI_TRAINING_BAN,
        reason=reason,
        strictness=BAN_STRICTNESS,
        commercial_use=False,
    )


def _not_known(licence: str, reason: str) -> Verdict:
    return Verdict(
        permitted=False, licence=licence, reason=reason, strictness=UNKNOWN_STRICTNESS, commercial_use=False
    )


def _unknown(license_type: str, why: str) -> Verdict:
    return _not_known(UNKNOWN, f'No licence is recognised in "{_printable(license_type):.120}": {why}.')


def _printable(text: str) -> str:
    """The text without what moves a terminal's cursor or turns the direction of writing."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
