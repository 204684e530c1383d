"""`lofi audit` as scripts use it: exit codes, files, --json; and texts of strangers in a terminal."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from lofi_pipeline.assets.license_audit import NOT_WITHDRAWN
from lofi_pipeline.audit import AuditInputs, find_subject
from lofi_pipeline.cli.app import app
from lofi_pipeline.dataset import load_version
from lofi_pipeline.licensing import load_withdrawals, withdraw
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.audit.roots import land, lineage_for
from lofi_pipeline_tests.cli.test_cli import lofi as process
from lofi_pipeline_tests.end_to_end.lofi import history

ID = "epoch=0-step=60_lora"
FILES = {"report.json", "audit.html", "tracks.csv", "ATTRIBUTION.md"}


def lofi(root: DataRoot, *arguments: object) -> Result:
    words = [str(each) for each in arguments]
    return CliRunner().invoke(app, ["audit", *words, "--data", str(root.path)])  # type: ignore[return-value]


def withdrawing(root: DataRoot, source_id: str, reason: str, out: Path) -> subprocess.CompletedProcess[str]:
    """A withdrawal builds the next version, in a Dagster run: it takes a process of its own."""
    words = ("audit", "source", source_id, "--withdraw", "--reason", reason, "--json", out)
    done = process(*words, "--data", root.path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_clean_audit_exits_0_and_writes_its_folder(data: DataRoot, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = lofi(data, ID, "--json", out)
    assert done.exit_code == 0, done.output
    assert "clean" in done.output
    assert "not legal advice" in done.output
    folder = data.path / "audit" / ID
    assert {path.name for path in folder.iterdir()} >= FILES
    said = json.loads(out.read_text())
    assert said["clean"] is True
    assert said["folder"] == str(folder)
    assert set(said["files"]) >= FILES
    assert said["subject"]["id"] == ID
    assert said["now"]["commercial_use"] is True
    assert [row["record"]["source_id"] for row in said["sources"]] == ["commons", "session"]


def test_every_name_of_a_subject_has_its_folder(data: DataRoot) -> None:
    version, key = load_version(data), find_subject(AuditInputs(data), ID).checkpoint.key  # type: ignore[union-attr]
    for name, folder in ((version.dataset.hash[:10], version.dataset.hash), (key, key)):
        assert lofi(data, "--quick", name).exit_code == 0
        assert (data.path / "audit" / folder / "audit.html").is_file()


def test_findings_exit_1_and_each_is_named(data: DataRoot, tmp_path: Path) -> None:
    path = data.path / "final" / "track_003.mp3"
    path.write_bytes(path.read_bytes() + b"\0")
    withdraw(data, "session", reason="it ended", day=date.today())
    out = tmp_path / "out.json"
    done = lofi(data, ID, "--json", out)
    assert done.exit_code == 1
    said = json.loads(out.read_text())
    errors = {finding["code"] for finding in said["findings"] if finding["severity"] == "error"}
    assert errors == {"file-changed", "source-withdrawn"}
    assert "final/track_003.mp3" in done.output
    assert "session was withdrawn" in done.output
    assert said["clean"] is False


def test_a_record_that_cannot_be_read_exits_1_and_is_named(data: DataRoot, tmp_path: Path) -> None:
    (data.checkpoint(ID) / "checkpoint.json").write_text("{half")
    done = lofi(data, ID, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert f"checkpoints/{ID}/checkpoint.json" in done.output
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["clean"] is False
    assert said["findings"][0]["code"] == "record-broken"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["../../etc/passwd"],
        ["0" * 64],
        ["epoch=0-step=61_lora"],
        [ID, "--frobnicate"],
        [ID, ID],
        ["source"],
        ["source", "nobody"],
        ["source", "session", "--withdraw"],
        ["source", "session", "--reason", "x"],
        ["diff", ID],
        ["diff", ID, "nope"],
        ["file", "/nowhere"],
    ],
)
def test_wrong_usage_exits_2(audited: DataRoot, arguments: list[str]) -> None:
    words = [*arguments, "--data", str(audited.path)] if arguments else []
    done = CliRunner().invoke(app, ["audit", *words])
    assert done.exit_code == 2, done.output
    assert "Usage" in done.output


@pytest.mark.parametrize("arguments", ["--help", "ID --help", "of -h", "source -h", "diff -h", "file -h"])
def test_every_command_has_help(arguments: str) -> None:
    done = CliRunner().invoke(app, ["audit", *arguments.split()])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_texts_of_strangers_are_shown_literally(data: DataRoot) -> None:
    done = lofi(data, ID)
    assert "Free [bold]Music[/]" in done.output.replace("\n", " ") or "[bold]" in done.output
    assert "\x1b" not in done.output


def test_a_withdrawn_source_is_out_of_the_next_version(data: DataRoot, tmp_path: Path) -> None:
    former = load_version(data)
    out = tmp_path / "out.json"
    done = withdrawing(data, "session", "the label asked", out)
    said = json.loads(out.read_text())
    newer = load_version(data)
    assert said["dataset_hash"] == newer.dataset.hash != former.dataset.hash
    assert {record.source_id for record in newer.sources} == {"commons"}
    assert [item["checkpoint_id"] for item in said["checkpoints"]] == [ID]
    assert [item["preset"] for item in said["retrain"]] == ["nano"]
    assert "retrain" in done.stdout
    with history(data) as instance:
        checks = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("license_audit"), NOT_WITHDRAWN), limit=1
        )
    assert [record.status.value for record in checks] == ["FAILED"]
    assert load_withdrawals(data)[0].reason == "the label asked"
    assert lofi(data, "source", "session").exit_code == 1
    assert lofi(data, "source", "commons").exit_code == 0
    assert lofi(data, ID).exit_code == 1
    land(data, lineage_for(newer), 120)
    assert lofi(data, "epoch=0-step=120_lora").exit_code == 0
    # With the last one gone there is no data set, and that is well
    withdrawing(data, "commons", "them too", out)
    assert json.loads(out.read_text())["dataset_hash"] is None
    assert not list(data.final.glob("*.mp3"))


def test_a_difference_is_told_and_exits_0(data: DataRoot, tmp_path: Path) -> None:
    land(data, lineage_for(load_version(data)), 120)
    out = tmp_path / "out.json"
    done = lofi(data, "diff", ID, "epoch=0-step=120_lora", "--json", out)
    assert done.exit_code == 0, done.output
    assert read_json(out)["facts"] == ["step: 60 / 120"]
    assert "No difference" in lofi(data, "diff", ID, ID).output


def test_a_file_that_is_sent_in(data: DataRoot, tmp_path: Path) -> None:
    done = lofi(data, "file", data.checkpoint(ID) / "samples" / "00.flac", "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    (match,) = read_json(tmp_path / "out.json")["matches"]
    assert match["partition_key"] == lineage_for(load_version(data)).partition_key(60)
    foreign = tmp_path / "foreign.wav"
    foreign.write_bytes(b"foreign")
    done = lofi(data, "file", foreign)
    assert done.exit_code == 1
    assert "Not one of ours" in done.output


def test_terms_that_nobody_accepted_exit_1_until_somebody_does(data: DataRoot, tmp_path: Path) -> None:
    path = data.raw / "commissioned" / "session" / "source.json"
    said = json.loads(path.read_bytes())
    # As in a data root from before: built when nobody was asked
    for record in (path, data.drops_json, data.dataset_version(load_version(data).dataset.hash)):
        record.write_text(
            re.sub(r'"accepted": \[(?:[^][]|\[[^]]*\])*\]', '"accepted": []', record.read_text())
        )
    done = lofi(data, ID, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "It ends on 2099-12-31" in done.output
    path.write_text(json.dumps(said))
    lofi(data, ID, "--json", tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())["findings"]
    codes = {finding["code"]: finding["severity"] for finding in found}
    assert "grant-not-accepted" not in codes
    assert codes["terms-accepted"] == "info"
