"""Every rule of the data model accepts what it should, and refuses the rest naming record, field and rule."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import PurePosixPath

import pytest

from lofi_pipeline.entities import Checkpoint, DropManifest, RecordError, SourceRecord, Track
from lofi_pipeline.entities.drop_file import is_plain_file_name
from lofi_pipeline.entities.schemas import SCHEMAS
from lofi_pipeline_tests.entities.examples import GOOD, OPTIONAL, SHA, changed, without

FUTURE = (date.today() + timedelta(days=2)).isoformat()  # midnight may pass while the tests run

ACCEPTED = [
    ("track", {"duration": 30}),
    ("track", {"duration": 240.0}),
    ("track", {"quality_score": 0}),
    ("track", {"quality_score": 100}),
    ("track", {"track_id": "track_1000"}),
    ("track", {"style_ids": ["CORE-01", "VOCAL-05"]}),
    ("track", {"split": "validation", "human_verified": True}),
    ("style_preset", {"tempo_range": [80, 80]}),
    ("style_preset", {"extends": "CORE-02", "atmosphere": "rain", "vocal_type": "humming"}),
    ("source_record", {"date_acquired": date.today().isoformat()}),
    ("source_record", {"source_type": "commissioned", "cost": 0}),
    ("source_record", {"cost": None, "notes": "bought on a sunny day", "verified_by": "Ann"}),
    ("source_record", {"track_ids": []}),
    ("checkpoint", {"step": 0, "checkpoint_id": "epoch=0-step=0_lora"}),
    ("checkpoint", {"fad_score": 0.0, "clap_score": -1.0, "samples_generated": True}),
    ("quality_metrics", {"style_coverage": None, "human_evaluation": None}),
    ("dataset", {"track_count": 0, "train_count": 0, "validation_count": 0, "style_distribution": {}}),
]

REFUSED = [
    ("track", {"duration": 29.99}, "duration", "30"),
    ("track", {"duration": 240.01}, "duration", "240"),
    ("track", {"duration": float("nan")}, "duration", "finite"),
    ("track", {"sample_rate": 44100}, "sample_rate", "48000"),
    ("track", {"quality_score": -1}, "quality_score", "0"),
    ("track", {"quality_score": 101}, "quality_score", "100"),
    ("track", {"quality_score": 50.5}, "quality_score", "integer"),
    ("track", {"style_ids": []}, "style_ids", "at least 1"),
    ("track", {"style_ids": ["CORE-1"]}, "style_ids.0", "pattern"),
    ("track", {"track_id": "track_01"}, "track_id", "pattern"),
    ("track", {"track_id": "../track_001"}, "track_id", "pattern"),
    ("track", {"filename": "drop/a.wav"}, "filename", "without path"),
    ("track", {"filename": ""}, "filename", "at least 1"),
    ("track", {"audio_path": "/etc/passwd"}, "audio_path", "relative path"),
    ("track", {"audio_path": "processed/../../a.mp3"}, "audio_path", "relative path"),
    ("track", {"prompt_path": "C:\\prompt.txt"}, "prompt_path", "relative path"),
    ("track", {"lyrics_path": ".."}, "lyrics_path", "relative path"),
    ("track", {"split": "test"}, "split", "'train' or 'validation'"),
    ("track", {"colour": "red"}, "colour", "not permitted"),
    ("style_preset", {"style_id": "SUMMER-01"}, "style_id", "pattern"),
    ("style_preset", {"category": "core"}, "record", "wants an id CORE-NN"),
    ("style_preset", {"category": "summer"}, "category", "'seasonal'"),
    ("style_preset", {"tempo_range": [90, 80]}, "record", "tempo_range"),
    ("style_preset", {"tempo_range": [90]}, "tempo_range.1", "required"),
    ("style_preset", {"tempo_range": [0, 80]}, "tempo_range.0", "30"),
    ("style_preset", {"base_tags": []}, "base_tags", "at least 1"),
    ("style_preset", {"instruments": ["a, b"]}, "instruments.0", "pattern"),
    ("style_preset", {"extends": "nothing"}, "extends", "pattern"),
    ("source_record", {"source_type": "commissioned"}, "record", "requires the field cost"),
    ("source_record", {"source_type": "stolen"}, "source_type", "'partnership'"),
    ("source_record", {"cost": -1}, "cost", "0"),
    ("source_record", {"cost": float("inf")}, "cost", "finite"),
    ("source_record", {"date_acquired": FUTURE}, "date_acquired", "not be in the future"),
    ("source_record", {"date_acquired": "22.12.2025"}, "date_acquired", "ISO 8601"),
    ("source_record", {"date_acquired": 1_700_000_000}, "date_acquired", "ISO 8601"),
    ("source_record", {"date_acquired": "2025-02-30"}, "date_acquired", "date"),
    ("source_record", {"track_ids": ["1"]}, "track_ids.0", "pattern"),
    ("source_record", {"license_type": "  "}, "license_type", "at least 1"),
    (
        "checkpoint",
        {"step": 60, "checkpoint_id": "epoch=0-step=60_lora"},
        "record",
        "checkpoint interval 5000",
    ),
    ("checkpoint", {"step": 10000}, "record", "wants the id epoch=0-step=10000_lora"),
    ("checkpoint", {"checkpoint_id": "step-5000"}, "checkpoint_id", "pattern"),
    ("checkpoint", {"step": -5000}, "step", "0"),
    ("checkpoint", {"path": "../elsewhere"}, "path", "relative path"),
    ("checkpoint", {"timestamp": "2026-01-02T03:04:05"}, "timestamp", "timezone"),
    ("checkpoint", {"fad_score": -1}, "fad_score", "0"),
    ("checkpoint", {"clap_score": 1.1}, "clap_score", "1"),
    ("checkpoint", {"config_hash": "abc"}, "config_hash", "pattern"),
    ("checkpoint", {"is_valid": "perhaps"}, "is_valid", "boolean"),
    ("dataset", {"track_count": 11}, "record", "train_count + validation_count"),
    ("dataset", {"style_distribution": {"summer": 1}}, "style_distribution", "'core'"),
    ("dataset", {"style_distribution": {"core": -1}}, "style_distribution.core", "0"),
    ("dataset", {"hash": SHA.upper()}, "hash", "pattern"),
    ("dataset", {"total_duration": -0.1}, "total_duration", "0"),
    ("quality_metrics", {"fad_score": -1.0}, "fad_score", "0"),
    ("quality_metrics", {"fad_score": float("nan")}, "fad_score", "finite"),
    ("quality_metrics", {"clap_score": -1.2}, "clap_score", "-1"),
    (
        "quality_metrics",
        {"style_coverage": {"CORE": {"generated": True, "recognizable": True}}},
        "style_cov",
        "pat",
    ),
    ("quality_metrics", {"style_coverage": {"CORE-01": {"generated": True}}}, "style_coverage", "required"),
    ("tag_category", {"category": "colour"}, "category", "'genre'"),
    ("tag_category", {"tags": []}, "tags", "at least 1"),
    ("tag_category", {"tags": ["rhodes", "rhodes"]}, "record", "listed twice"),
    ("tag_category", {"canonical_forms": {"sax": "saxophone"}}, "record", "sax -> saxophone"),
]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_good_record_survives_being_written_and_read(kind: str) -> None:
    record = SCHEMAS[kind].parse(GOOD[kind], where="record")
    assert SCHEMAS[kind].parse(record.model_dump(mode="json"), where="record") == record


@pytest.mark.parametrize("kind", SCHEMAS)
def test_what_the_data_model_requires_is_required_and_nothing_else(kind: str) -> None:
    model = SCHEMAS[kind]
    assert {name for name, field in model.model_fields.items() if not field.is_required()} == OPTIONAL[kind]
    for field in GOOD[kind].keys() - OPTIONAL[kind]:
        with pytest.raises(RecordError, match=rf"x.json: {model.__name__}.{field}: Field required"):
            model.parse(without(kind, field), where="x.json")


@pytest.mark.parametrize(("kind", "fields"), ACCEPTED)
def test_within_the_rules(kind: str, fields: dict[str, object]) -> None:
    record = SCHEMAS[kind].parse(changed(kind, **fields), where="record").model_dump(mode="json")
    assert {name: record[name] for name in fields} == fields


@pytest.mark.parametrize(("kind", "fields", "field", "rule"), REFUSED)
def test_outside_the_rules(kind: str, fields: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(RecordError) as caught:
        SCHEMAS[kind].parse(changed(kind, **fields), where="metadata/some.json[3]")
    message = str(caught.value)
    assert message.startswith(f"metadata/some.json[3]: {SCHEMAS[kind].__name__}.{field}")
    assert rule in message


def test_every_broken_rule_is_named_at_once() -> None:
    with pytest.raises(RecordError) as caught:
        Track.parse(changed("track", duration=1, quality_score=200), where="track_001")
    assert "Track.duration" in str(caught.value)
    assert "Track.quality_score" in str(caught.value)


@pytest.mark.parametrize("value", ["a record", None, ["a"], 5])
def test_what_is_no_record_at_all(value: object) -> None:
    with pytest.raises(RecordError, match=r"x.json: Track.record"):
        Track.parse(value, where="x.json")


def test_records_do_not_change() -> None:
    track = Track.parse(GOOD["track"], where="track")
    with pytest.raises(ValueError, match="frozen"):
        track.duration = 31.0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_track_has_the_defaults_of_the_data_model() -> None:
    track = Track.parse(GOOD["track"], where="track")
    assert (track.split, track.human_verified) == ("train", False)


def test_a_style_must_exist_as_a_preset() -> None:
    assert Track.checked(GOOD["track"], style_ids={"CORE-01"}).style_ids == ["CORE-01"]
    with pytest.raises(RecordError, match=r"track_001: Track.style_ids: unknown style ids: CORE-01"):
        Track.checked(GOOD["track"], style_ids={"CORE-02"})


def test_a_licence_must_permit_training() -> None:
    context = {"permits_training": lambda record: f"{record.license_type} does not permit AI training"}
    with pytest.raises(
        RecordError, match=r"sources\[0\]: SourceRecord.*license_type: CC BY 4.0 does not permit"
    ):
        SourceRecord.parse(GOOD["source_record"], where="sources[0]", context=context)
    SourceRecord.parse(
        GOOD["source_record"], where="sources[0]", context={"permits_training": lambda record: None}
    )


@pytest.mark.parametrize(("step", "interval", "fits"), [(60, 60, True), (120, 60, True), (90, 60, False)])
def test_a_step_fits_the_interval_it_was_trained_with(step: int, interval: int, fits: bool) -> None:
    data = changed("checkpoint", step=step, checkpoint_id=f"epoch=0-step={step}_lora")
    if fits:
        assert Checkpoint.checked(data, where="checkpoint", checkpoint_interval=interval).step == step
        return
    with pytest.raises(RecordError, match=f"{step} is not a multiple of the checkpoint interval {interval}"):
        Checkpoint.checked(data, where="checkpoint", checkpoint_interval=interval)


def manifest(**fields: object) -> dict[str, object]:
    return {**without("source_record", "track_ids"), **fields}


def test_a_drop_says_of_a_file_what_its_entry_says_and_else_the_defaults() -> None:
    drop = DropManifest.parse(
        manifest(
            defaults={"artist": "Ann", "vocals": False, "style_ids": ["CORE-01"]},
            files={"a.wav": {"title": "A", "vocals": True, "lyrics": "a.txt"}},
        ),
        where="source.json",
    )
    assert drop.facts_of("a.wav").model_dump(exclude_none=True) == {
        "title": "A",
        "artist": "Ann",
        "vocals": True,
        "lyrics": "a.txt",
        "style_ids": ["CORE-01"],
    }
    assert drop.facts_of("not listed.wav") == drop.defaults
    assert drop.record(["track_001"]).track_ids == ["track_001"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"track_ids": ["track_001"]}, "track_ids: Extra inputs are not permitted"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"files": {"../a.wav": {}}}, "must be a file inside the drop"),
        ({"files": {"/a.wav": {}}}, "must be a file inside the drop"),
        (
            {"files": {"a.wav": {"lyrics": "../../a.txt"}}},
            "files.a.wav.lyrics: must be a file inside the drop",
        ),
        ({"files": {"a.wav": {"style_ids": []}}}, "files.a.wav.style_ids"),
        ({"files": {"a.wav": {"style_ids": ["CORE-09"]}}}, "a.wav: style_ids: unknown style ids: CORE-09"),
        ({"defaults": {"style_ids": ["CORE-09"]}}, "defaults: style_ids: unknown style ids: CORE-09"),
        ({"source_type": "commissioned"}, "requires the field cost"),
        ({"date_acquired": FUTURE}, "date_acquired: must not be in the future"),
    ],
)
def test_a_drop_that_is_described_wrongly(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        DropManifest.parse(manifest(**fields), where="a/source.json", context={"style_ids": {"CORE-01"}})
    assert str(caught.value).startswith("a/source.json: DropManifest.")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "a.mp3",
        "a b (1).mp3",
        "..",
        ".",
        "",
        ".a.mp3",
        "./a.mp3",
        "b/a.mp3",
        "../a.mp3",
        "/a.mp3",
        "b\\a.mp3",
        "a\0.mp3",
        "a\x07.mp3",
    ],
)
def test_names_that_are_plain_are_those_that_stand_for_themselves(name: str) -> None:
    path = PurePosixPath(name)
    if is_plain_file_name(name):
        assert path.as_posix() == name == path.name and len(path.parts) == 1
        assert not set("\\\0") & set(name)
    else:
        assert name not in ("a.mp3", "a b (1).mp3")
