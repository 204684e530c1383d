"""The build of the data set from the track records that are ready: which tracks go in, on which side of the split.

The steps are in the other modules of this package; here is their order, and the record of what the build was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.barred import barred_tracks, heard, not_to_be_trained_on
from lofi_pipeline.dataset.better_copy import worse_copies
from lofi_pipeline.dataset.built_from import BuiltFrom, load_built_from
from lofi_pipeline.dataset.duplicates import (
    COMPARISON_VERSION,
    Comparisons,
    Copy,
    KnownGroups,
    SameRecordings,
    compare_tracks,
    group_related,
    load_comparisons,
)
from lofi_pipeline.dataset.eligibility import Eligibility, eligibility_of
from lofi_pipeline.dataset.errors import ChangedTracks, NoTracks
from lofi_pipeline.dataset.exclusions import LeftOut, left_out
from lofi_pipeline.dataset.publish import is_published, publish_version, unpublish_all
from lofi_pipeline.dataset.ready import ReadyTrack, ReadyTracks, ready_tracks
from lofi_pipeline.dataset.split import Candidate, assign_splits
from lofi_pipeline.dataset.version import load_version, make_version
from lofi_pipeline.dataset.waiting import Waiting
from lofi_pipeline.entities import (
    DatasetVersion,
    Entity,
    LedgerHead,
    RecordError,
    SourceRecord,
    Split,
    few,
)
from lofi_pipeline.entities.base import TrackId
from lofi_pipeline.ingest import (
    changed_files,
    listen_to_refused,
    load_registry,
    load_scan,
    published_files,
    refused_without_fingerprint,
    remember_day,
)
from lofi_pipeline.licensing import load_withdrawals
from lofi_pipeline.review import HOLD
from lofi_pipeline.storage import (
    BrokenSeal,
    DataRoot,
    compiled_anew,
    file_sha256,
    finish_seals,
    list_sha256,
    locked,
    looks_kept,
    no_search_for_cycles,
    read_json,
    read_ledger,
    read_record,
    require_music,
    require_sealed,
    seal_as_found,
    unfinished_seals,
    write_json_atomic,
)
from lofi_pipeline.styles import load_presets

Kept = TypeVar("Kept", bound=Entity)
METADATA = "metadata/"
"""What paths of metadata files begin with."""


class SplitDecisions(Entity):
    """metadata/splits.json: the side each track was given; it never changes."""

    sides: dict[TrackId, Split] = {}


@dataclass(frozen=True)
class BuiltDataset:
    """A data set version, and what is not in it."""

    version: DatasetVersion
    is_new: bool | None
    """None: it was built earlier, and whether it was new then is not known."""
    left_out: list[LeftOut]


def build_dataset(
    root: DataRoot,
    config: PipelineConfig,
    *,
    day: date | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> BuiltDataset:
    """Make final/, validation/, the metadata files and the version of all tracks that are ready now.

    The same inputs give the same hash on any machine. Every source is judged once more for `day` (one that the caller vouches for;
    default: the clock's; never before that of an earlier verdict): tracks that were withdrawn by then, or whose licence is not in force, are left out.
    Versions that exist are never changed.

    Raises:
        NoTracks: no track is ready.
        DayInDoubt: the clock has leapt, and a grant depends on which day it is. Nothing is written.
        ChangedTracks: what was made of a track was changed since.
        BrokenSeal: a record that decides is not what was sealed. Nothing is written.
    """
    require_music(root)
    with locked(root.dataset_manifest_json):
        finish_seals(root)
        require_sealed(root, _heads(root))
        _require_fingerprints_of_withdrawn(root)
        for name in seal_as_found(root, compiled_anew(root)):
            progress(f"{name}: was not sealed yet, as in an earlier version; sealed as it stands")
        eligibility = eligibility_of(root, config, day=day)
        remember_day(root, day)
        with ready_tracks(root, eligibility) as ready:
            version, is_new, taken = _build_of(root, config, eligibility, ready, progress)
    return BuiltDataset(version, is_new, left_out(root, eligibility, taken=taken))


def _build_of(
    root: DataRoot,
    config: PipelineConfig,
    eligibility: Eligibility,
    ready: ReadyTracks,
    progress: Callable[[str], None],
) -> tuple[DatasetVersion, bool, set[str]]:
    """Build the data set of what is ready: the version, whether it is new, and the tracks in it."""
    _require_whole(root, ready)
    listen_to_refused(root, config, progress)
    processing = {track.track_id: track.processing for track in ready.tracks}
    compared = compare_tracks(
        root,
        heard(root, processing),
        progress,
        workers=config.ingest.workers,
        barred=not_to_be_trained_on(root, eligibility),
        # Records of an earlier version do not say what their fingerprints were
        fingerprints={it.track_id: it.fingerprint for it in ready.tracks if it.fingerprint},
    )
    with no_search_for_cycles():
        return _built_of(root, config, eligibility, ready.among(compared.compared), compared, progress)


def _built_of(
    root: DataRoot,
    config: PipelineConfig,
    eligibility: Eligibility,
    ready: ReadyTracks,
    compared: Comparisons,
    progress: Callable[[str], None],
) -> tuple[DatasetVersion, bool, set[str]]:
    chosen = _choose(root, ready, eligibility, compared)
    if not chosen.tracks:
        unpublish_all(root)
        raise NoTracks(_no_tracks(root, eligibility))
    progress(f"{len(chosen.tracks)} tracks are ready, {len(chosen.copies)} more are copies of them")
    sides, style_ids = _split(root, config, chosen, compared), set(load_presets())
    tracks = (ready.in_version(track, sides[track.track_id], style_ids) for track in chosen.tracks)
    version, is_new = make_version(root, tracks, _sources(root), eligibility)
    built_from = BuiltFrom(
        kept_files=publish_version(root, ready.only(chosen.tracks), version, progress),
        inputs=_inputs(root, config, ready, eligibility, chosen.barred),
        ledger=read_ledger(root).mark(_earlier_mark(root)),
        needs_review=config.tagging.needs_review,
        stay=_staying(root, eligibility, ready),
    )
    write_json_atomic(root.built_from_json, built_from)
    return version, is_new, {track.track_id for track in chosen.tracks}


def current_dataset(root: DataRoot, config: PipelineConfig) -> BuiltDataset:
    """The current version, and what is not in it today.

    Raises:
        RecordError: see `load_version`.
    """
    return BuiltDataset(
        load_version(root), is_new=None, left_out=left_out(root, eligibility_of(root, config))
    )


def dataset_is_current(root: DataRoot, config: PipelineConfig, *, day: date | None = None) -> bool:
    """Whether building the data set now (on `day`) would give the one that is there."""
    require_music(root)
    path = root.built_from_json
    if not path.is_file() or not looks_kept(root.dataset_manifest_json, None):
        return False
    try:
        require_sealed(root, _heads(root), versions_too=False)
    except BrokenSeal:
        return False  # the build says what is wrong
    if unfinished_seals(root):
        return False
    eligibility = eligibility_of(root, config, day=day)
    if refused_without_fingerprint(root, eligibility.scan):
        return False
    with ready_tracks(root, eligibility) as ready:
        return _is_built_of(root, config, eligibility, ready)


def _is_built_of(
    root: DataRoot, config: PipelineConfig, eligibility: Eligibility, ready: ReadyTracks
) -> bool:
    """Whether the data set that is there was built of what is ready, and is published whole."""
    compared = load_comparisons(root)
    if any(track.track_id not in compared.compared for track in ready.tracks):
        return False
    chosen = _choose(root, ready, eligibility, compared)
    built_from = read_record(BuiltFrom, root.built_from_json)
    if built_from.inputs != _inputs(root, config, ready, eligibility, chosen.barred):
        return False
    metadata = [(path, kept) for path, kept in built_from.kept_files.items() if path.startswith(METADATA)]
    return all(looks_kept(root.path / path, kept) for path, kept in metadata) and all(
        is_published(root, facts, built_from.kept_files) for facts in ready.only(chosen.tracks).facts()
    )


def published_metadata(root: DataRoot) -> dict[str, str]:
    """The SHA-256 of each metadata file of the current data set, by path in the data root; nothing where none is remembered."""
    with suppress(OSError, RecordError):
        kept = BuiltFrom.parse(read_json(root.built_from_json), where=str(root.built_from_json)).kept_files
        return {path: item.sha256 for path, item in kept.items() if path.startswith(METADATA)}
    return {}


def _no_tracks(root: DataRoot, eligibility: Eligibility) -> str:
    waiting = sum(item.waits for item in left_out(root, eligibility))
    if not waiting:
        return "no track is ready for training; see what was refused, and drop music into data/raw"
    return (
        f"no track is ready for training, and {waiting} wait for a person who looks at them: `lofi review` shows them, "
        "`lofi ui` plays them; or name style_ids in source.json, or set tagging.needs_review: train"
    )


def _staying(root: DataRoot, eligibility: Eligibility, ready: ReadyTracks) -> list[str]:
    """The unsure tracks that an earlier version took, and that nobody has looked at since."""
    if eligibility.needs_review != HOLD:
        return []
    staying = Waiting(root, eligibility).staying
    return [track.track_id for track in ready.tracks if track.unsure and track.track_id in staying]


@no_search_for_cycles()
def _require_whole(root: DataRoot, ready: ReadyTracks) -> None:
    """Refuse to publish what is not what the records say.

    Raises:
        ChangedTracks: a file was emptied, changed or removed since its track was worked on.
    """
    changed = [
        path
        for record in ready.that_look_changed()
        for path in changed_files(root, record)
        if path in published_files(record) or root.path / path == root.fingerprint(record.track_id)
    ]
    if changed:
        raise ChangedTracks(
            f"{few(changed)}: not what was written there any more; `lofi run` makes it again from the original"
        )


def _require_fingerprints_of_withdrawn(root: DataRoot) -> None:
    """Refuse to build where a copy of a withdrawn track would not be known again.

    Raises:
        BrokenSeal: the fingerprint of a withdrawn track is not the one that was there when it was withdrawn.
    """
    for withdrawal in load_withdrawals(root):
        for track_id, sha256 in withdrawal.fingerprints.items():
            path = root.fingerprint(track_id)
            if not path.is_file() or file_sha256(path) != sha256:
                fate = "was changed" if path.is_file() else "is missing"
                raise BrokenSeal(
                    f"{root.relative(path)}: {fate}: by it copies of {track_id}, withdrawn with {withdrawal.source_id}, are known; "
                    "take it back from a backup"
                )


@dataclass(frozen=True)
class _Chosen:
    """The tracks that make the data set, and the ready ones that do not, by track id."""

    tracks: list[ReadyTrack]
    copies: dict[str, Copy]
    barred: dict[str, str]
    """Tracks that stay out because of another recording, with the reason."""


def _choose(root: DataRoot, ready: ReadyTracks, eligibility: Eligibility, compared: Comparisons) -> _Chosen:
    barred = barred_tracks(root, eligibility, compared)
    twice = SameRecordings.of(compared).partners.keys() | compared.alike.keys()
    copies = worse_copies(ready.records(twice - barred.keys()), compared)
    out = barred.keys() | copies.keys()
    return _Chosen([track for track in ready.tracks if track.track_id not in out], copies, barred)


def _heads(root: DataRoot) -> list[tuple[str, LedgerHead | None]]:
    """How far the ledger went by the records that the next build rests on."""
    scan = None
    with suppress(OSError, RecordError):  # it is not what was sealed, then
        scan = load_scan(root)
    return [
        (root.relative(root.drops_json), scan.ledger if scan else None),
        (root.relative(root.built_from_json), _earlier_mark(root)),
    ]


def _earlier_mark(root: DataRoot) -> LedgerHead | None:
    built_from = load_built_from(root)
    return built_from.ledger if built_from else None


def _inputs(
    root: DataRoot,
    config: PipelineConfig,
    ready: ReadyTracks,
    eligibility: Eligibility,
    barred: Mapping[str, str],
) -> str:
    """The hash of everything that a build depends on."""
    ids = {track.track_id for track in ready.tracks}
    used = {
        origin.source_id
        for track in load_registry(root).tracks
        if track.track_id in ids
        for origin in track.origins
    }
    behind = [
        eligibility.provenance[source_id].model_dump(mode="json", exclude={"verdict"})
        for source_id in sorted(used)
    ]
    rest = [config.dataset, file_sha256(root.sources_json), behind, COMPARISON_VERSION]
    return list_sha256(ready.inputs(), [*rest, *([sorted(barred)] if barred else [])])


def _sources(root: DataRoot) -> dict[str, SourceRecord]:
    data = read_json(root.sources_json)
    records = [SourceRecord.parse(item, where=str(root.sources_json)) for item in data]
    return {record.source_id: record for record in records}


def _split(
    root: DataRoot, config: PipelineConfig, chosen: _Chosen, compared: Comparisons
) -> dict[str, Split]:
    """The side of each track and of its copies; groups and sides are kept for later builds."""
    groups_path, copies = root.metadata / "groups.json", chosen.copies
    ids = [track.track_id for track in chosen.tracks]
    known = _load(KnownGroups, groups_path).groups
    groups = group_related([*ids, *copies], compared, known)
    decided = _load(SplitDecisions, root.splits_json).sides
    # A better copy takes the place of the one that was kept before, on the same side.
    taken = {it.original: decided[it.track_id] for it in reversed(copies.values()) if it.track_id in decided}
    decided = {**taken, **decided}
    candidates = [
        Candidate(track.track_id, track.sha256, track.category, groups[track.track_id])
        for track in chosen.tracks
    ]
    sides = assign_splits(
        candidates, decided, ratio=config.dataset.validation_ratio, seed=config.dataset.seed
    )
    # A copy replaces its original if that is ever removed: so it gets the same side now.
    sides |= {copy.track_id: sides[copy.original] for copy in copies.values() if copy.track_id not in decided}
    write_json_atomic(groups_path, KnownGroups(groups={**known, **groups}))
    write_json_atomic(root.splits_json, SplitDecisions(sides={**decided, **sides}))
    return sides


def _load(kind: type[Kept], path: Path) -> Kept:
    return read_record(kind, path) if path.is_file() else kind()
