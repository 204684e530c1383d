"""What the licence policy says of a source, as records keep it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field

from lofi_pipeline.entities.base import Entity, Identifier, Sha256
from lofi_pipeline.entities.grant import EvidenceFile, Grant
from lofi_pipeline.entities.terms import Acceptance, Remark, Term


class Obligation(StrEnum):
    """What a licence asks of whoever trains on the music or publishes the weights."""

    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    NON_COMMERCIAL = "non-commercial"
    NO_DERIVATIVES = "no-derivatives"
    CONTRACT_TERMS = "contract terms"


class Verdict(Entity):
    """What the policy says about one licence, with one sentence for people."""

    permitted: bool
    licence: str = Field(
        description='Canonical SPDX expression, such as "CC-BY-4.0"; LicenseRef-... where SPDX has none'
    )
    reason: str = Field(description="One sentence: why, and if refused what to do")
    obligations: tuple[Obligation, ...] = ()
    terms: tuple[str, ...] = Field(default=(), description="What the grant limits, one sentence each")
    strictness: int = Field(description="Orders licences: of several for one recording, the highest holds")
    url: str | None = Field(default=None, description="Where the licence's text is public")
    commercial_use: bool = Field(default=True, description="Whether what is trained may be used commercially")
    policy: Sha256 | None = Field(default=None, description="Of the policy and its settings that judged")
    day: date | None = Field(default=None, description="The day it was judged for")
    to_accept: tuple[Term, ...] = Field(
        default=(),
        description="Terms that nobody has accepted yet: an audit is not clean until somebody does",
    )
    accepted: tuple[Acceptance, ...] = Field(default=(), description="Who accepted terms of the source")
    remarks: tuple[Remark, ...] = Field(default=(), description="What else is to be known of the source")


class Provenance(Entity):
    """What stands behind a source in a data set version, beside its SourceRecord."""

    source_id: Identifier
    verdict: Verdict
    grant: Grant | None = None
    evidence: list[EvidenceFile] = Field(default_factory=list)
    url: str | None = Field(default=None, description="Where the source can be found, for attribution")
