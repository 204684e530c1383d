"""What a grant in source.json adds to the licence, what it takes away, and from when to when it holds.

The licence itself is judged in licensing/judge.py; a source that was taken out is in licensing/withdrawals.py.
"""

from __future__ import annotations

from datetime import date

from lofi_pipeline.entities import Grant, Permission, Right, Use, Verdict
from lofi_pipeline.entities.verdict import Obligation

GIVEN = (Permission.ALLOWED, Permission.CONSTRAINED)


def gives(grant: Grant | None, use: Use) -> bool:
    """Whether a grant allows a use, if only on conditions."""
    return grant is not None and grant.uses.get(use) in GIVEN


def expired(grant: Grant, day: date) -> str | None:
    """Why a grant is not in force on a day: it was withdrawn, has ended or has not begun. None: it is in force."""
    if grant.withdrawn and day >= grant.withdrawn:
        return f"The grant was withdrawn on {grant.withdrawn}."
    if grant.validity.end and day > grant.validity.end:
        return f"The grant ended on {grant.validity.end}; renew it, or take the music out."
    if grant.validity.start and day < grant.validity.start:
        return f"The grant begins on {grant.validity.start}; wait until then."
    return None


def forbids(grant: Grant, *, commercial: bool) -> str | None:
    """Why a grant rules the training out that the project has in mind, or None."""
    if grant.uses.get(Use.TRAIN) is Permission.NOT_ALLOWED:
        return "The grant says that training is notAllowed."
    if commercial and grant.uses.get(Use.COMMERCIAL) is Permission.NOT_ALLOWED:
        return "The grant says that commercial use is notAllowed. The configuration says commercial: true."
    return None


def terms_of(grant: Grant, *, base: str | None = None) -> tuple[str, ...]:
    """What a grant limits, one sentence each. `base`: the base model that is trained on, by name."""
    found = []
    constrained = [
        use.value.replace("_", " ") for use, said in grant.uses.items() if said is Permission.CONSTRAINED
    ]
    if constrained:
        found.append(f"Constrained ({', '.join(constrained)}): {(grant.constraints or '').strip()}")
    if grant.uses.get(Use.REDISTRIBUTE_WEIGHTS) is Permission.NOT_ALLOWED:
        found.append("The trained weights must not be passed on.")
    missing = [right.value for right in Right if right not in grant.rights]
    if missing:
        found.append(f"It does not cover the rights of: {', '.join(missing)}.")
    if grant.model_versions:
        named = ", ".join(grant.model_versions)
        other = base is not None and base.casefold() not in {name.casefold() for name in grant.model_versions}
        found.append(
            f"It is limited to the base models {named}; the configured one, {base}, is not among them."
            if other
            else f"It is limited to the base models {named}."
        )
    if grant.territory.strip().casefold() not in ("worldwide", "world", "universe"):
        found.append(f"It holds in this territory only: {grant.territory.strip()}.")
    if grant.validity.end:
        found.append(f"It ends on {grant.validity.end}.")
    if grant.revocable:
        found.append("It can be revoked.")
    return tuple(found)


def limited(verdict: Verdict, grant: Grant, *, base: str | None) -> Verdict:
    """A verdict with the terms of a grant written into it; what the grant says of commercial use holds."""
    terms = terms_of(grant, base=base)
    obligations = list(verdict.obligations)
    commercial_use = verdict.commercial_use
    if grant.uses.get(Use.COMMERCIAL) is Permission.NOT_ALLOWED:
        commercial_use = False
        obligations.append(Obligation.NON_COMMERCIAL)
    if terms:
        obligations.append(Obligation.CONTRACT_TERMS)
    return verdict.model_copy(
        update={
            "terms": terms,
            "commercial_use": commercial_use,
            "obligations": tuple(dict.fromkeys(obligations)),
        }
    )
