"""The packages, from the contract that import-linter holds: who may know whom, and what each is for."""

from __future__ import annotations

import ast
import re
import tomllib

from lofi_pipeline_tests.docs.markdown import ROOT, table


def layers() -> list[list[str]]:
    """The layers from top to bottom; packages of one layer do not know each other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layered = next(contract for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in re.split(r"[|:]", layer)] for layer in layered["layers"]]


def about(name: str) -> str:
    """What the package or module says of itself: the first paragraph of its docstring."""
    folder = ROOT / "lofi_pipeline"
    file = folder / name / "__init__.py"
    tree = ast.parse((file if file.is_file() else folder / f"{name}.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())


def packages_block() -> str:
    """A row for each package, the highest layer first."""
    rows = []
    for number, names in enumerate(layers(), start=1):
        rows += [(str(number), f"`{name.strip('()')}`", about(name.strip("()"))) for name in names]
    return table(["layer", "package", "what it is for"], rows)


def make_targets() -> dict[str, str]:
    """Every documented target of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z][a-z-]*):.*?## (.+)$", text, re.MULTILINE))


def make_block() -> str:
    """A row for each target."""
    return table(
        ["command", "what it does"], [(f"`make {name}`", text) for name, text in make_targets().items()]
    )
