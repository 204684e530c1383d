"""docs/cli.md: every command with its options, from typer."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from lofi_pipeline.cli.app import app
from lofi_pipeline_tests.docs.markdown import code, page, sentence, table

ORIGIN = "lofi_pipeline/cli"
WORDS = {str: "text", int: "integer", float: "number", bool: "flag", Path: "path"}
EXIT_CODES = {
    "0": "all well; refused tracks are no failure",
    "1": "something failed, or an audit has findings that are errors",
    "2": "wrong usage",
    "130, 143": "ended by Ctrl-C or SIGTERM between two pieces of work; the same command goes on from there",
}


def commands() -> Iterator[tuple[str, Any]]:
    """(full name, command) of every command and group, the program itself first."""
    yield from _below("lofi", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _below(f"{name} {sub}", inner)


def parameters(command: Any) -> list[Any]:
    """Arguments and options in their order; neither help nor what installs completion in a shell."""
    skip = {"help", "install_completion", "show_completion"}
    return [item for item in command.params if item.name not in skip and not item.hidden]


def help_of(item: Any) -> str:
    """Help text without the markup that colours it in a terminal."""
    paragraphs = (item.help or "").split("\n\n")
    return "\n\n".join(" ".join(Text.from_markup(each).plain.split()) for each in paragraphs)


def type_of(item: Any) -> str:
    """In words: text, a number, a path, or the choices."""
    annotation = item.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        words = " or ".join(code(str(member.value)) for member in annotation)
    else:
        words = WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
    least, most = item.min, item.max
    return words + (f", {least:g} to {most:g}" if least is not None and most is not None else "")


def _row(item: Any) -> tuple[str, ...]:
    is_argument = item.param_type_name == "argument"
    names = [item.metavar or item.name.upper()] if is_argument else [*item.opts, *item.secondary_opts]
    flag = getattr(item, "is_flag", False)
    default = item.default if not flag and not callable(item.default) else None
    return (
        ", ".join(map(code, names)),
        "flag" if flag else type_of(item),
        "required" if item.required else code(default),
        sentence(help_of(item)) + (f" Environment: `{item.envvar}`." if item.envvar else ""),
    )


def cli_page() -> str:
    """The whole page."""
    parts = [
        "In a checkout the program is `.venv/bin/lofi`; `make setup` makes it. `lofi COMMAND --help` says the same as this page.",
        "Tables fit the terminal. Piped or in a file they are plain lines, their cells parted by tabs. `--json FILE` writes what is "
        "shown for a program, `--json -` to the standard output; what people read then goes to the standard error. "
        "`lofi --install-completion` teaches the shell to complete commands and options with the tab key.",
        table(["exit code", "meaning"], list(EXIT_CODES.items())),
    ]
    for name, command in commands():
        given = parameters(command)
        arguments = [
            item.metavar or item.name.upper() for item in given if item.param_type_name == "argument"
        ]
        tail = ["[OPTIONS]", *arguments, *(["COMMAND"] if hasattr(command, "commands") else [])]
        parts += [f"## {name}", help_of(command), f"```\n{name} {' '.join(tail)}\n```"]
        if given:
            parts.append(table(["", "type", "default", "meaning"], map(_row, given)))
    return page("The command line", ORIGIN, *parts)
