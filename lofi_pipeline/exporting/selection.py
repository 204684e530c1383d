"""Which tracks of a data set version may leave: those that an audit of this day has nothing against.

A version that is not what was sealed leaves not at all: what stands in it proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline import progress
from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.audit.tables import attributions, obligation_rows
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import (
    AuditReport,
    DatasetVersion,
    FindingCode,
    Severity,
    Split,
    TrackRow,
    VersionTrack,
    few,
)
from lofi_pipeline.exporting.errors import ExportError
from lofi_pipeline.exporting.song import Song
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot, file_sha256


@dataclass(frozen=True)
class LeftBehind:
    """A track that is not exported, and why."""

    track_id: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """What leaves of a version."""

    version: DatasetVersion
    report: AuditReport
    """The audit, with the tracks and sources that leave alone."""
    left_behind: list[LeftBehind]

    @property
    def items(self) -> list[VersionTrack]:
        """The tracks that leave."""
        kept = {row.track_id for row in self.report.tracks}
        return [item for item in self.version.tracks if item.track.track_id in kept]


def select(root: DataRoot, config: PipelineConfig, name: str | None, split: Split | None) -> Selection:
    """What may leave today of a version (by hash or id; None: the current one) on one side of the split, or on both.

    Raises:
        ExportError: the version or a record that it rests on is not what was sealed, or nothing of it may leave.
        UnknownSubject, NoTracks, BrokenRecord: there is no such version, or it can't be read.
    """
    inputs = AuditInputs(root)
    subject = find_subject(inputs, name or load_version(root).dataset.hash)
    if subject.checkpoint is not None:
        raise ExportError(f"{name}: is a checkpoint; name a data set version by its hash, or leave it out")
    report = build_report(inputs, subject, config=config, quick=True)
    version = load_version(root, subject.dataset_hash)
    barred = _barred(report)
    wanted = [row for row in report.tracks if split in (None, row.split)]
    behind = [LeftBehind(row.track_id, reason) for row in wanted if (reason := barred(row))]
    out = {it.track_id for it in behind}
    kept = [row for row in wanted if row.track_id not in out]
    if not kept:
        why = f"; the first: {behind[0].reason}" if behind else ""
        side = f" on its {split} side" if split else ""
        raise ExportError(
            f"{version.dataset.dataset_id}: none of its tracks{side} may be exported{why}; `lofi audit {version.dataset.hash[:12]}` "
            "says more"
        )
    return Selection(version, _narrowed(report, kept), behind)


class _Barred:
    """Why a track may not leave, by the errors of an audit that name it or one of its sources."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self._reasons = reasons

    def __call__(self, row: TrackRow) -> str | None:
        return next(
            (self._reasons[it] for it in (row.track_id, *row.source_ids) if it in self._reasons), None
        )


def _barred(report: AuditReport) -> _Barred:
    """Raises ExportError for an error that is of no single track or source: then nothing is proved."""
    named = {row.track_id for row in report.tracks} | {it for row in report.tracks for it in row.source_ids}
    errors = report.of_severity(Severity.ERROR)
    faults = [finding.sentence for finding in errors if finding.where not in named]
    unsealed = [
        finding
        for finding in report.findings
        if finding.code is FindingCode.NOT_SEALED and finding.where == report.subject.path
    ]
    if unsealed:
        faults.append(
            f"{report.subject.path}: is not sealed; `lofi audit {report.subject.hash[:12]}` seals it if it is intact"
        )
    if faults:
        raise ExportError(f"not exported: {few(faults, between=' ')}")
    reasons: dict[str, str] = {}
    for finding in errors:
        reasons.setdefault(finding.where, finding.sentence)
    return _Barred(reasons)


def _narrowed(report: AuditReport, tracks: list[TrackRow]) -> AuditReport:
    used = {source_id for row in tracks for source_id in row.source_ids}
    sources = [row for row in report.sources if row.record.source_id in used]
    changes = {
        "tracks": tracks,
        "sources": sources,
        "obligations": obligation_rows(tracks, sources),
        "attribution": attributions(tracks, sources),
    }
    return report.model_copy(update=changes)


def songs_of(root: DataRoot, selection: Selection) -> list[Song]:
    """The tracks that leave with their audio, each file hashed.

    Raises:
        ExportError: the audio of a track is not the version's.
    """
    rows = {row.track_id: row for row in selection.report.tracks}
    urls = {row.record.source_id: row.verdict_now.url for row in selection.report.sources}
    songs = []
    for done, item in enumerate(selection.items):
        progress.report("export", done, len(rows), item.track.track_id)
        url = urls.get(item.source_ids[0])
        songs.append(Song(item, rows[item.track.track_id], url, _audio_of(root, item)))
    progress.report("export", len(rows), len(rows), "")
    return songs


def _audio_of(root: DataRoot, item: VersionTrack) -> Path:
    """The published file, or the worker's, whichever has the bytes that the version names."""
    record = load_record(root, item.track.track_id)
    worked_on = [record.processed.audio_path] if record and record.processed else []
    for path in (root.inside(name) for name in (item.track.audio_path, *worked_on)):
        if path.is_file() and not path.is_symlink() and file_sha256(path) == item.audio_sha256:
            return path
    raise ExportError(
        f"{root.inside(item.track.audio_path)}: is not the audio of {item.track.track_id} as this version has it: it was changed, or a "
        "newer version took its place; `lofi run --to dataset_manifest` makes it again, or export the current version"
    )
