"""The same recording, as a relation: symmetric, transitive, whatever came first; and how sure each step is."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.dataset.duplicates import Comparisons, TrackPair
from lofi_pipeline.dataset.recordings import Recordings
from lofi_pipeline.entities import recording_order

IDS = [f"track_{number:03d}" for number in range(1, 10)] + [f"refused_{number:03d}" for number in range(1, 4)]


def pair(one: str, other: str, *, part: bool = False) -> TrackPair:
    """A pair as duplicates.json has it, the later one first."""
    track_id, earlier = sorted((one, other), key=recording_order, reverse=True)
    return TrackPair(
        track_id=track_id,
        other=earlier,
        kinship=audio.MatchType.PART if part else audio.MatchType.SAME,
        similarity=0.9,
        contradiction=0.01,
        speed=1.0,
        semitones=0.0,
        share=1.0,
        offset_seconds=0.0,
        shared_seconds=20.0 if part else None,
    )


def related(found: Sequence[tuple[str, str]], parts: Sequence[tuple[str, str]] = ()) -> Comparisons:
    return Comparisons(
        compared=dict.fromkeys(IDS, "0" * 64),
        pairs=[pair(one, other) for one, other in found if one != other],
        parts=[pair(one, other, part=True) for one, other in parts if one != other],
    )


PAIRS = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=12)


@given(found=PAIRS)
def test_it_is_symmetric_and_transitive(found: list[tuple[str, str]]) -> None:
    same = {it: {it, *Recordings(related(found)).same_as([it])} for it in IDS}
    for one in IDS:
        for other in same[one]:
            assert same[other] == same[one]
    for one, other in found:
        assert other in same[one]


@given(found=PAIRS, parts=PAIRS, data=st.data())
def test_it_does_not_depend_on_what_came_first(
    found: list[tuple[str, str]], parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    names = dict(zip(IDS, data.draw(st.permutations(IDS)), strict=True))
    renamed = related(
        [(names[one], names[other]) for one, other in reversed(found)],
        [(names[one], names[other]) for one, other in reversed(parts)],
    )
    for origin in IDS:
        before = Recordings(related(found, parts)).holding([origin])
        after = Recordings(renamed).holding([names[origin]])
        assert {names[it] for it in before} == set(after)
        assert {names[it]: len(link.pairs) for it, link in before.items()} == {
            it: len(link.pairs) for it, link in after.items()
        }


@given(found=PAIRS, parts=PAIRS, origins=st.sets(st.sampled_from(IDS), min_size=1))
def test_every_link_is_a_way_of_pairs_from_an_origin(
    found: list[tuple[str, str]], parts: list[tuple[str, str]], origins: set[str]
) -> None:
    recordings = Recordings(related(found, parts))
    for recording_id, link in recordings.holding(origins).items():
        at = link.origin
        assert at in origins and recording_id not in origins
        for step in link.pairs:
            at = step.track_id if step.other == at else step.other
        assert at == recording_id
        assert sum(1 for step in link.pairs if step.shared_seconds) <= 1  # a part of a part is none


def test_a_chain_is_told_step_by_step_with_how_sure_each_is() -> None:
    recordings = Recordings(related([("track_003", "track_009"), ("track_009", "refused_001")]))
    link = recordings.same_as(["track_003"])["refused_001"]
    told = link.in_words("the withdrawn track_003 (Rain)")
    assert told == (
        "the same recording as the withdrawn track_003 (Rain), by way of track_009 (refused_001 and track_009: similarity 0.90, "
        "contradiction 0.010, 100 % of the shorter one; track_009 and track_003: similarity 0.90, contradiction 0.010, "
        "100 % of the shorter one)"
    ).replace("100 %", "100%")


def test_copies_that_were_compared_with_a_few_alone_belong_together_too() -> None:
    known = [(IDS[one], IDS[other]) for one in range(4) for other in range(one)]
    found = related(known).model_copy(update={"alike": {"track_005": "track_001", "track_006": "track_001"}})
    assert set(Recordings(found).same_as(["track_006"])) == set(IDS[:5])
    gone = dict.fromkeys(IDS[4:], "0" * 64)
    without_the_first = found.model_copy(update={"compared": gone, "pairs": []})
    assert set(Recordings(without_the_first).same_as(["track_006"])) == {"track_005"}
