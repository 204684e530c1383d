"""Each format read back field by field, by the rule of the program that reads it.

The readers stand here in words of our own, each with where its rule is from; with the real ones the same was seen: `datasets` 3.6.0,
ACE-Step v1's convert2hf_dataset.py, ACE-Step 1.5's dataset builder and Side-Step's, on 2026-11-26.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import Split, VersionTrack
from lofi_pipeline.exporting import FORMATS, export_dataset
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.exporting.conftest import TITLE

Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def written(exported_from: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each format, of the training side."""
    folder = tmp_path_factory.mktemp("formats")
    for name in FORMATS:
        export_dataset(exported_from, load_config(), name, folder / name)
    return folder


@pytest.fixture(scope="module")
def tracks(exported_from: DataRoot) -> dict[str, VersionTrack]:
    return {item.track.track_id: item for item in load_version(exported_from).side(Split.TRAIN)}


def _sung(tracks: dict[str, VersionTrack]) -> VersionTrack:
    return next(item for item in tracks.values() if "rain" in item.lyrics)


def _read_v1(folder: Path) -> Rows:
    """ace-step/ACE-Step: convert2hf_dataset.py; each .mp3 with both texts."""
    rows: Rows = {}
    for song in folder.glob("*.mp3"):
        prompt, lyrics = (Path(str(song).replace(".mp3", end)) for end in ("_prompt.txt", "_lyrics.txt"))
        if prompt.exists() and lyrics.exists():
            tags = prompt.read_text(encoding="utf-8").strip().split(", ")
            rows[song.stem] = {
                "caption": ", ".join(tags),
                "lyrics": lyrics.read_text(encoding="utf-8").strip(),
            }
    return rows


def _read_dataset_json(folder: Path, audio: Callable[[dict[str, Any]], Path]) -> Rows:
    said = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert said["metadata"]["num_samples"] == len(said["samples"])
    assert all(audio(sample).is_file() and sample["labeled"] for sample in said["samples"])
    return {audio(sample).stem: sample for sample in said["samples"]}


def _read_ace_step_15(folder: Path) -> Rows:
    """ace-step/ACE-Step-1.5: dataset_builder_modules/serialization.py and preprocess.py open `audio_path` as it stands."""
    rows = _read_dataset_json(folder, lambda sample: Path(sample["audio_path"]))
    for name, row in rows.items():  # its scan: audio_io.py
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert all(
            facts[key] == row[key] for key in ("caption", "bpm", "keyscale", "timesignature", "language")
        )
        assert (folder / f"{name}.caption.txt").read_text(encoding="utf-8").strip() == row["caption"]
        words = folder / f"{name}.lyrics.txt"
        assert words.exists() is not row["is_instrumental"]
        assert row["is_instrumental"] or words.read_text(encoding="utf-8").strip() == row["lyrics"]
    return rows


def _read_side_step(folder: Path) -> Rows:
    """koda-dernet/Side-Step: data/preprocess_discovery.py; a relative path is meant from the JSON's folder."""
    return _read_dataset_json(folder, lambda sample: folder / sample["audio_path"])


def _read_hot_step(folder: Path) -> Rows:
    """scragnog/HOT-Step-CPP: train/preprocess-io.h; without `audio_path`, `filename` beside the JSON."""
    return _read_dataset_json(
        folder, lambda sample: Path(sample.get("audio_path") or folder / sample["filename"])
    )


def _read_simpletuner(folder: Path) -> Rows:
    """bghira/SimpleTuner: helpers/metadata/backends/parquet.py and base.py (`_discover_audio_lyrics`)."""
    backend = json.loads((folder / "multidatabackend.json").read_text(encoding="utf-8"))[0]
    assert backend["caption_strategy"] == backend["metadata_backend"] == "parquet"
    said = backend["parquet"]
    lines = StringIO(Path(said["path"]).read_text(encoding="utf-8"))
    table = pandas.read_json(lines, lines=True).set_index(said["filename_column"])
    rows: Rows = {}
    for song in Path(backend["instance_data_dir"]).glob("*.mp3"):
        row = table.loc[song.stem]
        lyrics = song.parent / backend["audio"]["lyrics_filename_format"].replace("{filename}", song.stem)
        rows[song.stem] = {
            "caption": row[said["caption_column"]],
            "lyrics": lyrics.read_text(encoding="utf-8").strip(),
            "duration": row[said["audio_duration_column"]],
            "license": row["license"],
        }
    return rows


def _read_ai_toolkit(folder: Path) -> Rows:
    """ostris/ai-toolkit: toolkit/dataloader_mixins.py (`get_caption`) and ace_step_15_model.py (`parse_ace_step_caption`)."""
    (dataset,) = yaml.safe_load((folder / "datasets.yaml").read_text(encoding="utf-8"))["datasets"]
    rows: Rows = {}
    for song in Path(dataset["folder_path"]).glob("*.mp3"):
        raw = song.with_suffix("." + dataset["caption_ext"]).read_text(encoding="utf-8")
        text = ", ".join(raw.split(","))
        found = {
            name: re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
            for name in ("CAPTION", "LYRICS", "BPM", "KEYSCALE", "TIMESIGNATURE", "DURATION", "LANGUAGE")
        }
        row = {name.lower(): match[1].strip() for name, match in found.items() if match}
        rows[song.stem] = row | {"bpm": int(row["bpm"])}
    return rows


def _read_audiocraft(folder: Path) -> Rows:
    """facebookresearch/audiocraft: data/audio_dataset.py (`load_audio_meta`), data/music_dataset.py (`MusicInfo.from_dict`)."""
    source = yaml.safe_load((folder / "dset.yaml").read_text(encoding="utf-8"))["datasource"]
    rows: Rows = {}
    for line in (Path(source["train"]) / "data.jsonl").read_bytes().splitlines():
        meta = json.loads(line)
        assert meta["sample_rate"] == 48_000
        info = json.loads(Path(meta["path"]).with_suffix(".json").read_text(encoding="utf-8"))
        required = {
            "title",
            "artist",
            "key",
            "bpm",
            "genre",
            "moods",
            "keywords",
            "description",
            "name",
            "instrument",
        }
        assert required <= info.keys()
        assert info["genre"] and isinstance(info["moods"], list)
        rows[Path(meta["path"]).stem] = info | {
            "caption": info["description"],
            "keyscale": info["key"],
            "duration": meta["duration"],
        }
    return rows


def _read_audiofolder(folder: Path) -> Rows:
    """huggingface/datasets: packaged_modules/folder_based_builder; `file_name` is meant from the table's folder."""
    rows: Rows = {}
    with (folder / "train" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert (folder / "train" / row["file_name"]).is_file()
            rows[Path(row["file_name"]).stem] = row | {
                "bpm": int(row["bpm"]),
                "duration": float(row["duration"]),
            }
    return rows


FULL = {"caption", "lyrics", "bpm", "keyscale", "timesignature", "language"}
READERS: dict[str, tuple[Callable[[Path], Rows], set[str]]] = {
    "ace-step-v1": (_read_v1, {"caption", "lyrics"}),
    "ace-step-1.5": (_read_ace_step_15, FULL),
    "side-step": (_read_side_step, FULL),
    "hot-step": (_read_hot_step, FULL),
    "simpletuner": (_read_simpletuner, {"caption", "lyrics"}),
    "ai-toolkit": (_read_ai_toolkit, FULL),
    "audiocraft": (_read_audiocraft, {"caption", "bpm", "keyscale"}),
    "audiofolder": (_read_audiofolder, FULL),
}


@pytest.mark.parametrize("name", FORMATS)
def test_its_reader_finds_what_the_version_says(
    name: str, written: Path, tracks: dict[str, VersionTrack]
) -> None:
    read, fields = READERS[name]
    rows = read(written / name)
    assert rows.keys() == tracks.keys()
    for track_id, item in tracks.items():
        said = {
            "caption": item.prompt,
            "lyrics": item.lyrics,
            "bpm": item.bpm,
            "keyscale": item.keyscale,
            "timesignature": item.time_signature,
            "language": item.language,
        }
        if item is _sung(tracks):
            assert "lyrics" not in fields or "[Verse 1]\nrain, rain" in rows[track_id]["lyrics"]
            fields = fields - {"lyrics"}
        assert {key: rows[track_id][key] for key in fields} == {key: said[key] for key in fields}


@pytest.mark.parametrize("name", FORMATS)
def test_no_file_can_be_lyrics_to_one_and_a_caption_to_another(name: str, written: Path) -> None:
    songs = list((written / name).rglob("*.mp3"))
    assert songs
    assert not [path for path in songs if path.with_suffix(".txt").exists()]


@pytest.mark.parametrize("name", FORMATS)
def test_the_audio_and_the_credits_go_with_it(
    name: str, written: Path, tracks: dict[str, VersionTrack]
) -> None:
    folder = written / name
    audio = {path.stem: file_sha256(path) for path in folder.rglob("*.mp3")}
    assert audio == {track_id: item.audio_sha256 for track_id, item in tracks.items()}
    credits = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Bo" in credits and "CC-BY-4.0" in credits and "[evil](" not in credits
    assert (folder / "LICENSES" / "CC-BY-4.0.txt").is_file()
    with (folder / "tracks.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["track_id"] for row in csv.DictReader(file)} == tracks.keys()
    if name not in ("ace-step-v1", "ai-toolkit"):  # they have no field for it
        rows = READERS[name][0](folder)
        assert rows[_sung(tracks).track.track_id]["license"] == "CC-BY-4.0"


def test_words_of_strangers_stay_words(written: Path, tracks: dict[str, VersionTrack]) -> None:
    sung = _sung(tracks)
    of_ai_toolkit = _read_ai_toolkit(written / "ai-toolkit")[sung.track.track_id]
    assert of_ai_toolkit["bpm"] == sung.bpm  # not the <BPM>999</BPM> of its lyrics
    assert of_ai_toolkit["lyrics"].endswith('- and "on"')  # nor ended by its </LYRICS>
    row = _read_audiofolder(written / "audiofolder")[sung.track.track_id]
    assert row["title"] == f"'{TITLE}"
    lines = [line for cell in row.values() for line in str(cell).split("\n")]
    assert not [line for line in lines if line.startswith(("=", "+", "-", "@"))]
    assert _read_side_step(written / "side-step")[sung.track.track_id]["title"] == TITLE


def test_a_track_without_words_is_instrumental_to_all(written: Path, tracks: dict[str, VersionTrack]) -> None:
    name = next(track_id for track_id, item in tracks.items() if item is not _sung(tracks))
    for form in ("ace-step-1.5", "side-step", "hot-step"):
        sample = READERS[form][0](written / form)[name]
        assert (sample["lyrics"], sample["raw_lyrics"], sample["is_instrumental"]) == (
            "[Instrumental]",
            "",
            True,
        )
    assert _read_simpletuner(written / "simpletuner")[name]["lyrics"] == "[Instrumental]"


@pytest.mark.parametrize("position", ["prepend", "append"])
@pytest.mark.parametrize("name", ["ace-step-1.5", "side-step", "hot-step"])
def test_the_trigger_word_stands_where_the_reader_looks_for_it(
    exported_from: DataRoot, name: str, position: str, tmp_path: Path
) -> None:
    """ace-step/ACE-Step-1.5, training/dataset_builder_modules/models.py: AudioSample.get_full_caption."""
    config = load_config()
    training = config.training.model_copy(update={"trigger": "kumolofi", "trigger_position": position})
    export_dataset(exported_from, config.model_copy(update={"training": training}), name, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "dataset.json").read_bytes())
    assert (found["metadata"]["custom_tag"], found["metadata"]["tag_position"]) == ("kumolofi", position)
    trained = training.preset.trigger_in_captions
    assert trained
    for sample in found["samples"]:
        tag, caption = sample["custom_tag"], sample["caption"]
        read = f"{tag}, {caption}" if position == "prepend" else f"{caption}, {tag}"
        assert read == trained.put_into(caption)


def test_the_page_has_a_row_for_each_format() -> None:
    page = (PROJECT_ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    assert [name for name in FORMATS if f"\n| `{name}` |" not in page] == []
