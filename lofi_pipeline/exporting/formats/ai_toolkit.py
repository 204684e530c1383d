"""ai-toolkit: one caption file for each track, with marks for what is what.

Written against ostris/ai-toolkit (audio_models/ace_step/ace_step_15_model.py, toolkit/dataloader_mixins.py). It takes the first pair
of marks of a name, and parts a caption at commas to join it with ", " again.
"""

from __future__ import annotations

import re

import yaml

from lofi_pipeline.exporting.formats.format import Contents, Format, TextFiles
from lofi_pipeline.exporting.song import Song

EXTENSION = "ace_step.txt"
_FIELDS = ("CAPTION", "BPM", "KEYSCALE", "TIMESIGNATURE", "DURATION", "LANGUAGE", "LYRICS")
_MARK = re.compile(rf"<(/?(?:{'|'.join(_FIELDS)}))>")


def _words(text: str) -> str:
    """Words that hold no mark of the format, and have commas as the reader undoes them."""
    return re.sub(r",[ ]+", ",", _MARK.sub(r"‹\1›", text))


def _caption(song: Song) -> str:
    """Lyrics last: what strangers wrote stands behind all that is looked for."""
    item = song.item
    values = {
        "CAPTION": f"\n{_words(song.caption)}\n",
        "BPM": item.bpm,
        "KEYSCALE": _words(item.keyscale),
        "TIMESIGNATURE": song.metre,
        "DURATION": int(song.seconds),
        "LANGUAGE": _words(item.language),
        "LYRICS": f"\n{_words(song.lyrics)}\n",
    }
    return "".join(f"<{name}>{values[name]}</{name}>\n" for name in _FIELDS)


def _files(contents: Contents) -> TextFiles:
    for song in contents.songs:
        yield f"{song.name}.{EXTENSION}", _caption(song)
    part = {"datasets": [{"folder_path": str(contents.folder), "caption_ext": EXTENSION}]}
    yield "datasets.yaml", yaml.safe_dump(part, sort_keys=False, allow_unicode=True)


AI_TOOLKIT = Format(
    reader="ai-toolkit",
    start="put what stands in {folder}/datasets.yaml into the job's `process`",
    lost="key and metre: its reader asks for them under other names than it stored them (as of August 2026), and trains `C` and `4/4`.",
    files=_files,
)
