"""The list of promises does not rot: each can still be broken where it stands, and names tests that are there."""

from __future__ import annotations

import ast

import pytest

from lofi_pipeline_tests.mutants.promises import PROJECT, Mutant, load_promises
from lofi_pipeline_tests.mutants.run import referees

PROMISES = load_promises()


@pytest.mark.parametrize("mutant", PROMISES, ids=lambda mutant: f"{mutant.path}: {mutant.promise}")
def test_a_promise_can_be_broken_where_it_stands(mutant: Mutant):
    whole = (PROJECT / mutant.path).read_text(encoding="utf-8")
    broken = mutant.broken(whole)
    assert broken != whole
    if mutant.path.endswith(".py"):
        ast.parse(broken)  # else every test fails, and nothing is proved


def test_each_promise_is_there_once_and_names_its_tests():
    edits = [(mutant.path, mutant.before, mutant.after) for mutant in PROMISES]
    assert len(set(edits)) == len(edits) >= 40
    for mutant in PROMISES:
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert (PROJECT / file).exists(), test
            assert not name or f"def {name}(" in (PROJECT / file).read_text(encoding="utf-8"), test


def test_an_edit_that_is_there_twice_or_not_at_all_is_refused():
    mutant = Mutant("a", "x.py", "1 < 2", "1 > 2", ())
    assert mutant.broken("if 1 < 2:") == "if 1 > 2:"
    for text in ("1 < 2 or 1 < 2", "2 > 1"):
        with pytest.raises(ValueError, match=r"x\.py: \d times instead of once"):
            mutant.broken(text)


def test_every_module_has_tests_that_speak_for_it():
    for path in sorted((PROJECT / "lofi_pipeline").rglob("*.py")):
        *own, folder = referees(path.relative_to(PROJECT).as_posix())
        assert list((PROJECT / folder).rglob("test_*.py")), path
        assert folder.count("/") >= 1 and all((PROJECT / file).is_file() for file in own)
