"""The command line as scripts use it: processes, exit codes, the JSON contract; killed, and two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest import mock

import dagster as dg
import psutil
import pytest
from typer.testing import CliRunner

from lofi_pipeline.automation.instance import HOME_VARIABLE
from lofi_pipeline.cli.app import app
from lofi_pipeline.dataset import load_version
from lofi_pipeline.ingest import load_registry
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song

LOFI = Path(sys.executable).with_name("lofi")
REACHED = {"tracks", "refused", "dataset", "seconds", "dagster_runs"}
NOT_REACHED = {"base", "checkpoints", "embedder"}


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """`lofi` in a session of its own, away from the data root of whoever runs the tests."""
    unset = {"LOFI_DATA_ROOT", "DAGSTER_HOME", "LOFI_CONFIG", "LOFI_CONFIG_ROOT"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.Popen(
        [str(LOFI), *map(str, arguments)],
        env={**inherited, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and all below it, whatever became of them."""
    with suppress(psutil.NoSuchProcess):
        for below in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                below.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def lofi(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments, **environment)
    try:
        out, err = process.communicate(timeout=580)
    finally:
        end(process)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def fill(root: DataRoot) -> None:
    """Two good songs, a file that is no audio, and a drop whose licence forbids training."""
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1), "bad.mp3": b"this is no music"}, facts())
    make_drop(root, "no", {"x.wav": song(2)}, facts(source_id="no", license_type="CC BY-NC 4.0"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, dict[str, object]]:
    """A data root after one `lofi run --to dataset_manifest`, and what it wrote."""
    folder = tmp_path_factory.mktemp("undisturbed")
    root = DataRoot(folder / "data")
    fill(root)
    done = lofi("--data", root.path, "run", "--to", "dataset_manifest", "--json", folder / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Data set dataset-" in done.stdout
    return root, json.loads((folder / "out.json").read_text())


def test_a_run_keeps_the_contract(undisturbed: tuple[DataRoot, dict]) -> None:
    root, out = undisturbed
    assert set(out) >= REACHED
    assert not NOT_REACHED & set(out)
    assert [(t["file"], t["status"]) for t in out["tracks"]] == [
        ("creative-commons/one/a.wav", "ok"),
        ("creative-commons/one/b.wav", "ok"),
        ("creative-commons/one/bad.mp3", "rejected"),
    ]
    for track in out["tracks"]:
        assert set(track) == {"track_id", "file", "status", "reason", "quality_score"}
        assert (track["quality_score"] is None) == (track["status"] != "ok")
    refused = {line["file"]: line["reason"] for line in out["refused"]}
    assert sorted(refused) == ["creative-commons/no/x.wav", "creative-commons/one/bad.mp3"]
    assert "license_type" in refused["creative-commons/no/x.wav"]
    dataset = out["dataset"]
    assert (dataset["train_count"], dataset["validation_count"]) == (1, 1)
    assert load_version(root).dataset.hash == dataset["hash"]
    assert dataset["dataset_id"] == f"dataset-{dataset['hash'][:12]}"
    assert out["dagster_runs"] == 3
    assert {"source_records", "tracks", "dataset_manifest"} <= set(out["seconds"])


def test_a_second_run_does_nothing(undisturbed: tuple[DataRoot, dict], tmp_path: Path) -> None:
    root, first = undisturbed
    file = tmp_path / "new" / "second.json"
    done = lofi("run", "--to", "dataset_manifest", "--json", file, "--data", root.path)
    assert done.returncode == 0, done.stderr
    second = json.loads(file.read_text())
    assert second["dagster_runs"] == 0
    assert second["dataset"] == first["dataset"]
    assert "Nothing was to be done" in done.stdout


def workers_at_work(process: psutil.Process, root: DataRoot) -> Iterator[psutil.Process]:
    for child in process.children(recursive=True):
        with suppress(OSError, psutil.Error):
            opened = [os.readlink(link) for link in Path(f"/proc/{child.pid}/fd").iterdir()]
            if any(path.startswith(str(root.track_records)) for path in opened):
                yield child


def test_killed_in_the_middle_of_ingest_it_goes_on_to_the_same_data_set(
    undisturbed: tuple[DataRoot, dict], tmp_path: Path
) -> None:
    root = DataRoot(tmp_path / "data")
    fill(root)
    process = start("run", "--to", "dataset_manifest", "--data", root.path)
    try:
        while not any(workers_at_work(psutil.Process(process.pid), root)):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
    finally:
        end(process)
    process.communicate()
    assert len(load_registry(root).tracks) == 3
    done = lofi("run", "--to", "dataset_manifest", "--data", root.path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_version(root).dataset.hash == undisturbed[1]["dataset"]["hash"]
    assert shown_as_done(root) == {"track_001", "track_002", "track_003"}


def shown_as_done(root: DataRoot) -> set[str]:
    """The tracks whose last stage the Dagster UI shows as materialized."""
    home = {HOME_VARIABLE: str(root.dagster_home)}
    with mock.patch.dict(os.environ, home), dg.DagsterInstance.get() as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey("tagged_prompts")))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_ends_a_run_soon_with_nothing_left_and_nothing_lost(
    undisturbed: tuple[DataRoot, dict], tmp_path: Path, number: signal.Signals
) -> None:
    root = DataRoot(tmp_path / "data")
    fill(root)
    process = start("run", "--to", "dataset_manifest", "--data", root.path)
    below: list[psutil.Process] = []
    try:
        while not any(workers_at_work(psutil.Process(process.pid), root)):
            assert process.poll() is None, "it ended before it could be asked to"
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, told = process.communicate(timeout=300)
    finally:
        end(process)
    assert process.returncode == 128 + number
    assert "Stopping after what is under way" in told
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    assert psutil.wait_procs(below, timeout=30)[1] == []
    assert not root.dataset_manifest_json.exists()
    done = lofi("run", "--to", "dataset_manifest", "--data", root.path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_version(root).dataset.hash == undisturbed[1]["dataset"]["hash"]
    assert shown_as_done(root) == {"track_001", "track_002", "track_003"}


def test_two_runs_at_once_lose_nothing(undisturbed: tuple[DataRoot, dict], tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data")
    fill(root)
    runs = [start("run", "--to", "dataset_manifest", "--data", root.path) for _ in range(2)]
    try:
        outcomes = [(process.communicate(timeout=580), process.returncode) for process in runs]
    finally:
        for process in runs:
            end(process)
    assert [code for _, code in outcomes] == [0, 0], outcomes
    assert load_version(root).dataset.hash == undisturbed[1]["dataset"]["hash"]


@pytest.mark.parametrize(
    "arguments",
    [["run", "--to", "nowhere"], ["run", "--frobnicate"], ["nothing"], ["generate", "--prompt", "x"]],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 2
    assert "Usage" in found.output


@pytest.mark.parametrize("command", ["", "run", "demo", "doctor", "generate", "ui"])
def test_every_command_has_help(command: str) -> None:
    found = CliRunner().invoke(app, [*command.split(), "--help"])
    assert found.exit_code == 0
    assert "Usage" in found.output


def test_doctor_writes_what_it_found(tmp_path: Path) -> None:
    given = ["doctor", "--json", str(tmp_path / "doctor.json"), "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(app, given)
    findings = json.loads((tmp_path / "doctor.json").read_text())
    assert {"Python", "dagster", "torch", "GPU", "data root", "configuration"} <= {
        f["what"] for f in findings
    }
    broken = [finding for finding in findings if finding["level"] == "broken"]
    assert done.exit_code == (1 if broken else 0)
    assert all(finding["advice"] for finding in broken)
    assert not (tmp_path / "data").exists()


def test_a_wrong_configuration_is_refused_by_its_key(tmp_path: Path) -> None:
    shutil.copytree(PROJECT_ROOT / "config", tmp_path / "config")
    file = tmp_path / "config" / "pipeline.yaml"
    file.write_text(file.read_text().replace("target_lufs: -14.0", "target_loudness: -14.0"))
    (tmp_path / "data").mkdir()
    done = lofi("run", "--data", tmp_path / "data", LOFI_CONFIG_ROOT=str(tmp_path / "config"))
    assert done.returncode == 1
    assert "audio.target_loudness: Extra inputs are not permitted" in done.stderr
    assert "Traceback" not in done.stderr
