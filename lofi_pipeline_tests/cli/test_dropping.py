"""What somebody who drops music relies on: `lofi` alone, source new, check, tracks, styles; as processes, and piped."""

from __future__ import annotations

import csv
import io
import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lofi_pipeline.cli.app import app
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import DropManifest, SourceType
from lofi_pipeline.ingest import left_since
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import STYLE_IDS
from lofi_pipeline.web.door import PortTaken, free_port
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import CONTRACT, facts, make_drop, register, song, work


def run(root: DataRoot, *arguments: object, answers: str = "") -> Result:
    """In this process; what it prints, and what goes to the standard output alone."""
    return CliRunner().invoke(app, ["--data", str(root.path), *map(str, arguments)], input=answers)


def files_of(root: DataRoot) -> dict[str, tuple[int, bytes]]:
    """Every file of a data root."""
    return {
        str(path.relative_to(root.path)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.path.rglob("*")
        if path.is_file()
    }


def make_dataset(root: DataRoot) -> None:
    """What `lofi run --to dataset_manifest` makes, without Dagster."""
    work(root)
    build_dataset(root, load_config())


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data").create()


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two good songs of one source, one unsure; a file that is no audio; a drop that may not be trained on; one that is incomplete."""
    root = DataRoot(tmp_path_factory.mktemp("worked") / "data").create()
    one = facts(source_id="one", files={"a.wav": {"title": "=1+1", "style_ids": ["CORE-02"]}}, defaults={})
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1), "bad.mp3": b"no music"}, one)
    make_drop(root, "no", {"x.wav": song(2)}, facts(source_id="no", license_type="CC BY-NC 4.0"))
    make_drop(root, "later", {"y.wav": song(3)}, facts(source_id="later", files={"z.wav": {}}))
    make_dataset(root)
    return root


# The data root


@pytest.mark.parametrize("command", ["status", "tracks", "run", "fsck", "audit", "check"])
def test_a_data_root_that_is_not_there_is_said_and_not_made(command: str, tmp_path: Path) -> None:
    """A name that is spelt wrong never ends in an empty data root."""
    arguments = {"audit": ["source", "x"], "check": ["x"]}.get(command, [])
    found = run(DataRoot(tmp_path / "dta"), command, *arguments)
    assert found.exit_code == 2
    assert "does not exist" in " ".join(found.output.split())
    assert not (tmp_path / "dta").exists()


def test_a_folder_of_other_things_is_no_data_root(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    found = run(DataRoot(tmp_path), "status")
    assert found.exit_code == 2 and "is no data root" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


# lofi alone


def test_lofi_alone_says_what_to_do_with_an_empty_data_root(root: DataRoot) -> None:
    found = run(root)
    assert found.exit_code == 0
    assert "lofi source new" in found.output and "lofi demo" in found.output


def test_lofi_alone_says_where_the_data_root_stands(worked: DataRoot) -> None:
    said = json.loads(run(worked, "status", "--json", "-").stdout)
    assert said["drops"] == {"accepted": 1, "forbidden": 1, "incomplete": 1}
    assert (said["tracks"]["in_dataset"], said["tracks"]["left_out"]) == (1, 4)
    assert said["dataset"]["current"] is True and said["training"] is None
    assert "train" in said["next_step"]
    waiting = "\n".join(said["waiting"])
    assert "1 tracks should be looked at" in waiting and "lofi review" in waiting
    assert "z.wav" in waiting and "raw/creative-commons/no/source.json" in waiting
    shown = run(worked)
    assert shown.exit_code == 0
    assert said["next_step"] in shown.stdout and "1 in the data set" in shown.stdout


def test_a_new_drop_is_the_next_step(root: DataRoot) -> None:
    make_drop(root, "one", {"a.wav": song(0)}, facts())
    assert "lofi run: 1 drops are new" in run(root).output


def test_status_tracks_and_check_change_nothing(worked: DataRoot) -> None:
    before = files_of(worked)
    for arguments in (["status"], ["tracks"], ["check", "one"], ["styles"]):
        run(worked, *arguments)
    assert files_of(worked) == before


# Tracks


def listed(root: DataRoot, *arguments: object) -> list[dict]:
    found = run(root, "tracks", *arguments, "--json", "-")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_tracks_lists_every_file_with_what_came_of_it(worked: DataRoot) -> None:
    rows = {row["file"].removeprefix("creative-commons/"): row for row in listed(worked)}
    assert sorted(rows) == ["later/y.wav", "no/x.wav", "one/a.wav", "one/b.wav", "one/bad.mp3"]
    assert {name for name, row in rows.items() if row["refused"]} == {
        "later/y.wav",
        "no/x.wav",
        "one/b.wav",
        "one/bad.mp3",
    }
    assert rows["one/a.wav"]["split"] is not None
    assert rows["one/b.wav"]["waits"] and "lofi review" in rows["one/b.wav"]["reason"]
    assert rows["one/a.wav"]["style_ids"] == ["CORE-02"] and rows["one/a.wav"]["bpm"]
    assert rows["no/x.wav"]["source_id"] == "no" and "license_type" in rows["no/x.wav"]["reason"]


def test_tracks_can_be_filtered(worked: DataRoot) -> None:
    every = listed(worked)
    assert listed(worked, "--refused") == [row for row in every if row["refused"]]
    assert listed(worked, "--unsure") == [row for row in every if row["unsure"]]
    assert listed(worked, "--source", "one", "--refused") == [
        row for row in every if row["source_id"] == "one" and row["refused"]
    ]
    assert [row["title"] for row in listed(worked, "--style", "CORE-02")] == ["=1+1"]
    assert {row["status"] for row in listed(worked, "--state", "rejected")} == {"rejected"}
    assert run(worked, "tracks", "--state", "wild").exit_code == 2


def test_tracks_go_into_a_spreadsheet_without_formulas(worked: DataRoot, tmp_path: Path) -> None:
    assert run(worked, "tracks", "--csv", tmp_path / "t.csv").exit_code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text(encoding="utf-8-sig"))))
    assert len(rows) == 5
    assert {row["title"] for row in rows} == {"'=1+1", ""}


def test_a_table_that_is_piped_is_plain_lines(worked: DataRoot) -> None:
    """A cell that is wider than any terminal stays whole, and columns can be cut at tabs."""
    lines = lofi("--data", worked.path, "tracks").stdout.splitlines()
    header = next(line for line in lines if line.startswith("track\t")).split("\t")
    rows = [line.split("\t") for line in lines if "\tcreative-commons/" in line]
    assert len(rows) == 5 and {len(row) for row in rows} == {len(header)}
    assert any("is not audio that can be decoded" in row[-1] for row in rows)


# Styles


def test_styles_can_be_searched() -> None:
    found = CliRunner().invoke(app, ["styles", "rain", "PIANO", "--json", "-"])
    presets = json.loads(found.stdout)
    assert presets and all("rain" in json.dumps(preset).lower() for preset in presets)
    assert len(json.loads(CliRunner().invoke(app, ["styles", "--json", "-"]).stdout)) == len(STYLE_IDS)
    assert CliRunner().invoke(app, ["styles", "zither"]).exit_code == 1


# A new source.json


def test_a_source_is_asked_for_and_written(root: DataRoot) -> None:
    found = run(root, "source", "new", "night", answers="\nAn Artist\nCC BY 4.0\n")
    assert found.exit_code == 0, found.output
    path = root.raw / "creative-commons" / "night" / "source.json"
    manifest = DropManifest.parse(json.loads(path.read_text()), where="source.json")
    assert (manifest.source_id, manifest.provider, manifest.license_type) == (
        "night",
        "An Artist",
        "CC BY 4.0",
    )
    make_drop(root, "night", {"a.wav": song(0)})
    assert [drop.status for drop in register(root).scan.drops] == ["accepted"]


def test_a_licence_that_needs_a_grant_asks_for_the_document(root: DataRoot) -> None:
    folder = make_drop(root, "deal", dict(CONTRACT), kind=SourceType.ROYALTY_FREE)
    given = ["--provider", "Shop", "--license", "Royalty Free"]
    found = run(root, "source", "new", folder, *given, answers="contract.txt\n")
    assert found.exit_code == 0, found.output
    grant = json.loads((folder / "source.json").read_text())["grant"]
    assert grant["evidence"] == [{"document": "contract.txt"}] and grant["uses"]["train"] == "allowed"


def test_a_licence_that_forbids_is_written_and_said(root: DataRoot) -> None:
    given = ["--type", "creative_commons", "--provider", "x", "--license", "CC BY-ND 4.0"]
    found = run(root, "source", "new", "no", *given, answers="\n")
    assert found.exit_code == 1 and "may not be trained on" in found.output


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--type", "borrowed"], "borrowed"),
        (["--type", "creative_commons", "--style", "CORE-99"], "CORE-99"),
        (["--type", "creative_commons", "--date", "2999-01-01"], "date_acquired"),
    ],
)
def test_a_wrong_answer_writes_nothing(root: DataRoot, given: list[str], word: str) -> None:
    found = run(root, "source", "new", "x", "--provider", "p", "--license", "CC0", *given)
    assert found.exit_code == 2 and word in found.output
    assert not list(root.raw.rglob("source.json"))


def test_a_source_json_that_is_there_stays(root: DataRoot) -> None:
    folder = make_drop(root, "one", {}, "mine")
    found = run(root, "source", "new", folder, "--provider", "p", "--license", "CC0")
    assert found.exit_code == 2 and (folder / "source.json").read_text() == "mine"


# The check before a run


def checked(root: DataRoot, drop: object, *arguments: object) -> tuple[int, dict]:
    found = run(root, "check", drop, *arguments, "--json", "-")
    return found.exit_code, json.loads(found.stdout)


def test_a_check_says_what_the_run_will_say(worked: DataRoot, tmp_path: Path) -> None:
    """The same words for the same files, whether the drop lies in data/raw or not yet there."""
    listed_before = {row["file"]: row["reason"] for row in listed(worked, "--source", "one")}
    elsewhere = DataRoot(tmp_path / "desk")
    one = facts(source_id="one", files={"a.wav": {"title": "=1+1", "style_ids": ["CORE-02"]}}, defaults={})
    folder = make_drop(elsewhere, "one", {"a.wav": song(0), "b.wav": song(1), "bad.mp3": b"no music"}, one)
    empty = DataRoot(tmp_path / "empty").create()
    for root, drop in ((worked, "one"), (empty, folder)):
        code, found = checked(root, drop)
        assert code == 1
        said = {f"creative-commons/one/{item['file']}": item["reason"] for item in found["files"]}
        assert said == listed_before
    assert not list(empty.raw.rglob("*.wav")) and not list(empty.metadata.iterdir())


def test_a_check_that_is_quick_judges_the_licence_and_the_names(root: DataRoot) -> None:
    make_drop(root, "nd", {"a.wav": song(0)}, facts(license_type="CC BY-ND 4.0"))
    code, found = checked(root, "nd", "--quick")
    assert code == 1 and found["drop"]["status"] == "forbidden"
    make_drop(root, "fine", {"a.wav": song(0)}, facts())
    code, found = checked(root, "creative-commons/fine", "--quick")
    assert code == 0 and [item["record"] for item in found["files"]] == [None]


def test_a_check_of_a_drop_without_music_gives_the_reason_of_each_file(root: DataRoot) -> None:
    make_drop(root, "bare", {"a.wav": b"", "b.mid": b"notes"}, facts())
    code, found = checked(root, "bare", "--quick")
    assert code == 1 and "none of its files can be taken" in found["drop"]["reason"]
    reasons = {item["file"]: item["reason"] for item in found["files"]}
    assert "is empty" in reasons["a.wav"] and "holds notes" in reasons["b.mid"]


def test_a_check_knows_the_other_drops(worked: DataRoot, tmp_path: Path) -> None:
    """Bytes that lie in another drop, and a source_id that says other things elsewhere."""
    desk = DataRoot(tmp_path / "desk")
    copy = make_drop(desk, "copy", {"again.wav": song(0)}, facts(source_id="copy"))
    assert checked(worked, copy, "--quick")[1]["files"][0]["same_bytes_as"] == "track_001"
    other = make_drop(desk, "other", {"n.wav": song(4)}, facts(source_id="one", provider="somebody else"))
    code, found = checked(worked, other, "--quick")
    assert code == 1 and "source_id" in found["drop"]["reason"]


# The port of the UI


def test_a_port_that_is_taken_is_named_or_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", port) == port
    first = free_port("127.0.0.1", None)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert free_port("127.0.0.1", None) > first


# What left


def test_a_file_that_is_gone_is_said_and_what_it_left_can_be_removed(tmp_path: Path) -> None:
    """Listed first; back again, the music is as it was. A second run says nothing."""
    root = DataRoot(tmp_path / "data").create()
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1), "c.wav": song(2)}, facts())
    to_dataset = ("--data", root.path, "run", "--to", "dataset_manifest")
    make_dataset(root)
    made = {name: data for name, (_, data) in files_of(root).items() if "track_002" in name}
    original = root.raw / "creative-commons" / "one" / "b.wav"
    original.unlink()
    assert json.loads(run(root, "gc", "--json", "-").stdout)["files"] == []  # still in the data set
    assert "track_002 left: its file is gone: creative-commons/one/b.wav" in lofi(*to_dataset).stdout
    assert "left:" not in lofi(*to_dataset).stdout
    listed = json.loads(run(root, "gc", "--json", "-").stdout)["files"]
    assert {item["path"] for item in listed} == {name for name in made if name.startswith("processed/")}
    assert all((root.path / item["path"]).is_file() for item in listed)
    assert run(root, "gc", "--remove").exit_code == 0
    assert not [name for name in files_of(root) if "track_002" in name and name.startswith("processed/")]
    assert root.fingerprint("track_002").is_file() and root.track_record("track_002").is_file()
    assert run(root, "fsck").exit_code == 0
    original.write_bytes(song(1).read_bytes())
    make_dataset(root)
    again = {name: data for name, (_, data) in files_of(root).items() if "track_002" in name}
    assert {name: again[name] for name in made if name.startswith("processed/")} == {
        name: data for name, data in made.items() if name.startswith("processed/")
    }


def test_tracks_of_a_drop_that_is_not_in_order_any_more_leave_with_its_reason(root: DataRoot) -> None:
    """Their files are there; they are not said to be gone."""
    named = facts(files={"a.wav": {"title": "A"}, "b.wav": {"title": "B"}})
    drop = make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1)}, named)
    before = register(root).registry
    (drop / "b.wav").unlink()
    after = register(root)
    assert [(it.track_id, it.why) for it in left_since(root, before, after.registry, after.scan)] == [
        ("track_001", "raw/creative-commons/one/source.json: files: named but not in the drop: b.wav"),
        ("track_002", "its file is gone"),
    ]
    (drop / "source.json").write_text(json.dumps(facts()), encoding="utf-8")
    assert register(root).left == []
    (drop / "a.wav").write_bytes(song(2).read_bytes())
    assert [it.why for it in register(root).left] == ["another file lies in its place"]
