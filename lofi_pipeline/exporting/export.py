"""The one door: a data set version, written as another trainer reads it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.reuse import CONFIGURATION, RECORD, licensing_of
from lofi_pipeline.audit.export.tracks_csv import tracks_table
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import AuditReport, Split
from lofi_pipeline.exporting.folder import ExportMark, replacing_folder, settle_target, write_files
from lofi_pipeline.exporting.formats import FORMATS
from lofi_pipeline.exporting.formats.format import Contents, Format
from lofi_pipeline.exporting.selection import LeftBehind, Selection, select, songs_of
from lofi_pipeline.storage import DataRoot, link_or_copy

TABLE = "tracks.csv"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    format: str
    dataset: str
    dataset_hash: str
    split: Split
    tracks: int
    left_behind: list[LeftBehind]
    start: str
    """How to begin with it in the other program."""


def export_dataset(
    root: DataRoot,
    config: PipelineConfig,
    format_name: str,
    target: Path,
    *,
    version: str | None = None,
    split: Split = Split.TRAIN,
    copy: bool = False,
) -> Exported:
    """Write one side of a data set version into `target`, whole or not at all.

    Args:
        format_name: a key of FORMATS.
        version: hash, the first digits of it, or id; None: the current one.
        copy: copy the audio, where it is else a hard link to the data root's own.

    Raises:
        ExportError: see `select`, `songs_of` and `settle_target`; or the format can't have such a folder.
        UnknownSubject, NoTracks, BrokenRecord: see `select`.
    """
    place, form = settle_target(root, target), FORMATS[format_name]
    form.check_target(place)
    selection = select(root, config, version, split)
    songs = songs_of(root, selection)
    trigger = config.training.preset.trigger_in_captions
    contents = Contents(songs, place, split, selection.version.dataset, trigger)
    prefix = f"{split}/" if form.by_split else ""
    with replacing_folder(place) as folder:
        audio = {f"{prefix}{song.file}": song for song in songs}
        for name, song in audio.items():
            _place(song.audio, folder / name, copy=copy)
        files = {name: text.encode() for name, text in form.files(contents)}
        files |= credit_files(selection.report) | {"README.md": _readme(form, contents).encode()}
        hashes = {name: song.item.audio_sha256 for name, song in audio.items()}
        write_files(folder, files, mark_of(selection, format_name, split), beside=hashes)
    dataset = selection.version.dataset
    start = form.start.format(folder=place, split=split)
    behind = selection.left_behind
    return Exported(place, format_name, dataset.dataset_id, dataset.hash, split, len(songs), behind, start)


def _place(source: Path, target: Path, *, copy: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        shutil.copyfile(source, target)
    else:
        link_or_copy(source, target)


def mark_of(selection: Selection, kind: str, split: Split | str) -> ExportMark:
    """What an export of this says of itself, still without its files."""
    dataset = selection.version.dataset
    return ExportMark(
        kind=kind,
        dataset=dataset.dataset_id,
        dataset_hash=dataset.hash,
        split=str(split),
        tracks=len(selection.report.tracks),
        left_behind={it.track_id: it.reason for it in selection.left_behind},
    )


def credit_files(report: AuditReport) -> dict[str, bytes]:
    """What goes with every export: the credits, the licences' texts, and a row for each track."""
    of_audits_alone = {CONFIGURATION, f"LICENSES/{RECORD}.txt"}
    texts = {name: text for name, text in licensing_of(report).items() if name not in of_audits_alone}
    return {
        "ATTRIBUTION.md": attribution_text(report).encode(),
        TABLE: b"".join(tracks_table(report)),
        **{name: text.encode() for name, text in texts.items()},
    }


def _readme(form: Format, contents: Contents) -> str:
    """For whoever opens the folder."""
    dataset = contents.dataset
    lines = [
        f"# {dataset.dataset_id} for {form.reader}",
        f"{len(contents.songs)} tracks, {contents.split} side, of the data set version {dataset.hash}.",
        f"To begin: {form.start.format(folder=contents.folder, split=contents.split)}",
        f"What this format has no place for: {form.lost}",
        "Whose music this is and what its licences ask for: ATTRIBUTION.md, tracks.csv, LICENSES/. Whoever passes it on passes these on, too.",
    ]
    return "\n\n".join(lines) + "\n"
