"""The split, for any tracks in any order of arrival."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.dataset.split import Candidate, assign_splits
from lofi_pipeline.entities import Split, StyleCategory

CATEGORIES = list(StyleCategory)


def candidate(number: int, category: StyleCategory, group: int) -> Candidate:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Candidate(f"track_{number:03d}", digest, category, f"track_{group:03d}")


@st.composite
def collections(draw: st.DrawFn) -> list[Candidate]:
    """Tracks in the order of their ids; each is alone, or belongs to the group of an earlier one."""
    found: list[Candidate] = []
    for number in range(1, draw(st.integers(2, 60)) + 1):
        category = draw(st.sampled_from(CATEGORIES))
        earlier = draw(st.integers(0, number - 1)) if draw(st.booleans()) else 0
        group = int(found[earlier - 1].group.removeprefix("track_")) if earlier else number
        found.append(candidate(number, category, group))
    return found


@given(collections(), st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_decided_stays_and_groups_share_a_side(
    found: list[Candidate], batches: list[int], seed: int
) -> None:
    decided: dict[str, Split] = {}
    arrived = 0
    for size in [*batches, len(found)]:
        arrived = min(len(found), arrived + size)
        sides = assign_splits(found[:arrived], decided, ratio=0.1, seed=seed)
        assert {track_id: sides[track_id] for track_id in decided} == decided
        assert set(sides) == {item.track_id for item in found[:arrived]}
        decided = sides
    by_group: dict[str, set[Split]] = {}
    for item in found:
        by_group.setdefault(item.group, set()).add(decided[item.track_id])
    assert all(len(sides) == 1 for sides in by_group.values())


@given(
    st.lists(st.sampled_from(CATEGORIES), min_size=2, max_size=120),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_each_category_has_its_share_whatever_the_order(categories, ratio: float, seed: int, random) -> None:
    found = [candidate(number, category, number) for number, category in enumerate(categories, start=1)]
    sides = assign_splits(found, {}, ratio=ratio, seed=seed)
    counts = {
        category: sum(sides[item.track_id] is Split.VALIDATION for item in found if item.category is category)
        for category in CATEGORIES
    }
    wanted = {category: round(ratio * categories.count(category)) for category in CATEGORIES}
    if sum(wanted.values()):
        assert counts == wanted
    else:
        assert sum(counts.values()) == 1  # two tracks or more: never without validation
    shuffled = random.sample(found, len(found))
    assert assign_splits(shuffled, {}, ratio=ratio, seed=seed) == sides


@given(st.integers(20, 200))
def test_another_seed_draws_others(count: int) -> None:
    found = [candidate(number, StyleCategory.CORE, number) for number in range(1, count + 1)]
    drawn = {tuple(assign_splits(found, {}, ratio=0.5, seed=seed).items()) for seed in range(4)}
    assert len(drawn) > 1
