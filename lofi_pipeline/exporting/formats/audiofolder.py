"""Hugging Face's audiofolder: metadata.csv beside the audio, in a folder named as the split.

Written against `datasets` (packaged_modules/folder_based_builder), whose columns it fills; those that are credits stand behind.
"""

from __future__ import annotations

import csv
import io

from lofi_pipeline.audit.export.escape import csv_cell
from lofi_pipeline.exporting.formats.format import Contents, Format, TextFiles
from lofi_pipeline.exporting.song import Song

COLUMNS = (
    "file_name",
    "caption",
    "lyrics",
    "bpm",
    "keyscale",
    "timesignature",
    "language",
    "instrumental",
    "duration",
    "title",
    "artist",
    "album",
    "copyright",
    "license",
    "license_url",
    "url",
)


def _cell(text: str) -> str:
    """No formula in any of its lines; words keep their lines."""
    return "\n".join(csv_cell(line) for line in text.split("\n"))


def _row(song: Song) -> list[object]:
    item, credits = song.item, song.credits
    known: dict[str, object] = {
        "file_name": song.file,
        "bpm": item.bpm,
        "instrumental": not song.has_words,
        "duration": song.seconds,
    }
    said = {
        "caption": song.caption,
        "lyrics": song.lyrics,
        "keyscale": item.keyscale,
        "timesignature": song.metre,
        "language": item.language,
        **credits,
    }
    return [known[name] if name in known else _cell(said.get(name, "")) for name in COLUMNS]


def _files(contents: Contents) -> TextFiles:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(song) for song in contents.songs)
    yield f"{contents.split}/metadata.csv", table.getvalue()


AUDIOFOLDER = Format(
    reader="`datasets` of Hugging Face",
    start='`load_dataset("audiofolder", data_dir="{folder}", split="{split}")`',
    lost="which values are text: it guesses that from each column. A line that a spreadsheet would take for a formula begins with an "
    "apostrophe.",
    files=_files,
    by_split=True,
)
