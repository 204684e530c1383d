"""`lofi review`: every edit by a command, what waits, and the table for a spreadsheet; and the whole way through `lofi run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lofi_pipeline import review
from lofi_pipeline.cli.app import app
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import facts, make_drop, song


def asked(root: DataRoot, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["review", *arguments, "--data", str(root.path)])


def done(root: DataRoot, *arguments: str) -> Any:
    """What a command that ends well writes with --json."""
    found = asked(root, *arguments, "--json", "-")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.fixture
def unsure(ready: DataRoot) -> DataRoot:
    """A data root in which the styles of two of four tracks were suggested: one surely enough for some, one not."""
    for track_id, confidence in (("track_001", 0.41), ("track_002", 0.55)):
        record = load_record(ready, track_id)
        assert record and record.tagged
        said = {"needs_review": True, "style_confidence": confidence, "styles_declared": False}
        tagged = record.tagged.model_copy(update=said)
        write_json_atomic(ready.track_record(track_id), record.model_copy(update={"tagged": tagged}))
    return ready


def test_what_waits_is_shown_with_the_next_step(unsure: DataRoot):
    found = done(unsure)
    assert [row["track_id"] for row in found["waiting"]] == ["track_001", "track_002"]
    assert "lofi review accept track_002" in found["next_step"]
    assert "nothing waits" not in asked(unsure).output
    done(unsure, "accept", "track_001", "track_002")


def test_each_command_makes_the_edit_that_it_names(unsure: DataRoot, tmp_path: Path):
    words = tmp_path / "words.txt"
    words.write_text("CHORUS:\nla")
    command = [
        "edit",
        "track_001",
        "--style",
        "CORE-02",
        "--bpm",
        "91.3",
        "--key",
        "Bbm",
        "--metre",
        "3/4",
        "--caption",
        "Slow",
        "--add-tag",
        "Rain",
    ]
    found = done(unsure, *command, "--lyrics", str(words), "--remove-tag", "flute", "--who", "kim")
    (edit,) = found["edits"]
    assert edit["who"] == "kim"
    said = {change["field"]: change.get("after") for change in edit["changes"]}
    assert said["style_ids"] == ["CORE-02"] and said["bpm"] == 91 and said["key"] == "A# minor"
    assert said["time_signature"] == "3/4" and said["caption"] == "Slow" and said["lyrics"] == "[Chorus]\nla"
    assert "rain" in said["tags"] and "flute" not in said["tags"]
    assert done(unsure, "reject", "track_002", "--reason", "hum")["edits"][0]["reason"] == "hum"
    assert done(unsure, "undo", "track_002")["edits"][0]["undoes"] == 1
    assert len(done(unsure, "history", "track_002")) == 2


def test_many_at_once_by_confidence_by_style_and_by_source(unsure: DataRoot):
    assert {row["state"] for row in done(unsure)["waiting"]} == {"TAGGED"}
    taken = done(unsure, "accept", "--above", "0.5")["edits"]
    assert [edit["track_id"] for edit in taken] == ["track_002"]
    styled = done(unsure, "edit", "--source", "tests-creative_commons", "--style", "CORE-03")["edits"]
    assert [edit["track_id"] for edit in styled] == ["track_003", "track_004"]
    assert len(done(unsure, "accept", "--of-style", "SEASON-01")["edits"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "rule"),
    [
        (["accept"], 2, "name tracks"),
        (["accept", "track_099"], 1, "no track of that id"),
        (["accept", "track_001", "track_099"], 1, "no track of that id"),
        (["reject", "track_001"], 2, "say why"),
        (["edit", "track_001"], 2, "say what is to be changed"),
        (["edit", "track_001", "--bpm", "500"], 1, "bpm: must be between 50 and 200"),
        (["edit", "track_001", "--add-tag", "rhods"], 1, "did you mean rhodes?"),
        (["undo", "track_001"], 1, "nothing to take back"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    unsure: DataRoot, arguments: list[str], code: int, rule: str
):
    found = asked(unsure, *arguments)
    assert found.exit_code == code
    assert rule in " ".join((found.output + str(found.exception)).split())
    assert not list(unsure.edits.glob("*.jsonl"))


def test_the_table_goes_out_and_comes_back(unsure: DataRoot, tmp_path: Path):
    table = tmp_path / "tracks.csv"
    assert asked(unsure, "export", str(table)).exit_code == 0
    table.write_bytes(table.read_bytes().replace(b'"82"', b'"91"', 1))
    assert done(unsure, "import", str(table)) == ["track_001"]
    found = review.review_of(unsure, "track_001")
    assert found and found.bpm == 91


@pytest.mark.slow
def test_the_whole_way_of_edits_through_lofi_run(root: DataRoot, tmp_path: Path):
    """An edit is in the data set and outlives other settings; a rejected track leaves with its reason; unsure ones wait."""
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1)}, facts())
    make_drop(root, "two", {"c.wav": song(2)}, facts(source_id="two", defaults={"artist": "A"}))
    away = {"LOFI_DATA_ROOT": str(root.path), "LOFI_TAGGING__ZERO_SHOT": "off", "LOFI_TAGGING__TAGGER": "off"}
    out = tmp_path / "run.json"

    def run(**settings: str) -> dict[str, Any]:
        ended = lofi("run", "--to", "dataset_manifest", "--json", out, **away, **settings)
        assert ended.returncode == 0, ended.stderr
        return {"said": ended.stdout, **json.loads(out.read_text())}

    def tracks() -> dict[str, Any]:
        assert lofi("tracks", "--json", out, **away).returncode == 0
        return {row["file"].rsplit("/", 1)[-1]: row for row in json.loads(out.read_text())}

    first = run()
    assert [line["file"] for line in first["waiting"]] == ["creative-commons/two/c.wav"]
    assert "1 tracks wait for a person" in first["said"] and "lofi review" in first["said"]
    assert "studio/tracks?unsure" in first["said"]
    ids = {name: row["track_id"] for name, row in tracks().items()}
    assert lofi("review", "edit", ids["a.wav"], "--bpm", "91", "--who", "kim", **away).returncode == 0
    assert lofi("review", "reject", ids["b.wav"], "--reason", "hum", **away).returncode == 0
    assert lofi("review", "accept", ids["c.wav"], **away).returncode == 0
    second = run()
    assert second["dataset"]["hash"] != first["dataset"]["hash"] and "waiting" not in second
    assert [line["reason"].split(": ")[-1] for line in second["refused"]] == ["hum"]
    rows = tracks()
    assert (rows["a.wav"]["bpm"], rows["a.wav"]["verified_by"]) == (91, "kim")
    assert rows["b.wav"]["split"] is None and rows["c.wav"]["split"] is not None
    assert "Nothing was to be done" in run()["said"]
    run(LOFI_AUDIO__TARGET_LUFS="-15")
    again = tracks()["a.wav"]
    assert (again["bpm"], again["verified_by"], again["prompt"]) == (91, "kim", rows["a.wav"]["prompt"])
    published = root.inside(load_audio_prompt(root, ids["a.wav"]))
    assert "91 bpm" in published.read_text()


def load_audio_prompt(root: DataRoot, track_id: str) -> str:
    record = load_record(root, track_id)
    assert record and record.tagged
    return record.tagged.prompt_path
