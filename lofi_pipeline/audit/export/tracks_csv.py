"""tracks.csv: one row for each track, for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator

from lofi_pipeline.audit.export.spreadsheet import BETWEEN, spreadsheet
from lofi_pipeline.entities import AuditReport, TrackRow

COLUMNS = {
    "track_id": "The track's id, for life",
    "title": "Title, where one is known",
    "artist": "Artist, where one is known",
    "album": "Album, where one is known",
    "isrc": "ISRC of the recording, where one is known",
    "language": "Language, where one is known",
    "copyright": "Copyright notice, where one is known",
    "from_tags": "Which of these stand in the file's tags and not in source.json",
    "filename": "Name of the original file",
    "source_ids": "Sources that gave the track, the strictest first",
    "provider": "Platform or artist that the source names",
    "licence": "Canonical licence id, the strictest of its sources",
    "permitted_then": "Whether every one of its sources permitted training on the day of training",
    "permitted_now": "Whether every one of its sources permits it on the day of the audit",
    "obligations": "What the licence asks for",
    "terms": "What the grants of its sources limit",
    "url": "Where the track can be found",
    "split": "train, or validation: held out",
    "evaluation_reference": "Whether its clips were the reference of the evaluation",
    "seconds": "Length of the processed audio",
    "style_ids": "Styles it stands for",
    "prompt": "The caption it was trained with",
    "has_lyrics": "Whether it has lyrics of its own",
    "human_verified": "Whether a person looked at it, and did not reject it",
    "original_sha256": "Of the original file",
    "audio_sha256": "Of the processed MP3",
    "audio_path": "Of the processed MP3, relative to the data root",
    "prompt_sha256": "Of the caption",
}


def tracks_table(report: AuditReport) -> Iterator[bytes]:
    """The table in the order of the report, a block at a time."""
    # A withdrawn source permits nothing any more, whatever its licence says
    now = {
        row.record.source_id: row.verdict_now.permitted and row.withdrawn is None for row in report.sources
    }
    then = {row.record.source_id: row.verdict_then.permitted for row in report.sources}
    reference = set(report.reference)
    return spreadsheet(COLUMNS, (_row(track, then, now, reference) for track in report.tracks))


def _row(
    track: TrackRow, then: dict[str, bool], now: dict[str, bool], reference: set[str]
) -> list[str | None]:
    cells: dict[str, str | None] = {
        "track_id": track.track_id,
        "title": track.title,
        "artist": track.artist,
        "album": track.album,
        "isrc": track.isrc,
        "language": track.language,
        "copyright": track.copyright,
        "from_tags": BETWEEN.join(track.from_tags),
        "filename": track.filename,
        "source_ids": BETWEEN.join(track.source_ids),
        "provider": track.provider,
        "licence": track.licence,
        "permitted_then": _yes(all(then.get(source, False) for source in track.source_ids)),
        "permitted_now": _yes(all(now.get(source, False) for source in track.source_ids)),
        "obligations": BETWEEN.join(track.obligations),
        "terms": BETWEEN.join(track.terms),
        "url": track.url,
        "split": track.split,
        "evaluation_reference": _yes(track.track_id in reference),
        "seconds": f"{track.seconds:.3f}",
        "style_ids": BETWEEN.join(track.style_ids),
        "prompt": track.prompt,
        "has_lyrics": _yes(track.has_lyrics),
        "human_verified": _yes(track.human_verified),
        "original_sha256": track.original_sha256,
        "audio_sha256": track.audio_sha256,
        "audio_path": track.audio_path,
        "prompt_sha256": track.prompt_sha256,
    }
    return [cells[column] for column in COLUMNS]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
