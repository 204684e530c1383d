"""What `lofi export` lets out, and when it writes nothing."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.export import NAMES
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import Split
from lofi_pipeline.exporting import FORMATS
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, ledger_path, read_json, write_json_atomic


def export(data: DataRoot, folder: Path, *arguments: object, form: str = "side-step") -> Result:
    words = [str(each) for each in arguments]
    command = ["export", "--format", form, str(folder), *words, "--data", str(data.path)]
    return CliRunner().invoke(app, command)  # type: ignore[return-value]


def failed(data: DataRoot, folder: Path, *arguments: object, form: str = "side-step") -> str:
    """The error of an export that must write nothing."""
    before = sorted(folder.parent.iterdir())
    done = export(data, folder, *arguments, form=form)
    assert done.exit_code == 1
    assert sorted(folder.parent.iterdir()) == before
    return str(done.exception)


def songs(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.mp3")}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to export into, alone in one of its own."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "export"


def test_the_command_knows_every_format() -> None:
    assert tuple(FORMATS) == NAMES


def test_only_the_side_that_was_asked_for_leaves(data: DataRoot, out: Path, tmp_path: Path) -> None:
    version, said = load_version(data), tmp_path / "said.json"
    assert export(data, out, "--json", said).exit_code == 0
    assert songs(out) == {item.track.track_id for item in version.side(Split.TRAIN)}
    assert json.loads(said.read_text())["dataset_hash"] == version.dataset.hash
    assert export(data, out, "--split", "validation").exit_code == 0
    assert songs(out) == {item.track.track_id for item in version.side(Split.VALIDATION)} != set()


def test_what_was_withdrawn_stays_behind_and_is_named(data: DataRoot, out: Path) -> None:
    withdraw(data, "session", reason="it ended", day=date.today())
    done = export(data, out)
    assert done.exit_code == 0, done.output
    assert "left behind" in done.output and "it ended" in done.output
    kept = {
        item.track.track_id for item in load_version(data).side(Split.TRAIN) if item.source_ids == ["commons"]
    }
    assert songs(out) == kept != set()
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in out.iterdir()
        if path.suffix in (".json", ".csv")
    }
    assert "session" not in texts["tracks.csv"] and "Session" not in texts["dataset.json"]
    withdraw(data, "commons", reason="all of it", day=date.today())
    assert "none of its tracks" in failed(data, out)


def test_a_version_that_was_edited_does_not_leave(data: DataRoot, out: Path) -> None:
    path = data.dataset_version(load_version(data).dataset.hash)
    said = read_json(path)
    said["tracks"][0]["licence"] = "CC0-1.0"
    write_json_atomic(path, said)
    assert "was changed" in failed(data, out)


def test_a_version_that_nobody_sealed_does_not_leave(data: DataRoot, out: Path) -> None:
    seals = ledger_path(data)
    seals.write_text(
        "".join(
            line for line in seals.read_text().splitlines(keepends=True) if "metadata/datasets" not in line
        )
    )
    for witness in (data.drops_json, data.built_from_json):  # both say how far the ledger went
        said = read_json(witness)
        write_json_atomic(witness, said | {"ledger": None})
    assert "not sealed" in failed(data, out)


def test_audio_that_was_changed_does_not_leave(data: DataRoot, out: Path) -> None:
    item = load_version(data).side(Split.TRAIN)[0]
    path = data.inside(item.track.audio_path)
    data_before = path.read_bytes()
    for copy in data.path.rglob(path.name):
        copy.unlink()
        copy.write_bytes(data_before[:-1] + b"\0")
    assert "is not the audio of" in failed(data, out)


def test_the_same_command_again_replaces_the_export(data: DataRoot, out: Path) -> None:
    assert export(data, out).exit_code == 0
    withdraw(data, "session", reason="it ended", day=date.today())
    before = songs(out)
    assert export(data, out).exit_code == 0
    assert songs(out) < before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("touched", ["a caption was edited", "a file was added", "another's folder"])
def test_what_somebody_else_wrote_is_never_replaced(data: DataRoot, out: Path, touched: str) -> None:
    if touched == "another's folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        assert export(data, out).exit_code == 0
        name = "mine.txt" if touched == "a file was added" else next(out.glob("*.caption.txt")).name
        (out / name).write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert "name another folder" in failed(data, out)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_the_data_root_is_no_place_for_it(data: DataRoot) -> None:
    assert "data root" in failed(data, data.raw / "export")
    assert "data root" in failed(data, data.path.parent)


def test_copies_are_copies_and_links_cost_no_room(data: DataRoot, out: Path) -> None:
    item = load_version(data).side(Split.TRAIN)[0]
    source = data.inside(item.track.audio_path)
    assert export(data, out).exit_code == 0
    assert os.path.samefile(out / source.name, source)
    assert export(data, out, "--copy").exit_code == 0
    assert not os.path.samefile(out / source.name, source)
    assert (out / source.name).read_bytes() == source.read_bytes()


def test_nothing_half_written_is_left(data: DataRoot, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    assert export(data, out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr("lofi_pipeline.exporting.export.write_files", full)
    assert "No space left" in failed(data, out)
    assert {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_path_that_ace_step_v1_would_tear_apart_is_refused(data: DataRoot, out: Path) -> None:
    assert ".mp3" in failed(data, out.with_name("my.mp3s"), form="ace-step-v1")


@pytest.mark.parametrize("wrong", [("--split", "all"), ("--version", "00000000")])
def test_wrong_usage_is_2(data: DataRoot, out: Path, wrong: tuple[str, str]) -> None:
    assert export(data, out, *wrong).exit_code == 2
    assert export(data, out, form="mp3").exit_code == 2
    assert not out.exists()
