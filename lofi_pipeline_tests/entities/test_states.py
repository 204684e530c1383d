"""A track goes RAW -> PROCESSED -> TAGGED -> (VERIFIED) -> TRAINING_READY, and no other way."""

from __future__ import annotations

from itertools import product

import pytest

from lofi_pipeline.entities import RecordError, TrackState

RAW, PROCESSED, TAGGED, VERIFIED, READY = TrackState
ALLOWED = {(RAW, PROCESSED), (PROCESSED, TAGGED), (TAGGED, VERIFIED), (TAGGED, READY), (VERIFIED, READY)}


@pytest.mark.parametrize(("now", "following"), list(product(TrackState, TrackState)))
def test_transitions(now: TrackState, following: TrackState) -> None:
    if (now, following) in ALLOWED:
        assert now.to(following) is following
        return
    with pytest.raises(RecordError, match=f"no transition {now} -> {following}"):
        now.to(following)


def test_the_last_state_says_so() -> None:
    with pytest.raises(RecordError, match="it is final"):
        READY.to(RAW)
