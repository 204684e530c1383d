"""Entities that are kept as bytes are the ones that were put in, whatever is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import Drop, DropAudio, DropStatus
from lofi_pipeline.entities.packed import Packed
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.entities.packed_members import PackedMembers


def drop(number: int, status: DropStatus = DropStatus.ACCEPTED) -> Drop:
    folder = f"raw/creative-commons/{number:02d}"
    file = DropAudio(path=f"{folder}/a.mp3", size=number, modified_ns=1 << 60, said={"TCOP": "é \U0001f3b5"})
    return Drop(folder=folder, signature="s", status=status, files=[file])


DROPS = [drop(number) for number in range(7)]


@pytest.mark.parametrize("together", [1, 3, 100])
def test_they_are_read_as_a_list_is(together: int) -> None:
    packed = Packed(iter(DROPS), together=together)
    assert list(packed) == DROPS
    assert [packed[number] for number in range(-7, 7)] == DROPS * 2
    assert (packed[2:5], packed[::-3], len(packed)) == (DROPS[2:5], DROPS[::-3], 7)
    assert packed == DROPS and packed == Packed(DROPS) and packed != DROPS[1:]
    with pytest.raises(IndexError):
        packed[7]


def test_an_entity_comes_back_with_the_fields_that_it_was_given() -> None:
    (back,) = Packed(DROPS[:1])
    assert back.model_dump() == DROPS[0].model_dump()
    assert back.model_dump(exclude_unset=True) == DROPS[0].model_dump(exclude_unset=True)
    assert back.model_copy(update={"reason": "why"}).reason == "why"


def test_a_step_changes_the_drops_that_it_changes() -> None:
    def step(drops: Iterable[Drop]) -> Iterator[Drop]:
        for it in drops:
            forbidden = {"status": DropStatus.FORBIDDEN, "reason": "no"}
            yield it.model_copy(update=forbidden) if it.folder.endswith("3") else it

    found = PackedDrops(DROPS).through(step)
    assert [it.reason for it in found] == [None] * 3 + ["no"] + [None] * 3
    assert [it.folder for it in found.having(DropStatus.FORBIDDEN)] == [DROPS[3].folder]


def test_a_step_for_some_of_the_drops_is_given_no_others() -> None:
    given: list[str] = []

    def step(drops: Iterable[Drop]) -> Iterator[Drop]:
        for it in drops:
            given.append(it.folder[-2:])
            yield it.model_copy(update={"status": DropStatus.REFUSED, "reason": "no"})

    found = PackedDrops(DROPS).through(step, only={2, 5})
    assert given == ["02", "05"]
    assert [it.folder[-2:] for it in found.having(DropStatus.REFUSED)] == given
    assert [it for it in found if it.folder[-2:] not in given] == [*DROPS[:2], *DROPS[3:5], DROPS[6]]
    assert (found.folders, len(found)) == ([it.folder for it in DROPS], 7)


def test_what_changed_since_is_told_with_what_came_and_went() -> None:
    former = PackedDrops(DROPS[:4])
    now = PackedDrops([DROPS[0], drop(2, DropStatus.REFUSED), DROPS[3], DROPS[5]])
    now.share(former)
    told = [(before and before.folder[-1], it and it.folder[-1]) for before, it in now.changed_since(former)]
    assert told == [("1", None), ("2", "2"), (None, "5")]
    assert now.get(DROPS[5].folder) == DROPS[5] and now.get("raw/none") is None


@given(st.dictionaries(st.text(max_size=3), st.lists(st.sampled_from(DROPS), max_size=3)))
def test_members_are_read_as_those_of_a_mapping(members: dict[str, list[Drop]]) -> None:
    found = PackedMembers(members.items())
    assert found == members and list(found.items()) == list(members.items())
    assert found.get("no such name") is None
