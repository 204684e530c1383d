"""What is weak in what scores were measured on, in sentences: shown wherever the scores are."""

from __future__ import annotations

from collections.abc import Sequence

from lofi_pipeline.entities import MemorisedSample, Precision, few, memorises

FEWEST_TRACKS = 30
FEWEST_STYLES = 3


def weaknesses(precision: Precision | None) -> list[str]:
    """A sentence for each thing that makes these scores say less than they seem to."""
    if precision is None:
        return [
            "The errors of these scores were not measured, by an earlier version: remove scores.json and run lofi run to measure them."
        ]
    found, kind = [], reference_kind(precision)
    if precision.reference_tracks < FEWEST_TRACKS:
        found.append(
            f"The reference holds {number_of(precision.reference_tracks, f'{kind} track')}: with fewer than {FEWEST_TRACKS}, "
            "FAD depends on which those are; add music, or raise dataset.validation_ratio."
        )
    if precision.reference_ends:
        found.append(
            f"{precision.reference_ends} of the {precision.reference_tracks} reference tracks are ends of training tracks: a model "
            "that learnt those songs by heart scores better on them than one that learnt the style."
        )
    if precision.reference_styles < FEWEST_STYLES:
        found.append(
            f"The {kind} tracks are of {number_of(precision.reference_styles, 'style')}: with fewer than {FEWEST_STYLES}, "
            "what scores best is what sounds like those; add music of other styles."
        )
    if precision.duplicates:
        pairs = few([" and ".join(pair) for pair in precision.duplicates], most=5)
        found.append(
            f"{kind.capitalize()} tracks are heard as the same music ({pairs}): they count more than once; remove one of each."
        )
    if precision.fad_se is None:
        found.append(
            "There are too few clips or tracks to measure the error of FAD; raise evaluation.validation_prompts, or set evaluation.size."
        )
    return found


def reference_kind(precision: Precision) -> str:
    """What the tracks are that clips were compared with."""
    return "reference" if precision.reference_ends else "validation"


def memorisation(repeating: Sequence[MemorisedSample] | None, samples: int) -> str:
    """Whether samples repeat training tracks, in words."""
    if repeating is None:
        return "Whether samples repeat training music was not looked for."
    count = len({row.sample for row in repeating})
    if not count:
        return f"None of {number_of(samples, 'sample')} was found to repeat training music."
    rows = few([f"{row.track} for {row.share:.0%} of {row.sample}" for row in repeating], most=5)
    verdict = (
        " It memorises, and is not proposed as the best of its lineage."
        if memorises(repeating, samples)
        else ""
    )
    return f"{count} of {number_of(samples, 'sample')} repeat training music ({rows}).{verdict}"


def number_of(count: int, noun: str) -> str:
    """`1 track`, `2 tracks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
