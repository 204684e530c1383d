"""ACE-Step v1, ACE-Step 1.5, and the two studios that read the latter's dataset.json.

Written against ace-step/ACE-Step (convert2hf_dataset.py, text2music_dataset.py), ace-step/ACE-Step-1.5
(training/dataset_builder_modules, training_v2/preprocess_discovery.py), koda-dernet/Side-Step (data/preprocess_discovery.py,
data/dataset_builder.py) and scragnog/HOT-Step-CPP (train/preprocess-io.h).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lofi_pipeline.entities import Trigger
from lofi_pipeline.exporting.errors import ExportError
from lofi_pipeline.exporting.formats.format import Contents, Format, TextFiles, json_text
from lofi_pipeline.exporting.song import Song

DATASET_JSON = "dataset.json"


def _v1_files(contents: Contents) -> TextFiles:
    for song in contents.songs:
        yield f"{song.name}_prompt.txt", song.caption
        yield f"{song.name}_lyrics.txt", song.lyrics


def _no_mp3_in_the_path(folder: Path) -> None:
    """Its converter replaces every `.mp3` of a path, also in the names of folders."""
    if ".mp3" in str(folder):
        raise ExportError(
            f"{folder}: ACE-Step v1 takes every `.mp3` in a path for the end of a file; name another folder"
        )


def _sidecars(song: Song) -> TextFiles:
    """A bare .txt is lyrics to one reader and a caption to another: there is none. A track without words has no lyrics file, or
    it would count as sung.
    """
    yield f"{song.name}.caption.txt", song.caption
    if song.has_words:
        yield f"{song.name}.lyrics.txt", song.lyrics


def _sample(song: Song, trigger: Trigger | None) -> dict[str, Any]:
    """One of `samples`, with the fields of the reader's own AudioSample; it passes over the credits at the end."""
    item = song.item
    return {
        "id": song.name,
        "filename": song.file,
        "caption": song.caption,
        "genre": item.prompt.split(", ")[0],
        "lyrics": song.lyrics,
        "raw_lyrics": song.lyrics if song.has_words else "",
        "formatted_lyrics": song.lyrics,
        "bpm": item.bpm,
        "keyscale": item.keyscale,
        "timesignature": song.metre,
        "duration": int(song.seconds),
        "language": item.language,
        "is_instrumental": not song.has_words,
        "custom_tag": trigger.word if trigger else "",
        "labeled": True,
        "prompt_override": None,
        **song.credits,
    }


def _dataset_json(contents: Contents, samples: list[dict[str, Any]]) -> str:
    metadata = {
        "name": contents.dataset.dataset_id,
        "custom_tag": contents.trigger.word if contents.trigger else "",
        "tag_position": contents.trigger.position if contents.trigger else "prepend",
        "created_at": contents.dataset.created.isoformat(),
        "num_samples": len(samples),
        "all_instrumental": all(sample["is_instrumental"] for sample in samples),
        "genre_ratio": 0,
    }
    return json_text({"metadata": metadata, "samples": samples})


def _ace_step_15_files(contents: Contents) -> TextFiles:
    """Its builder opens `audio_path` as it stands, from whatever folder it was started in: so it is the whole path."""
    samples = [
        _sample(song, contents.trigger) | {"audio_path": str(contents.folder / song.file)}
        for song in contents.songs
    ]
    yield DATASET_JSON, _dataset_json(contents, samples)
    for song in contents.songs:
        yield from _sidecars(song)
        facts = {
            "caption": song.caption,
            "bpm": song.item.bpm,
            "keyscale": song.item.keyscale,
            "timesignature": song.metre,
            "language": song.item.language,
        }
        yield f"{song.name}.json", json_text(facts | song.credits)


def _side_step_files(contents: Contents) -> TextFiles:
    """A relative `audio_path` is taken from where dataset.json lies."""
    samples = [_sample(song, contents.trigger) | {"audio_path": song.file} for song in contents.songs]
    yield DATASET_JSON, _dataset_json(contents, samples)
    for song in contents.songs:
        yield from _sidecars(song)


def _hot_step_files(contents: Contents) -> TextFiles:
    """Without `audio_path` it takes `filename` from where dataset.json lies; with a relative one, from where it was started."""
    yield DATASET_JSON, _dataset_json(contents, [_sample(song, contents.trigger) for song in contents.songs])
    for song in contents.songs:
        yield from _sidecars(song)


ACE_STEP_V1 = Format(
    reader="ACE-Step v1's trainer",
    start='`python convert2hf_dataset.py --data_dir "{folder}" --output_name lofi`, then `trainer.py --dataset_path lofi`',
    lost="key, metre and language; the tempo stands among the tags. Of the tags it reads the first 256 letters.",
    files=_v1_files,
    check_target=_no_mp3_in_the_path,
)
ACE_STEP_15 = Format(
    reader="ACE-Step 1.5's dataset builder and trainers",
    start="load {folder}/dataset.json in its dataset builder, or scan {folder}; on the command line `--dataset-json {folder}/dataset.json`",
    lost="the exact length (whole seconds); metres other than 3, 4 and 6. dataset.json holds whole paths: export again after moving it.",
    files=_ace_step_15_files,
)
SIDE_STEP = Format(
    reader="Side-Step",
    start="`sidestep preprocess --audio-dir {folder} --dataset-json {folder}/dataset.json --output TENSORS`",
    lost="the exact length (whole seconds); metres other than 3, 4 and 6; the language is passed through and not trained on.",
    files=_side_step_files,
)
HOT_STEP = Format(
    reader="HOT-Step-CPP, for its DiT trainer and its LM trainer",
    start="open {folder} as a data set in its studio, or `ace-train preprocess --dataset {folder}/dataset.json`, then `train-dit` or `train-lm`",
    lost="the exact length (whole seconds); metres other than 3, 4 and 6.",
    files=_hot_step_files,
)
