"""Records that decide what is trained on and are not what was sealed: compiled anew from what lies beside them, and sealed.

What people said is set aside where it is not what they said. What else cannot be compiled anew (withdrawals, days that were set,
data set versions) only comes back from a backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256

from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.fsck.examination import Examination
from lofi_pipeline.entities import (
    DatasetVersion,
    Provenance,
    RecordError,
    RegisteredTrack,
    Registry,
    Scan,
    Severity,
    SourceRecord,
    TrackRecord,
    track_number,
)
from lofi_pipeline.ingest import load_record
from lofi_pipeline.ingest.source_history import (
    DeclaredTerms,
    DeclaredTermsRecord,
    RecordedTerms,
    save_declared_terms,
)
from lofi_pipeline.storage import (
    DataRoot,
    content_sha256,
    file_sha256,
    locked,
    places_of_words,
    read_json,
    read_ledger,
    remove_sealed,
    version_hash,
    write_bytes_atomic,
    write_sealed,
)

NEVER_JUDGED = content_sha256("no drop was judged")


def mend_sealed(examination: Examination, records: dict[str, TrackRecord]) -> None:
    """Say of each error on such a record how it can be mended."""
    root, versions = examination.root, _sound_versions(examination)
    known = {
        root.claims_json: partial(_compile_terms, root, versions),
        root.registry_json: partial(_compile_registry, root, versions, records),
        root.drops_json: partial(_scan_again, root),
        root.duplicates_json: partial(_compare_again, root),
    }
    mends = {root.relative(path): mend for path, mend in known.items()}
    fingerprints = root.relative(root.fingerprint("any").parent)
    for finding in examination.verifier.findings:
        if finding.severity is Severity.ERROR and finding.where in mends:
            examination.mends[finding.where] = mends[finding.where]
        elif finding.severity is Severity.ERROR and _holds_words(root, finding.where):
            examination.mends[finding.where] = partial(_set_words_aside, root, finding.where)
        elif finding.where.startswith(f"{fingerprints}/"):
            examination.mends.setdefault(
                finding.where, partial(_make_fingerprint_again, examination, finding.where)
            )


def _sound_versions(examination: Examination) -> list[DatasetVersion]:
    """The data set versions that have the hash they are named by, oldest first."""
    found = [
        version
        for path, version in examination.inputs.versions.found
        if version_hash(read_json(path)) == path.stem
    ]
    return sorted(found, key=lambda version: version.dataset.created)


def _compile_terms(root: DataRoot, versions: list[DatasetVersion]) -> str:
    """claims.json from the versions, which keep the terms of each source that fed them."""
    sources: dict[str, list[RecordedTerms]] = {}
    for version in versions:
        behind = {item.source_id: item for item in version.provenance}
        for record in version.sources:
            terms, history = (
                _terms(record, behind.get(record.source_id)),
                sources.setdefault(record.source_id, []),
            )
            if not history or history[-1].claims != terms:
                history.append(RecordedTerms(since=version.dataset.created.date(), claims=terms))
    with locked(root.registry_json):
        save_declared_terms(root, DeclaredTermsRecord(sources=sources))
    return (
        f"{root.relative(root.claims_json)}: compiled anew from {len(versions)} data set versions, which keep the terms of "
        f"{len(sources)} sources. Terms of a source that is in none of them are taken from its source.json by the next `lofi run`: "
        "look at these"
    )


def _terms(record: SourceRecord, kept: Provenance | None) -> DeclaredTerms:
    documents = {item.evidence.document: item.sha256 for item in kept.evidence} if kept else {}
    return DeclaredTerms(
        source=record.model_copy(update={"track_ids": []}),
        grant=kept.grant if kept else None,
        url=kept.url if kept else None,
        documents=documents,
    )


def _compile_registry(root: DataRoot, versions: list[DatasetVersion], records: dict[str, TrackRecord]) -> str:
    """registry.json: the ids that versions and track records know; where they lie is found by the next scan."""
    ids = {record.sha256: track_id for track_id, record in _all_records(root, records).items()}
    ids |= {item.sha256: item.track.track_id for version in versions for item in version.tracks}
    tracks = [RegisteredTrack(track_id=track_id, sha256=sha256) for sha256, track_id in ids.items()]
    if len(set(ids.values())) != len(ids):
        raise CannotMend(
            f"{root.relative(root.registry_json)}: versions and track records give one id to several tracks; take it back from a backup"
        )
    with locked(root.registry_json):
        write_sealed(
            root,
            root.registry_json,
            Registry(tracks=sorted(tracks, key=lambda it: track_number(it.track_id))),
        )
        _forget_scan(root)
    return (
        f"{root.relative(root.registry_json)}: compiled anew: {len(tracks)} ids from versions and track records; the next `lofi run` "
        "finds where their files lie"
    )


def _all_records(root: DataRoot, known: dict[str, TrackRecord]) -> dict[str, TrackRecord]:
    found = dict(known)
    for path in root.track_records.glob("track_*.json"):
        with suppress(OSError, RecordError):
            record = found.get(path.stem) or load_record(root, path.stem)
            if record is not None:
                found[path.stem] = record
    return found


def _scan_again(root: DataRoot) -> str:
    with locked(root.registry_json):
        _forget_scan(root)
    return (
        f"{root.relative(root.drops_json)}: what it said is forgotten; the next `lofi run` reads and judges every drop again, for no day "
        "before the latest in the ledger"
    )


def _forget_scan(root: DataRoot) -> None:
    """A scan of no drops, which is never taken for the present state of raw/."""
    ledger = read_ledger(root)
    scan = Scan(drops=[], judged_with=NEVER_JUDGED, day=max(ledger.days, default=None), ledger=ledger.mark())
    write_sealed(root, root.drops_json, scan)


def _compare_again(root: DataRoot) -> str:
    with locked(root.duplicates_json):
        remove_sealed(root, root.duplicates_json)
    return f"{root.relative(root.duplicates_json)}: removed; the next `lofi run` compares all tracks again"


def _holds_words(root: DataRoot, where: str) -> bool:
    return any((root.path / where).is_relative_to(place) for place in places_of_words(root))


def _set_words_aside(root: DataRoot, where: str) -> str:
    """What is there is kept, and counts no more. Of a file that only grows, the lines that were sealed last stay."""
    path, folder = root.path / where, root.metadata / "set_aside"
    lock = next(place for place in (root.edits, path) if path.is_relative_to(place))
    with locked(lock):
        sealed, kept = read_ledger(root).hashes.get(where), b""
        if path.is_file():
            data = path.read_bytes()
            kept = next((part for part in _beginnings(data) if sha256(part).hexdigest() == sealed), b"")
            folder.mkdir(exist_ok=True)
            path.replace(folder / f"{path.name}.{sha256(data).hexdigest()[:12]}")
        if kept:
            write_bytes_atomic(path, kept)
            return f"{where}: what stood behind the lines that were sealed is in {root.relative(folder)} now"
        remove_sealed(root, path)
    there = f"; what stood there is in {root.relative(folder)} now" if folder.is_dir() else ""
    return f"{where}: what people said there is forgotten{there}"


def _beginnings(data: bytes) -> Iterator[bytes]:
    """Each run of whole lines from the first on, the longest first."""
    end = data.rfind(b"\n") + 1
    while end:
        yield data[:end]
        end = data.rfind(b"\n", 0, end - 1) + 1


def _make_fingerprint_again(examination: Examination, where: str) -> str:
    """Remove a fingerprint whose original is there."""
    root, registry = examination.root, examination.inputs.registry.value
    track = registry.by_id().get(where.rsplit("/", 1)[-1].removesuffix(".npy")) if registry else None
    there = [
        origin.path
        for origin in (track.origins if track else [])
        if (root.path / origin.path).is_file()
        and track
        and file_sha256(root.path / origin.path) == track.sha256
    ]
    if not there:
        raise CannotMend(
            f"{where}: the original of its track is not there as it was registered; take it back from a backup"
        )
    with locked(root.track_record(track.track_id if track else "")):
        (root.path / where).unlink(missing_ok=True)
    return f"{where}: removed; the next `lofi run` makes it again from {there[0]}"
