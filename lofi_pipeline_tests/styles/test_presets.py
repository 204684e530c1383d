"""The 38 presets: complete, inherited, closed over the vocabulary; and what is refused when somebody edits them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline.config import config_root
from lofi_pipeline.entities import RecordError
from lofi_pipeline.styles import (
    STYLE_IDS,
    StyleError,
    UnknownStyle,
    UnknownTag,
    load_presets,
    load_vocabulary,
    preset_of,
    resolve_presets,
)
from lofi_pipeline.styles.presets import KIND_OF_FIELD, OWN_FIELDS

VOCABULARY = load_vocabulary()
PRESETS = load_presets()
WRITTEN: dict[str, dict[str, Any]] = {
    item["style_id"]: item for item in yaml.safe_load((config_root() / "style_presets.yaml").read_text())
}

PARENT = {
    "style_id": "CORE-01",
    "name": "Parent",
    "category": "core",
    "base_tags": ["lofi"],
    "instruments": ["rhodes", "piano"],
    "production": ["vinyl crackle"],
    "mood_options": ["chill"],
    "tempo_range": [70, 80],
    "atmosphere": "rain",
}


def child(style_id: str, extends: str | None, **fields: Any) -> dict[str, Any]:
    return {"style_id": style_id, "name": style_id, "category": "core", "extends": extends, **fields}


def resolved(*presets: Any) -> dict[str, Any]:
    return dict(resolve_presets(list(presets), VOCABULARY, where="presets.yaml"))


def test_there_are_the_38_of_the_data_model() -> None:
    assert len(PRESETS) == 38
    counts = Counter(preset.category for preset in PRESETS.values())
    assert counts == {"core": 7, "seasonal": 9, "thematic": 10, "instrumental": 7, "vocal": 5}
    assert tuple(PRESETS) == STYLE_IDS
    assert {STYLE_IDS[0], STYLE_IDS[15], STYLE_IDS[-1]} == {"CORE-01", "SEASON-09", "VOCAL-05"}


def test_every_tag_is_in_the_vocabulary_as_it_is_spelled_there() -> None:
    for style_id, item in WRITTEN.items():
        for field, kind in KIND_OF_FIELD.items():
            value = item.get(field) or []
            for tag in value if isinstance(value, list) else [value]:
                assert tag in VOCABULARY.tags(kind), f"{style_id}.{field}: {tag}"


def test_inheritance_is_real() -> None:
    heirs = {style_id: item["extends"] for style_id, item in WRITTEN.items() if item.get("extends")}
    assert all(style_id in heirs for style_id in STYLE_IDS if not style_id.startswith("CORE"))
    assert any(parent in heirs and heirs[parent] in heirs for parent in heirs.values()), (
        "nothing two levels deep"
    )
    inherited = Counter(
        field
        for style_id, item in WRITTEN.items()
        if "extends" in item
        for field in KIND_OF_FIELD
        if field not in item and getattr(PRESETS[style_id], field) == getattr(PRESETS[item["extends"]], field)
    )
    assert inherited["vocal_type"] > 20
    assert inherited["base_tags"] >= 5


def test_what_a_preset_gives_holds_and_the_rest_is_its_parents() -> None:
    for style_id, item in WRITTEN.items():
        preset = PRESETS[style_id].model_dump(mode="json")
        parent = PRESETS[item["extends"]].model_dump(mode="json") if item.get("extends") else {}
        for field in preset.keys() - {"extends"}:
            expected = item.get(field, None if field in OWN_FIELDS else parent.get(field))
            assert preset[field] == expected, f"{style_id}.{field}"


def test_no_two_presets_sound_alike() -> None:
    def sound(style_id: str) -> tuple[object, ...]:
        preset = PRESETS[style_id]
        return tuple(preset.instruments), tuple(preset.production), preset.tempo_range

    assert len({sound(style_id) for style_id in PRESETS}) == 38
    for style_id, item in WRITTEN.items():
        if parent := item.get("extends"):
            assert all(mine != theirs for mine, theirs in zip(sound(style_id), sound(parent), strict=True)), (
                style_id
            )


def test_tempos_are_those_of_lofi() -> None:
    for preset in PRESETS.values():
        low, high = preset.tempo_range
        assert 55 <= low < high <= 100, preset.style_id


def test_only_vocal_presets_have_a_voice() -> None:
    for style_id, preset in PRESETS.items():
        assert (preset.vocal_type != "instrumental") == style_id.startswith("VOCAL")


def test_loading_twice_gives_two_dictionaries() -> None:
    load_presets().clear()
    assert len(load_presets()) == 38


def test_a_child_replaces_whole_lists_inherits_the_rest_and_null_clears() -> None:
    presets = resolved(
        child("CORE-03", "CORE-02", atmosphere=None),
        child("CORE-02", "CORE-01", instruments=["koto"], tempo_range=[90, 95]),
        PARENT,
    )
    grandchild = presets["CORE-03"]
    assert grandchild.instruments == ["koto"]
    assert grandchild.tempo_range == (90, 95)
    assert grandchild.production == ["vinyl crackle"]
    assert grandchild.atmosphere is None
    assert presets["CORE-02"].atmosphere == "rain"
    assert grandchild.extends == "CORE-02"


def test_the_order_in_the_file_does_not_matter() -> None:
    listed = list(WRITTEN.values())
    assert resolved(*listed) == resolved(*reversed(listed)) == PRESETS


def test_aliases_become_canonical() -> None:
    preset = resolved({**PARENT, "instruments": ["Fender Rhodes", "Pads"]})["CORE-01"]
    assert preset.instruments == ["rhodes", "synth pad"]


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        ([child("CORE-01", "CORE-01")], "circle: CORE-01 -> CORE-01"),
        (
            [child("CORE-01", "CORE-02"), child("CORE-02", "CORE-03"), child("CORE-03", "CORE-01")],
            "circle: CORE-01 -> CORE-02 -> CORE-03 -> CORE-01",
        ),
        ([PARENT, child("CORE-02", "CORE-07")], "CORE-02 -> CORE-07: there is no preset CORE-07 to extend"),
        ([{**PARENT, "extends": 7}], "CORE-01 -> 7: there is no preset 7"),
        ([PARENT, PARENT], "CORE-01 is there twice"),
        ([{**PARENT, "instruments": ["theremin"]}], "CORE-01: instruments: unknown tag 'theremin'"),
        (
            [{**PARENT, "mood_options": ["mellw"]}],
            "CORE-01: mood_options: unknown tag 'mellw'; did you mean mellow",
        ),
        (
            [{**PARENT, "instruments": ["rain"]}],
            "CORE-01: instruments: 'rain' is a tag of the category atmosphere",
        ),
        (
            [{**PARENT, "atmosphere": "rhodes"}],
            "CORE-01: atmosphere: 'rhodes' is a tag of the category instruments",
        ),
        ([{**PARENT, "instruments": ["rhodes", "e-piano"]}], "CORE-01: instruments: a tag is listed twice"),
        ([{**PARENT, "instruments": []}], "CORE-01: StylePreset.instruments"),
        ([{**PARENT, "tempo_range": [80, 70]}], "tempo_range"),
        ([{**PARENT, "tempo": 80}], "StylePreset.tempo: Extra inputs"),
        ([{**PARENT, "style_id": "CORE-1"}], "StylePreset.style_id"),
        ([child("CORE-01", None)], "StylePreset.base_tags: Field required"),
        (["CORE-01"], "presets.yaml[0]: a preset is a mapping"),
        ([{"name": "nobody"}], "presets.yaml[0]: a preset is a mapping"),
    ],
)
def test_presets_that_are_refused(presets: list[Any], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        resolved(*presets)
    assert message in str(caught.value)
    assert "presets.yaml" in str(caught.value)


def test_name_and_category_are_not_inherited() -> None:
    with pytest.raises(RecordError, match=r"CORE-02: StylePreset.name: Field required"):
        resolved(PARENT, {"style_id": "CORE-02", "category": "core", "extends": "CORE-01"})


def test_a_file_with_other_presets_is_refused_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "style_presets.yaml"
    others = [item for item in WRITTEN.values() if item["style_id"] != "VOCAL-05"]
    path.write_text(yaml.safe_dump([*others, {**PARENT, "style_id": "CORE-08"}]))
    with pytest.raises(StyleError) as caught:
        load_presets(path)
    assert "missing: VOCAL-05" in str(caught.value)
    assert "not in the data model: CORE-08" in str(caught.value)


@pytest.mark.parametrize("text", ["CORE-01: {}", "", "5"])
def test_a_file_that_is_no_list(tmp_path: Path, text: str) -> None:
    path = tmp_path / "style_presets.yaml"
    path.write_text(text)
    with pytest.raises(StyleError, match="must be a list of presets"):
        load_presets(path)


def test_an_unknown_style_names_those_there_are() -> None:
    with pytest.raises(UnknownStyle, match=r"unknown style id 'CORE-99'; there are: CORE-01, CORE-02"):
        preset_of("CORE-99", PRESETS)


def test_unknown_tags_are_style_errors() -> None:
    assert issubclass(UnknownTag, StyleError)
