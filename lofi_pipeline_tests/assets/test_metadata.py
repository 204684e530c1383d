"""What Dagster's UI is told: in place, without a click, as plain text, relative to the data root, and nothing that is empty."""

import base64
import io
import struct
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from lofi_pipeline.assets.metadata import MOST_ROWS, most_bytes_inline, picture, shown, table, tag_value
from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.audio.analysis.thumbnail import smaller_png, waveform_png
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.assets.test_tracks import STAGES, latest, run
from lofi_pipeline_tests.drops import facts, make_drop, song

HOSTILE = '<img src=x onerror="x">](javascript:x)' + "Ü" * 80
UI_SHOWS_MARKDOWN_BELOW = 1000
"""Characters; read in the webserver's script, MetadataEntry."""


def events_of(instance: dg.DagsterInstance) -> list[dg.AssetMaterialization]:
    assets = ("source_records", "style_presets", "tag_categories", "dataset_manifest")
    whole = [instance.get_latest_materialization_event(dg.AssetKey(asset)) for asset in assets]
    parts = [
        latest(instance, stage, key)
        for stage in STAGES
        for key in instance.get_dynamic_partitions(str(TRACKS.name))
    ]
    found = [*(event.asset_materialization for event in whole if event), *parts]
    return [event for event in found if event]


def test_everything_is_shown_in_place_as_plain_text_and_nothing_empty(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    tracks = {"a.wav": {"title": HOSTILE, "artist": "<b>An artist</b>"}}
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(9, 5.0)}, facts(files=tracks))
    assert run(instance, "register").success
    keys = instance.get_dynamic_partitions(str(TRACKS.name))
    assert run(instance, "ingest", tags=ranges_of(keys, keys, most=9)[0]).success
    assert run(instance, "build_dataset").success
    events = events_of(instance)
    assert len(events) == 4 + 2 * len(STAGES)
    for event in events:
        for name, value in event.metadata.items():
            where = f"{event.asset_key.to_user_string()} {event.partition or ''} {name}"
            assert value.value not in ("", None), where
            assert str(root.path) not in str(value.value), where
            if isinstance(value, dg.TableMetadataValue):
                assert value.records, where
            if isinstance(value, dg.MarkdownMetadataValue):
                text = str(value.value)
                assert text.startswith("![](data:image/png;base64,"), where
                assert len(text) < UI_SHOWS_MARKDOWN_BELOW, where
            if isinstance(value, dg.PathMetadataValue):
                assert not Path(str(value.value)).is_absolute() and (root.path / str(value.value)).exists()


def test_a_track_links_to_its_page_and_is_told_by_title_and_file(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    tracks = {"a.wav": {"title": HOSTILE}, "sous la pluie.wav": {"title": "Été à Paris"}}
    make_drop(root, "one", {"a.wav": song(0, 5.0), "sous la pluie.wav": song(9, 5.0)}, facts(files=tracks))
    assert run(instance, "register").success
    keys = instance.get_dynamic_partitions(str(TRACKS.name))
    assert run(instance, "ingest", tags=ranges_of(keys, keys, most=9)[0]).success
    for stage in STAGES:
        found = [event for key in keys if (event := latest(instance, stage, key))]
        events = {event.metadata["filename"].value: event for event in found}
        for event in found:
            assert event.metadata["studio"] == dg.MetadataValue.url(f"/studio/tracks/{event.partition}")
        french = events["sous la pluie.wav"]
        assert french.metadata["title"].value == "Été à Paris"
        tags = {name: value for name, value in (french.tags or {}).items() if name.startswith("lofi/")}
        assert tags == {
            "lofi/title": "Ete-a-Paris",
            "lofi/file": "sous-la-pluie.wav",
            "lofi/status": "ok" if stage == "raw_tracks" else "rejected",
        }
        assert events["a.wav"].metadata["title"].value == HOSTILE


@pytest.mark.parametrize(
    "text", [HOSTILE + "\x1b[2J\u202e", "雨の日", "", "-.-", "a" * 99, "Ünïcode / Slash.mp3"]
)
def test_any_text_makes_a_tag_that_dagster_takes(text: str) -> None:
    tags = {"lofi/title": tag_value(text)}
    assert dg.AssetMaterialization("x", tags=tags).tags == tags


def test_a_table_shows_the_first_rows_and_where_all_are() -> None:
    found = table(
        ["file", "reason"], [(f"{n}.wav", "a\nb") for n in range(MOST_ROWS + 40)], all_in="drops.json"
    )
    assert len(found.records) == MOST_ROWS + 1
    assert found.records[0].data == {"file": "0.wav", "reason": "a b"}
    assert found.records[-1].data["file"] == "and 40 more; drops.json has them all"
    assert shown({"none": table(["x"], []), "kept": 0, "off": False}) == {"kept": 0, "off": False}


def test_a_picture_of_the_roughest_music_is_small_enough_and_a_png() -> None:
    noise = np.random.default_rng(0)
    envelope = np.repeat(noise.random(320), 500) * noise.choice([0.05, 1.0], 320).repeat(500)
    samples = (noise.standard_normal((2, 160_000)) * envelope).astype(np.float32)
    png = smaller_png(waveform_png(samples), most_bytes_inline())
    assert len(str(picture(png).value)) < UI_SHOWS_MARKDOWN_BELOW
    width, height, depth = struct.unpack(">IIB", png[16:25])
    assert width >= 40 and height >= 16 and depth == 2
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.size == (width, height)
    assert len(image.getcolors() or []) == 3  # background, peaks and level
    assert base64.b64decode(str(picture(png).value).split(",")[1][:-1]) == png
