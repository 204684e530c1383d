"""Blind votes: kept for ever, a preference with its interval, and what they change of which checkpoint is the best."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lofi_pipeline.checkpoints.best import best_checkpoint
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.pins import keep, let_go, pin, pins_path, read_kept, read_pins
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.checkpoints.votes import (
    add_vote,
    exact_interval,
    preference,
    read_preferences,
    read_votes,
    votes_path,
)
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import RecordError, Side, Vote
from lofi_pipeline.storage import DataRoot, ledger_path
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_record

KEY = {step: make_record(step).partition_key for step in (0, 10, 20, 30, 40, 50, 60)}


def vote(preferred: int | None, one: int, other: int, *, clip: int = 0, who: str = "Ada") -> Vote:
    heard_as_a = one if clip % 2 else other
    side = Side.NEITHER if preferred is None else Side.A if preferred == heard_as_a else Side.B
    return Vote(
        session="0123456789ab",
        who=who,
        when=datetime(2026, 1, 1, tzinfo=UTC),
        one=KEY[one],
        other=KEY[other],
        prompt="lofi",
        seed=clip,
        heard_as_a=KEY[heard_as_a],
        side=side,
    )


def voted(root: DataRoot, preferred: int | None, one: int, other: int, times: int, who: str = "Ada") -> None:
    for clip in range(times):
        add_vote(root, vote(preferred, one, other, clip=clip, who=who))


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_is_that_of_the_exact_binomial_test(successes: int, failures: int) -> None:
    low, high = exact_interval(successes, successes + failures)
    assert 0 <= low <= high <= 1
    if successes + failures:
        theirs = binomtest(successes, successes + failures).proportion_ci(0.95, "exact")
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("AB"), st.sampled_from([10, 20, None]))))
def test_of_a_person_and_a_pair_of_clips_the_last_vote_counts(cast: list[tuple[int, str, int | None]]):
    votes = [vote(preferred, 10, 20, clip=clip, who=who) for clip, who, preferred in cast]
    found = preference(votes, KEY[10], KEY[20])
    last = {(clip, who): preferred for clip, who, preferred in cast}
    wanted = [list(last.values()).count(side) for side in (10, 20, None)]
    assert [found.for_one, found.for_other, found.neither] == wanted
    assert found.people == len({who for _, who in last})
    assert found.of(KEY[20]).for_one == found.for_other


def test_votes_are_kept_a_line_each_whatever_the_order_of_the_pair(root: DataRoot):
    add_vote(root, vote(10, 10, 20))
    before = votes_path(root, KEY[10], KEY[20]).read_bytes()
    add_vote(root, vote(20, 20, 10, clip=1))
    after = votes_path(root, KEY[20], KEY[10]).read_bytes()
    assert after.startswith(before) and after.count(b"\n") == 2
    assert [it.preferred for it in read_votes(root, KEY[10], KEY[20])] == [KEY[10], KEY[20]]


def test_a_line_that_a_killed_writer_left_is_removed_by_the_next_vote(root: DataRoot):
    add_vote(root, vote(10, 10, 20))
    path = votes_path(root, KEY[10], KEY[20])
    with path.open("ab") as file:
        file.write(b'{"session": "0123')
    assert len(read_votes(root, KEY[10], KEY[20])) == 1
    add_vote(root, vote(10, 10, 20, clip=1))
    assert len(read_votes(root, KEY[10], KEY[20])) == 2


def test_a_damaged_line_is_named(root: DataRoot):
    make_folder(root, 10, fad=0.5)
    voted(root, 10, 10, 20, 2)
    path = votes_path(root, KEY[10], KEY[20])
    path.write_bytes(path.read_bytes().replace(b'"side"', b'"seid"', 1))
    with pytest.raises(RecordError, match=r"metadata/votes/.*: is not what was sealed"):
        scan_checkpoints(root)
    ledger_path(root).unlink()  # a data root of an earlier version
    with pytest.raises(RecordError, match=r"metadata/votes/.*: line 1 was damaged"):
        scan_checkpoints(root)


def why(root: DataRoot) -> str:
    found = best_checkpoint(scan_checkpoints(root))
    assert found
    return found.why


def test_votes_that_chance_would_not_give_overrule_the_scores(root: DataRoot):
    for step, fad in ((10, 0.9), (20, 0.1), (30, 0.5)):
        make_folder(root, step, fad=fad)
    voted(root, 10, 10, 20, 5)
    assert why(root).startswith("20: the lowest FAD")
    assert "votes do not tell it from 10 (0 of 5 votes, 0% to 52%)" in why(root)
    voted(root, 10, 10, 20, 8)
    assert why(root).startswith(
        "10: people who compared both blind prefer it to 20 (8 of 8 votes, 63% to 100%); by scores 20: the lowest FAD"
    )
    voted(root, 30, 30, 10, 8)
    assert why(root).startswith("30: people who compared both blind prefer it to 10")
    pin(root, make_record(20), "the drums")
    assert why(root) == "20: pinned by a person: the drums"


def test_votes_that_go_round_in_a_circle_end(root: DataRoot):
    for step in (10, 20, 30):
        make_folder(root, step, fad=step / 100)
    for better, worse in ((20, 10), (30, 20), (10, 30)):
        voted(root, better, better, worse, 8)
    assert why(root).startswith("30: ")


def test_a_preference_for_the_base_is_said_beside_the_best(root: DataRoot):
    make_folder(root, 10, fad=0.1)
    voted(root, 0, 10, 0, 8)
    assert "people prefer the base without LoRA (8 of 8 votes, 63% to 100%)" in why(root)


def test_what_a_person_pinned_is_never_pruned_and_needs_not_be_the_best(root: DataRoot):
    for step in (10, 20, 30, 40, 50, 60):
        make_folder(root, step, fad=0.9 - step / 100)
    keep(root, make_record(10), "for the film")
    voted(root, 20, 20, 60, 8)
    plan = prune(root, RetentionSettings(keep_best=1))
    assert plan.keep[KEY[10]] == "pinned by a person: for the film"
    assert plan.keep[KEY[20]].startswith("the best: 20: people")
    assert set(plan.prune) == {KEY[30], KEY[40], KEY[50]}
    let_go(root, make_record(10))
    assert KEY[10] in prune(root, RetentionSettings(keep_best=1)).prune


def test_pins_of_an_earlier_version_are_read_and_stay_as_they_are(root: DataRoot):
    pin(root, make_record(10), "the drums")
    assert '"kept"' not in pins_path(root).read_text()
    keep(root, make_record(20), "the bass")
    assert list(read_pins(root)) == [KEY[10]] and list(read_kept(root)) == [KEY[20]]


def test_no_votes_are_no_preference(root: DataRoot):
    assert read_preferences(root) == []
