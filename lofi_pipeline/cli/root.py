"""The data root that a command is for: found, and never silently an empty one."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from lofi_pipeline.cli.console import errors, sanitize
from lofi_pipeline.environment import Environment
from lofi_pipeline.installation import code_version
from lofi_pipeline.storage import DataRoot, live_holders
from lofi_pipeline.storage.shared import locks_fault, mount_of


def data_root(context: typer.Context, data: Path | None, *, may_be_new: bool = False) -> DataRoot:
    """The data root of `--data`, before or after the command, or of the environment.

    Args:
        may_be_new: the command can begin one: in a terminal it asks, and an empty folder will do.

    Raises:
        typer.Exit: there is none, with exit code 2; it has been said why.
    """
    given = data or context.obj
    root = DataRoot.find(given)
    if _is_one(root):
        return root
    if may_be_new and given is None and Environment.read().data_root is None:
        errors.print(f"Beginning a data root: {sanitize(root.path)}", highlight=False, soft_wrap=True)
        return root.create()
    shown = sanitize(root.path)
    if not root.path.exists():
        if (
            may_be_new
            and sys.stdin.isatty()
            and typer.confirm(f"{shown} does not exist. Begin a data root there?")
        ):
            return root.create()
        raise _wrong(
            f"{shown} does not exist; see how it is spelt, or begin a data root there: mkdir -p {shown}"
        )
    if not root.path.is_dir():
        raise _wrong(f"{shown} is no folder")
    if any(not entry.name.startswith(".") for entry in root.path.iterdir()):
        raise _wrong(
            f"{shown} is no data root: it has other things in it, and no raw/ or metadata/; name another folder, or an empty one"
        )
    if not may_be_new:
        raise _wrong(f"{shown} is empty: no data root was begun there; `lofi run` begins one")
    return root.create()


def say_what_threatens(root: DataRoot) -> None:
    """On standard error, before work begins: locks that keep nobody away on a network disk, and others who work there with other code."""
    mount = mount_of(root.path)
    if mount and mount.is_shared and (fault := locks_fault(root.path)):
        _warn(fault)
    for holder in live_holders(root.running, ""):
        if holder.code != code_version():
            _warn(
                f"{holder} works on this data root, too; what one writes the other may do again: install the same version everywhere"
            )


def _warn(sentence: str) -> None:
    errors.print(f"[bold yellow]warning[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)


def _is_one(root: DataRoot) -> bool:
    return root.raw.is_dir() or root.metadata.is_dir()


def _wrong(sentence: str) -> typer.Exit:
    """Say it on one line, so that a path or a command can be copied; then end as for wrong usage."""
    errors.print(f"[bold red]error[/] --data: {sentence}", highlight=False, soft_wrap=True)
    return typer.Exit(2)
