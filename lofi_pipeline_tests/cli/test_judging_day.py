"""A day in doubt as people meet it: `lofi run`, `lofi judging-day`, `lofi doctor`, a withdrawal, and what an audit tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.doctor import examine
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import DropStatus
from lofi_pipeline.ingest import load_scan, remember_day
from lofi_pipeline.ingest.day_changes import day_changes_json
from lofi_pipeline.licensing import load_withdrawals
from lofi_pipeline.storage import DataRoot, file_sha256, read_ledger
from lofi_pipeline_tests.cli.test_cli import lofi as process
from lofi_pipeline_tests.drops import facts, make_drop, song, work
from lofi_pipeline_tests.ingest.test_judging_day import DAY, LATER, MONTHS, TODAY, granted, register


def lofi(root: DataRoot, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--data", str(root.path)], env={"COLUMNS": "400"})


def set_today(root: DataRoot) -> Result:
    return lofi(root, "judging-day", "--set", TODAY, "--reason", "the clock stood wrong", "--by", "a tester")


def clock(root: DataRoot) -> tuple[str, str]:
    """What the doctor says of the clock."""
    (found,) = [item for item in examine(root) if item.what == "clock"]
    return found.level, f"{found.found} {found.advice}"


def test_a_run_after_a_leap_of_the_clock_asks_and_goes_on_once_it_is_confirmed(root: DataRoot) -> None:
    make_drop(root, "free", {"b.wav": b"no music"}, facts(source_id="free"))
    granted(root, end=TODAY - 50 * DAY)
    before = register(root, TODAY - MONTHS).scan
    scan = root.drops_json.read_bytes()
    run = ("run", "--to", "source_records", "--data", root.path)
    asked = process(*run)
    assert asked.returncode == 1
    for words in (str(TODAY), str(TODAY - MONTHS), "label", f"lofi judging-day --set {TODAY}"):
        assert words in asked.stderr
    assert root.drops_json.read_bytes() == scan
    assert set_today(root).exit_code == 0
    done = process(*run)
    assert done.returncode == 0, done.stdout + done.stderr
    after = load_scan(root)
    assert after is not None and after.day == TODAY
    taken = [
        {drop.folder for drop in it.drops if drop.status is DropStatus.ACCEPTED} for it in (before, after)
    ]
    assert len(taken[0]) == 2 and {Path(folder).name for folder in taken[1]} == {"free"}


def test_a_withdrawal_by_a_clock_that_was_wrong_holds_when_it_is_right_again(root: DataRoot) -> None:
    """The run that follows refuses to take the day; the withdrawal holds none the less."""
    granted(root, "other", end=TODAY - 50 * DAY)
    granted(root)
    register(root, TODAY - MONTHS)
    process("audit", "source", "label", "--withdraw", "--reason", "the author asked", "--data", root.path)
    (withdrawal,) = load_withdrawals(root)
    scan = load_scan(root)
    assert scan is not None and scan.day is not None and scan.day >= withdrawal.day


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--set", TODAY - DAY, "--reason", "so"],
            f"clock says {TODAY}, not {TODAY - DAY}; set the clock right",
        ),
        (["--set", TODAY + DAY, "--reason", "so"], "set the clock right first"),
        (["--set", "tomorrow", "--reason", "so"], "'tomorrow' is no day"),
        (["--set", TODAY], "say why"),
        (["--reason", "so"], "goes with --set"),
    ],
)
def test_wrong_usage_sets_nothing(root: DataRoot, arguments: list[object], said: str) -> None:
    register(root, LATER)
    found = lofi(root, "judging-day", *arguments)
    assert found.exit_code == 2 and said in " ".join(found.output.split())
    assert not day_changes_json(root).exists()


def test_a_wrong_day_is_shown_taken_back_and_told_by_the_doctor_and_every_audit(
    root: DataRoot, tmp_path: Path
) -> None:
    make_drop(root, "free", {"b.wav": song(1)}, facts(source_id="free"))
    granted(root, files={"a.wav": song(0)}, end=TODAY + 10 * DAY)
    work(root)
    version = build_dataset(root, load_config()).version.dataset.hash
    assert clock(root)[0] == "good"
    remember_day(root, LATER)

    shown = lofi(root, "judging-day")
    assert str(LATER) in shown.output and f"lofi judging-day --set {TODAY}" in shown.output
    level, said = clock(root)
    assert level == "broken" and str(LATER) in said and "lofi judging-day" in said
    assert {"clock", "not-permitted-now"} <= findings(root, version, tmp_path).keys()

    assert set_today(root).exit_code == 0
    assert clock(root)[0] == "good"
    told = findings(root, version, tmp_path)
    assert "clock" not in told and "not-permitted-now" not in told
    for words in (str(LATER), str(TODAY), "a tester", "the clock stood wrong"):
        assert words in told["day-set"] and words in lofi(root, "judging-day").output
    assert "Nothing is in doubt" in set_today(root).output

    path = day_changes_json(root)
    assert read_ledger(root).hashes[root.relative(path)] == file_sha256(path)
    path.write_text(path.read_text().replace("a tester", "Eve Example"))
    assert "judging_days.json" in findings(root, version, tmp_path)["file-changed"]


def findings(root: DataRoot, version: str, folder: Path) -> dict[str, str]:
    """By code, what an audit of the version finds."""
    lofi(root, "audit", version, "--json", folder / "audit.json")
    found = json.loads((folder / "audit.json").read_text())["findings"]
    return {item["code"]: item["sentence"] for item in found}


def test_the_day_can_be_read_by_a_program(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data").create()
    target = tmp_path / "day.json"
    assert lofi(root, "judging-day", "--json", target).exit_code == 0
    said = json.loads(target.read_text())
    assert said["judged_for"] == said["clock"] and said["changes"] == []
