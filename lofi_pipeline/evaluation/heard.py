"""Listening to clips beside scoring them: do they copy training tracks, are those of one prompt all the same, is stereo broken?

How copies are found is in copies/. What stands here is the order of things, and the sentences for people.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lofi_pipeline.entities import (
    CopiedPassage,
    DatasetVersion,
    Diversity,
    MemorisedSample,
    Nearness,
    RecordError,
    SamplesHeard,
    Scores,
    Split,
    StereoFault,
    TrackRecord,
    VersionTrack,
    few,
)
from lofi_pipeline.evaluation.copies.codec import Codec, listen_to_codec
from lofi_pipeline.evaluation.copies.search import Copied, find_copies, likeness_of
from lofi_pipeline.evaluation.copies.sound import STEPS_PER_DB, bands_of, mono_of
from lofi_pipeline.evaluation.copies.training import KeptSound, kept_tracks
from lofi_pipeline.evaluation.stereo import stereo_fault
from lofi_pipeline.evaluation.weaknesses import number_of, weaknesses
from lofi_pipeline.storage import DataRoot, read_record

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

SAME_CORRELATION = 0.97
"""Whole clips that correlate like this are one, give or take rounding and noise."""
SILENT_SHARE = 0.5
CLIPPED_PENALTY = 13.0
"""Points of the quality score that clipping cost: 0.2 % of the samples on flat tops, or surely clipped and then coded. A limiter cost
up to 12.2, clipping by 3 dB at least 15.6 (docs/scores.md)."""
_CLIPPING = ("clipping", "rounded clipping")
_SUFFIX = ".flac"


def hear(
    root: DataRoot,
    version: DatasetVersion,
    pipeline: Any,
    clips: Sequence[Clip],
    progress: Callable[[str], None] = lambda message: None,
) -> SamplesHeard:
    """Compare clips with all training tracks of `version`, with each other, and their channels with each other.

    Without the pipeline that made the clips, no allowance is made for its codec.
    """
    training = kept_tracks(root, version, Split.TRAIN, progress)
    validation = kept_tracks(root, version, Split.VALIDATION, progress)
    codec = listen_to_codec(root, version, pipeline) if pipeline is not None else Codec()
    samples = [clip.samples for clip in clips]
    rate = clips[0].sample_rate if clips else 1
    copies = find_copies(samples, rate, training.sounds, lost=codec.lost)
    return SamplesHeard(
        tracks_searched=len(training.sounds),
        tracks_missing=training.missing,
        passages=[
            _passage(clip, copied) for clip, found in zip(clips, copies, strict=True) for copied in found
        ],
        stereo_faults=_stereo_faults(clips, codec),
        diversity=_diversity(clips),
        silent_reference=[track_id for track_id, kept in validation.sounds.items() if _is_silent(kept)],
        clipped_reference=[
            it.track.track_id for it in version.side(Split.VALIDATION) if _is_clipped(root, it)
        ],
    )


def memorised(heard: SamplesHeard, clips: Sequence[Clip]) -> list[MemorisedSample]:
    """Which samples repeat which training tracks, and for what share of their length."""
    seconds = {sample_name(clip): clip.samples.shape[1] / clip.sample_rate for clip in clips}
    return [
        MemorisedSample(it.sample, it.track, round(min(1.0, (it.end - it.start) / seconds[it.sample]), 3))
        for it in heard.passages
    ]


def weak_in(scores: Scores) -> list[str]:
    """A sentence for each thing that is weak in what scores were measured on, and for each that is wrong with the samples."""
    return [*weaknesses(scores.precision), *warnings_of(scores)]


def warnings_of(scores: Scores) -> list[str]:
    """A sentence for each thing that is wrong with a checkpoint's samples, or with what they were compared with."""
    heard = scores.heard
    found = [*_of_copies(heard), *_of_samples(heard), *_of_reference(heard)] if heard else []
    return [*found, *_of_nearness(scores.nearness)]


def _of_copies(heard: SamplesHeard) -> list[str]:
    found = []
    if heard.passages:
        tracks = sorted({it.track for it in heard.passages})
        samples = len({it.sample for it in heard.passages})
        found.append(
            f"{number_of(samples, 'sample')} {'repeats' if samples == 1 else 'repeat'} training music, of {few(tracks, most=5)}: "
            "use an earlier checkpoint, or train on more music or for fewer steps."
        )
    if heard.tracks_missing:
        found.append(
            f"Samples were not compared with {number_of(len(heard.tracks_missing), 'training track')} "
            f"({few(heard.tracks_missing, most=5)}), whose audio is gone or was changed: materialize dataset_manifest again."
        )
    return found


def _of_nearness(nearness: Nearness | None) -> list[str]:
    if nearness is None or not (beyond := nearness.beyond):
        return []
    pairs = [f"{row.sample} to {row.track}" for row in sorted(beyond, key=lambda row: -row.similarity)]
    return [
        f"{number_of(len(beyond), 'sample')} {'is' if len(beyond) == 1 else 'are'} nearer to a training track than training tracks are "
        f"to each other, to {nearness.embedder} ({few(pairs, most=3)}): listen to both."
    ]


def _of_samples(heard: SamplesHeard) -> list[str]:
    advice = {
        StereoFault.DEAD_CHANNEL: "one channel is silent",
        StereoFault.INVERTED: "the channels cancel each other out where they are mixed",
        StereoFault.MONO: "both channels are the same, although the training music is stereo",
    }
    found = [
        f"{number_of(len(files), 'sample')} with {fault.value}: {advice[fault]} ({few(files, most=3)}); listen to them."
        for fault, files in heard.stereo_faults.items()
    ]
    if heard.diversity and heard.diversity.same:
        found.append(
            f"All samples of {number_of(len(heard.diversity.same), 'prompt')} are the same, whatever the seed "
            f"({few(heard.diversity.same, most=2)}): the model has one answer to it; use an earlier checkpoint."
        )
    return found


def _of_reference(heard: SamplesHeard) -> list[str]:
    found = []
    if heard.silent_reference:
        found.append(
            f"{_validation_tracks(heard.silent_reference)} silent for most of the time ({few(heard.silent_reference, most=5)}), and "
            "FAD compares with silence: remove the originals."
        )
    if heard.clipped_reference:
        found.append(
            f"{_validation_tracks(heard.clipped_reference)} clipped ({few(heard.clipped_reference, most=5)}), and FAD is lower for clips "
            "that sound like that: look for unclipped masters."
        )
    return found


def _validation_tracks(track_ids: Sequence[str]) -> str:
    return f"{number_of(len(track_ids), 'validation track')} {'is' if len(track_ids) == 1 else 'are'}"


def sample_name(clip: Clip) -> str:
    """Of the file that a clip is written to."""
    return f"{clip.spec.name}{_SUFFIX}"


def _passage(clip: Clip, copied: Copied) -> CopiedPassage:
    return CopiedPassage(
        sample=sample_name(clip),
        track=copied.track_id,
        start=round(copied.start, 2),
        end=round(copied.end, 2),
        track_start=round(copied.track_start, 2),
        correlation=round(copied.correlation, 4),
    )


def _stereo_faults(clips: Sequence[Clip], codec: Codec) -> dict[StereoFault, list[str]]:
    found: dict[StereoFault, list[str]] = defaultdict(list)
    for clip in clips:
        if fault := stereo_fault(clip.samples, expect_stereo=codec.keeps_stereo):
            found[fault].append(sample_name(clip))
    return dict(sorted(found.items()))


def _is_silent(kept: KeptSound) -> bool:
    return float(np.mean(kept.bands.max(axis=1) == 0)) > SILENT_SHARE


def _is_clipped(root: DataRoot, track: VersionTrack) -> bool:
    """What was measured on the original; False where the track's record is gone or is of other audio."""
    try:
        record = read_record(TrackRecord, root.track_record(track.track.track_id))
    except (OSError, RecordError):
        return False
    if record.processed is None or record.processed.audio_sha256 != track.audio_sha256:
        return False
    parts = record.processed.quality.parts
    return sum(part.penalty for part in parts if part.name in _CLIPPING) >= CLIPPED_PENALTY


def _diversity(clips: Sequence[Clip]) -> Diversity | None:
    """Distances of mean and spread of the levels in each band, which need no embedder."""
    bands = [bands_of(mono_of(clip.samples, clip.sample_rate)) for clip in clips]
    described = [_described(levels) for levels in bands]
    within, between = defaultdict(list), []
    for one, other in itertools.combinations(range(len(clips)), 2):
        apart = float(np.sqrt(np.mean((described[one] - described[other]) ** 2)))
        prompts = {_asked(clips[at]) for at in (one, other)}
        (within[prompts.pop()] if len(prompts) == 1 else between).append(((one, other), apart))
    if not within:
        return None
    same = [
        prompt[0]
        for prompt, pairs in within.items()
        if all(_are_same(bands[one], bands[other]) for (one, other), _ in pairs)
    ]
    return Diversity(
        prompts=len(within),
        within=round(float(np.mean([apart for pairs in within.values() for _, apart in pairs])), 4),
        between=round(float(np.mean([apart for _, apart in between])), 4) if between else None,
        same=same,
    )


def _asked(clip: Clip) -> tuple[str, int | None, str, str]:
    """What a clip was asked for, without the seed."""
    return clip.spec.prompt, clip.spec.bpm, clip.spec.keyscale, clip.spec.lyrics


def _described(levels: np.ndarray) -> np.ndarray:
    return np.concatenate((levels.mean(axis=0), levels.std(axis=0))) / STEPS_PER_DB


def _are_same(one: np.ndarray, other: np.ndarray) -> bool:
    return likeness_of(one, other).correlation >= SAME_CORRELATION
