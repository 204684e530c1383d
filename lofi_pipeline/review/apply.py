"""What a review makes of the styles, the prompt and the facts that the pipeline found. No audio is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lofi_pipeline import styles
from lofi_pipeline.entities import (
    Review,
    StylePreset,
    Support,
    SupportedTag,
    TaggedFacts,
    TagKind,
    TrackRecord,
)
from lofi_pipeline.entities.source import SOURCE_JSON

_WEAK = (Support.SUGGESTED, Support.CLAIMED, Support.NOTHING)
"""What supports a tag less than a person who accepted it."""


def applied(
    review: Review,
    found: TaggedFacts,
    record: TrackRecord,
    presets: Mapping[str, StylePreset],
    vocabulary: styles.Vocabulary,
) -> TaggedFacts:
    """What is trained on: what the pipeline found, and over it what people say.

    Raises:
        UnknownStyle, UnknownTag: a style or tag that there is no more.
        LyricsError: lyrics that a person wrote hold control characters.
    """
    lyrics = found.lyrics if review.lyrics is None else _lyrics(review.lyrics)
    base, offered, bpm = _base(review, found, record, presets, vocabulary, lyrics)
    tags = _with_edits(base, review, vocabulary) or [styles.NOTHING_KNOWN_TAG]
    taken = {tag.tag for tag in tags}
    rest = {tag.tag: tag for tag in [*base, *offered, *found.tags, *found.offered] if tag.tag not in taken}
    said = {
        "style_ids": review.style_ids,
        "style_confidence": 1.0 if review.style_ids else None,
        "needs_review": False if review.verified else None,
        "caption": review.caption,
        "bpm": review.bpm or bpm,
        "keyscale": review.key,
        "time_signature": review.time_signature,
    }
    return found.model_copy(
        update={
            **{name: value for name, value in said.items() if value is not None},
            "prompt": ", ".join(tag.tag for tag in tags),
            "lyrics": lyrics,
            "tags": tags,
            "offered": [*rest.values()],
        }
    )


def _lyrics(text: str) -> str:
    return styles.normalise_lyrics(text) or styles.INSTRUMENTAL_LYRICS


def _base(
    review: Review,
    found: TaggedFacts,
    record: TrackRecord,
    presets: Mapping[str, StylePreset],
    vocabulary: styles.Vocabulary,
    lyrics: str,
) -> tuple[list[SupportedTag], list[SupportedTag], int]:
    """The tags before any is added or removed, those that are offered beside them, and the tempo."""
    assert record.processed is not None
    if review.accepted_tags is not None:
        known = {tag.tag: tag for tag in [*found.offered, *found.tags]}
        who = review.by.get("tags", "")
        return [_accepted(tag, known.get(tag), who) for tag in review.accepted_tags], [], found.bpm
    if review.style_ids is None:
        return found.tags, found.offered, found.bpm
    vocals = record.origins[0].vocals
    if vocals is None and not styles.is_instrumental(lyrics):
        vocals = True
    measured = record.processed.measurements
    known_styles = styles.KnownStyles(review.style_ids, Support.VERIFIED, 1.0)
    chosen = styles.choose_tags(known_styles, measured, presets, vocabulary, vocals=vocals, key=record.sha256)
    declared = [tag for tag in found.tags if tag.by == SOURCE_JSON]
    tags = styles.with_said(chosen.tags, declared, vocabulary, replace=list(TagKind))
    bpm = record.origins[0].bpm or styles.prompt_bpm(known_styles, measured, presets)
    return tags, chosen.offered, bpm


def _accepted(tag: str, known: SupportedTag | None, who: str) -> SupportedTag:
    if known is not None and known.support not in _WEAK:
        return known
    return by_person(tag, who)


def by_person(tag: str, who: str) -> SupportedTag:
    """A tag that a person says is true."""
    return SupportedTag(tag=tag, support=Support.VERIFIED, by=who or "a person", confidence=1.0)


def _with_edits(
    base: Iterable[SupportedTag], review: Review, vocabulary: styles.Vocabulary
) -> list[SupportedTag]:
    """The tags with those that people added, without those that they removed, in the order of a prompt."""
    said = [by_person(tag, review.by.get("tags", "")) for tag in review.added_tags]
    if review.bpm is not None:
        said.append(by_person(styles.tempo_tag(review.bpm), review.by.get("bpm", "")))
    return styles.with_said(base, said, vocabulary, without=review.removed_tags)
