"""The examples of CONTRIBUTING.md: followed word by word in a copy of the project, each does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lofi_pipeline_tests.docs.markdown import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"(?:^A new file `(?P<new>[^`]+)`:|^In `(?P<file>[^`]+)`, (?P<side>before|after) `(?P<line>[^`]+)`:|^[^\n]*:)\n\n"
    r"```(?:python|diff)\n(?P<text>.*?)```$",
    re.MULTILINE | re.DOTALL,
)
LONGEST = 30
EXAMPLES = {
    title: list(STEP.finditer(text))
    for title, text in re.findall(r"^## (An? .+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def copy_project(folder: Path) -> Path:
    """What the examples change, and no more: the package without its weights, and the configuration."""
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.copytree(
        ROOT / "lofi_pipeline",
        folder / "lofi_pipeline",
        ignore=shutil.ignore_patterns("*.safetensors"),
    )
    (folder / "lofi_pipeline_tests").symlink_to(ROOT / "lofi_pipeline_tests")
    return folder


def follow(step: re.Match[str], project: Path) -> None:
    """Write a new file, or put lines before or after the one line that holds the words."""
    if step["new"]:
        file = project / step["new"]
        assert not file.exists()
        file.write_text(step["text"], encoding="utf-8")
        return
    file = project / step["file"]
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if step["line"] in line]
    lines.insert(at + (step["side"] == "after"), re.sub(r"^\+", "", step["text"], flags=re.MULTILINE))
    file.write_text("".join(lines), encoding="utf-8")


def test_there_is_an_example_of_each_kind() -> None:
    assert list(EXAMPLES) == [
        "A measurement",
        "An embedder",
        "A clip scorer",
        "An exporter",
        "A licence rule",
    ]


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_works_as_it_is_written(title: str, tmp_path: Path) -> None:
    *edits, script = EXAMPLES[title]
    assert sum(len(step["text"].splitlines()) for step in EXAMPLES[title]) <= LONGEST
    assert "assert " in script["text"] and not script["new"] and not script["file"]
    project = copy_project(tmp_path)
    for step in edits:
        follow(step, project)
    done = run(script["text"], project)
    assert done.returncode == 0, done.stderr


def run(script: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Run a script on the copy."""
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=120,
    )
