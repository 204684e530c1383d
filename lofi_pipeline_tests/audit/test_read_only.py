"""A data root that can't be written to, such as a mounted backup, is audited and looked at like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.storage import DataRoot, append_to_ledger, ledger_path
from lofi_pipeline_tests.damage.damages import flip_unseen
from lofi_pipeline_tests.damage.read_only import read_only

ID = "epoch=0-step=60_lora"


def lofi(data: DataRoot, *words: object) -> subprocess.CompletedProcess[str]:
    """A command on a data root that it can't write to."""
    command = [sys.executable, "-m", "lofi_pipeline.cli", *map(str, words), "--data", str(data.path)]
    with read_only(data.path) as prefix:
        done = subprocess.run(
            [*prefix, *command],
            capture_output=True,
            text=True,
            timeout=580,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_nothing_can_be_written_there(data: DataRoot) -> None:
    done = lofi(data, "audit", "source", "session", "--withdraw", "--reason", "as a test of these tests")
    assert done.returncode == 1 and "error" in done.stderr


def files_of(root: DataRoot) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.path.rglob("*")}


def test_an_audit_is_shown_and_written_elsewhere(data: DataRoot, tmp_path: Path) -> None:
    # As a checkpoint that was copied in: an audit would enter it
    lines = ledger_path(data).read_bytes().splitlines(keepends=True)
    ledger_path(data).write_bytes(lines[0])
    for witness in (data.built_from_json, data.drops_json):
        witness.unlink()
    before = files_of(data)
    output, target = tmp_path / "audit", tmp_path / "said.json"
    done = lofi(data, "audit", ID, "--output", output, "--json", target)
    said = json.loads(target.read_bytes())
    assert {item["code"] for item in said["findings"]} >= {"not-sealed"}
    assert done.returncode == (0 if said["clean"] else 1)
    assert said["folder"] == str(output) and (output / "audit.html").is_file()
    assert set(said["files"]) == {str(p.relative_to(output)) for p in output.rglob("*") if p.is_file()}
    assert files_of(data) == before


def test_without_another_place_findings_are_shown_all_the_same(data: DataRoot, tmp_path: Path) -> None:
    target = tmp_path / "said.json"
    done = lofi(data, "audit", ID, "--json", target)
    assert done.returncode == 0 and "clean" in done.stdout
    assert "not written" in done.stdout and "--output" in done.stdout
    said = json.loads(target.read_bytes())
    assert (said["folder"], said["files"]) == (None, [])
    flip_unseen(next(data.final.glob("*.mp3")))
    done = lofi(data, "audit", ID)
    assert done.returncode == 1 and "file-changed" in done.stdout


def test_where_it_can_be_written_to_output_leaves_it_alone_too(data: DataRoot, tmp_path: Path) -> None:
    append_to_ledger(data, {"of another": "0" * 64})
    before = ledger_path(data).read_bytes()
    command = ["audit", ID, "--output", str(tmp_path / "audit"), "--data", str(data.path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (tmp_path / "audit" / "report.json").is_file()
    assert not data.audits.exists() and ledger_path(data).read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("fsck",),
        ("audit", "source", "session"),
        ("audit", "diff", ID, ID),
        ("audit", "file", "final/track_001.mp3"),
    ],
    ids=" ".join,
)
def test_what_only_reads_needs_no_right_to_write(words: tuple[str, ...], data: DataRoot) -> None:
    before = files_of(data)
    done = lofi(data, *(data.path / word if word.startswith("final") else word for word in words))
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_of(data) == before


def test_doctor_says_that_it_cannot_be_written_to(data: DataRoot) -> None:
    done = lofi(data, "doctor")
    assert done.returncode == 1 and "make it writable" in done.stdout


def test_a_repair_of_what_cannot_be_written_says_so(data: DataRoot) -> None:
    path = next(data.processed.glob("*/*.mp3"))
    flip_unseen(path)
    done = lofi(data, "fsck", "--repair")
    assert done.returncode == 1
    assert f"not repaired {path.relative_to(data.path)}" in done.stdout
