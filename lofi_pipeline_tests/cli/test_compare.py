"""`lofi compare`: what scores and votes say of two checkpoints, and a blind comparison in the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.checkpoints.votes import read_votes
from lofi_pipeline.cli.app import app
from lofi_pipeline.entities import Side
from lofi_pipeline.evaluation.blind import begin, comparison, read_session, vote
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_lineage
from lofi_pipeline_tests.checkpoints.lineages import KEY, SHORT, make_trained


@pytest.fixture
def trained(root: DataRoot) -> DataRoot:
    return make_trained(root)


def compared(root: DataRoot, *arguments: str, answers: str = "", status: int = 0) -> str:
    command = ["compare", "--data", str(root.path), *arguments]
    done = CliRunner().invoke(app, command, input=answers)
    assert done.exit_code == status, done.output
    return done.output


def said(root: DataRoot, *pair: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["compare", "--data", str(root.path), *pair, "--json", "-"])
    return json.loads(done.stdout)


def test_scores_and_votes_of_two_stand_side_by_side(trained: DataRoot) -> None:
    shown = compared(trained, "10", "30")
    assert "FAD +0.3000" in shown and ": worse" in shown and "votes: none for either" in shown
    found = said(trained, "base", "30")
    assert (found["one"], found["other"]) == (KEY[0], KEY[30])
    assert found["fad"] == "worse" and found["votes"]["preferred"] is None
    activate_lineage(trained, make_lineage("b"))
    archived = said(trained, KEY[10], KEY[30], "--lineage", SHORT)
    assert (archived["one"], archived["fad"]) == (KEY[10], "worse")
    assert said(trained, KEY[10], KEY[30]) == archived  # a partition key names its lineage


def test_a_blind_comparison_writes_each_answer_down_and_says_at_the_end_which_was_which(
    trained: DataRoot, tmp_path: Path
) -> None:
    out = tmp_path / "pairs"
    shown = compared(
        trained, "10", "30", "--blind", "--who", "Ada", "--out", str(out), answers="a\nwhat\nB\nn\n"
    )
    assert sorted(path.name for path in out.iterdir()) == [
        f"0{n}-{side}.wav" for n in (1, 2, 3) for side in "AB"
    ]
    votes = read_votes(trained, KEY[10], KEY[30])
    assert [vote.side for vote in votes] == [Side.A, Side.B, Side.NEITHER] and votes[0].who == "Ada"
    before, after = shown.split("01: A was ")
    assert KEY[10] not in before and KEY[30] not in before
    assert after.startswith(votes[0].heard_as_a)
    found = said(trained, "10", "30")["votes"]
    assert found["for_one"] + found["for_other"] == 2 and found["neither"] == 1


def test_what_was_voted_before_it_was_broken_off_counts(trained: DataRoot, tmp_path: Path) -> None:
    begun = ("10", "30", "--blind", "--who", "Ada", "--out", str(tmp_path / "pairs"))
    compared(trained, *begun, answers="n\n", status=1)
    assert said(trained, "10", "30")["votes"]["neither"] == 1
    compared(trained, *begun, answers="q\n")
    assert len(read_votes(trained, KEY[10], KEY[30])) == 1


def test_what_was_begun_in_the_studio_is_gone_on_with_and_ended_here(
    trained: DataRoot, tmp_path: Path
) -> None:
    begun = begin(trained, KEY[10], KEY[30], "Ada")
    vote(trained, comparison(trained, begun), 1, Side.A)
    shown = compared(trained, "30", "10")
    assert f"not ended: {begun.session}, by Ada" in shown
    out = tmp_path / "pairs"
    shown = compared(trained, "10", "30", "--session", begun.session, "--out", str(out), answers="b\nn\n")
    assert sorted({path.name[:2] for path in out.iterdir()}) == ["02", "03"]
    assert "01: A was " in shown and "not ended" not in shown
    assert [it.side for it in read_votes(trained, KEY[10], KEY[30])] == [Side.A, Side.B, Side.NEITHER]
    assert read_session(trained, begun.session).ended


def test_a_comparison_is_ended_without_hearing_the_rest(trained: DataRoot, tmp_path: Path) -> None:
    begun = begin(trained, KEY[10], KEY[30], "Ada")
    vote(trained, comparison(trained, begun), 1, Side.A)
    ending = ("10", "30", "--session", begun.session, "--end")
    assert "preferred: no vote" in compared(trained, *ending)
    ended = read_session(trained, begun.session).ended
    assert ended and "01: A was " in compared(trained, *ending)
    assert read_session(trained, begun.session).ended == ended, "it ended once"
    assert "compares" in compared(trained, "base", "30", "--session", begun.session, status=2), (
        "another pair than was said is not ended"
    )
    assert "there is no comparison" in compared(trained, "10", "30", "--session", "0123456789ab", status=2)
    assert "--session" in compared(trained, "10", "30", "--end", status=2)


def test_what_can_t_be_compared_is_named(trained: DataRoot) -> None:
    assert "no checkpoint '77'" in compared(trained, "77", "30", status=2)
    assert "name two" in compared(trained, "30", "30", status=2)
    assert "give your name" in compared(trained, "10", "30", "--blind", status=2)
