"""What stands behind the scores of a set of clips: their errors, FAD for endless clips, KAD, and what is weak in the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lofi_pipeline.checkpoints.compare import jackknife_error, mean_interval
from lofi_pipeline.entities import LeavingOut, Precision
from lofi_pipeline.evaluation.kernel import FIXED_BANDWIDTH, KernelSums, median_bandwidth, squared_distances
from lofi_pipeline.evaluation.reference import Reference
from lofi_pipeline.evaluation.spread import ClipDistances, fad_infinity, floor_by_track, without_each_track

SAME_WINDOW = 1e-3
"""Of the median distance between windows: nearer ones are of the same music."""
DUPLICATE_SHARE = 0.5
"""Of the shorter track's windows, that the other has as well."""


def measure_precision(
    clips: Sequence[np.ndarray], clap_of_clip: Sequence[float], reference: Reference
) -> tuple[Precision, LeavingOut | None]:
    """The errors of scores, and FAD without each clip and each track.

    `clips`: embeddings [windows, D] of each clip of a validation prompt. Prompts go through the validation tracks in their order,
    and begin again after the last. `clap_of_clip` is of all clips.
    """
    heard = [number for number, track in enumerate(reference.tracks) if len(track)]
    tracks = [reference.tracks[number] for number in heard]
    prompted = len(reference.tracks) - reference.ends
    asked = [clip % prompted for clip in range(len(clips))]
    track_of_clip = [heard.index(number) if number in heard else -1 for number in asked]
    distances = ClipDistances(clips, reference.gaussian)
    without_clip = distances.without_each()
    without_track = without_each_track(clips, track_of_clip, tracks)
    floor = floor_by_track(tracks, sum(map(len, clips)))
    precision = Precision(
        clips=len(clips),
        reference_tracks=len(tracks),
        reference_styles=len(reference.styles),
        reference_ends=sum(number >= prompted for number in heard),
        duplicates=[
            [reference.track_ids[heard[one]], reference.track_ids[heard[other]]]
            for one, other in duplicates(tracks)
        ],
        fad_se_by_clip=jackknife_error(without_clip),
        fad_se_by_track=jackknife_error(without_track),
        fad_infinity=fad_infinity(distances),
        clap_interval=mean_interval(clap_of_clip),
        floor=floor[0] if floor else None,
        floor_windows=floor[1] if floor else None,
        **_kernel_distances(clips, track_of_clip, tracks),
    )
    parts = LeavingOut(clips=without_clip, tracks=without_track or []) if without_clip else None
    return precision, parts


def _kernel_distances(
    clips: Sequence[np.ndarray], track_of_clip: Sequence[int], tracks: Sequence[np.ndarray]
) -> dict[str, float | None]:
    """KAD with both bandwidths, and the larger of its errors by clip and by track."""
    bandwidth = median_bandwidth(tracks)
    if not bandwidth:
        return {}
    sums = KernelSums.of(clips, tracks, bandwidth)
    errors = [
        jackknife_error(without)
        for without in (sums.without_each_clip(), sums.without_each_track(track_of_clip))
    ]
    return {
        "kad": sums.distance(),
        "kad_se": max((error for error in errors if error is not None), default=None),
        "kad_fixed": KernelSums.of(clips, tracks, FIXED_BANDWIDTH).distance(),
    }


def duplicates(tracks: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs of tracks of which an embedder hears the same in most windows of the shorter one; cut alike they must be."""
    rows = np.concatenate(tracks).astype(np.float64)
    counts = np.array([len(track) for track in tracks])
    starts = np.cumsum(counts) - counts
    # What rounding leaves between equal rows counts as nothing
    near = (SAME_WINDOW * median_bandwidth(tracks)) ** 2 + 1e-12 * float(np.max(rows**2, initial=0))
    found = []
    for number in range(1, len(tracks)):
        own = slice(starts[number], starts[number] + counts[number])
        gaps = squared_distances(rows[own], rows[: starts[number]])
        shared = (np.minimum.reduceat(gaps, starts[:number], axis=1) <= near).sum(axis=0)
        needed = DUPLICATE_SHARE * np.minimum(counts[:number], counts[number])
        found += [(int(other), number) for other in np.flatnonzero(shared >= needed)]
    return found
