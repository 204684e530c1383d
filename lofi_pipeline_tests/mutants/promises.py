"""promises.yaml as objects: what the README or a docstring promises, and an edit that breaks it.

What makes the edits and runs the tests over them is in run.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("promises.yaml")


@dataclass(frozen=True)
class Mutant:
    """A file of the project with one place changed, and the tests that must notice."""

    promise: str
    path: str
    """Relative to the project."""
    before: str
    after: str
    tests: tuple[str, ...]
    """Files, folders or test ids, relative to the project."""

    def broken(self, text: str) -> str:
        """The file's text with the change.

        Raises:
            ValueError: what is to be changed is not there exactly once.
        """
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"{self.path}: {count} times instead of once: {self.before}")
        return text.replace(self.before, self.after)


def load_promises() -> list[Mutant]:
    """Every promise of promises.yaml, in its order."""
    listed = yaml.load(FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)  # in C: each worker reads it
    return [
        Mutant(item["promise"], item["path"], item["before"], item["after"], tuple(item["tests"]))
        for item in listed
    ]
