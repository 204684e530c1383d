"""What a grant in source.json adds to the licence, what it takes away, and from when to when it holds.

Every limit of a grant either keeps the music out, or must be accepted by a named person before an audit is clean: see
`limits_of`. The licence itself is judged in licensing/judge.py; a source that was taken out is in licensing/withdrawals.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from lofi_pipeline.entities import (
    Acceptance,
    Evidence,
    FindingCode,
    Grant,
    Permission,
    Remark,
    Right,
    Term,
    Use,
    Verdict,
)
from lofi_pipeline.entities.verdict import Obligation
from lofi_pipeline.licensing.denials import denials
from lofi_pipeline.storage import content_sha256

GIVEN = (Permission.ALLOWED,)
"""What is constrained is given where somebody accepted the constraint: see `met`."""
TRAINING = (Use.TRAIN, Use.AI_GENERATIVE_TRAINING)
"""What is done here is generative training, in CAWG's words."""
EVERYWHERE = ("worldwide", "world", "universe")
MUSIC = (Right.RECORDING, Right.COMPOSITION)
"""Without both there is no leave for a piece of music."""
WHAT_IS_DONE = {
    Use.DATA_MINING: "tempo, key, timbre and a fingerprint are measured of each track",
    Use.AI_INFERENCE: "models listen to the tracks, to suggest styles and to score checkpoints",
    Use.AI_TRAINING: "the model that is trained is a generative one",
    Use.REDISTRIBUTE_WEIGHTS: "the trained weights must not be passed on",
}


@dataclass(frozen=True)
class Acceptances:
    """Who accepted which terms of one source."""

    source_id: str
    given: Sequence[Acceptance] = ()

    def term(self, kind: str, *content: object, sentence: str, refuses: bool = False) -> Term:
        """A term of the source; its hash covers its content, not how the sentence is worded."""
        digest = content_sha256([self.source_id, kind, *content])[:16]
        return Term(sentence=sentence, hash=digest, refuses=refuses)

    def by(self, term: Term) -> Acceptance | None:
        """The acceptance of a term, if there is one."""
        return next((item for item in self.given if term.hash in item.terms), None)

    def open(self, terms: Iterable[Term]) -> tuple[Term, ...]:
        """The terms that nobody has accepted."""
        return tuple(term for term in terms if self.by(term) is None)

    def used(self, terms: Iterable[Term]) -> tuple[Acceptance, ...]:
        """The acceptances that cover one of the terms."""
        known = {term.hash for term in terms}
        return tuple(item for item in self.given if known & set(item.terms))


def how_to_accept(terms: Iterable[Term]) -> str:
    """What to write into source.json to accept terms."""
    named = ", ".join(f'"{term.hash}"' for term in dict.fromkeys(terms))
    return (
        'If a person answers for that, write into source.json "accepted": [{"accepted_by": "NAME", "date": "YYYY-MM-DD", '
        f'"reason": "WHY", "terms": [{named}]}}].'
    )


def gives(grant: Grant | None, use: Use) -> bool:
    """Whether a grant allows a use."""
    return grant is not None and _said(grant, use) in GIVEN


def _said(grant: Grant, use: Use) -> Permission | None:
    """The answer on a use. Training is asked for under two names: of two answers the stricter counts."""
    names = TRAINING if use is Use.TRAIN else (use,)
    said = [answer for name in names if (answer := grant.uses.get(name))]
    return next(
        (
            each
            for each in (Permission.NOT_ALLOWED, Permission.CONSTRAINED, Permission.ALLOWED)
            if each in said
        ),
        None,
    )


def met(grant: Grant, acceptances: Acceptances | None = None) -> Grant:
    """A grant in which constraints that were accepted are met; without acceptances: as if all were."""
    uses = {
        use: Permission.ALLOWED
        if said is Permission.CONSTRAINED
        and (acceptances is None or acceptances.by(_constrained(grant, use, acceptances)))
        else said
        for use, said in grant.uses.items()
    }
    return grant.model_copy(update={"uses": uses})


def expired(grant: Grant, day: date) -> str | None:
    """Why a grant is not in force on a day: it was withdrawn, has ended or has not begun. None: it is in force."""
    if grant.withdrawn and day >= grant.withdrawn:
        return f"The grant was withdrawn on {grant.withdrawn}."
    if grant.validity.end and day > grant.validity.end:
        return f"The grant ended on {grant.validity.end}; renew it, or take the music out."
    if grant.validity.start and day < grant.validity.start:
        return f"The grant begins on {grant.validity.start}; wait until then."
    return None


def forbids(grant: Grant, *, commercial: bool, base: str | None = None) -> str | None:
    """Why a grant rules the training out that the project has in mind, or None; nobody can accept that."""
    if _said(grant, Use.TRAIN) is Permission.NOT_ALLOWED:
        return "The grant says that training is notAllowed."
    if commercial and grant.uses.get(Use.COMMERCIAL) is Permission.NOT_ALLOWED:
        return "The grant says that commercial use is notAllowed. The configuration says commercial: true."
    if base is not None and not _is_among(base, grant.model_versions):
        return (
            f"The grant is limited to the base models {', '.join(grant.model_versions)}; {base} is not among them: train on one "
            "of those, or ask for a wider grant."
        )
    return None


def _is_among(base: str, names: Sequence[str]) -> bool:
    """Whether a base model is among those named; a folder or hub id by its last part alone, too."""
    return not names or any(_spellings(base) & _spellings(name) for name in names)


def _spellings(name: str) -> set[str]:
    whole = name.strip().casefold().rstrip("/")
    return {whole, whole.rsplit("/", 1)[-1]}


def limits_of(
    grant: Grant, acceptances: Acceptances, *, commercial: bool, needed: bool, needed_to_sell: bool
) -> Iterator[Term]:
    """Every limit of a grant that a person can answer for.

    Args:
        needed: whether the licence alone does not permit the training; what then limits the grant's core keeps the music out.
        needed_to_sell: whether the licence alone does not permit commercial use.
    """
    for use, said in grant.uses.items():
        if said is Permission.CONSTRAINED:
            core = needed if use in TRAINING else use is Use.COMMERCIAL and commercial and needed_to_sell
            yield _constrained(grant, use, acceptances, refuses=core)
        elif said is Permission.NOT_ALLOWED and use in WHAT_IS_DONE:
            sentence = f"It says {_in_words(use)}: notAllowed ({WHAT_IS_DONE[use]})."
            yield acceptances.term("notAllowed", use, sentence=sentence)
    missing = [right.value for right in Right if right not in grant.rights]
    if missing:
        core = needed and not set(MUSIC) <= set(grant.rights)
        sentence = f"It does not cover the rights of: {', '.join(missing)}."
        yield acceptances.term("rights", missing, sentence=sentence, refuses=core)
    if grant.territory.strip().casefold() not in EVERYWHERE:
        territory = grant.territory.strip() or "(left empty)"
        yield acceptances.term(
            "territory", territory, sentence=f"It holds in this territory only: {territory}."
        )
    if grant.validity.end:
        yield acceptances.term("end", str(grant.validity.end), sentence=f"It ends on {grant.validity.end}.")
    if grant.revocable:
        yield acceptances.term("revocable", sentence="It can be revoked.")
    for evidence, denied in _denying(grant):
        sentence = f'The clause quoted from {evidence.document} denies training: "{denied}".'
        yield acceptances.term("clause", evidence.document, evidence.clause, sentence=sentence)


def _denying(grant: Grant) -> Iterator[tuple[Evidence, str]]:
    """The evidence whose quoted clause denies training, with the sentence that does."""
    for evidence in grant.evidence:
        if denied := denials(evidence.clause or "", most=1):
            yield evidence, denied[0]


def _constrained(grant: Grant, use: Use, acceptances: Acceptances, *, refuses: bool = False) -> Term:
    constraints = (grant.constraints or "").strip()
    sentence = f"Constrained ({_in_words(use)}): {constraints.rstrip('.')}."
    return acceptances.term("constrained", use, constraints, sentence=sentence, refuses=refuses)


def _in_words(use: Use) -> str:
    return use.value.replace("_", " ")


def limited(verdict: Verdict, grant: Grant, limits: Sequence[Term], acceptances: Acceptances) -> Verdict:
    """A verdict with the limits of a grant written into it; what the grant says of commercial use holds."""
    terms = [term.sentence for term in limits]
    if grant.model_versions:
        terms.append(f"It is limited to the base models {', '.join(grant.model_versions)}.")
    obligations = list(verdict.obligations)
    commercial_use = verdict.commercial_use
    if grant.uses.get(Use.COMMERCIAL) is Permission.NOT_ALLOWED:
        commercial_use = False
        obligations.append(Obligation.NON_COMMERCIAL)
    remarks = [
        Remark(
            code=FindingCode.CLAUSE_DENIES,
            sentence=f'{evidence.document}: the clause that should grant the training denies it: "{denied}".',
        )
        for evidence, denied in _denying(grant)
    ]
    if terms:
        obligations.append(Obligation.CONTRACT_TERMS)
    return verdict.model_copy(
        update={
            "terms": tuple(terms),
            "to_accept": acceptances.open(limits),
            "accepted": acceptances.used(limits),
            "remarks": tuple(remarks),
            "commercial_use": commercial_use,
            "obligations": tuple(dict.fromkeys(obligations)),
        }
    )
