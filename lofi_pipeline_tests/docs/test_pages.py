"""What the pages say is so: links and paths lead somewhere, commands can be given, what follows from the code is current."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
import typer
from dagster._cli import create_dagster_cli

from lofi_pipeline.cli.app import app
from lofi_pipeline_tests.docs.generate import differing
from lofi_pipeline_tests.docs.markdown import ROOT
from lofi_pipeline_tests.docs.packages import make_targets
from lofi_pipeline_tests.docs.pages import NAMES, anchors, command_lines, in_code_type, links

TOP = ("lofi_pipeline", "lofi_pipeline_tests", "benchmarks", "config", "docs", "deploy")
"""Folders of the checkout: a path in code type that begins with one is one of ours."""


def test_what_follows_from_the_code_is_current() -> None:
    assert differing() == [], "run: make docs"


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    here = (ROOT / name).parent
    broken = []
    for target in links(name):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (here / path).resolve() if path else ROOT / name
        inside = file.is_relative_to(ROOT) and file.exists()
        if not inside or (anchor and anchor not in anchors(file.relative_to(ROOT).as_posix())):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("name", NAMES)
def test_every_path_of_the_project_exists(name: str) -> None:
    ours = rf"({'|'.join(TOP)})(/[\w.*-]+)+/?|[\w/.-]+\.py"
    paths = [text for text in in_code_type(name) if re.fullmatch(ours, text)]
    new = set(re.findall(r"^A new file `(.+)`:$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    folders = (ROOT, ROOT / "lofi_pipeline")  # pages on a package leave the first folder out
    missing = [path for path in paths if not any(list(folder.glob(path.rstrip("/"))) for folder in folders)]
    assert set(missing) - new == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_is_named_exists(name: str) -> None:
    named = [text.split("::") for text in in_code_type(name) if re.fullmatch(r"[\w/]+\.py::test_\w+", text)]
    places = [(ROOT / "lofi_pipeline_tests" / path, test) for path, test in named]
    missing = [
        f"{path}: {test}"
        for path, test in places
        if not path.is_file() or f"\ndef {test}(" not in path.read_text(encoding="utf-8")
    ]
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_can_be_given(name: str) -> None:
    wrong = [" ".join(words) for words in command_lines(name) if not _can_be_given(words)]
    assert not wrong


def _can_be_given(words: list[str]) -> bool:
    match words:
        case ["lofi", *arguments] if not set(arguments) & {"[OPTIONS]", "COMMAND", "|"}:
            return _parses(_lofi(), "lofi", arguments)
        case ["dagster", *arguments]:
            return _parses(_dagster(), "dagster", arguments)
        case ["make", target, *_]:
            return target in make_targets()
        case ["python" | "python3.11", "-m", module, *_]:
            return find_spec(module) is not None
    return True


@cache
def _lofi() -> Any:
    return typer.main.get_command(app)


@cache
def _dagster() -> Any:
    return create_dagster_cli()


def _parses(command: Any, name: str, arguments: list[str]) -> bool:
    """Whether a command line is one: its options and arguments are read, nothing is run. A command without its arguments
    is a name.
    """
    known = getattr(command, "commands", None)
    if known is not None:
        if not arguments or arguments[0].startswith("-"):
            return True
        # `lofi audit ID`: what is no subcommand is something to audit
        default = "of" if arguments[0] not in known and "of" in known else None
        sub, rest = (default, arguments) if default else (arguments[0], arguments[1:])
        return sub in known and (not rest or _parses(known[sub], sub, rest))
    try:
        command.make_context(name, [re.sub(r"^<.*>$", "x", word) for word in arguments])
    except Exception as error:
        # A file to be looked up need not be there
        return "does not exist" in str(error)
    return True


def test_a_command_line_that_is_none_is_noticed() -> None:
    for words in (
        ["lofi", "paint"],
        ["lofi", "run", "--nonsense"],
        ["lofi", "generate", "--seconds", "many", "--prompt", "x", "-o", "x.wav"],
        ["lofi", "audit", "diff", "A"],
        ["dagster", "instance", "nonsense"],
        ["make", "tea"],
        ["python", "-m", "lofi_pipeline.nothing"],
    ):
        assert not _can_be_given(words), words


def test_the_project_is_under_the_licence_that_it_names() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License")
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for card in ROOT.glob("lofi_pipeline/models/*/README.md"):
        of_others = card.with_name("LICENSE.md").is_file()
        assert f"license: {'isc' if of_others else 'apache-2.0'}\n" in card.read_text(encoding="utf-8")
