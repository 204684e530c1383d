"""Tracks that may not be trained on because of another recording: one that was withdrawn, refused, or came under stricter terms.

The relation "the same recording" is in recordings.py, what was refused or removed in ingest/remembered.py and ingest/refused.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lofi_pipeline.dataset.duplicates import Comparisons, load_comparisons
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.recordings import Link, Recordings
from lofi_pipeline.entities import RegisteredTrack, Registry, Verdict, recording_order
from lofi_pipeline.ingest import (
    DeclaredTerms,
    DeclaredTermsRecord,
    Memory,
    RefusedRecording,
    clock_day,
    is_corrected,
    is_replaced,
    load_declared_terms,
    load_memory,
    load_record,
    load_refused,
    load_registry,
    load_scan,
    replacing_hint,
    verdict_under,
    withdrawn_reason,
)
from lofi_pipeline.licensing import Withdrawal, stricter
from lofi_pipeline.storage import DataRoot, file_sha256


@dataclass(frozen=True)
class Known:
    """Every recording that was ever heard, with the bytes that it was heard in, and what is on record of these."""

    root: DataRoot
    contents: Mapping[str, str]
    """SHA-256 by track or refused recording."""
    memory: Memory
    refused: Mapping[str, str]
    """Where each refused recording lay, by its id."""

    @classmethod
    def of(cls, root: DataRoot, registry: Registry) -> Known:
        """All that a data root has on record."""
        contents = {track.track_id: track.sha256 for track in registry.tracks}
        return cls.among(root, contents, load_refused(root), load_memory(root))

    @classmethod
    def among(
        cls, root: DataRoot, tracks: Mapping[str, str], refused: Sequence[RefusedRecording], memory: Memory
    ) -> Known:
        """What these records say, which were read before; of each track, its SHA-256."""
        contents = {**tracks, **{it.recording_id: it.sha256 for it in refused}}
        return cls(root, contents, memory, {it.recording_id: it.path for it in refused})

    def withdrawn(self, contents: Mapping[str, Withdrawal]) -> dict[str, Withdrawal]:
        """The recordings that were withdrawn."""
        return {it: contents[sha256] for it, sha256 in self.contents.items() if sha256 in contents}

    @property
    def remembered(self) -> list[str]:
        """The recordings of which terms are remembered."""
        return [it for it, sha256 in self.contents.items() if sha256 in self.memory]

    @cached_property
    def declared(self) -> DeclaredTermsRecord:
        """The terms on record by source."""
        scan = load_scan(self.root)
        return load_declared_terms(self.root, scan, day=(scan.day if scan else None) or clock_day())

    def title(self, recording_id: str) -> str:
        """A recording with its title or file name, for people."""
        record = load_record(self.root, recording_id) if recording_id.startswith("track_") else None
        if record is not None:
            return f"{recording_id} ({record.origins[0].title or record.filename})"
        path = self.refused.get(recording_id)
        return f"{recording_id} ({path})" if path else recording_id


def heard(root: DataRoot, ready: Mapping[str, str]) -> dict[str, str]:
    """By recording that ever got a fingerprint, present or not, the hash of what made it: every new one is compared with these.

    `ready`: those of the tracks that are ready.
    """
    found = dict(ready)
    for track in load_registry(root).tracks:
        if track.track_id not in ready and root.fingerprint(track.track_id).is_file():
            record = load_record(root, track.track_id)
            made_by = record.inputs.get("processed") if record and record.processed else None
            found[track.track_id] = made_by or file_sha256(root.fingerprint(track.track_id))
    for refused in load_refused(root):
        if refused.fingerprint and root.fingerprint(refused.recording_id).is_file():
            found[refused.recording_id] = refused.fingerprint
    return found


def not_to_be_trained_on(root: DataRoot, eligibility: Eligibility) -> set[str]:
    """The recordings of which no part may be in a data set: withdrawn, or refused by the terms that they came under."""
    known = Known.of(root, load_registry(root))
    refused = {
        sha256
        for entry in known.memory.record.entries
        if not eligibility.judge(entry.claims.manifest(), entry.claims.evidence()).permitted
        for sha256 in entry.contents
    }
    return {
        *known.withdrawn(eligibility.withdrawn_contents),
        *(it for it, sha256 in known.contents.items() if sha256 in refused),
    }


def barred_tracks(root: DataRoot, eligibility: Eligibility, found: Comparisons) -> dict[str, str]:
    """By track that may be used as far as its own terms go, and must stay out because of another recording: the reason."""
    if not (eligibility.withdrawn_contents or found.pairs or load_memory(root).record.entries):
        return {}
    registry = load_registry(root)
    tracks = [it for it in registry.tracks if it.origins and eligibility.refusal_reason(it) is None]
    known = Known.of(root, registry)
    reasons = {
        it.recording_id: it.sentence
        for it in copies_of_withdrawn(known, eligibility.withdrawn_contents, found)
    }
    ids = {track.track_id for track in tracks}
    return {
        **under_stricter_terms(known, eligibility, found, tracks),
        **{track_id: reason for track_id, reason in reasons.items() if track_id in ids},
    }


@dataclass(frozen=True)
class WithdrawnCopy:
    """A recording that is the same as a withdrawn one, or holds a part of it."""

    recording_id: str
    withdrawal: Withdrawal
    relation: str
    """In words, with how sure it is."""

    @property
    def sentence(self) -> str:
        """Why it may not be trained on."""
        return f"{self.relation}. {withdrawn_reason(self.withdrawal)}"


def copies_of_withdrawn(
    known: Known, contents: Mapping[str, Withdrawal], found: Comparisons
) -> Iterator[WithdrawnCopy]:
    """Every recording that hangs together with a withdrawn one; by SHA-256, what was withdrawn."""
    withdrawn = known.withdrawn(contents)
    for recording_id, link in Recordings(found).holding(withdrawn).items() if withdrawn else []:
        named = f"the withdrawn {known.title(link.origin)}"
        yield WithdrawnCopy(recording_id, withdrawn[link.origin], link.in_words(named))


def withdrawn_recordings(root: DataRoot, contents: Mapping[str, Withdrawal]) -> set[str]:
    """Every recording that hangs together with a withdrawn one, by all that was compared."""
    known = Known.of(root, load_registry(root))
    return {it.recording_id for it in copies_of_withdrawn(known, contents, load_comparisons(root))}


def under_stricter_terms(
    known: Known, eligibility: Eligibility, found: Comparisons, tracks: Iterable[RegisteredTrack]
) -> dict[str, str]:
    """By track whose recording, or a part of it, came under stricter terms than its own, which were not replaced: the reason."""
    by_id = {track.track_id: track for track in tracks}
    recordings = Recordings(found)
    twice = {it for group in recordings.groups(by_id.keys()) for it in group if it in by_id}
    reasons: dict[str, str] = {}
    for recording_id in sorted({*known.remembered, *twice}, key=recording_order):
        links = {recording_id: Link(recording_id, recording_id, ()), **recordings.holding([recording_id])}
        for track_id, link in links.items():
            if track_id not in by_id or track_id in reasons:
                continue
            terms = _Terms(known, eligibility, by_id[track_id])
            others = [*terms.remembered(recording_id), *terms.present(by_id.get(recording_id))]
            against = terms.stricter_of(others)
            if against is not None and not (link.is_part and against[1].permitted):
                reasons[track_id] = _in_words(known, link, *against)
    return reasons


def _in_words(known: Known, link: Link, terms: DeclaredTerms, verdict: Verdict) -> str:
    source = terms.source
    relation = link.in_words(known.title(link.origin)) if link.pairs else "the same bytes"
    why = "the stricter terms hold" if verdict.permitted else verdict.reason.rstrip(".")
    return (
        f"{relation}, which came as {source.license_type!r:.80} from the source {source.source_id!r:.80}: {why}. "
        f"If that was replaced, {replacing_hint(terms)}"
    )


@dataclass(frozen=True)
class _Terms:
    """The terms of a track, against those that another recording of the same music came under."""

    known: Known
    eligibility: Eligibility
    track: RegisteredTrack

    @property
    def _source_id(self) -> str:
        """The source with the strictest licence: it stands for the track."""
        return self.track.origins[0].source_id

    def remembered(self, recording_id: str) -> Iterator[tuple[DeclaredTerms, Verdict]]:
        """The terms on record for another recording's bytes, which were not undone or amended, with what they come to."""
        for entry in self.known.memory.of(self.known.contents[recording_id]):
            own = (self._declared(origin.source_id) for origin in self.track.origins)
            if any(self.known.declared.is_past(entry.claims, declared) for declared in own):
                continue
            verdict = self._verdict(entry.claims)
            if not is_corrected(entry.claims, verdict, self.eligibility.manifests[self._source_id]):
                yield entry.claims, verdict

    def _declared(self, source_id: str) -> DeclaredTerms:
        eligibility = self.eligibility
        return DeclaredTerms.of(eligibility.manifests[source_id], eligibility.provenance[source_id].evidence)

    def present(self, other: RegisteredTrack | None) -> Iterator[tuple[DeclaredTerms, Verdict]]:
        """The terms of another track that is there."""
        own = {origin.source_id for origin in self.track.origins}
        for origin in other.origins if other else []:
            behind = self.eligibility.provenance.get(origin.source_id)
            manifest = self.eligibility.manifests.get(origin.source_id)
            if behind is not None and manifest is not None and origin.source_id not in own:
                terms = DeclaredTerms.of(manifest, behind.evidence)
                yield terms, behind.verdict if behind.verdict.permitted else self._verdict(terms)

    def _verdict(self, terms: DeclaredTerms) -> Verdict:
        eligibility = self.eligibility
        manifest, behind = eligibility.manifests[self._source_id], eligibility.provenance[self._source_id]
        return verdict_under(terms, manifest, behind.evidence, eligibility.judge, eligibility.day)

    def stricter_of(
        self, found: Iterable[tuple[DeclaredTerms, Verdict]]
    ) -> tuple[DeclaredTerms, Verdict] | None:
        """The strictest of some terms, if stricter than the track's own, and not replaced."""
        best, least = None, self.eligibility.provenance[self._source_id].verdict
        replaces = {
            record
            for origin in self.track.origins
            for record in self.eligibility.replaces.get(origin.source_id, ())
        }
        for terms, verdict in found:
            if stricter(verdict, least) and not is_replaced(terms, replaces):
                best, least = (terms, verdict), verdict
        return best
