"""Any set of tracks as ranges: nothing forgotten, no run too large."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.automation.ranges import BRIDGED_GAP, RANGE_END, RANGE_START, ranges_of

ORDERED = [f"track_{number:03d}" for number in range(1, 301)]


@given(st.sets(st.sampled_from(ORDERED)), st.integers(1, 120))
def test_ranges_cover_what_is_wanted_and_no_more_than_is_allowed(wanted: set[str], most: int) -> None:
    covered: list[str] = []
    for tags in ranges_of(wanted, ORDERED, most=most):
        first, last = ORDERED.index(tags[RANGE_START]), ORDERED.index(tags[RANGE_END])
        assert first <= last, "an inverted range yields no key"
        assert last - first < most
        taken = ORDERED[first : last + 1]
        assert taken[0] in wanted
        assert taken[-1] in wanted
        places = [index for index, key in enumerate(taken) if key in wanted]
        assert all(later - earlier <= BRIDGED_GAP for earlier, later in pairwise(places))
        covered += taken
    assert wanted <= set(covered)
    assert len(covered) == len(set(covered))


def test_what_dagster_does_not_know_is_left_out() -> None:
    assert ranges_of(["track_999"], ORDERED, most=10) == []
    assert ranges_of([], [], most=10) == []


def test_the_order_is_that_of_insertion() -> None:
    assert ranges_of(["a", "b"], ["b", "a"], most=10) == [{RANGE_START: "b", RANGE_END: "a"}]
