"""The published files of the current data set: final/, validation/ and the metadata files that the data model names.

Published files may be removed and made again. The immutable version is in version.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lofi_pipeline.dataset.ready import ReadyFacts, ReadyTracks
from lofi_pipeline.dataset.version import FILE_KINDS
from lofi_pipeline.entities import DatasetVersion, KeptFile, Split, VersionTrack
from lofi_pipeline.storage import (
    DataRoot,
    kept_file,
    link_or_copy,
    regular_stat,
    sync_folder,
    write_json_atomic,
)

_OURS = re.compile(rf"(track_[^_.]*)(?:{'|'.join(map(re.escape, FILE_KINDS))})")
"""The names of published files."""


def is_published(root: DataRoot, record: ReadyFacts, kept: Mapping[str, KeptFile]) -> bool:
    """Whether the three files of a track lie on either side of the split and look as they did when they were published.

    `kept`: what is remembered of published files that are no links, by path in the data root.
    """
    return any(
        all(
            _looks_published(root, f"{folder}/{record.track_id}{kind}", source, kept, record)
            for kind, source in zip(FILE_KINDS, record.published, strict=True)
        )
        for folder in (root.final.name, root.validation.name)
    )


def _looks_published(
    root: DataRoot, path: str, source: str, kept: Mapping[str, KeptFile], record: ReadyFacts
) -> bool:
    """Whether a published file is the processed one, or looks like the copy that was made of it."""
    there, made_of = (regular_stat(os.path.join(root.path, name)) for name in (path, source))
    if there is None or made_of is None:
        return False
    if os.path.samestat(there, made_of):
        return True
    if (copy := kept.get(path)) is not None:
        return (there.st_size, there.st_mtime_ns) == (copy.size, copy.mtime_ns)
    # A whole data root that was copied has copies in place of links, with the times of what they were copied from
    same_time = there.st_mtime_ns == made_of.st_mtime_ns or not record.keeps_times
    return there.st_size == made_of.st_size and same_time


def publish_version(
    root: DataRoot,
    ready: ReadyTracks,
    version: DatasetVersion,
    progress: Callable[[str], None] = lambda message: None,
) -> dict[str, KeptFile]:
    """Publish a version: the three files of each track (linked, else copied) and the metadata; remove other tracks' files.

    `ready` are the tracks of the version, in the same order. Returns what is to be remembered of published files: of those
    that are copies, and of the metadata.
    """
    for folder in (root.final, root.validation):
        root.inside(folder.name)  # refuses one that leads out of the data root
    copies, known = dict[str, KeptFile](), _Listed.of(root)
    sides, style_ids = dict[str, Split](), dict[str, list[str]]()
    for number, (record, item) in enumerate(zip(ready.facts(), version.tracks, strict=True), start=1):
        copies |= _publish_track(root, record, item, known)
        sides[record.track_id], style_ids[record.track_id] = item.track.split, item.track.style_ids
        if number % 500 == 0:
            progress(f"published {number} of {len(ready.tracks)} tracks")
    del known  # as much as all names
    _unpublish_others(root, sides)
    for folder in (root.final, root.validation):
        sync_folder(folder)
    # The data set itself last: it says that the rest is there.
    write_json_atomic(root.style_mapping_json, style_ids)
    write_json_atomic(root.quality_scores_json, _Qualities(ready))
    write_json_atomic(root.dataset_manifest_json, version.dataset)
    metadata = (root.style_mapping_json, root.quality_scores_json, root.dataset_manifest_json)
    return {root.relative(path): kept_file(path) for path in metadata} | copies


def _publish_track(
    root: DataRoot, record: ReadyFacts, item: VersionTrack, known: _Listed
) -> dict[str, KeptFile]:
    """Publish the files of a track; returns what is to be remembered of those that are copies."""
    published = (item.track.audio_path, item.track.prompt_path, item.track.lyrics_path)
    copies: dict[str, KeptFile] = {}
    for (source, digest), path in zip(record.published.items(), published, strict=True):
        if known.has_linked(root, source, path):
            continue
        link_or_copy(root.inside(source), root.inside(path))
        if not _is_linked(root, source, path):
            copies[path] = kept_file(root.path / path, digest)
    return copies


@dataclass(frozen=True)
class _Listed:
    """The regular files in final/ and validation/ as their folders list them: of each, nothing else is asked of the system."""

    inodes: Mapping[str, int]
    """By path in the data root."""
    devices: frozenset[int]
    """Of the folders; files of another one may have the same inode."""

    @classmethod
    def of(cls, root: DataRoot) -> _Listed:
        """As they are now."""
        folders = [folder for folder in (root.final, root.validation) if folder.is_dir()]
        inodes = {f"{folder.name}/{it.name}": it.inode() for folder in folders for it in _files_in(folder)}
        devices = frozenset(folder.stat().st_dev for folder in folders)
        return cls(inodes, devices if len(devices) == 1 else frozenset())

    def has_linked(self, root: DataRoot, source: str, path: str) -> bool:
        """Whether a file is published already, as one more name of the processed one."""
        with suppress(OSError):
            processed = os.lstat(f"{root.path}/{source}")
            if self.inodes.get(path) == processed.st_ino and processed.st_dev in self.devices:
                return True
        return _is_linked(root, source, path)


def _files_in(folder: os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def _is_linked(root: DataRoot, source: str, path: str) -> bool:
    """Whether a file is one more name of the processed one."""
    try:
        one, other = (os.lstat(os.path.join(root.path, name)) for name in (source, path))
    except OSError:
        return False
    return os.path.samestat(one, other)


def unpublish_all(root: DataRoot) -> None:
    """Remove everything that is published. Versions stay, for the audit, and so does the side of each track."""
    _unpublish_others(root, {})
    for path in (root.dataset_manifest_json, root.style_mapping_json, root.quality_scores_json):
        path.unlink(missing_ok=True)


def _unpublish_others(root: DataRoot, sides: dict[str, Split]) -> None:
    """Remove the files of tracks that are not on these sides. Files that the pipeline did not publish stay."""
    for folder, side in ((root.final, Split.TRAIN), (root.validation, Split.VALIDATION)):
        for name in os.listdir(folder) if folder.is_dir() else ():
            ours = _OURS.fullmatch(name)
            if ours and sides.get(ours[1]) is not side:
                (folder / name).unlink()


class _Qualities(Mapping[str, dict[str, object]]):
    """By track, what quality_scores.json says; made when it is asked for."""

    def __init__(self, ready: ReadyTracks) -> None:
        self._ready = ready
        self._tracks = {track.track_id: track for track in ready.tracks}

    def __len__(self) -> int:
        return len(self._tracks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tracks)

    def __getitem__(self, track_id: str) -> dict[str, object]:
        return _quality(self._ready.facts_of(self._tracks[track_id]))


def _quality(record: ReadyFacts) -> dict[str, object]:
    return {
        "score": record.quality.score,
        "verified": record.verified,
        "date": record.updated.date().isoformat(),
        "parts": record.quality.parts,
    }
