"""A data root that came from somebody else is data: it runs nothing, stops nothing, and does nothing to the terminal."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import dagster as dg
import pytest
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from lofi_pipeline.automation.errors import ForeignConfiguration
from lofi_pipeline.automation.instance import (
    INSTANCE_FILE,
    PUT_ASIDE,
    open_instance,
    require_own_environment,
)
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.cli.console import SafeConsole
from lofi_pipeline.cli.run_summary import RefusedLine, Summary, show
from lofi_pipeline.cli.ui import relayed
from lofi_pipeline.installation import shipped
from lofi_pipeline.resources import OWNER_TAG, OtherDataRoot, Workspace
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import facts, make_drop, register

HOSTILE = """
python_logs:
  dagster_handler_config:
    handlers:
      theirs:
        (): foreign_handler.run
"""
HANDLER = """
import logging, pathlib
def run():
    pathlib.Path({ran!r}).touch()
    return logging.NullHandler()
"""
NAMES = ["\x1b]0;x\x07", "\x1b[31m", "\x9b31m", "\r", "\u202e"]


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The file that a handler named by HOSTILE writes when it is run. It could be: it lies where `run` finds modules."""
    found = tmp_path / "ran"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "foreign_handler.py").write_text(HANDLER.format(ran=str(found)))
    return found


def run(root: DataRoot, *arguments: object, to: str = "source_records") -> subprocess.CompletedProcess[str]:
    modules = str(root.path.with_name("code"))
    return lofi("run", "--data", root.path, "--to", to, *arguments, PYTHONPATH=modules)


def test_a_configuration_in_the_data_root_runs_nothing(root: DataRoot, ran: Path) -> None:
    (root.dagster_home / INSTANCE_FILE).write_text(HOSTILE)
    done = run(root)
    assert done.returncode == 0, done.stderr
    assert not ran.exists()
    assert (root.dagster_home / INSTANCE_FILE).read_bytes() == shipped(INSTANCE_FILE).read_bytes()
    assert run(root).returncode == 0
    # It may be somebody's own, with a database that holds the history
    assert (root.dagster_home / PUT_ASIDE).read_text() == HOSTILE


def test_a_link_in_its_place_is_replaced_and_what_it_leads_to_stays(
    root: DataRoot, tmp_path: Path, ran: Path
) -> None:
    (tmp_path / "theirs.yaml").write_text(HOSTILE)
    (root.dagster_home / INSTANCE_FILE).symlink_to(tmp_path / "theirs.yaml")
    assert run(root).returncode == 0
    assert not ran.exists()
    assert not (root.dagster_home / INSTANCE_FILE).is_symlink()
    assert (tmp_path / "theirs.yaml").read_text() == HOSTILE


def test_one_of_ones_own_is_used_when_it_is_asked_for(root: DataRoot, tmp_path: Path, ran: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(HOSTILE)
    assert run(root, "--dagster-config", mine).returncode == 0
    assert ran.exists()


@pytest.mark.parametrize("linked", [False, True])
def test_one_in_the_data_root_is_refused_also_when_it_is_asked_for(
    linked: bool, root: DataRoot, tmp_path: Path, ran: Path
) -> None:
    theirs = root.dagster_home / "theirs.yaml"
    theirs.write_text(HOSTILE)
    asked = tmp_path / "link.yaml" if linked else theirs
    if linked:
        asked.symlink_to(theirs)
    done = run(root, "--dagster-config", asked)
    assert done.returncode == 1
    assert f"{theirs}: lies in the data root" in done.stderr
    assert not ran.exists()


def test_runs_whose_owner_is_garbage_are_ended(root: DataRoot) -> None:
    garbage = ["x", "a b c", "host 1", f"host {10**40} 5", "host -1 5", "host ٣ 5", "x\n1 2 3 4 "]
    elsewhere = f"another-machine {2**20} 5"
    with open_instance(root) as instance:
        runs = [
            dg.DagsterRun("theirs", tags={OWNER_TAG: owner}, status=dg.DagsterRunStatus.STARTED)
            for owner in [*garbage, elsewhere]
        ]
        for run in runs:
            instance.add_run(run)
        assert set(end_orphans(instance)) == {run.run_id for run in runs}


def test_a_command_goes_on_after_a_run_whose_owner_is_garbage(root: DataRoot) -> None:
    with open_instance(root) as instance:
        theirs = dg.DagsterRun("register", tags={OWNER_TAG: "x"}, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(theirs)
    done = run(root)
    assert done.returncode == 0, done.stderr
    with open_instance(root) as instance:
        found = instance.get_run_by_id(theirs.run_id)
        assert found is not None and found.is_failure


def printed(*texts: str) -> str:
    """What a terminal gets, when texts are printed at the call sites that there are: bare, in tables, bars and markup."""
    console = SafeConsole(
        file=io.StringIO(), force_terminal=True, color_system=None, width=80, legacy_windows=False
    )
    for text in texts:
        table = Table(text, title=escape(text))
        table.add_row(text)
        console.print(text)
        console.print(f"[bold]{escape(text)}[/]", table, highlight=False, soft_wrap=True)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_console_lets_no_control_character_through_but_its_own() -> None:
    plain = printed(*("a�b" for _ in NAMES))
    assert printed(*(f"a{name[0]}b" for name in NAMES)) == plain


@pytest.mark.parametrize("name", NAMES)
def test_nor_do_its_bars(name: str) -> None:
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system=None)
    with Progress(TextColumn("{task.description}"), console=console) as bars:
        bars.add_task(f"a{name}b")
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "a" in said and f"a{name}" not in said


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_reaches_no_terminal_as_an_order(name: str, root: DataRoot) -> None:
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system=None)
    show(Summary(refused=[RefusedLine(file=f"a{name}b", reason=f"no {name}\nadvice")]), root, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert name not in said.replace("\x1b[3m", "").replace("\x1b[0m", "").replace("\x1b[1m", "")
    assert said.count("no ") == 1


def test_a_drop_of_such_names_is_shown_and_not_obeyed(root: DataRoot) -> None:
    names = ["\x1b]0;x\x07.wav", "\x1b[31m.wav"]
    make_drop(root, "odd\x1b[2J", dict.fromkeys(names, b"no music"), facts(source_id="odd"))
    done = run(root, to="raw_tracks")
    assert "Refused" in done.stdout
    assert "�[31m.wav" in done.stdout and "�]0;x�.wav" in done.stdout
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\x9b"}


def test_a_reason_lists_a_few_of_many_absent_files(root: DataRoot) -> None:
    files = {f"{number:05}.wav": {} for number in range(5_000)}
    make_drop(root, "many", {}, {**facts(source_id="many"), "files": files})
    (drop,) = register(root).scan.drops
    assert drop.reason is not None and len(drop.reason) < 500
    assert drop.reason.endswith("00018.wav, 00019.wav, and 4980 more")


def test_dagster_takes_no_environment_from_a_data_root(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LD_PRELOAD=mine.so")
    require_own_environment(root, tmp_path)  # beside the data root: the user's own
    for folder in (root.path, root.raw):
        (folder / ".env").write_text("LD_PRELOAD=evil.so")
        with pytest.raises(
            ForeignConfiguration, match=r"\.env: lies in the data root.*start this from another folder"
        ):
            require_own_environment(root, folder)


def test_a_run_works_on_the_data_root_that_its_history_lies_in_alone(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    assert Workspace(data_root=str(other)).root.path == other
    monkeypatch.setenv("LOFI_DATA_ROOT", str(root.path))  # as `lofi` sets it
    assert Workspace(data_root=str(root.path)).root == Workspace().root == root
    with pytest.raises(OtherDataRoot, match=f"{other}: .* stands in the history of {root.path}"):
        Workspace(data_root=str(other)).root  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_what_the_children_of_the_ui_log_does_nothing_to_the_terminal(name: str) -> None:
    console = SafeConsole(file=io.StringIO(), width=20)
    written = f"\x1b[32m2026\x1b[0m refused {name} x\nand [bold]a line that is long\n".encode() + b"\xff\n"
    relayed(io.BytesIO(written), console).join()
    assert console.file.getvalue() == (  # type: ignore[attr-defined]
        "2026 refused " + shown(name) + " x\nand [bold]a line that is long\n\N{REPLACEMENT CHARACTER}\n"
    )


def shown(name: str) -> str:
    """The name without colours, and with each other control character made visible."""
    plain = name.replace("\x1b[31m", "")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in plain)
