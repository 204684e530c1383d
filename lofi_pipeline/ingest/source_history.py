"""The terms that each source declared when its tracks were ingested: metadata/claims.json, which only grows.

A source.json that is edited afterwards does not change this record. Which terms then apply is decided in source_edits.py. A
source.json changes the record only if it says so: by `amends`, the hash of the terms that it replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field

from lofi_pipeline.entities import (
    DropManifest,
    DropStatus,
    Entity,
    Evidence,
    EvidenceFile,
    Grant,
    Scan,
    SourceRecord,
)
from lofi_pipeline.entities.base import Identifier, Sha256
from lofi_pipeline.entities.packed_members import PackedMembers
from lofi_pipeline.storage import DataRoot, content_sha256, members_of, read_record, write_sealed

SHORT_HASH = 16
"""Digits of the hash that people are asked to write as `amends`."""
_LEAST_DIGITS = 12
"""Of a hash of terms: fewer name nothing."""


class DeclaredTerms(Entity):
    """Everything that the verdict on a source depends on."""

    source: SourceRecord = Field(description="Without track ids")
    grant: Grant | None = None
    url: str | None = None
    documents: dict[str, Sha256] = Field(default_factory=dict, description="Evidence by its name in the drop")

    @classmethod
    def of(cls, manifest: DropManifest, evidence: Iterable[EvidenceFile]) -> DeclaredTerms:
        """The terms that a source.json and its documents declare."""
        documents = {item.evidence.document: item.sha256 for item in evidence}
        return cls(source=manifest.record([]), grant=manifest.grant, url=manifest.url, documents=documents)

    @property
    def sha256(self) -> str:
        """The hash by which `amends` names the terms that it replaces."""
        return content_sha256(self)

    def manifest(self) -> DropManifest:
        """A source.json that declares these terms, and says nothing of files."""
        record = {
            name: getattr(self.source, name) for name in SourceRecord.model_fields if name != "track_ids"
        }
        return DropManifest.model_construct(**record, grant=self.grant, url=self.url)

    def evidence(self) -> list[EvidenceFile]:
        """The documents as they were then, wherever they are now."""
        return [
            EvidenceFile(evidence=Evidence(document=name), path=f"raw/{name}", sha256=sha256, size=0)
            for name, sha256 in self.documents.items()
        ]

    def over(self, manifest: DropManifest) -> DropManifest:
        """A source.json with these terms in place of its own; the facts on its files stay."""
        record = {
            name: getattr(self.source, name) for name in SourceRecord.model_fields if name != "track_ids"
        }
        return manifest.model_copy(update={**record, "grant": self.grant, "url": self.url})

    def difference(self, other: DeclaredTerms) -> list[str]:
        """One phrase for each term that differs: `license_type: 'CC0' is now 'CC BY 4.0'`."""
        before, after = _flat(self), _flat(other)
        return [
            f"{name}: {before.get(name)!r:.80} is now {after.get(name)!r:.80}"
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        ]


def _flat(terms: DeclaredTerms) -> dict[str, object]:
    given = terms.model_dump(mode="json")
    source, grant = given.pop("source"), given.pop("grant") or {}
    source.pop("track_ids")
    documents = {f"document {name}": sha256 for name, sha256 in given.pop("documents").items()}
    return {**source, **{f"grant.{name}": value for name, value in grant.items()}, **given, **documents}


class Accepted(NamedTuple):
    """What the source.json of an accepted drop declares."""

    terms: DeclaredTerms
    amends: str | None
    replaces: Sequence[str]
    """The records that it replaces with evidence."""


class RecordedTerms(Entity):
    """Declared terms, and the day on which they were recorded."""

    since: date
    claims: DeclaredTerms


class DeclaredTermsRecord(Entity):
    """metadata/claims.json: by source id, the declared terms in the order they were recorded; the last ones apply."""

    sources: dict[Identifier, list[RecordedTerms]] = Field(default_factory=dict)

    @classmethod
    def of(cls, histories: Iterable[tuple[str, Sequence[RecordedTerms]]]) -> Self:
        """The record of these sources, packed."""
        return cls().model_copy(update={"sources": PackedMembers(histories)})

    def on_record(self, source_id: str) -> DeclaredTerms | None:
        """The terms that apply to a source, or None when it never gave a track."""
        history = self.sources.get(source_id)
        return history[-1].claims if history else None

    def is_past(self, terms: DeclaredTerms, declared: DeclaredTerms) -> bool:
        """Whether terms that a source once declared were amended since; or undone, as it declares what is on record."""
        source_id = terms.source.source_id
        if declared.source.source_id != source_id:
            return False
        history = [item.claims for item in self.sources.get(source_id, [])]
        return terms in history[:-1] or declared == self.on_record(source_id)

    def with_accepted(self, accepted: Iterable[Accepted], day: date) -> DeclaredTermsRecord:
        """This record with the terms of new sources, and of those whose source.json amends the terms on record."""
        new = PackedMembers(
            (it.terms.source.source_id, [RecordedTerms(since=day, claims=it.terms)])
            for it in accepted
            if self._takes(it)
        )
        if not new:
            return self
        histories = ((it, [*history, *new.get(it, [])]) for it, history in self.sources.items())
        first = ((it, terms) for it, terms in new.items() if it not in self.sources)
        return DeclaredTermsRecord.of(chain(histories, first))

    def _takes(self, it: Accepted) -> bool:
        on_record = self.on_record(it.terms.source.source_id)
        return on_record is None or (
            it.terms != on_record and (amends(it.amends, on_record) or is_replaced(on_record, it.replaces))
        )


def amends(named: str | None, on_record: DeclaredTerms) -> bool:
    """Whether what a source.json `amends` names these terms as the ones that it replaces."""
    return named is not None and on_record.sha256.startswith(named)


def is_replaced(terms: DeclaredTerms, replaces: Iterable[str]) -> bool:
    """Whether these terms are among the records that are replaced: by the id of their source, or by their hash."""
    return any(
        name == terms.source.source_id or (len(name) >= _LEAST_DIGITS and terms.sha256.startswith(name))
        for name in replaces
    )


def replacing_hint(terms: DeclaredTerms) -> str:
    """What to write into a source.json that is meant to replace stricter terms on record."""
    return (
        f'write "supersedes": [{{"record": "{terms.sha256[:SHORT_HASH]}", "evidence": [{{"document": "letter.pdf"}}]}}] into '
        "source.json, with the document in the drop that proves it"
    )


def declared_terms_json(root: DataRoot) -> Path:
    """The path of the record."""
    return root.claims_json


def load_declared_terms(root: DataRoot, known: Scan | None, *, day: date) -> DeclaredTermsRecord:
    """The terms on record. In a data root that is older than this record: those of the last scan.

    Raises:
        RecordError: the record is damaged.
    """
    path = declared_terms_json(root)
    if path.is_file():
        with suppress(ValueError):
            alone = members_of(DeclaredTermsRecord, path, "sources")
            return DeclaredTermsRecord.of(chain.from_iterable(it.sources.items() for it in alone))
        return read_record(DeclaredTermsRecord, path)
    taken = {
        drop.manifest.source_id: DeclaredTerms.of(drop.manifest, drop.evidence)
        for drop in reversed(known.drops if known else [])
        if drop.manifest is not None and drop.status is DropStatus.ACCEPTED
    }
    return DeclaredTermsRecord(
        sources={source_id: [RecordedTerms(since=day, claims=terms)] for source_id, terms in taken.items()}
    )


def save_declared_terms(root: DataRoot, record: DeclaredTermsRecord) -> None:
    """Write the record, and seal it."""
    write_sealed(root, declared_terms_json(root), record)
