"""Where the folder of an audit lies: the way from it to the files that it speaks of, and which of them can't be vouched for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from lofi_pipeline.entities import AuditReport, Dataset, DatasetVersion, FindingCode, RecordError
from lofi_pipeline.storage import DataRoot, read_json

NOT_AS_RECORDED = {
    FindingCode.FILE_CHANGED,
    FindingCode.FILE_MISSING,
    FindingCode.FILE_UNREADABLE,
    FindingCode.PATH_OUTSIDE,
}


@dataclass(frozen=True)
class Surroundings:
    """The data root as seen from the folder of an audit. Without more: that of data/audit/<name>/."""

    data_root: str = "../.."
    lacking: frozenset[str] = frozenset()
    """Paths below the data root of files that are missing, or not as recorded."""

    def address(self, path: str) -> str:
        """A path below the data root, from the folder of the audit."""
        return f"{self.data_root}/{path}"

    def holds(self, path: str | None) -> bool:
        """Whether a file is there as it was recorded, as far as the audit knows."""
        return path is not None and path not in self.lacking


def surroundings_of(report: AuditReport, folder: Path, root: DataRoot | None) -> Surroundings:
    """How a folder lies to the data root. Without a root, as an audit in data/audit/<name>/ does."""
    lacking = {finding.where for finding in report.findings if finding.code in NOT_AS_RECORDED}
    if root is None:
        return Surroundings(lacking=frozenset(lacking))
    lacking |= {path for path in _paths(report) if not (root.path / path).is_file()}
    lacking |= _of_another_version(report, root)
    way = os.path.relpath(root.path.resolve(), folder.resolve())
    return Surroundings(PurePath(way).as_posix(), frozenset(lacking))


def _of_another_version(report: AuditReport, root: DataRoot) -> set[str]:
    """Paths of this version's audio where the version that is published now has other audio; all, where that can't be told."""
    try:
        published = Dataset.parse(read_json(root.dataset_manifest_json), where="the published data set").hash
        if published == report.dataset.hash:
            return set()
        path = root.dataset_version(published)
        version = DatasetVersion.parse(read_json(path), where=str(path))
    except (OSError, RecordError):
        return {track.audio_path for track in report.tracks if track.audio_path}
    now = {item.track.audio_path: item.audio_sha256 for item in version.tracks}
    return {
        track.audio_path
        for track in report.tracks
        if track.audio_path and now.get(track.audio_path) != track.audio_sha256
    }


def checkpoint_file(report: AuditReport, name: str) -> str:
    """The path of one of a checkpoint's files below the data root."""
    return f"{report.subject.path}/{name}"


def _paths(report: AuditReport) -> Iterable[str]:
    yield from (track.audio_path for track in report.tracks if track.audio_path)
    for row in report.sources:
        yield from (file.path for file in (row.provenance.evidence if row.provenance else []))
    record = report.subject.record
    yield from (checkpoint_file(report, name) for name in (record.files if record else {}))
