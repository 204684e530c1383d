"""AudioCraft (MusicGen): data.jsonl with the audio files, and the attributes of a song in a JSON file beside each.

Written against facebookresearch/audiocraft (data/audio_dataset.py, data/music_dataset.py).
"""

from __future__ import annotations

from typing import Any

import yaml

from lofi_pipeline.entities import TagKind
from lofi_pipeline.exporting.formats.format import Contents, Format, TextFiles, json_line, json_text
from lofi_pipeline.exporting.song import Song
from lofi_pipeline.styles import load_vocabulary


def _attributes(song: Song) -> dict[str, Any]:
    """MusicInfo's fields, none missing: its reader demands each."""
    vocabulary, tags = load_vocabulary(), song.item.prompt.split(", ")
    by_kind: dict[TagKind, list[str]] = {kind: [] for kind in TagKind}
    for tag in tags:
        if tag in vocabulary:
            by_kind[vocabulary.kind_of(tag)].append(tag)
    return {
        **song.credits,
        "key": song.item.keyscale,
        "bpm": song.item.bpm,
        "genre": ", ".join(by_kind[TagKind.GENRE]),
        "moods": by_kind[TagKind.MOOD],
        "keywords": tags,
        "description": song.caption,
        "name": song.name,
        "instrument": ", ".join(by_kind[TagKind.INSTRUMENTS]),
    }


def _files(contents: Contents) -> TextFiles:
    side = contents.folder / contents.split
    lines = [
        {
            "path": str(side / song.file),
            "duration": song.seconds,
            "sample_rate": song.item.track.sample_rate,
            "amplitude": None,
            "weight": None,
            "info_path": None,
        }
        for song in contents.songs
    ]
    yield f"{contents.split}/data.jsonl", "".join(map(json_line, lines))
    for song in contents.songs:
        yield f"{contents.split}/{song.name}.json", json_text(_attributes(song))
    source = {"max_sample_rate": 48_000, "max_channels": 2, contents.split.value: str(side)}
    yield "dset.yaml", "# @package __global__\n\n" + yaml.safe_dump({"datasource": source}, sort_keys=False)


AUDIOCRAFT = Format(
    reader="AudioCraft (MusicGen)",
    start="copy {folder}/dset.yaml to config/dset/audio/lofi.yaml and train with `dset=audio/lofi`",
    lost="lyrics, metre and language: MusicGen is trained on none. Paths are whole: export again after moving it.",
    files=_files,
    by_split=True,
)
