"""Which kills are tried, and a clock that stands still."""

from __future__ import annotations

import pytest

from lofi_pipeline_tests.writes.kills import stop_the_clock


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_the_clock(monkeypatch)


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.slow)])
def which(request: pytest.FixtureRequest) -> str:
    """The kills that are tried."""
    return request.param
