"""Track ids, given once for each content and kept for ever; and the source records that are compiled from the drops.

Reading the drops is in scan.py, the work on each track in process_track.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    RegisteredTrack,
    Registry,
    Scan,
    SourceRecord,
    TrackOrigin,
    track_number,
)
from lofi_pipeline.ingest.scan import judging_day, scan_drops
from lofi_pipeline.ingest.source_history import DeclaredTerms, load_declared_terms, save_declared_terms
from lofi_pipeline.storage import (
    DataRoot,
    file_sha256,
    locked,
    read_json,
    remove_temporary_files,
    write_json_atomic,
)
from lofi_pipeline.styles import MAX_LYRICS_BYTES


@dataclass(frozen=True)
class VerdictChange:
    """A drop whose verdict differs from that of the last scan; both in words."""

    source_id: str
    folder: str
    before: str
    after: str


@dataclass(frozen=True)
class Registration:
    """The result of registering all drops."""

    scan: Scan
    registry: Registry
    sources: list[SourceRecord]
    new_track_ids: list[str]
    verdict_changes: list[VerdictChange]


def load_scan(root: DataRoot) -> Scan | None:
    """The last scan of data/raw, or None before the first."""
    path = root.drops_json
    return Scan.parse(read_json(path), where=str(path)) if path.is_file() else None


def load_registry(root: DataRoot) -> Registry:
    """All track ids given so far."""
    path = root.registry_json
    return Registry.parse(read_json(path), where=str(path)) if path.is_file() else Registry(tracks=[])


def load_registration(root: DataRoot) -> Registration | None:
    """What the last scan led to; None before the first, and where it was ended before all of its files were written."""
    scan = load_scan(root)
    if scan is None or not root.sources_json.is_file():
        return None
    registry = load_registry(root)
    sources = _compile_sources(scan, registry)
    if read_json(root.sources_json) != [source.model_dump(mode="json") for source in sources]:
        return None
    return Registration(scan, registry, sources, new_track_ids=[], verdict_changes=[])


def register_sources(
    root: DataRoot,
    config: PipelineConfig,
    *,
    style_ids: set[str],
    day: date | None = None,
    progress: Callable[[str], None] | None = None,
) -> Registration:
    """Scan data/raw, judge every licence, give track ids, and write drops.json, registry.json, sources.json, claims.json.

    Two runs at the same time wait for each other. An id that was given never changes, and never moves to other content.
    `day` is the day to judge for (default: today), but never before the day of the last scan.
    """
    root.create()
    remove_temporary_files(root)
    with locked(root.registry_json):
        known = load_scan(root)
        judged_for = judging_day(known, day)
        record = load_declared_terms(root, known, day=judged_for)
        scan = scan_drops(
            root,
            style_ids=style_ids,
            licensing=config.licensing,
            known=known,
            record=record,
            day=judged_for,
            base=config.training.base,
            progress=progress,
        )
        before = load_registry(root)
        registry = _assign(root, before, scan)
        sources = _compile_sources(scan, registry)
        save_declared_terms(root, record.with_accepted(_declared_terms(scan), judged_for))
        write_json_atomic(root.registry_json, registry)
        write_json_atomic(root.drops_json, scan)
        write_json_atomic(root.sources_json, sources)
    given = {track.track_id for track in before.tracks}
    new = [track.track_id for track in registry.tracks if track.track_id not in given]
    return Registration(scan, registry, sources, new, _verdict_changes(known, scan))


def _declared_terms(scan: Scan) -> dict[str, tuple[DropManifest, DeclaredTerms]]:
    """By source id, the manifest and terms of the drops that give tracks; of an edited one, the terms that apply."""
    return {
        drop.manifest.source_id: (drop.manifest, DeclaredTerms.of(drop.manifest, drop.evidence))
        for drop, _ in reversed(_accepted(scan))
        if drop.manifest is not None
    }


def _verdict_changes(known: Scan | None, scan: Scan) -> list[VerdictChange]:
    former = {drop.folder: drop for drop in (known.drops if known else []) if drop.manifest is not None}
    found = []
    for drop in scan.drops:
        before = former.get(drop.folder)
        if before is None or drop.manifest is None:
            continue
        in_full = before.verdict is not None and drop.verdict is not None
        words = [_verdict_in_words(each, in_full=in_full) for each in (before, drop)]
        if words[0] != words[1]:
            found.append(VerdictChange(drop.manifest.source_id, drop.folder, *words))
    return found


def _verdict_in_words(drop: Drop, *, in_full: bool) -> str:
    """Such as "accepted: CC-BY-4.0, asks for attribution"; in full only where both scans kept their verdicts."""
    words = f"{drop.status}: {drop.licence or 'not judged'}"
    if not in_full or drop.verdict is None:
        return words
    if drop.verdict.obligations:
        words += f", asks for {', '.join(drop.verdict.obligations)}"
    return words if drop.status is DropStatus.ACCEPTED else f"{words}. {drop.verdict.reason}"


def remember_day(root: DataRoot, day: date) -> None:
    """Record the day in the scan if it is later than the day that the scan was judged for."""
    with locked(root.registry_json):
        scan = load_scan(root)
        if scan is not None and (scan.day is None or scan.day < day):
            write_json_atomic(root.drops_json, scan.model_copy(update={"day": day}))


def _accepted(scan: Scan) -> list[tuple[Drop, DropAudio]]:
    """Every file that may become a track, the strictest licences first."""
    pairs = [
        (drop, file)
        for drop in scan.drops
        if drop.status is DropStatus.ACCEPTED
        for file in drop.files
        if file.sha256 is not None and file.refusal is None
    ]
    return sorted(pairs, key=lambda pair: (-pair[0].strictness, pair[1].path))


def _assign(root: DataRoot, before: Registry, scan: Scan) -> Registry:
    origins: dict[str, list[TrackOrigin]] = {}
    lyrics: dict[str, str | None] = {}
    arrival: dict[str, str] = {}
    for drop, file in _accepted(scan):
        assert file.sha256 is not None
        origin = _origin(drop, file)
        origins.setdefault(file.sha256, []).append(origin)
        if file.sha256 not in lyrics:
            lyrics[file.sha256] = _sha256_if_readable(root, origin.lyrics_path)
        arrival[file.sha256] = min(file.path, arrival.get(file.sha256, file.path))
    ids = {track.sha256: track.track_id for track in before.tracks}
    number = max((track_number(track_id) for track_id in ids.values()), default=0)
    for sha256 in sorted(set(origins) - set(ids), key=lambda sha: arrival[sha]):
        number += 1
        ids[sha256] = f"track_{number:03d}"
    return Registry(
        tracks=[
            RegisteredTrack(
                track_id=track_id,
                sha256=sha256,
                origins=origins.get(sha256, []),
                lyrics_sha256=lyrics.get(sha256),
            )
            for sha256, track_id in ids.items()
        ]
    )


def _sha256_if_readable(root: DataRoot, path: str | None) -> str | None:
    try:
        readable = path is not None and root.inside(path).stat().st_size <= MAX_LYRICS_BYTES
        return file_sha256(root.inside(path)) if path and readable else None
    except OSError:
        return None  # the work on the track records what is wrong with it


def _origin(drop: Drop, file: DropAudio) -> TrackOrigin:
    assert drop.manifest is not None and drop.licence is not None
    inside = PurePosixPath(file.path).relative_to(drop.folder).as_posix()
    facts = drop.manifest.facts_of(inside)
    return TrackOrigin(
        source_id=drop.manifest.source_id,
        path=file.path,
        licence=drop.licence,
        title=facts.title,
        artist=facts.artist,
        style_ids=facts.style_ids or [],
        lyrics_path=f"{drop.folder}/{facts.lyrics}" if facts.lyrics else None,
        language=facts.language,
        vocals=facts.vocals,
        url=facts.url or drop.manifest.url,
    )


def _compile_sources(scan: Scan, registry: Registry) -> list[SourceRecord]:
    tracks: dict[str, list[str]] = {}
    for track in registry.tracks:
        for source_id in dict.fromkeys(origin.source_id for origin in track.origins):
            tracks.setdefault(source_id, []).append(track.track_id)
    manifests = {
        drop.manifest.source_id: drop.manifest
        for drop in scan.drops
        if drop.status is DropStatus.ACCEPTED and drop.manifest is not None
    }
    return [manifests[source_id].record(tracks.get(source_id, [])) for source_id in sorted(manifests)]
