"""A record that is one object of lists is read a member at a time, and only where it is laid out as this project writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import DropAudio, Entity
from lofi_pipeline.entities.packed_members import PackedMembers
from lofi_pipeline.storage import members_of, write_json_atomic

AUDIO = st.builds(
    DropAudio,
    path=st.just("raw/a.mp3"),
    size=st.integers(0, 2**40),
    modified_ns=st.just(1),
    refusal=st.none() | st.text(),
    said=st.none() | st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
)
NAMES = st.text(max_size=5) | st.sampled_from(["    ],\n", "  }\n}\n", '": [', "sources"])


class Lists(Entity):
    """As metadata/claims.json is."""

    sources: dict[str, list[DropAudio]] = {}


@given(st.dictionaries(NAMES, st.lists(AUDIO, min_size=1, max_size=3), min_size=1, max_size=4))
def test_the_members_are_those_of_the_record(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, list[DropAudio]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "members.json"
    write_json_atomic(path, Lists(sources=members))
    alone = list(members_of(Lists, path, "sources"))
    assert [list(it.sources.items()) for it in alone] == [[member] for member in members.items()]
    packed = Lists().model_copy(update={"sources": PackedMembers(members.items())})
    before = path.read_bytes()
    write_json_atomic(path, packed)
    assert path.read_bytes() == before


ONE = {
    "a": [DropAudio(path="raw/a.mp3", size=1, modified_ns=1)],
    "b": [DropAudio(path="raw/b.mp3", size=1, modified_ns=1)],
}
OTHERWISE: dict[str, Callable[[str], str]] = {
    "on one line": lambda text: json.dumps(json.loads(text)),
    "indented otherwise": lambda text: json.dumps(json.loads(text), indent=4),
    "cut off": lambda text: text[: text.rindex("    ]")],
    "cut off behind a member": lambda text: text[: text.rindex("  }")],
    "with more behind it": lambda text: text + "x",
    "with another field": lambda text: text[: text.rindex("\n}")] + ',\n  "more": {}\n}\n',
    "with a byte order mark": lambda text: "\ufeff" + text,
    "against a rule": lambda text: text.replace('"size": 1', '"size": "much"', 1),
    "empty": lambda text: "",
    "no members": lambda text: '{\n  "sources": {}\n}\n',
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_a_record_that_is_laid_out_otherwise_is_not_read_so(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    path = tmp_path / "members.json"
    write_json_atomic(path, Lists(sources=ONE))
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError):
        list(members_of(Lists, path, "sources"))
