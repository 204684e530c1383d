"""Records are written as Python's json writes them, to the byte, and read with the errors of a reader that looks closer."""

from __future__ import annotations

import json
import math
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    Entity,
    RecordError,
    Registry,
    Scan,
    Verdict,
)
from lofi_pipeline.storage import UnreadableRecord, read_record, write_json_atomic
from lofi_pipeline_tests.drops import facts

AWKWARD = 'quotes " and \\ lines \n\r\t \x00\x1f\x7f \u2028 ümläut 日本 😀'


class Everything(Entity):
    """One field of each kind that a record may have."""

    text: str
    number: float
    whole: int
    yes: bool
    nothing: None = None
    day: date = date(2025, 1, 15)
    moment: datetime = datetime(2025, 1, 15, 12, tzinfo=UTC)
    status: DropStatus = DropStatus.ACCEPTED
    pair: tuple[str, float] = ("a", 1e-7)
    counted: dict[int, list[float]] = {1: [0.1, 1e16], 2: []}
    by_status: dict[DropStatus, dict[str, str]] = {DropStatus.REFUSED: {}, DropStatus.ACCEPTED: {"a": "b"}}
    by_day: dict[date, int] = {date(2025, 1, 15): 2**70}
    inner: list[Drop] = []


def as_json_writes_it(value: Any) -> bytes:
    if isinstance(value, list):
        value = [item.model_dump(mode="json") if isinstance(item, Entity) else item for item in value]
    elif isinstance(value, Entity):
        value = value.model_dump(mode="json")
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def drop(**changes: Any) -> Drop:
    manifest = DropManifest.parse(
        facts(files={"a.mp3": {"title": AWKWARD}}, notes=AWKWARD, cost=1e-5), where=""
    )
    verdict = Verdict(
        permitted=True, licence="CC0-1.0", reason="", strictness=0, obligations=(), day=date(2025, 1, 1)
    )
    file = DropAudio(path="raw/a.mp3", size=10**12, modified_ns=1, sha256="0" * 64)
    given: dict[str, Any] = {
        "folder": "raw",
        "signature": "s",
        "status": DropStatus.ACCEPTED,
        "files": [file],
    }
    return Drop(**{**given, "manifest": manifest, "verdict": verdict, **changes})


def test_models_are_written_as_json_writes_their_fields(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    everything = Everything(text=AWKWARD, number=-0.0, whole=-1, yes=False, inner=[drop(), drop(files=[])])
    scan = Scan(drops=[drop(), drop().model_copy(update={"reason": AWKWARD})], judged_with="0" * 64)
    for value in (
        everything,
        scan,
        Scan(drops=[], judged_with="1" * 64),
        [everything, everything],
        Registry(tracks=[]),
    ):
        write_json_atomic(path, value)
        assert path.read_bytes() == as_json_writes_it(value)
        if isinstance(value, Entity):
            assert read_record(type(value), path) == value


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_any_value_is_written_as_json_writes_it(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("any") / "value.json"
    write_json_atomic(path, value)
    assert path.read_bytes() == as_json_writes_it(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_not_written(tmp_path: Path, number: float) -> None:
    broken = Everything(text="", number=0, whole=0, yes=True).model_copy(update={"number": number})
    for value in (broken, [broken], {"a": {"b": {"c": number}}}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json_atomic(tmp_path / "record.json", value)
    assert list(tmp_path.iterdir()) == []


def kinds(kind: type[Entity]) -> set[type[Entity]]:
    return {kind}.union(*(kinds(each) for each in kind.__subclasses__()))


def test_no_entity_is_written_otherwise_than_its_fields_are_named() -> None:
    for kind in kinds(Entity):
        own = kind.__pydantic_decorators__
        # A version's entries may be packed: they are dumped as the list that they stand for
        serializers = {(kind.__name__, name) for name in own.field_serializers} - {
            ("DatasetVersion", "_dumped")
        }
        assert not (serializers or own.model_serializers or own.computed_fields), kind
        for name, field in kind.model_fields.items():
            assert (field.exclude, field.alias, field.serialization_alias) == (None, None, None), (kind, name)


WRONG = {
    "no JSON": (b"{", UnreadableRecord, "is not JSON"),
    "no text": (b"\xff{}", UnreadableRecord, "is not JSON"),
    "half a character": (b'{"tracks": [], "\\ud800": 1}', RecordError, "unable to parse raw data"),
    "another record": (b'{"drops": []}', RecordError, "tracks: Field required"),
    "a list": (b"[]", RecordError, "Registry"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_record_that_cannot_be_read_says_which_and_why(tmp_path: Path, case: str) -> None:
    content, error, words = WRONG[case]
    path = tmp_path / "registry.json"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as told:
        read_record(Registry, path)
    assert str(path) in str(told.value)


def test_a_record_is_read_as_json_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_bytes(b'\xef\xbb\xbf {"tracks": []}')  # as some editors save it
    assert read_record(Registry, path) == Registry(tracks=[])
    with pytest.raises(FileNotFoundError):
        read_record(Registry, tmp_path / "none.json")


LONG = [f"{number}: {AWKWARD}" for number in range(4000)]
"""Several blocks of a file."""


@pytest.mark.parametrize(
    "former",
    [
        LONG[:-1],
        [*LONG, "more"],
        ["other", *LONG[1:]],
        [*LONG[:-1], "other"],
        LONG[:2000] + LONG[2001:],
        [],
        ["x"],
    ],
)
def test_a_long_record_takes_the_place_of_one_that_is_alike_in_part(
    tmp_path: Path, former: list[str]
) -> None:
    path = tmp_path / "record.json"
    for value in (former, LONG, former):
        write_json_atomic(path, value)
        assert path.read_bytes() == as_json_writes_it(value)
    assert [found.name for found in tmp_path.iterdir()] == ["record.json"]


def test_the_text_of_a_record_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json_atomic(path, [LONG] * 10)
    tracemalloc.start()
    try:
        write_json_atomic(path, [LONG] * 11)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4


def test_records_share_what_says_which_of_their_fields_were_given() -> None:
    one, two = (DropAudio(path=f"raw/{name}.mp3", size=1, modified_ns=1) for name in "ab")
    hashed = [file.model_copy(update={"sha256": "0" * 64}) for file in (one, two)]
    assert one.model_fields_set is two.model_fields_set
    assert hashed[0].model_fields_set is hashed[1].model_fields_set
    assert "sha256" in hashed[0].model_fields_set and "sha256" not in one.model_fields_set
