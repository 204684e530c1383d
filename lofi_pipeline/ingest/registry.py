"""Track ids, given once for each content and kept for ever; and the source records that are compiled from the drops.

Reading the drops is in scan.py, the work on each track in process_track.py.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropStatus,
    FileTags,
    RegisteredTrack,
    Registry,
    Scan,
    SourceRecord,
    TrackOrigin,
    track_id_of,
    track_number,
)
from lofi_pipeline.entities.hash_index import HashIndex
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.ingest.judging_day import days_of, require_no_doubt, with_days
from lofi_pipeline.ingest.left import LeftTrack, left_since
from lofi_pipeline.ingest.listing import spelled
from lofi_pipeline.ingest.process_track import load_record
from lofi_pipeline.ingest.remembered import (
    Memory,
    load_memory,
    remembered_json,
    save_memory,
    updated,
)
from lofi_pipeline.ingest.scan import Progress, scan_drops
from lofi_pipeline.ingest.source_history import (
    Accepted,
    DeclaredTerms,
    DeclaredTermsRecord,
    load_declared_terms,
    save_declared_terms,
)
from lofi_pipeline.licensing import load_withdrawals, withdrawn_sources
from lofi_pipeline.licensing.withdrawals import withdrawals_json
from lofi_pipeline.storage import (
    DataRoot,
    begin_with_first_word,
    compiled_anew,
    file_sha256,
    file_stamp,
    finish_seals,
    locked,
    no_search_for_cycles,
    read_json,
    read_ledger,
    read_packed,
    remove_temporary_files,
    require_sealed,
    seal_as_found,
    write_json_atomic,
    write_sealed,
)
from lofi_pipeline.styles import MAX_LYRICS_BYTES

_packed_tracks = partial(Packed[RegisteredTrack], together=64)
"""Alone, a track takes four times as much."""
_DROPS_AT_HAND = 64


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
    sources: Sequence[SourceRecord]
    known_before: int
    """How many tracks had their ids already."""
    verdict_changes: list[VerdictChange]
    newly_sealed: list[str] = field(default_factory=list)
    """Records of an earlier version that were sealed now as they stood."""
    left: list[LeftTrack] = field(default_factory=list)
    """The tracks that lost their file since the last scan."""

    @property
    def new_track_ids(self) -> list[str]:
        """The ids that were given."""
        return [track.track_id for track in islice(self.registry.tracks, self.known_before, None)]


_last_scan: dict[Path, tuple[str, Scan]] = {}
"""The one scan that was read or written last, with the stamp of its file."""


def load_scan(root: DataRoot) -> Scan | None:
    """The last scan of data/raw, or None before the first."""
    path = root.drops_json
    if not path.is_file():
        return None
    stamp, scan = _last_scan.get(path, ("", None))
    if scan is None or stamp != file_stamp(path):
        stamp = file_stamp(path)
        scan = _scan_in(path)
        _keep_at_hand(path, stamp, scan)
    return scan


@no_search_for_cycles()
def _scan_in(path: Path) -> Scan:
    return read_packed(Scan, path, "drops", Drop, pack=PackedDrops)


def _keep_at_hand(path: Path, stamp: str, scan: Scan) -> None:
    """Of 50,000 tracks it takes a second to read, and a registration and a build ask for it at six places."""
    _last_scan.clear()
    _last_scan[path] = stamp, scan


def load_registry(root: DataRoot) -> Registry:
    """All track ids given so far, packed: to be gone through in order."""
    path = root.registry_json
    return _registry_in(path, file_stamp(path)) if path.is_file() else Registry(tracks=[])


@lru_cache(maxsize=1)
@no_search_for_cycles()
def _registry_in(path: Path, _stamp: str) -> Registry:
    return read_packed(Registry, path, "tracks", RegisteredTrack, pack=_packed_tracks)


def load_registration(root: DataRoot) -> Registration | None:
    """What the last scan led to; None before the first, and where it was ended before all of its files were written."""
    scan = load_scan(root)
    if scan is None or not root.sources_json.is_file():
        return None
    registry = load_registry(root)
    sources = _compile_sources(scan, registry)
    if read_json(root.sources_json) != [source.model_dump(mode="json") for source in sources]:
        return None
    return Registration(scan, registry, sources, known_before=len(registry.tracks), verdict_changes=[])


def register_sources(
    root: DataRoot,
    config: PipelineConfig,
    *,
    style_ids: set[str],
    day: date | None = None,
    progress: Progress = lambda _done, _total, _what: None,
) -> Registration:
    """Scan data/raw, judge every licence, give track ids, and write drops.json, registry.json, sources.json, claims.json.

    Two runs at the same time wait for each other. What was written, and not yet sealed, is sealed.
    An id that was given never changes, and never moves to other content. `day` is a day to judge for that the caller vouches
    for (default: the clock's), but never before that of the last scan.

    Raises:
        DayInDoubt: the clock has leapt, and a grant depends on which day it is. Nothing is written.
        BrokenSeal: a record that decides is not what was sealed. Nothing is written.
    """
    root.create()
    remove_temporary_files(root)
    with locked(root.registry_json):
        finish_seals(root)
        require_sealed(root, versions_too=False)
        begin_with_first_word(root)
        newly_sealed = seal_as_found(root, [*compiled_anew(root), withdrawals_json(root)])
        known = load_scan(root)
        days = days_of(root, known, day)
        record = load_declared_terms(root, known, day=days.judged)
        before = load_registry(root)
        withdrawn = withdrawn_sources(load_withdrawals(root), days.judged)
        memory = _memory(root, known, before, record, days.judged, without=withdrawn)
        scan = scan_drops(
            root,
            style_ids=style_ids,
            licensing=config.licensing,
            known=known,
            record=record,
            memory=memory,
            day=day,
            base=base_name(config),
            progress=progress,
        )
        require_no_doubt(days, scan.drops)
        scan = with_days(scan, days)
        registry = assign_ids(root, before, scan)
        sources = _compile_sources(scan, registry)
        former, drops = (PackedDrops.of(it.drops if it else []) for it in (known, scan))
        save_memory(root, updated(memory, former, drops, days.judged, without=withdrawn))
        save_declared_terms(root, record.with_accepted(_declared_terms(scan, record), days.judged))
        write_sealed(root, root.registry_json, registry)
        write_json_atomic(root.sources_json, sources)
        # The scan last: it says that the rest is there. Whatever kills a run before it, the next one scans again.
        mark = read_ledger(root).mark(known.ledger if known else None)
        scan = scan.model_copy(update={"sources": file_sha256(root.sources_json), "ledger": mark})
        scan = _with_known_mark(scan, known)
        write_sealed(root, root.drops_json, scan)
        _keep_at_hand(root.drops_json, file_stamp(root.drops_json), scan)
    changes, left = _verdict_changes(former, drops), left_since(root, before, registry, scan)
    return Registration(scan, registry, sources, len(before.tracks), changes, newly_sealed, left)


def _with_known_mark(scan: Scan, known: Scan | None) -> Scan:
    """The scan as it is known where it only tells of a longer ledger: its own seal makes that longer each time."""
    return known if known is not None and scan.model_copy(update={"ledger": known.ledger}) == known else scan


def _memory(
    root: DataRoot,
    known: Scan | None,
    registry: Registry,
    record: DeclaredTermsRecord,
    day: date,
    *,
    without: Container[str],
) -> Memory:
    """What is remembered, and the terms of registered tracks where nothing else tells of them any more.

    That is so in a data root that is older than this record, of tracks that were removed; and where the last scan was lost, and
    `lofi fsck --repair` put one of no drops in its place. Terms of tracks that are still there hold anyway.
    """
    memory = load_memory(root)
    lost = known is not None and not known.drops
    if remembered_json(root).is_file() and not lost:
        return memory
    present = [(track.sha256, track.origins) for track in registry.tracks if track.origins] if lost else []
    removed = (load_record(root, track.track_id) for track in registry.tracks if not track.origins)
    found = [
        (terms, origin.path.rsplit("/", 1)[0], [sha256])
        for sha256, origins in [*present, *((it.sha256, it.origins) for it in removed if it is not None)]
        for origin in origins
        if origin.source_id not in without and (terms := record.on_record(origin.source_id)) is not None
    ]
    return memory.having(found, day)


def _declared_terms(scan: Scan, record: DeclaredTermsRecord) -> Iterator[Accepted]:
    """What the first drop of each source that gives tracks declares, in the order of the sources' ids; of an edited one, the
    terms that apply.

    Where these are the terms on record, there is nothing.
    """
    first: dict[str, tuple[tuple[int, str], int]] = {}
    for number, drop in enumerate(scan.drops):
        paths = [file.path for file in _taken(drop)]
        if paths and drop.manifest is not None:
            place, source_id = (_strictest_first(drop, min(paths)), number), drop.manifest.source_id
            first[source_id] = min(place, first.get(source_id, place))
    for source_id, (_, number) in sorted(first.items()):
        drop = scan.drops[number]
        assert drop.manifest is not None
        terms = DeclaredTerms.of(drop.manifest, drop.evidence)
        if terms != record.on_record(source_id):
            yield Accepted(terms, drop.manifest.amends, drop.replaces)


def _verdict_changes(former: PackedDrops, drops: PackedDrops) -> list[VerdictChange]:
    found = []
    for before, drop in drops.changed_since(former):
        if before is None or before.manifest is None or drop is None or drop.manifest is None:
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


def remember_day(root: DataRoot, day: date | None = None, *, in_doubt: bool = False) -> None:
    """Record in the scan that a day was judged for (one that the caller vouches for, else the clock's), if it is the latest.

    Raises:
        DayInDoubt: the clock has leapt, and a grant depends on which day it is; not where `in_doubt` says that this is no matter.
    """
    with locked(root.registry_json):
        scan = load_scan(root)
        if scan is None:
            return
        days = days_of(root, scan, day)
        if not in_doubt:
            require_no_doubt(days, scan.drops)
        if (remembering := with_days(scan, days)) != scan:
            write_sealed(root, root.drops_json, remembering)


def _taken(drop: Drop) -> list[DropAudio]:
    """The files of a drop that may become tracks."""
    if drop.status is not DropStatus.ACCEPTED:
        return []
    return [file for file in drop.files if file.sha256 is not None and file.refusal is None]


def _strictest_first(drop: Drop, path: str) -> tuple[int, str]:
    """Sorting by it gives the files of the strictest licences first."""
    return -drop.strictness, path


@no_search_for_cycles()
def assign_ids(root: DataRoot, before: Registry, scan: Scan) -> Registry:
    """The registry with where each track lies now, and an id for each content that has none. Nothing is written."""
    tracks = _packed_tracks(_Places.of(root, scan.drops).tracks(before))
    return Registry(tracks=[]).model_copy(update={"tracks": tracks})


@dataclass(frozen=True)
class _Places:
    """In which drops each content lies that may become a track. Of drops, few are in memory as objects."""

    root: DataRoot
    drops: PackedDrops
    found: HashIndex
    """The numbers of the drops."""

    @classmethod
    def of(cls, root: DataRoot, scanned: Sequence[Drop]) -> _Places:
        """Of drops that were scanned."""
        drops = PackedDrops.of(scanned)
        contents = (
            (number, {file.sha256 or "" for file in _taken(drop)}) for number, drop in enumerate(drops)
        )
        return cls(root, drops, HashIndex((sha256, number) for number, found in contents for sha256 in found))

    def tracks(self, before: Registry) -> Iterator[RegisteredTrack]:
        """The tracks that have an id, in their order, then those that get one, in the order of their paths; once."""
        files_of, last = lru_cache(maxsize=_DROPS_AT_HAND)(self._by_content), 0
        rest = self.found
        for track in before.tracks:
            last = max(last, track_number(track.track_id))
            places = rest.pop(track.sha256)
            yield self._track(track.track_id, track.sha256, [files_of(number) for number in places])
        # No drop lies in another: the paths of one come before all of the next
        by_path = sorted(range(len(self.drops)), key=lambda it: f"{self.drops.folders[it]}/")
        for drop in by_path if rest else ():
            for file in sorted(_taken(self.drops[drop]), key=attrgetter("path")):
                assert file.sha256 is not None
                if places := rest.pop(file.sha256):
                    last += 1
                    yield self._track(track_id_of(last), file.sha256, [files_of(number) for number in places])

    def _by_content(self, number: int) -> tuple[Drop, dict[str, list[DropAudio]]]:
        """A drop, and its files that are taken by their hashes."""
        drop = self.drops[number]
        found: dict[str, list[DropAudio]] = {}
        for file in _taken(drop):
            found.setdefault(file.sha256 or "", []).append(file)
        return drop, found

    def _track(
        self, track_id: str, sha256: str, places: Sequence[tuple[Drop, dict[str, list[DropAudio]]]]
    ) -> RegisteredTrack:
        pairs = [(drop, file) for drop, files in places for file in files[sha256]]
        pairs.sort(key=lambda pair: _strictest_first(pair[0], pair[1].path))
        origins = [_origin(self.root, drop, file) for drop, file in pairs]
        lyrics = _sha256_if_readable(self.root, origins[0].lyrics_path) if origins else None
        return RegisteredTrack(track_id=track_id, sha256=sha256, origins=origins, lyrics_sha256=lyrics)


def _sha256_if_readable(root: DataRoot, path: str | None) -> str | None:
    try:
        readable = path is not None and root.inside(path).stat().st_size <= MAX_LYRICS_BYTES
        return file_sha256(root.inside(path)) if path and readable else None
    except OSError:
        return None  # the work on the track records what is wrong with it


def _origin(root: DataRoot, drop: Drop, file: DropAudio) -> TrackOrigin:
    assert drop.manifest is not None and drop.licence is not None
    facts = drop.manifest.facts_of(file.path.removeprefix(f"{drop.folder}/"))
    credited = {name: said for name in ("album", "isrc", "copyright") if (said := getattr(facts, name))}
    return TrackOrigin(
        source_id=drop.manifest.source_id,
        path=file.path,
        licence=drop.licence,
        title=facts.title,
        artist=facts.artist,
        style_ids=facts.style_ids or [],
        lyrics_path=f"{drop.folder}/{spelled(root.inside(drop.folder), facts.lyrics)}"
        if facts.lyrics
        else None,
        language=facts.language,
        vocals=facts.vocals,
        stems=facts.stems,
        bpm=facts.bpm,
        key=facts.key,
        time_signature=facts.time_signature,
        caption=facts.caption,
        tags=facts.tags,
        url=facts.url or drop.manifest.url,
        credited=FileTags(**credited) if credited else None,
    )


@no_search_for_cycles()
def _compile_sources(scan: Scan, registry: Registry) -> Packed[SourceRecord]:
    """The accepted sources in the order of their ids. A track id is kept as its number: there are as many as files."""
    tracks: dict[str, array[int]] = defaultdict(partial(array, "Q"))
    for track in registry.tracks:
        for source_id in {origin.source_id for origin in track.origins}:
            tracks[source_id].append(track_number(track.track_id))
    packed = PackedDrops.of(scan.drops)
    drops = {
        source_id: number
        for number, source_id in enumerate(packed.sources_of(DropStatus.ACCEPTED))
        if source_id is not None
    }

    def records() -> Iterator[SourceRecord]:
        for source_id, number in sorted(drops.items()):
            if (manifest := packed[number].manifest) is not None:
                yield manifest.record([track_id_of(track) for track in tracks[source_id]])

    return Packed(records())
