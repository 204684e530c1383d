"""The one door: may this music be trained on? A working tool driven by a policy file, not legal advice."""

from __future__ import annotations

from collections.abc import Callable

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import DropManifest, Obligation, SourceRecord, SourceType, Verdict
from lofi_pipeline.licensing.policy import LicenceRule, Need, Policy, Profile, load_policy
from lofi_pipeline.licensing.text import UnreadableLicence, bans_training, plain, without_grant

UNKNOWN = "LicenseRef-Unknown"
AI_TRAINING_BAN = "LicenseRef-No-AI-Training"
AI_TRAINING_RIGHTS = "LicenseRef-AI-Training-Rights"
GRANTED = "AI training was granted besides the licence."
UNKNOWN_STRICTNESS = 75
BAN_STRICTNESS = 90

ASK = {
    SourceType.COMMISSIONED: "write AI training rights into the commission",
    SourceType.ROYALTY_FREE: "ask the platform for AI training rights",
    SourceType.CREATIVE_COMMONS: "ask the author for AI training rights, or choose CC0 or CC BY music",
    SourceType.PARTNERSHIP: "write AI training rights into the agreement",
}
EVIDENCE = "say in verified_by who checked the contract, or in notes what it grants"


def judge(
    license_type: str,
    source_type: SourceType,
    *,
    profile: Profile = "cc",
    commercial: bool = True,
    grant: bool = False,
    evidenced: bool = False,
    policy: Policy | None = None,
) -> Verdict:
    """May music under this licence be trained on?

    `license_type` is free text such as "CC BY 4.0" or "Royalty Free with AI Training Rights"; `grant`: AI training was
    granted elsewhere than in that text, and was checked; `evidenced`: somebody said how the rights are known.
    """
    policy = policy or load_policy()
    try:
        text = plain(license_type)
    except UnreadableLicence as error:
        return _unknown(license_type, str(error))
    if bans_training(text):
        reason = f'"{license_type}" excludes AI training.'
        return Verdict(permitted=False, licence=AI_TRAINING_BAN, reason=reason, strictness=BAN_STRICTNESS)
    found, granted_in_text = policy.find(text), False
    if found is None:
        rest, granted_in_text = without_grant(text)
        found = policy.find(rest or "ai training rights") if granted_in_text else None
    if found is None:
        return _unknown(license_type, "the policy does not know it; " + ASK[source_type])
    rule, version = found
    refusal = _refusal(rule, rule.needs[profile], source_type, commercial, grant, granted_in_text, evidenced)
    by_grant = refusal is None and rule.needs[profile] is Need.GRANT
    licence = rule.id_of(version)
    contract = [Obligation.CONTRACT_TERMS] if by_grant else []
    return Verdict(
        permitted=refusal is None,
        licence=f"{licence} AND {AI_TRAINING_RIGHTS}" if by_grant else licence,
        reason=refusal or (GRANTED if by_grant else rule.reason),
        obligations=tuple(dict.fromkeys([*rule.obligations, *contract])),
        strictness=rule.strictness,
        url=rule.url_of(version),
    )


def judge_source(
    source: SourceRecord | DropManifest, settings: LicensingSettings, *, policy: Policy | None = None
) -> Verdict:
    """Judge a source.json or a source's record under the configured profile; verified_by or notes are its evidence."""
    return judge(
        source.license_type,
        source.source_type,
        profile=settings.profile,
        commercial=settings.commercial,
        evidenced=any(text and text.strip() for text in (source.verified_by, source.notes)),
        policy=policy,
    )


def training_rule(settings: LicensingSettings) -> Callable[[SourceRecord], str | None]:
    """The rule "license_type must permit AI training" as SourceRecord takes it: None, or the reason why not.

    `SourceRecord.parse(data, where=..., context={"permits_training": training_rule(settings)})`
    """

    def why_not(source: SourceRecord) -> str | None:
        verdict = judge_source(source, settings)
        return None if verdict.permitted else verdict.reason

    return why_not


def _refusal(
    rule: LicenceRule,
    need: Need,
    source_type: SourceType,
    commercial: bool,
    grant: bool,
    granted_in_text: bool,
    evidenced: bool,
) -> str | None:
    if need is Need.REFUSED:
        return rule.reason
    if commercial and not rule.commercial_use:
        return f"{rule.reason} The configuration says commercial: true."
    if need is Need.EVIDENCE and not (evidenced or grant):
        return f"{rule.name} count only with evidence: {EVIDENCE}."
    if need is Need.GRANT and granted_in_text and not (evidenced or grant):
        return f"The AI training rights that come with it count only with evidence: {EVIDENCE}."
    if need is Need.GRANT and not (granted_in_text or grant):
        return f"{rule.reason} To train on it, {ASK[source_type]}."
    return None


def _unknown(license_type: str, why: str) -> Verdict:
    reason = f'No licence is recognised in "{license_type:.120}": {why}.'
    return Verdict(permitted=False, licence=UNKNOWN, reason=reason, strictness=UNKNOWN_STRICTNESS)
