"""What a user can rely on when something goes wrong: one family of errors, and sentences instead of tracebacks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError, field_validator

import lofi_pipeline
from lofi_pipeline.cli import app
from lofi_pipeline.entities import RecordError
from lofi_pipeline.errors import LofiError
from lofi_pipeline.progress import Stopped
from lofi_pipeline.storage import UnreadableRecord

NO_ERRORS = {Stopped}
"""Raised, but no error: somebody asked for an end. What handles errors must not take it for one."""


def own_exceptions() -> Iterator[type[BaseException]]:
    """Every exception class that a module of the package defines."""
    for found in pkgutil.walk_packages(lofi_pipeline.__path__, "lofi_pipeline."):
        if found.name.endswith("__main__"):  # runs when it is imported
            continue
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if getattr(value, "__module__", None) != module.__name__ or not inspect.isclass(value):
                continue
            if issubclass(value, BaseException):
                yield value


def test_every_exception_of_the_project_is_a_lofi_error_with_a_docstring() -> None:
    found = set(own_exceptions())
    assert {RecordError, UnreadableRecord} < found
    assert [kind for kind in found - NO_ERRORS if not issubclass(kind, LofiError)] == []
    assert [kind for kind in found if not kind.__dict__.get("__doc__")] == []


def test_a_validator_may_raise_a_record_error_which_becomes_a_broken_rule() -> None:
    class Odd(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def _odd(cls, value: int) -> int:
            if value % 2 == 0:
                raise RecordError("must be odd")
            return value

    with pytest.raises(ValidationError, match="must be odd"):
        Odd(number=2)


@pytest.mark.parametrize("error", [RecordError("a.json: add a name"), OSError("the disk is full")])
def test_the_command_line_shows_errors_as_sentences(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "app", _raising(error))
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 1
    assert str(error) in capsys.readouterr().err


def test_the_command_line_shows_a_traceback_of_what_nobody_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "app", _raising(ZeroDivisionError("a slip of ours")))
    with pytest.raises(ZeroDivisionError):
        app.main()


def _raising(error: Exception):
    def run() -> None:
        raise error

    return run
