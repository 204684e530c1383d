"""Which of the copies of one recording is kept: the one that is whole, then lossless, then better scored, then registered first.

Only tracks that may be trained on are given here. Which tracks are copies is found in duplicates.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lofi_pipeline import audio
from lofi_pipeline.dataset.duplicates import Comparisons, Copy, SameRecordings, copies_among
from lofi_pipeline.entities import ProcessedFacts, TrackRecord, track_number

_DAMAGED_FROM = 0.001
"""Share of the audio; a decoder loses less than that at the ends of an undamaged file."""
_SHORTER_FROM = 0.1
"""Copies that differ less in length were trimmed, faded or cut at another bar line; nothing is missing."""
_LOSSY_TRACES = "upsampled"
"""The part of the quality score that tells audio which was coded with loss before, whatever the file says."""


@dataclass(frozen=True, order=True)
class Worth:
    """How good a copy is: the smaller, the better."""

    missing: float
    """Share of the recording that was damaged, or cut off."""
    lossy: bool
    below_best: int
    """Points of the quality score that it lacks."""
    number: int

    def advantage_over(self, other: Worth) -> str:
        """Why this one is the better copy, in words; empty where only the order of registration decides."""
        if self.missing < other.missing:
            lacking = f"{_percent(other.missing)} of this one is missing"
            return (
                f"whole: {lacking}"
                if not self.missing
                else f"{lacking}, {_percent(self.missing)} of that one"
            )
        if self.lossy < other.lossy:
            return "lossless"
        if self.below_best < other.below_best:
            return f"score {100 - self.below_best} instead of {100 - other.below_best}"
        return ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def worse_copies(records: Sequence[TrackRecord], found: Comparisons) -> dict[str, Copy]:
    """The tracks that are left out because a better copy of the same recording is among these tracks, by track id."""
    processed = {record.track_id: record.processed for record in records if record.processed}
    missing = _missing_shares(processed, found)
    worths = {
        track_id: Worth(
            missing=round(missing[track_id], 4),
            lossy=not _is_lossless(facts),
            below_best=100 - facts.quality.score,
            number=track_number(track_id),
        )
        for track_id, facts in processed.items()
    }
    ranks = {track_id: rank for rank, track_id in enumerate(sorted(worths, key=worths.__getitem__))}
    copies = copies_among(list(ranks), found, ranks.__getitem__)
    return {
        copy.track_id: replace(copy, advantage=worths[copy.original].advantage_over(worths[copy.track_id]))
        for copy in copies.values()
    }


def _is_lossless(facts: ProcessedFacts) -> bool:
    traces = any(part.name == _LOSSY_TRACES for part in facts.quality.parts)
    return audio.is_lossless(facts.source_codec) and not traces


def _missing_shares(processed: Mapping[str, ProcessedFacts], found: Comparisons) -> dict[str, float]:
    """By track, the share of its recording that it lacks: what was damaged in it, or what the longest copy has more."""
    same = SameRecordings.of(found)

    def longest(track_id: str, lengths: Mapping[str, float]) -> float:
        """The greatest of the lengths of a track and its copies, in seconds at the track's own speed."""
        others = same.partners[track_id] & lengths.keys()
        own = {it: lengths[it] / same.speed_against(track_id, it) for it in others}
        return max(lengths[track_id], *own.values(), 0.0)

    seconds = {track_id: facts.duration for track_id, facts in processed.items()}
    whole = {track_id: longest(track_id, seconds) for track_id in seconds}
    # The later ones of many copies were compared with the first few alone, which know the length of all
    whole |= {track_id: longest(track_id, whole) for track_id in found.alike if track_id in whole}
    shares = {}
    for track_id, facts in processed.items():
        shorter = 1 - facts.duration / whole[track_id]
        damaged = facts.lost_share
        shares[track_id] = max(
            shorter if shorter > _SHORTER_FROM else 0.0, damaged if damaged > _DAMAGED_FROM else 0.0
        )
    return shares
