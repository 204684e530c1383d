"""What was refused or removed stays on record: metadata/remembered.json, the terms of music that is not taken any more.

The list only grows, and is entered into the ledger each time. So the same bytes, or the same recording (dataset/barred.py), keep
the strictest terms that they ever came under, whatever source.json says of them later, until one names what it supersedes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import chain
from pathlib import Path

from pydantic import Field

from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    Entity,
    EvidenceFile,
    Grant,
    Permission,
    RecordError,
    Use,
    Verdict,
)
from lofi_pipeline.entities.base import RelativePath, Sha256
from lofi_pipeline.entities.hash_index import HashIndex
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.evidence import documents_of
from lofi_pipeline.ingest.source_edits import JUDGED, Judge, with_verdict
from lofi_pipeline.ingest.source_history import (
    DeclaredTerms,
    DeclaredTermsRecord,
    amends,
    is_replaced,
    replacing_hint,
)
from lofi_pipeline.licensing import stricter
from lofi_pipeline.licensing.judge import UNKNOWN
from lofi_pipeline.storage import (
    DataRoot,
    locked,
    read_packed,
    require_own,
    write_sealed,
)


class RememberedTerms(Entity):
    """Terms under which some files came, and were refused or removed."""

    since: date
    folder: RelativePath = Field(description="The drop, relative to the data root")
    claims: DeclaredTerms
    contents: list[Sha256] = Field(min_length=1, description="Of the files, sorted")


class Remembered(Entity):
    """metadata/remembered.json, in the order in which things were refused or removed."""

    entries: list[RememberedTerms] = Field(default_factory=list)


@dataclass(frozen=True)
class Memory:
    """The terms on record, by content."""

    record: Remembered
    on_disk: int = 0
    """How many of its entries the file has."""

    @cached_property
    def _by_content(self) -> HashIndex:
        return HashIndex(
            (sha256, number) for number, entry in enumerate(self.record.entries) for sha256 in entry.contents
        )

    def of(self, sha256: str) -> list[RememberedTerms]:
        """The terms that a content came under."""
        return [self.record.entries[number] for number in self._by_content.of(sha256)]

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._by_content

    def having(self, found: Iterable[tuple[DeclaredTerms, str, Iterable[str]]], day: date) -> Memory:
        """This memory, with some terms, each with the drop and the contents that came under them."""
        more, places = Packed[RememberedTerms](), HashIndex()
        for claims, folder, contents in found:
            new = sorted(
                sha256
                for sha256 in set(contents)
                if all(claims != entry.claims for entry in self.of(sha256))
                and all(claims != more[number].claims for number in places.of(sha256))
            )
            if new:
                for sha256 in new:
                    places.add(sha256, len(more))
                more.append(RememberedTerms(since=day, folder=folder, claims=claims, contents=new))
        if not more:
            return self
        entries = Packed(chain(self.record.entries, more))
        return replace(self, record=Remembered().model_copy(update={"entries": entries}))


NOTHING_REMEMBERED = Memory(Remembered())


def remembered_json(root: DataRoot) -> Path:
    """The path of the record."""
    return root.metadata / "remembered.json"


def load_memory(root: DataRoot) -> Memory:
    """What is remembered.

    Raises:
        RecordError: the record is damaged.
    """
    path = remembered_json(root)
    record = (
        read_packed(Remembered, path, "entries", RememberedTerms, pack=Packed)
        if path.is_file()
        else Remembered()
    )
    return Memory(record, len(record.entries))


def save_memory(root: DataRoot, memory: Memory) -> None:
    """Write what was added, and seal it.

    Raises:
        RecordError: the record was edited, or lost, since it was entered.
    """
    path = remembered_json(root)
    with locked(path):
        require_own(root, path)
        if len(memory.record.entries) != memory.on_disk:
            write_sealed(root, path, memory.record)


def updated(
    memory: Memory, former: PackedDrops, drops: PackedDrops, day: date, *, without: Container[str] = ()
) -> Memory:
    """The memory with what was or is forbidden, and with what lay in a drop at the last scan and does not any more.

    `without`: sources that are remembered otherwise.
    """
    forbidden = (
        (drop, _contents(drop)) for it in (former, drops) for drop in it.having(DropStatus.FORBIDDEN)
    )
    found = (
        (DeclaredTerms.of(drop.manifest, drop.evidence), drop.folder, contents)
        for drop, contents in chain(_removed(former, drops), forbidden)
        if contents and drop.manifest is not None and drop.manifest.source_id not in without
    )
    return memory.having(found, day)


def _removed(former: PackedDrops, drops: PackedDrops) -> Iterator[tuple[Drop, set[str]]]:
    """The drops that were judged and changed since, each with the contents that it does not have any more."""
    for before, now in drops.changed_since(former):
        if before is not None and before.status in JUDGED:
            yield before, _contents(before) - (_contents(now) if now else set())


def _contents(drop: Drop) -> set[str]:
    return {file.sha256 for file in drop.files if file.sha256}


def with_replaced(root: DataRoot, drop: Drop) -> Drop:
    """The drop with the records that its source.json replaces, and proves by a document that is there."""
    manifest = drop.manifest
    if manifest is None or not (manifest.supersedes or manifest.amends):
        return drop
    where = f"{drop.folder}/{SOURCE_JSON}"
    replaced = [manifest.amends] if manifest.amends and drop.evidence else []
    for item in manifest.supersedes:
        # Documents are read as those of a grant are
        named = Grant(uses={Use.TRAIN: Permission.ALLOWED}, evidence=item.evidence)
        try:
            proved = bool(documents_of(root, root.inside(drop.folder), named, where=where))
        except RecordError as error:
            return drop.model_copy(update={"status": DropStatus.REFUSED, "reason": str(error)})
        if proved:
            replaced.append(item.record)
    return drop.model_copy(update={"replaces": replaced})


def verdict_under(
    terms: DeclaredTerms, manifest: DropManifest, evidence: Sequence[EvidenceFile], judge: Judge, day: date
) -> Verdict:
    """What terms on record come to for music that a source.json brings now.

    A grant that it brings, with its evidence, counts for them as well: whoever was refused for want of one may add it. What
    the rights holder denied or took back stays so.
    """
    before = terms.grant
    denied = before is not None and (
        before.uses.get(Use.TRAIN) is Permission.NOT_ALLOWED
        or (before.withdrawn is not None and before.withdrawn <= day)
    )
    grant = before if denied else manifest.grant
    return judge(terms.over(manifest).model_copy(update={"grant": grant}), evidence)


def is_corrected(terms: DeclaredTerms, verdict: Verdict, manifest: DropManifest) -> bool:
    """Whether a licence that nobody knows, such as a misspelt one, was corrected by name: that needs no document."""
    return verdict.licence == UNKNOWN and amends(manifest.amends, terms)


@dataclass(frozen=True)
class _Stricter:
    """Terms on record that are stricter than what a drop says now."""

    entry: RememberedTerms
    verdict: Verdict

    def in_words(self) -> str:
        source, entry = self.entry.claims.source, self.entry
        refused = "" if self.verdict.permitted else f": {self.verdict.reason}"
        return (
            f"came as {source.license_type!r:.80} from the source {source.source_id!r:.80} ({entry.folder}) by {entry.since}"
            f"{refused.rstrip('.')}"
        )


def apply_memory(
    drops: PackedDrops, memory: Memory, record: DeclaredTermsRecord, judge: Judge, day: date
) -> PackedDrops:
    """Where files came under stricter terms before, those hold: for the whole drop if they are all of it, else the file is refused."""
    if not memory.record.entries:
        return drops
    accepted = drops.having(DropStatus.ACCEPTED)
    back = {sha256 for drop in accepted for sha256 in _contents(drop) if sha256 in memory}
    if not back:
        return drops
    present = {
        (terms, sha256)
        for drop in drops.having(*JUDGED)
        if drop.manifest is not None and (contents := _contents(drop) & back)
        for terms in [DeclaredTerms.of(drop.manifest, drop.evidence).sha256]
        for sha256 in contents
    }

    def held(drops: Iterable[Drop]) -> Iterator[Drop]:
        for drop in drops:
            came_before = drop.status is DropStatus.ACCEPTED and _contents(drop) & back
            yield _Remembering(drop, memory, record, judge, day, present).held() if came_before else drop

    return drops.through(held)


@dataclass(frozen=True)
class _Remembering:
    drop: Drop
    memory: Memory
    record: DeclaredTermsRecord
    judge: Judge
    day: date
    present: set[tuple[str, str]]
    """(terms, content) of every drop there is: what lies in two drops is settled between these."""

    def held(self) -> Drop:
        """The drop under the stricter terms on record."""
        drop = self.drop
        files = [file for file in drop.files if file.sha256 and not file.refusal]
        found = {file.path: it for file in files if (it := self._stricter(file.sha256 or ""))}
        if not found:
            return drop
        strictest = next(iter(found.values()))
        same = {it.entry.claims.sha256 for it in found.values()} == {strictest.entry.claims.sha256}
        if not same or len(found) < len(files):
            return drop.model_copy(
                update={"files": [self._refused(file, found.get(file.path)) for file in drop.files]}
            )
        assert drop.manifest is not None
        claims = strictest.entry.claims
        manifest = claims.over(drop.manifest).model_copy(update={"grant": drop.manifest.grant})
        edited = f"{drop.folder}/{SOURCE_JSON}: the same music {strictest.in_words()}; that holds. If it was replaced, {replacing_hint(claims)}"
        result = with_verdict(
            drop.model_copy(update={"manifest": manifest, "edited": edited}), strictest.verdict
        )
        return result if strictest.verdict.permitted else result.model_copy(update={"reason": edited})

    def _refused(self, file: DropAudio, found: _Stricter | None) -> DropAudio:
        if found is None:
            return file
        reason = f"{file.path}: the same music {found.in_words()}. If that was replaced, {replacing_hint(found.entry.claims)}"
        return file.model_copy(update={"refusal": reason})

    def _stricter(self, sha256: str) -> _Stricter | None:
        """The strictest terms on record for a content, where they are stricter than the drop's."""
        drop, best = self.drop, None
        assert drop.manifest is not None and drop.verdict is not None
        least = drop.verdict
        for entry in self.memory.of(sha256):
            if self._is_settled(entry, sha256):
                continue
            verdict = verdict_under(entry.claims, drop.manifest, drop.evidence, self.judge, self.day)
            if stricter(verdict, least) and not is_corrected(entry.claims, verdict, drop.manifest):
                best, least = _Stricter(entry, verdict), verdict
        return best

    def _is_settled(self, entry: RememberedTerms, sha256: str) -> bool:
        """Whether the terms are those of this drop or of another one with the file, were undone, amended or replaced."""
        drop = self.drop
        assert drop.manifest is not None
        declared = DeclaredTerms.of(drop.manifest, drop.evidence)
        return (
            declared == entry.claims
            or (entry.claims.sha256, sha256) in self.present
            or self.record.is_past(entry.claims, declared)
            or is_replaced(entry.claims, drop.replaces)
        )
