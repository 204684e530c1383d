"""The search for cycles goes on after a block without it, whatever ends the block."""

import gc

import pytest

from lofi_pipeline.storage import no_search_for_cycles


def test_it_goes_on_as_before() -> None:
    with no_search_for_cycles():
        assert not gc.isenabled()
        with no_search_for_cycles():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_a_fault() -> None:
    @no_search_for_cycles()
    def fails() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fails()
        assert gc.isenabled()
