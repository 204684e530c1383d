"""Small edits to Python code: another comparison, number, operator or answer, in the functions that a change touched."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from lofi_pipeline_tests.mutants.promises import PROJECT

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class Edit:
    """The whole text of a file with one place changed, and the change in words."""

    words: str
    text: str


def changed_lines(diff: str) -> dict[str, set[int]]:
    """By file, the lines that a `git diff --unified=0` adds or changes, and those beside what it removes."""
    found: dict[str, set[int]] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif (hunk := _HUNK.match(line)) and path.endswith(".py"):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(path, set()).update(range(first, first + max(count, 1)))
    return found


def edits_of(text: str, lines: set[int]) -> Iterator[Edit]:
    """Every small edit of the functions that have one of these lines."""
    seen: set[str] = set()
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            if lines.isdisjoint(range(function.lineno, (function.end_lineno or 0) + 1)):
                continue
            for statement in [
                *function.body,
                *filter(None, [*function.args.defaults, *function.args.kw_defaults]),
            ]:
                for node in _code_of(statement):
                    for changed in _changes(node):
                        edit = _edit(text, node, changed)
                        if edit.text not in seen:  # a function within a function comes twice
                            seen.add(edit.text)
                            yield edit


def _code_of(node: ast.AST) -> Iterator[ast.expr | ast.Return]:
    """What can be changed below a node; no annotations, no text, no assertions."""
    if isinstance(node, ast.Assert | ast.JoinedStr):
        return
    if isinstance(node, ast.expr | ast.Return):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _code_of(child)


def _changes(node: ast.expr | ast.Return) -> Iterator[ast.AST]:
    """The node with one thing other than it is."""
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                changed = copy.deepcopy(node)
                changed.ops[place] = _swapped(operator)
                yield changed
        case ast.BoolOp() | ast.BinOp() if type(node.op) in SWAPPED:
            changed = copy.deepcopy(node)
            changed.op = _swapped(node.op)
            yield changed
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))


def _swapped(operator: ast.AST) -> object:
    return SWAPPED[type(operator)]()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _edit(text: str, node: ast.expr | ast.Return, changed: ast.AST) -> Edit:
    """The text with a node replaced; what stands around it stays as it is written."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = text.encode()
    first = starts[node.lineno - 1] + node.col_offset
    last = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
    new = ast.unparse(ast.fix_missing_locations(changed))
    new = new if isinstance(node, ast.Return) else f"({new})"
    old = " ".join(data[first:last].decode().split())
    words = f"line {node.lineno}: {old:.60} -> {new:.60}"
    return Edit(words, (data[:first] + new.encode() + data[last:]).decode())


def tests_of(path: str) -> tuple[str, ...]:
    """The tests of a module: its own file first, where there is one, then the folder that mirrors its package."""
    module = PurePosixPath(path)
    folder = PurePosixPath("lofi_pipeline_tests", *module.parent.parts[1:])
    if len(module.parts) == 2:
        folder = folder / module.stem
    while not (PROJECT / folder).is_dir():
        folder = folder.parent
    if folder == PurePosixPath("lofi_pipeline_tests"):
        folder = folder / "assets"
    own = sorted(
        item.relative_to(PROJECT).as_posix() for item in (PROJECT / folder).rglob(f"test_{module.stem}.py")
    )
    return (*own, folder.as_posix())
