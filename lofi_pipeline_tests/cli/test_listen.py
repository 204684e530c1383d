"""`lofi listen`: from a scored checkpoint to human_evaluation, as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.cli.app import app
from lofi_pipeline.entities import now
from lofi_pipeline.listening import Answer, AnswersFile, find_test, open_sheet
from lofi_pipeline.listening.records import Key
from lofi_pipeline.storage import DataRoot, read_record
from lofi_pipeline_tests.listening.roots import answers_of, give_samples, listen, listenable


@pytest.fixture(scope="module")
def scored_once(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = DataRoot(tmp_path_factory.mktemp("scored") / "data")
    shutil.copytree(worked_on.path, root.path)
    listenable(root, (60, 120, 180))
    return root


@pytest.fixture
def root(scored_once: DataRoot, tmp_path: Path) -> DataRoot:
    shutil.copytree(scored_once.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def run(root: DataRoot, *arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["listen", *map(str, arguments), "--data", str(root.path)])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output if code == 0 else f"{done.output} {done.exception}"


def said(root: DataRoot, *arguments: object) -> Any:
    return json.loads(
        CliRunner()
        .invoke(app, ["listen", *map(str, arguments), "--data", str(root.path), "--json", "-"])
        .stdout
    )


def test_from_a_checkpoint_to_human_evaluation(root: DataRoot, tmp_path: Path) -> None:
    name = scan_checkpoints(root)[0].folder.name
    made = said(root, "new", name, "--seed", 3, "--margin", 0.2, "--listeners", 2)
    test = made["test"]
    assert made["rules"]["margin"] == 0.2 and made["rules"]["planned_listeners"] == 2
    links = said(root, "invite", test, "--name", "Ada", "--address", "https://studio.example/")
    assert links[0]["link"] == f"https://studio.example/studio/listen/{test}/{links[0]['listener']}/"
    files = find_test(root, test)
    sheet, key = open_sheet(files), read_record(Key, files.key)
    listen(files, sheet, key, wrong=1)
    run(root, "export", test, tmp_path / "sent")
    assert (tmp_path / "sent" / "index.html").is_file()
    answers = [Answer(**it.model_dump(), when=now()) for it in answers_of(key, sheet)]
    sent = AnswersFile(test=test, listener="b" * 24, plan=1, answers=answers)
    (tmp_path / "back.json").write_text(sent.model_dump_json())
    assert f"{len(answers)} new answers" in run(root, "import", test, tmp_path / "back.json")
    assert "0 new answers" in run(root, "import", test, tmp_path / "back.json")
    text = run(root, "score", test[:3])
    assert "evaluator_count 2" in text and "has not finished" in text and "can tell" in text
    scores = json.loads((root.checkpoints / name / "scores.json").read_text())
    found = scores["metrics"]["human_evaluation"]
    result = said(root, "score", test)
    assert {field: found[field] for field in ("evaluator_count", "accuracy", "p_value", "date")} == {
        field: result[field] for field in ("evaluator_count", "accuracy", "p_value", "date")
    }
    assert len(said(root, "list")) == 1 and "2 listeners" in run(root, "list")
    shown = CliRunner().invoke(app, ["scores", "--data", str(root.path)])
    assert "Listeners of 60: 2 listeners told" in shown.output
    board = json.loads(CliRunner().invoke(app, ["scores", "--data", str(root.path), "--json", "-"]).stdout)
    lines = {line["step"]: line for line in board["checkpoints"]}
    assert lines[60]["human_evaluation"] == found and "human_evaluation" not in lines[120]


def test_a_rating_of_three(root: DataRoot) -> None:
    names = [item.folder.name for item in scan_checkpoints(root)]
    test = said(root, "new", "--rate", *names, "--speakers")["test"]
    files = find_test(root, test)
    sheet, key = open_sheet(files), read_record(Key, files.key)
    keys = [item.key for item in scan_checkpoints(root)]
    for extra in (0, 10):
        good = {"held_out": 95, "anchor": 10, keys[0]: 40, keys[1]: 50 + extra, keys[2]: 60}
        listen(files, sheet, key, ratings=good)
    text = run(root, "score", test)
    assert f"{keys[1]}: 55.0" in text and "recording: 95.0" in text and "low anchor: 10.0" in text
    assert f"{keys[0]} above {keys[1]} by -15.0" in text
    assert "not final" in text


def test_wrong_usage_says_what_to_do(root: DataRoot, tmp_path: Path) -> None:
    names = [item.folder.name for item in scan_checkpoints(root)]
    assert "give --rate" in run(root, "new", *names, code=2)
    assert "takes 3 to 5" in run(root, "new", "--rate", names[0], code=2)
    assert "samples that were kept" in run(root, "new", "--rate", "--generate", *names, code=2)
    assert "there are" in run(root, "new", "epoch=0-step=999_lora", code=2)
    assert "name a checkpoint" in run(root, "new", "base", code=2)
    assert "there are: none yet; `lofi listen new` makes one" in run(root, "score", "abc", code=1)
    assert "lofi listen new" in run(root, "list")
    test = said(root, "new", names[0])["test"]
    assert "nobody has answered yet" in run(root, "score", test, code=1)
    assert "lies in the data root" in run(root, "export", test, root.path / "out", code=1)
    (tmp_path / "there").mkdir()
    assert "is there already" in run(root, "export", test, tmp_path / "there", code=1)


def test_few_held_out_tracks_are_said_to_be_few(root: DataRoot) -> None:
    name = scan_checkpoints(root)[0].folder.name
    assert "excerpts of 1 held-out tracks" in run(root, "new", name)


def test_too_few_samples_have_the_checkpoint_make_new_ones(root: DataRoot) -> None:
    """These weights are not real: that they are asked for is what counts here."""
    give_samples(root, 60, 3)
    name = scan_checkpoints(root)[0].folder.name
    assert "was trained on the base toy, not on" in run(root, "new", name, code=1)
    assert "was trained on the base toy, not on" in run(
        root, "new", "--generate", "epoch=0-step=120_lora", code=1
    )
