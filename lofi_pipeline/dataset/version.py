"""Data set versions: metadata/datasets/<hash>.json, written once and never changed.

The files under final/ and validation/ are in publish.py. Which tracks go into a version is decided in build.py.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.errors import NoTracks
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    RecordError,
    SourceRecord,
    Split,
    StyleCategory,
    Track,
    TrackRecord,
    VersionTrack,
    category_of_style,
    now,
)
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, Metre
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    file_sha256,
    file_stamp,
    read_json,
    read_ledger,
    version_hash,
    write_json_atomic,
)

FILE_KINDS = (".mp3", "_prompt.txt", "_lyrics.txt")
_IN_QUARTERS: dict[Metre, str] = {"3/4": "3", "4/4": "4"}
_ACE_STEP_METRES = _IN_QUARTERS | {"6/8": "6"}
_TOGETHER = 64
UNKNOWN_METRE = "N/A"
"""What ACE-Step's prompts say where nothing is known."""


def current_hash(root: DataRoot) -> str | None:
    """The hash of the version that is published, or None before there is one.

    Raises:
        RecordError: dataset_manifest.json was damaged.
    """
    path = root.dataset_manifest_json
    return _hash_in(path, file_stamp(path)) if path.is_file() else None


@lru_cache(maxsize=8)
def _hash_in(path: Path, _stamp: str) -> str:
    """Sensors and pages ask for it again and again: the file is read when it is another."""
    return Dataset.parse(read_json(path), where=str(path)).hash


def load_version(root: DataRoot, dataset_hash: str | None = None) -> DatasetVersion:
    """The version with that hash, or the current one.

    Raises:
        RecordError: there is none yet, or the file was damaged.
    """
    dataset_hash = dataset_hash or current_hash(root)
    if dataset_hash is None:
        raise NoTracks(
            f"{root.dataset_manifest_json}: no data set yet; materialize dataset_manifest (lofi run --to dataset_manifest)"
        )
    path = root.dataset_version(dataset_hash)
    if not path.is_file():
        raise RecordError(
            f"{path}: no such data set version; copy it from where it was built, or build one (lofi run --to dataset_manifest)"
        )
    return DatasetVersion.parse(read_json(path), where=str(path))


def category_of(record: TrackRecord) -> StyleCategory:
    """The category of a tagged track: that of its first style."""
    assert record.tagged is not None
    return category_of_style(record.tagged.style_ids[0])


def version_track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> VersionTrack:
    """The entry of a track in a data set version.

    Args:
        style_ids: the ids of all presets; the track may name no others.

    Raises:
        RecordError: the track breaks a rule of the data model.
    """
    assert record.processed is not None and record.tagged is not None
    measured, first = record.processed.measurements, record.origins[0]
    tagged, bpm = record.tagged, record.tagged.bpm
    metre = tagged.time_signature or measured.time_signature
    # Whoever says a metre counts the beats of the tempo that is said; a measured one counts those that were measured
    beats = BEATS_IN_A_BAR[metre] * (1.0 if tagged.time_signature else bpm / measured.tempo_bpm)
    return VersionTrack(
        track=_track(root, record, split, style_ids),
        sha256=record.sha256,
        audio_sha256=record.processed.audio_sha256,
        processing=record.inputs["processed"],
        prompt=tagged.prompt,
        caption=tagged.caption,
        lyrics=tagged.lyrics,
        language=tagged.language,
        bpm=bpm if tagged.says_tempo else None,
        keyscale=tagged.keyscale or f"{measured.key} {measured.mode}",
        time_signature=_ACE_STEP_METRES.get(metre, UNKNOWN_METRE),
        bar_beats=None if metre in _IN_QUARTERS else beats,
        licence=first.licence,
        source_ids=list(dict.fromkeys(origin.source_id for origin in record.origins)),
        title=first.title,
        artist=first.artist,
        url=first.url,
        credits=record.credits,
    )


def on_side(root: DataRoot, entry: VersionTrack, split: Split) -> VersionTrack:
    """The entry of a track as it is on a side of the split."""
    track = entry.track
    if track.split is split:
        return entry
    placed = {**published_paths(root, track.track_id, split), "split": split}
    return entry.model_copy(update={"track": track.model_copy(update=placed)})


def published_paths(root: DataRoot, track_id: str, split: Split) -> dict[str, str]:
    """Where the files of a track lie in the data root once they are published, by the fields of a track."""
    folder = root.final if split is Split.TRAIN else root.validation
    names = ("audio_path", "prompt_path", "lyrics_path")
    return {name: f"{folder.name}/{track_id}{kind}" for name, kind in zip(names, FILE_KINDS, strict=True)}


def _track(root: DataRoot, record: TrackRecord, split: Split, style_ids: set[str]) -> Track:
    assert record.processed is not None and record.tagged is not None
    fields = {
        "track_id": record.track_id,
        "filename": record.filename,
        **published_paths(root, record.track_id, split),
        "duration": record.processed.duration,
        "sample_rate": record.processed.sample_rate,
        "quality_score": record.processed.quality.score,
        "style_ids": record.tagged.style_ids,
        "source_id": record.source_id,
        "human_verified": record.human_verified,
        "split": split,
    }
    return Track.checked(fields, style_ids=style_ids)


def make_version(
    root: DataRoot, tracks: Iterable[VersionTrack], sources: dict[str, SourceRecord], eligibility: Eligibility
) -> tuple[DatasetVersion, bool]:
    """The version of these tracks, and whether it is new; a new one is written and appended to the ledger.

    The tracks are gone through once, and kept packed.

    Its hash covers the tracks, their sources and what proves the licences, so the same inputs give the same version.

    Raises:
        RecordError: the version that is there was damaged.
    """
    packed, totals = Packed[VersionTrack](together=_TOGETHER), _Totals()
    digest = version_hash(
        {
            "tracks": (track.model_dump(mode="json") for track in packed.taking(totals.over(tracks))),
            # Not before all tracks were gone through
            "sources": (record.model_dump(mode="json") for record in totals.sources(sources)),
            "provenance": (
                eligibility.provenance[source_id].model_dump(mode="json") for source_id in totals.source_ids()
            ),
        }
    )
    records = list(totals.sources(sources))
    path, ledger = root.dataset_version(digest), read_ledger(root)
    if path.is_file():
        known = load_version(root, digest)
        # Whoever wrote it may have been killed before it was entered
        if root.relative(path) not in ledger.hashes and version_hash(read_json(path)) == digest:
            append_to_ledger(root, {root.relative(path): file_sha256(path)})
        return known, False
    version = DatasetVersion(
        dataset=totals.dataset(digest),
        tracks=[],
        sources=records,
        provenance=[eligibility.provenance[record.source_id] for record in records],
        ledger=ledger.mark(),
    ).model_copy(update={"tracks": packed})
    write_json_atomic(path, version)
    append_to_ledger(root, {root.relative(path): file_sha256(path)})
    return version, True


class _Totals:
    """What a version says of its tracks together, added up while they go by."""

    def __init__(self) -> None:
        self._of_sources: dict[str, list[str]] = {}
        self._styles: Counter[StyleCategory] = Counter()
        self._sides: Counter[Split] = Counter()
        self._seconds = array("d")

    def over(self, tracks: Iterable[VersionTrack]) -> Iterator[VersionTrack]:
        """The tracks, each counted before it is given."""
        for item in tracks:
            track = item.track
            for source_id in dict.fromkeys(item.source_ids):
                self._of_sources.setdefault(source_id, []).append(track.track_id)
            self._styles[category_of_style(track.style_ids[0])] += 1
            self._sides[track.split] += 1
            self._seconds.append(track.duration)
            yield item

    def source_ids(self) -> Iterator[str]:
        """The sources of the tracks, in order."""
        yield from sorted(self._of_sources)

    def sources(self, known: Mapping[str, SourceRecord]) -> Iterator[SourceRecord]:
        """Their records, each with the ids of only those tracks."""
        for it in self.source_ids():
            yield known[it].model_copy(update={"track_ids": self._of_sources[it]})

    def dataset(self, digest: str) -> Dataset:
        """The data set entity of a version with that hash."""
        return Dataset(
            dataset_id=f"dataset-{digest[:12]}",
            created=now(),
            track_count=len(self._seconds),
            train_count=self._sides[Split.TRAIN],
            validation_count=self._sides[Split.VALIDATION],
            total_duration=sum(self._seconds) / 3600,
            style_distribution={category: self._styles[category] for category in StyleCategory},
            hash=digest,
        )
