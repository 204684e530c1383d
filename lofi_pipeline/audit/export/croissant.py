"""croissant.json: the data set version in MLCommons Croissant 1.0 with the RAI fields, written plainly; tests ask mlcroissant.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html and .../croissant-rai-spec.html
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, time
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from lofi_pipeline.audit.export.croissant_ld import (
    Context,
    CreativeWork,
    DataType,
    Extract,
    Field,
    FileObject,
    FileSet,
    Metadata,
    RecordSet,
    Source,
    Transform,
)
from lofi_pipeline.audit.export.escape import safe_url
from lofi_pipeline.audit.export.format import count, hours, money
from lofi_pipeline.audit.export.surroundings import Surroundings
from lofi_pipeline.audit.export.tracks_csv import COLUMNS
from lofi_pipeline.entities import AuditReport, Verdict
from lofi_pipeline.storage import FileFacts

TRACKS = "tracks.csv"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
MOST_FILES = 1_000
"""Beyond this many, audio files are one file set, and their hashes stand in tracks.csv: checking takes 1 ms for each."""

PREPROCESSING = (
    "Each recording was decoded, resampled to 48 kHz stereo, cut to at most the configured length, brought to the "
    "configured loudness with a true-peak ceiling, and encoded as MP3.",
    "Duplicates (by content and by acoustic fingerprint) and recordings below the configured quality score were left out.",
)
USE_CASES = (
    "Training LoRA adapters for text-to-music models, within the licences of the tracks.",
    "Not for use outside those licences; not for imitating the artists named in it.",
)
LIMITATIONS = (
    "Licences are as people declared them and as the project's policy judged them; this is not legal advice.",
    "Tempo, key and metre were measured by machine and not checked by ear, except where a track is marked as verified.",
)
PERSONAL = (
    "Names of artists, of providers and of who verified a licence; voices where a recording has vocals."
)
MAINTENANCE = (
    "A version is never changed. When a source is withdrawn or a grant ends, a new version is made without it, and audits "
    "of this version say so."
)


def croissant(report: AuditReport, tracks_csv: FileFacts, around: Surroundings = Surroundings()) -> str:
    """The whole file as JSON in ASCII. `tracks_csv`: the table that lies beside it, which holds the records.

    Every address leads from the file's own folder to a file. The record set `tracks` is the table, `recordings` the audio: who
    only reads the table opens no audio.
    """
    return json.dumps(_metadata(report, tracks_csv, around).to_json(), indent=2) + "\n"


def _metadata(report: AuditReport, tracks_csv: FileFacts, around: Surroundings) -> Metadata:
    context, dataset = Context(), report.dataset
    audio = _audio(report, around, context)
    fields: dict[str, Any] = {
        "conforms_to": CONFORMS_TO,
        "name": dataset.dataset_id,
        "description": (
            f"{count(dataset.track_count, 'recording')} of lofi music with captions, {hours(report.seconds)} (h:mm:ss), "
            f"from {count(len(report.sources), 'source')}; immutable version {dataset.hash}. {report.disclaimer}"
        ),
        "version": f"1.0.0+{dataset.hash[:12]}",
        "cite_as": f"Data set version {dataset.dataset_id} ({dataset.hash})",
        "date_created": dataset.created,
        "date_published": dataset.created,
        "keywords": ["lofi", "music", "text-to-music"],
        "license": _licences(report, context),
        "distribution": [_table(tracks_csv, context), *audio],
        "record_sets": [_records(context), *(_recordings(context) if audio else [])],
        **_responsible(report),
    }
    return Metadata(ctx=context, **fields)


def _licences(report: AuditReport, context: Context) -> list[str | CreativeWork]:
    """The address of each licence's text; its name where it has none in public."""
    verdicts: dict[str, Verdict] = {row.verdict_now.licence: row.verdict_now for row in report.sources}
    found = {licence: safe_url(verdicts[licence].url) for licence in sorted(verdicts)}
    return [url or CreativeWork(ctx=context, name=licence) for licence, url in found.items()]


def _table(tracks_csv: FileFacts, context: Context) -> FileObject:
    return FileObject(
        ctx=context,
        id=TRACKS,
        name=TRACKS,
        description="One row for each track, with its licence and the hashes of its files.",
        content_url=TRACKS,
        content_size=f"{tracks_csv.size} B",
        encoding_formats=["text/csv"],
        sha256=tracks_csv.sha256,
    )


def _audio(report: AuditReport, around: Surroundings, context: Context) -> list[FileObject | FileSet]:
    """The folders of the audio, the files of this version in them, and each with its hash where they are not too many."""
    known = [(track, track.audio_path) for track in report.tracks if track.audio_path]
    if not known:
        return []
    whole = len(known) <= MOST_FILES
    parents = sorted({PurePosixPath(path).parent.as_posix() for _, path in known})
    folders = [
        FileObject(
            ctx=context,
            id=parent,
            name=parent,
            description="A folder of audio. Its SHA-256 is the data set version's, which holds the hash of every file; "
            f"{TRACKS} has them too.",
            content_url=around.address(parent),
            encoding_formats=["inode/directory"],
            sha256=report.dataset.hash,
        )
        for parent in parents
    ]
    audio = FileSet(
        ctx=context,
        id="audio",
        name="audio",
        description="The recordings as they were trained on.",
        contained_in=[*parents],
        includes=[PurePosixPath(path).name for _, path in known] if whole else ["*.mp3"],
        encoding_formats=["audio/mpeg"],
    )
    files = [
        FileObject(
            ctx=context,
            id=f"audio/{track.track_id}",
            name=f"{track.track_id}.mp3",
            description=f"{track.split} side, {track.licence}",
            content_url=around.address(path),
            encoding_formats=["audio/mpeg"],
            sha256=track.audio_sha256,
        )
        for track, path in (known if whole else [])
    ]
    return [*folders, audio, *files]


def _records(context: Context) -> RecordSet:
    fields = [
        Field(
            ctx=context,
            id=f"tracks/{column}",
            name=column,
            description=description,
            data_types=[DataType.FLOAT if column == "seconds" else DataType.TEXT],
            source=Source(ctx=context, file_object=TRACKS, extract=Extract(ctx=context, column=column)),
        )
        for column, description in COLUMNS.items()
    ]
    description = "The tracks. A text that a spreadsheet would take for a formula has a leading apostrophe."
    return RecordSet(
        ctx=context,
        id="tracks",
        name="tracks",
        description=description,
        key=["tracks/track_id"],
        fields=fields,
    )


def _recordings(context: Context) -> list[RecordSet]:
    full_path: Any = "fullpath"  # the library's own type for these is refused by its check
    whole: Any = "content"
    track_id = Source(
        ctx=context,
        file_set="audio",
        extract=Extract(ctx=context, file_property=full_path),
        transforms=[Transform(ctx=context, regex=r".*?(track_[0-9]+)\.mp3$")],
    )
    content = Source(ctx=context, file_set="audio", extract=Extract(ctx=context, file_property=whole))
    fields = [
        Field(
            ctx=context,
            id="recordings/track_id",
            name="track_id",
            description="The track's id, as in tracks/track_id",
            data_types=[DataType.TEXT],
            source=track_id,
        ),
        Field(
            ctx=context,
            id="recordings/audio",
            name="audio",
            description="The processed MP3: 48 kHz, stereo",
            data_types=[DataType.AUDIO_OBJECT],
            source=content,
        ),
    ]
    recordings = RecordSet(
        ctx=context,
        id="recordings",
        name="recordings",
        description="The audio of the tracks, one file after the other.",
        key=["recordings/track_id"],
        fields=fields,
    )
    return [recordings]


def _responsible(report: AuditReport) -> dict[str, Any]:
    """The fields of Croissant's extension for responsible AI."""
    kinds = Counter(row.record.source_type.value for row in report.sources)
    days = sorted({row.record.date_acquired for row in report.sources})
    styles = Counter(style for track in report.tracks for style in track.style_ids)
    at_midnight = partial(datetime.combine, time=time.min)
    collected = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    spread = ", ".join(f"{style}: {styles[style]}" for style in sorted(styles))
    return {
        "data_collection": (
            f"Music was acquired from {count(len(report.sources), 'source')} ({collected or 'none'}), at a known cost of "
            f"{money(report.cost)}. Each source's licence and evidence is in sources/."
        ),
        "data_collection_type": sorted(kinds) or None,
        "data_collection_timeframe": [at_midnight(day) for day in dict.fromkeys([*days[:1], *days[-1:]])]
        or None,
        "data_collection_missing_data": "Titles, artists and links are empty where the source did not give them.",
        "data_preprocessing_protocol": list(PREPROCESSING),
        "data_annotation_protocol": [report.captions.sentence],
        "machine_annotation_tools": ["lofi-pipeline (tempo, key, metre, brightness)"],
        "data_biases": [f"Tracks by style: {spread}." if spread else "No track."],
        "data_use_cases": list(USE_CASES),
        "data_limitations": list(LIMITATIONS),
        "personal_sensitive_information": [PERSONAL],
        "data_release_maintenance_plan": MAINTENANCE,
    }
