"""The wheel in an environment of its own, from a folder that holds nothing: it works, and writes only where it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from lofi_pipeline.dataset import load_version
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import TIMEOUT, Running
from lofi_pipeline_tests.end_to_end.test_ui import asker, free_port

SHIPPED = ("config", "dagster.yaml", "workspace.yaml")
ASSETS = "query { repositoriesOrError { ... on RepositoryConnection { nodes { assetNodes { id } } } } }"


def call(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to its end, in an environment that knows nothing of the checkout."""
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOFI_", "PYTHON", "DAGSTER_"))
    }
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    venv: Path

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def package(self) -> Path:
        return self.venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "lofi_pipeline"

    def files(self) -> set[str]:
        """Everything in site-packages."""
        found = self.package.parent.rglob("*")
        return {path.as_posix() for path in found if "__pycache__" not in path.parts}

    def lofi(self, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """`lofi` from a folder; it must not write into the environment."""
        before = self.files()
        done = call(self.venv / "bin" / "lofi", *arguments, cwd=cwd, **environment)
        assert self.files() == before
        return done

    @contextmanager
    def start(self, *arguments: object, cwd: Path, log: Path) -> Iterator[Running]:
        """The same while it runs; in the end nothing of it is left."""
        before = self.files()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.venv / "bin" / "lofi", *map(str, arguments)],
                cwd=cwd,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        running = Running(process, log)
        try:
            yield running
        finally:
            for each in running.family() if process.poll() is None else []:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait(timeout=TIMEOUT)
        assert self.files() == before


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A fresh environment: the wheel without its dependencies, which come from those that are pinned."""
    folder = tmp_path_factory.mktemp("installed")
    one = Installed(folder / "venv")
    for command in (
        [sys.executable, "-m", "venv", one.venv],
        [one.python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
    ):
        done = call(*command, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    specs = [find_spec(name) for name in ("dagster", "pydantic_settings")]
    pinned = dict.fromkeys(str(Path(spec.origin).parents[1]) for spec in specs if spec and spec.origin)
    # Paths of a .pth file come last, and .pth files in them (the checkout's own) are not read
    (one.package.parent / "pinned.pth").write_text("\n".join(pinned))
    (daemon,) = entry_points(group="console_scripts", name="dagster-daemon")
    script = one.venv / "bin" / daemon.name  # as installing dagster makes it
    script.write_text(f"#!{one.python}\nfrom {daemon.module} import {daemon.attr}\n{daemon.attr}()\n")
    script.chmod(0o755)
    return one


def test_the_wheel_holds_the_package_and_what_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        tops = {name.split("/")[0] for name in names}
        assert tops == {"lofi_pipeline", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
        assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", "~", ".orig"))]
        listed = subprocess.run(
            ["git", "ls-files", "lofi_pipeline", *SHIPPED],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for name in listed:
            inside = name if name.startswith("lofi_pipeline/") else f"lofi_pipeline/_resources/{name}"
            assert opened.read(inside) == (PROJECT_ROOT / name).read_bytes()


def test_it_is_the_wheel_that_runs(installed: Installed, tmp_path: Path) -> None:
    done = call(installed.python, "-c", "import lofi_pipeline; print(lofi_pipeline.__file__)", cwd=tmp_path)
    assert done.stdout.strip() == str(installed.package / "__init__.py")


def test_version_and_help(installed: Installed, wheel: Path, tmp_path: Path) -> None:
    version = installed.lofi("--version", cwd=tmp_path)
    assert version.stdout.strip() == f"lofi {wheel.name.split('-')[1]}"
    told = installed.lofi("--help", cwd=tmp_path)
    assert told.returncode == 0
    assert all(
        name in told.stdout for name in ("run", "demo", "doctor", "generate", "audit", "ui", "--config")
    )
    assert not list(tmp_path.iterdir())


def test_doctor_finds_the_configuration_and_the_models(installed: Installed, tmp_path: Path) -> None:
    installed.lofi("doctor", "--json", tmp_path / "doctor.json", cwd=tmp_path)
    findings = {item["what"]: item for item in json.loads((tmp_path / "doctor.json").read_text())}
    for what in ("configuration", "base model nano", "embedder nano"):
        assert findings[what]["level"] == "good", findings[what]
    assert findings["data root"]["found"].startswith(f"{tmp_path / 'data'}:")


def test_the_demos_drop_is_rendered_into_the_working_directory(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "anywhere"
    folder.mkdir()
    with installed.start("demo", "--drop-only", cwd=folder, log=tmp_path / "demo.log") as demo:
        # All 72 tracks are a minute's work, and the first ones say as much
        demo.wait_for(lambda: list((folder / "demo-data" / "raw").glob("*/*/*.*")), "first track of the drop")
    assert [path.name for path in folder.iterdir()] == ["demo-data"]


def test_a_run_makes_a_data_set_in_the_working_directory(installed: Installed, tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data").create()
    make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1)}, facts())
    done = installed.lofi("run", "--to", "dataset_manifest", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(load_version(root).tracks) == 2
    shipped = (PROJECT_ROOT / "dagster.yaml").read_bytes()
    assert (root.dagster_home / "dagster.yaml").read_bytes() == shipped
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_configuration_of_ones_own_goes_before_the_packages(installed: Installed, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("retention: {keep_worst: 1}\ntraining: {presets: {}}\n")
    for given in (
        installed.lofi("--config", mine.name, "run", cwd=tmp_path),
        installed.lofi("run", cwd=tmp_path, LOFI_CONFIG=mine.name),
    ):
        assert given.returncode == 1
        assert f"{mine}: PipelineConfig.retention.keep_worst: Extra inputs" in given.stderr


def test_the_ui_serves_the_assets_and_ends_when_it_is_asked_to(installed: Installed, tmp_path: Path) -> None:
    folder, port = tmp_path / "anywhere", free_port()
    folder.mkdir()
    (folder / "dagster.py").write_text("raise SystemExit('a file of the working directory was run')")
    with installed.start("ui", "--port", port, cwd=folder, log=tmp_path / "ui.log") as server:
        ask = asker(server, port)
        answer = server.wait_for(lambda: ask(ASSETS), "answer of the webserver")
        (repository,) = answer["repositoriesOrError"]["nodes"]
        assert len(repository["assetNodes"]) > 10
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=TIMEOUT) == 0, server.said
    assert sorted(path.name for path in folder.iterdir()) == ["dagster.py", "data"]
