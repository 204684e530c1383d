"""A data set version's hash: every fact that it keeps of tracks and sources is in it, but for what may differ by machine."""

from __future__ import annotations

from typing import Any

import pytest

from lofi_pipeline.entities import Provenance, SourceRecord, VersionTrack
from lofi_pipeline.entities.track import Track
from lofi_pipeline.storage import version_hash


def said(model: type[Any]) -> dict[str, Any]:
    return {name: f"the {name}" for name in model.model_fields}


VERSION = {
    "tracks": [said(VersionTrack) | {"track": said(Track)}, said(VersionTrack)],
    "sources": [said(SourceRecord)],
    "provenance": [said(Provenance)],
    "dataset": {"hash": "not part of itself"},
    "ledger": {"lines": 1},
}


def changed(kind: str, **change: Any) -> dict[str, Any]:
    first, *others = VERSION[kind]
    return VERSION | {kind: [first | change, *others]}


@pytest.mark.parametrize("name", [name for name in VersionTrack.model_fields if name != "audio_sha256"])
def test_each_fact_of_a_track_gives_another_hash(name: str):
    assert version_hash(changed("tracks", **{name: "another"})) != version_hash(VERSION)


@pytest.mark.parametrize("name", Track.model_fields)
def test_each_field_of_the_data_models_track_gives_another_hash(name: str):
    other = changed("tracks", track=said(Track) | {name: "another"})
    assert version_hash(other) != version_hash(VERSION)


@pytest.mark.parametrize("name", SourceRecord.model_fields)
def test_each_fact_of_a_source_gives_another_hash(name: str):
    assert version_hash(changed("sources", **{name: "another"})) != version_hash(VERSION)


@pytest.mark.parametrize("name", [name for name in Provenance.model_fields if name != "verdict"])
def test_grant_evidence_and_link_give_another_hash(name: str):
    assert version_hash(changed("provenance", **{name: "another"})) != version_hash(VERSION)


def test_what_a_machine_or_a_day_may_change_gives_the_same_hash():
    same = [
        changed("tracks", audio_sha256="rounded otherwise"),
        changed("provenance", verdict="worded otherwise"),
        VERSION | {"dataset": {"created": "later"}, "ledger": None},
    ]
    assert {version_hash(version) for version in same} == {version_hash(VERSION)}


def test_order_and_number_of_tracks_are_in_the_hash():
    first, second = VERSION["tracks"]
    orders = [[first, second], [second, first], [first], [first, second, second]]
    assert len({version_hash(VERSION | {"tracks": tracks}) for tracks in orders}) == 4


def test_a_version_from_before_provenance_has_the_hash_it_was_given():
    bare = {name: value for name, value in VERSION.items() if name != "provenance"}
    assert version_hash(bare) == version_hash(bare | {"provenance": []})
    assert version_hash(bare) != version_hash(VERSION)


OLD = {"tracks": [{"lyrics": "la", "bpm": 80, "audio_sha256": "x"}], "sources": []}


def test_the_hash_of_an_old_version_never_changes():
    """Versions on disk are named by it: what this gives today it must give for ever."""
    assert version_hash(OLD) == "a0a514740c02da03eb9acefeb52e72f772159f4cda4397c8124dac854d46ac13"


def test_a_field_that_came_later_makes_no_other_version_where_there_is_nothing_in_it():
    first, *others = VERSION["tracks"]
    before = VERSION | {
        "tracks": [{name: value for name, value in first.items() if name != "credits"}, *others]
    }
    assert version_hash(changed("tracks", credits=None)) == version_hash(before)
