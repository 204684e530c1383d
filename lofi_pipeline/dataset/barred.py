"""Tracks that may not be trained on because of another recording: one that was withdrawn, refused, or came under stricter terms.

The relation "the same recording" is in recordings.py, what was refused or removed in ingest/remembered.py and ingest/refused.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from lofi_pipeline.dataset.duplicates import Comparisons
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.recordings import Link, Recordings
from lofi_pipeline.entities import RegisteredTrack, Verdict
from lofi_pipeline.ingest import (
    DeclaredTerms,
    DeclaredTermsRecord,
    Memory,
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
    day: date

    @classmethod
    def of(cls, root: DataRoot, day: date) -> Known:
        """All that a data root has on record."""
        contents = {track.track_id: track.sha256 for track in load_registry(root).tracks}
        contents |= {refused.recording_id: refused.sha256 for refused in load_refused(root)}
        return cls(root, contents, load_memory(root), day)

    def withdrawn(self, contents: Mapping[str, Withdrawal]) -> dict[str, Withdrawal]:
        """The recordings that were withdrawn."""
        return {it: contents[sha256] for it, sha256 in self.contents.items() if sha256 in contents}

    @property
    def remembered(self) -> list[str]:
        """The recordings of which terms are remembered."""
        return [it for it, sha256 in self.contents.items() if sha256 in self.memory.by_content]

    @cached_property
    def declared(self) -> DeclaredTermsRecord:
        """The terms on record by source."""
        scan = load_scan(self.root)
        return load_declared_terms(self.root, scan, day=self.day)

    def title(self, recording_id: str) -> str:
        """A recording with its title or file name, for people."""
        record = load_record(self.root, recording_id) if recording_id.startswith("track_") else None
        if record is not None:
            return f"{recording_id} ({record.origins[0].title or record.filename})"
        refused = {it.recording_id: it.path for it in load_refused(self.root)}
        return f"{recording_id} ({refused[recording_id]})" if recording_id in refused else recording_id


def heard(root: DataRoot) -> dict[str, str]:
    """By recording that ever got a fingerprint, present or not, the hash of what made it: every new one is compared with these."""
    found = {}
    for track in load_registry(root).tracks:
        if root.fingerprint(track.track_id).is_file():
            record = load_record(root, track.track_id)
            made_by = record.inputs.get("processed") if record else None
            found[track.track_id] = made_by or file_sha256(root.fingerprint(track.track_id))
    for refused in load_refused(root):
        if refused.fingerprint and root.fingerprint(refused.recording_id).is_file():
            found[refused.recording_id] = refused.fingerprint
    return found


def not_to_be_trained_on(root: DataRoot, eligibility: Eligibility) -> set[str]:
    """The recordings of which no part may be in a data set."""
    known = Known.of(root, eligibility.day)
    return {*known.withdrawn(eligibility.withdrawn_contents), *known.remembered}


def barred_tracks(root: DataRoot, eligibility: Eligibility, found: Comparisons) -> dict[str, str]:
    """By track that may be used as far as its own terms go, and must stay out because of another recording: the reason."""
    known = Known.of(root, eligibility.day)
    tracks = {
        it.track_id: it
        for it in load_registry(root).tracks
        if it.origins and eligibility.refusal_reason(it) is None
    }
    reasons = dict(_copies_of_withdrawn(known, eligibility, found, tracks))
    for track_id, reason in _under_stricter_terms(known, eligibility, found, tracks):
        reasons.setdefault(track_id, reason)
    return reasons


def _copies_of_withdrawn(
    known: Known, eligibility: Eligibility, found: Comparisons, tracks: Mapping[str, RegisteredTrack]
) -> Iterator[tuple[str, str]]:
    withdrawn = known.withdrawn(eligibility.withdrawn_contents)
    for track_id, link in Recordings(found).holding(withdrawn).items() if withdrawn else []:
        if track_id in tracks:
            named = f"the withdrawn {known.title(link.origin)}"
            yield track_id, f"{link.in_words(named)}. {withdrawn_reason(withdrawn[link.origin])}"


def _under_stricter_terms(
    known: Known, eligibility: Eligibility, found: Comparisons, tracks: Mapping[str, RegisteredTrack]
) -> Iterator[tuple[str, str]]:
    recordings = Recordings(found)
    twice = {it for group in recordings.groups(tracks.keys()) for it in group if it in tracks}
    for recording_id in sorted({*known.remembered, *twice}):
        for track_id, link in recordings.holding([recording_id]).items():
            if track_id not in tracks:
                continue
            terms = _Terms(known, eligibility, tracks[track_id])
            there = tracks.get(recording_id)
            against = terms.stricter_of([*terms.remembered(recording_id), *terms.present(there)])
            if against is not None and not (link.is_part and against[1].permitted):
                yield track_id, _in_words(known.title(recording_id), link, *against)


def _in_words(named: str, link: Link, terms: DeclaredTerms, verdict: Verdict) -> str:
    source = terms.source
    why = "the stricter terms hold" if verdict.permitted else verdict.reason.rstrip(".")
    return (
        f"{link.in_words(named)}, which came as {source.license_type!r:.80} from the source {source.source_id!r:.80}: {why}. "
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
        for entry in self.known.memory.by_content.get(self.known.contents[recording_id], []):
            source_id, declared = entry.claims.source.source_id, self.known.declared
            if source_id in {origin.source_id for origin in self.track.origins}:
                history = [item.claims for item in declared.sources.get(source_id, [])]
                if entry.claims in history:
                    continue
            yield entry.claims, self._verdict(entry.claims)

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
