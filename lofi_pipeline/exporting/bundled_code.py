"""The modules of this package that one of them needs: what a bundle carries, so that the loop there is the very same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from lofi_pipeline.installation import PACKAGE


def modules_behind(entry: str) -> dict[str, Path]:
    """By its path from above the package, each source file that `entry` may import, directly or not.

    Imports within functions count; those for a type checker alone do not.
    """
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or _place(path) in found:
            continue
        found[_place(path)] = path
        parents = name.split(".")[:-1]
        waiting += [".".join(parents[:length]) for length in range(1, len(parents) + 1)]
        waiting += _imported(ast.parse(path.read_text(encoding="utf-8")).body)
    return dict(sorted(found.items()))


def _place(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def _file_of(module: str) -> Path | None:
    """The file of a module of this package; None of any other, and of a name that is no module."""
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*rest)
    return next((it for it in (place.with_suffix(".py"), place / "__init__.py") if it.is_file()), None)


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    for node in _nodes(body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            yield from _nodes(statement.orelse)
        else:
            yield from ast.walk(statement)
