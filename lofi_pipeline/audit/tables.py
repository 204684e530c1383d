"""The tables of an audit report: tracks, obligations, attribution; all follow from a version and its sources' verdicts.

The rows of sources, which hold those verdicts, are made in audit/verdicts.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lofi_pipeline.entities import (
    Attribution,
    CaptionFacts,
    Credits,
    DatasetVersion,
    Obligation,
    ObligationRow,
    SourceRow,
    TrackRow,
    VersionTrack,
)

UNKNOWN_LANGUAGE = "unknown"
NO_LYRICS = "[instrumental]"
TO_DO = {
    Obligation.ATTRIBUTION: "Name title, artist, source and licence of each of these tracks wherever the model or its "
    "weights are published; ATTRIBUTION.md is the text.",
    Obligation.SHARE_ALIKE: "Publish the weights, if at all, under the same licence: it may reach them.",
    Obligation.NON_COMMERCIAL: "Use neither the weights nor what they generate commercially.",
    Obligation.NO_DERIVATIVES: "Publish nothing that is made from it; ask the author.",
    Obligation.CONTRACT_TERMS: "Keep to the terms of the contract or grant; the evidence names them.",
}
CAPTIONS = (
    "Prompts were put together by this project from each track's measured tempo and key, its style presets and a "
    "controlled vocabulary; no model and no third party wrote them. Lyrics, where there are any, came with the drop."
)


def track_rows(version: DatasetVersion, sources: Sequence[SourceRow]) -> list[TrackRow]:
    """One row for each track; its obligations are those of all its sources, then and now."""
    by_id = {row.record.source_id: row for row in sources}
    asked = {source_id: _asked(row) for source_id, row in by_id.items()}
    return [_track_row(item, by_id, asked) for item in version.tracks]


def _asked(row: SourceRow) -> tuple[Obligation, ...]:
    return tuple(dict.fromkeys([*row.verdict_then.obligations, *row.verdict_now.obligations]))


def _track_row(
    item: VersionTrack, sources: Mapping[str, SourceRow], asked: Mapping[str, tuple[Obligation, ...]]
) -> TrackRow:
    known = [source_id for source_id in item.source_ids if source_id in sources]
    obligations = dict.fromkeys(each for source_id in known for each in asked[source_id])
    first, credits = sources[known[0]] if known else None, item.credits or Credits()
    return TrackRow(
        track_id=item.track.track_id,
        title=item.credited_title,
        artist=item.credited_artist,
        album=credits.album,
        isrc=credits.isrc,
        language=credits.language if item.language == UNKNOWN_LANGUAGE else item.language,
        copyright=credits.copyright,
        from_tags=credits.from_tags,
        filename=item.track.filename,
        split=item.track.split,
        style_ids=item.track.style_ids,
        seconds=item.track.duration,
        licence=item.licence,
        source_ids=item.source_ids,
        provider=first.record.provider if first else "",
        url=item.url or (first.provenance.url if first and first.provenance else None),
        original_sha256=item.sha256,
        audio_sha256=item.audio_sha256,
        audio_path=item.track.audio_path,
        prompt_sha256=hashlib.sha256(item.prompt.encode()).hexdigest(),
        prompt=item.prompt,
        has_lyrics=_has_lyrics(item),
        human_verified=item.track.human_verified,
        obligations=tuple(obligations),
        terms=tuple(dict.fromkeys(term for source_id in known for term in sources[source_id].terms)),
    )


def obligation_rows(tracks: Iterable[TrackRow], sources: Sequence[SourceRow]) -> list[ObligationRow]:
    """Each obligation with the sources that bring it and the number of tracks it applies to."""
    counts = Counter(obligation for track in tracks for obligation in track.obligations)
    bringing: defaultdict[Obligation, list[str]] = defaultdict(list)
    for row in sources:
        for obligation in _asked(row):
            bringing[obligation].append(row.record.source_id)
    return [
        ObligationRow(
            obligation=obligation,
            sentence=TO_DO[obligation],
            source_ids=bringing[obligation],
            tracks=counts[obligation],
        )
        for obligation in Obligation
        if bringing[obligation]
    ]


def attributions(tracks: Iterable[TrackRow], sources: Sequence[SourceRow]) -> list[Attribution]:
    """An entry for each track and each of its sources that asks for attribution."""
    asking = {row.record.source_id: row for row in sources if Obligation.ATTRIBUTION in _asked(row)}
    return [
        _attribution(track, asking[source_id])
        for track in tracks
        for source_id in track.source_ids
        if source_id in asking
    ]


def _attribution(track: TrackRow, source: SourceRow) -> Attribution:
    record, verdict = source.record, source.verdict_then
    return Attribution(
        track_id=track.track_id,
        title=track.title or track.filename,
        artist=track.artist or record.provider,
        album=track.album,
        isrc=track.isrc,
        copyright=track.copyright,
        from_tags=track.from_tags,
        source_id=record.source_id,
        provider=record.provider,
        licence=verdict.licence,
        licence_url=verdict.url or source.verdict_now.url,
        url=track.url or (source.provenance.url if source.provenance else None),
    )


def caption_facts(version: DatasetVersion, variants: int, wordings: str) -> CaptionFacts:
    """Prompts and tags, counted; how many other wordings a training saw, and a sentence that says where they are."""
    tags = Counter(tag for item in version.tracks for tag in item.prompt.split(", ") if tag)
    return CaptionFacts(
        sentence=f"{CAPTIONS} {wordings}".rstrip(),
        prompts=len({item.prompt for item in version.tracks}),
        tags=dict(sorted(tags.items(), key=lambda pair: (-pair[1], pair[0]))),
        with_lyrics=sum(_has_lyrics(item) for item in version.tracks),
        variants=variants,
    )


def languages_of(version: DatasetVersion) -> dict[str, int]:
    """Tracks that have lyrics of their own, by language."""
    return dict(sorted(Counter(item.language for item in version.tracks if _has_lyrics(item)).items()))


def _has_lyrics(item: VersionTrack) -> bool:
    return item.lyrics.strip().casefold() not in ("", NO_LYRICS)
