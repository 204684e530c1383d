"""The vocabulary: seven categories, one canonical spelling for each tag, and help where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import RecordError, TagCategory, TagKind
from lofi_pipeline.styles import TEMPO_TAG_RANGE, StyleError, UnknownTag, Vocabulary, load_vocabulary

VOCABULARY = load_vocabulary()
ALL_TAGS = [tag for kind in TagKind for tag in VOCABULARY.tags(kind)]


def test_the_seven_categories_in_the_order_of_a_prompt() -> None:
    order = ["genre", "mood", "instruments", "tempo", "production", "atmosphere", "vocal_type"]
    assert [category.category for category in VOCABULARY.categories] == order


def test_every_tag_is_its_own_canonical_form_and_belongs_to_one_category() -> None:
    assert len(set(ALL_TAGS)) == len(ALL_TAGS)
    for kind in TagKind:
        for tag in VOCABULARY.tags(kind):
            assert VOCABULARY.canonical(tag) == tag
            assert VOCABULARY.kind_of(tag) is kind


def test_every_alias_leads_to_its_tag() -> None:
    for category in VOCABULARY.categories:
        for alias, tag in category.canonical_forms.items():
            assert VOCABULARY.canonical(alias) == tag
            assert VOCABULARY.kind_of(alias) is category.category


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("Lo-Fi", "lofi"),
        ("  rhodes   PIANO ", "rhodes"),
        ("vinyl_crackle", "vinyl crackle"),
        ("Low Pass-Filtered", "low-pass filtered"),
        ("low\u2011pass filtered", "low-pass filtered"),
        ("82BPM", "82 bpm"),
        ("Lofi Hip-Hop", "lofi hip hop"),
        ("CAFÉ", "coffee shop"),
        ("cafe\u0301", "coffee shop"),
        ("808", "sub bass"),
        ("lofi R&B", "lofi r&b"),
    ],
)
def test_spellings(spelling: str, canonical: str) -> None:
    assert VOCABULARY.canonical(spelling) == canonical
    assert spelling in VOCABULARY


@given(
    tag=st.sampled_from(ALL_TAGS),
    upper=st.booleans(),
    separator=st.sampled_from([" ", "  ", "_", "-", "\u2013", "\t"]),
    around=st.sampled_from(["", " ", "\n"]),
)
def test_case_and_separators_never_matter(tag: str, upper: bool, separator: str, around: str) -> None:
    spelling = around + tag.replace("-", " ").replace(" ", separator) + around
    assert VOCABULARY.canonical(spelling.upper() if upper else spelling) == tag


@given(st.text(max_size=30))
def test_a_text_is_a_tag_or_an_error_that_says_so(text: str) -> None:
    if text in VOCABULARY:
        assert VOCABULARY.canonical(text) in ALL_TAGS
        return
    with pytest.raises(UnknownTag, match="unknown tag"):
        VOCABULARY.kind_of(text)


def test_an_unknown_tag_names_the_nearest() -> None:
    with pytest.raises(UnknownTag, match=r"unknown tag 'vinil crakle'; did you mean vinyl crackle"):
        VOCABULARY.canonical("vinil crakle")
    with pytest.raises(
        UnknownTag, match=r"^unknown tag 'xyzzy' \(the vocabulary is config/tag_categories.yaml\)"
    ):
        VOCABULARY.canonical("xyzzy")


def test_tempo_tags_are_those_that_folding_can_give() -> None:
    low, high = TEMPO_TAG_RANGE
    assert VOCABULARY.tags(TagKind.TEMPO) == tuple(f"{bpm} bpm" for bpm in range(low, high + 1))


def category(kind: str, tags: list[str], **aliases: str) -> TagCategory:
    data: dict[str, Any] = {"category": kind, "tags": tags, "canonical_forms": aliases}
    return TagCategory.parse(data, where=kind)


SMALL = [category(kind, [f"{kind} tag"]) for kind in TagKind]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (SMALL[1:], "no category genre"),
        ([*SMALL, SMALL[0]], "a category is there twice"),
        ([category("genre", ["mood tag"]), *SMALL[1:]], "mood: 'mood tag' already stands for 'mood tag'"),
        ([category("genre", ["a-b", "a b"]), *SMALL[1:]], "genre: 'a b' already stands for 'a-b'"),
        ([category("genre", ["lofi"], sax="lofi"), category("mood", ["sax"]), *SMALL[2:]], "mood: 'sax'"),
    ],
)
def test_vocabularies_that_are_refused(categories: list[TagCategory], message: str) -> None:
    with pytest.raises(StyleError) as caught:
        Vocabulary.of(categories, where="tags.yaml")
    assert message in str(caught.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tag_categories.yaml"
    path.write_text("genre: [lofi]")
    with pytest.raises(StyleError, match="must be a list of categories"):
        load_vocabulary(path)
    other = tmp_path / "others.yaml"
    other.write_text(yaml.safe_dump([{"category": "genre", "tags": ["a,b"]}]))
    with pytest.raises(RecordError, match=r"others.yaml\[0\]: TagCategory.tags.0"):
        load_vocabulary(other)
