"""What a test is made of: recordings that were held out of training, and clips that checkpoints made for the same prompts.

Recordings come from tracks that are in the current data set still: what was withdrawn is played to nobody.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lofi_pipeline import audio
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.kept import changed_scores
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion, RecordError, Sample, Split, VersionTrack
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.records import ClipSource, Origin
from lofi_pipeline.listening.sound import excerpt, is_fit, stereo
from lofi_pipeline.storage import DataRoot, file_sha256

LEAST_SECONDS = 3.0
MOST_SECONDS = 15.0
USUAL_SECONDS = 10.0
_MARGIN_SECONDS = 2.0
"""At the ends of a track, where music begins and fades."""
_LONGEST_TRACK = 1_200.0


@dataclass(frozen=True)
class Material:
    """A clip before it is levelled: float32 [2, n] at 48 kHz."""

    samples: np.ndarray
    source: ClipSource


@dataclass(frozen=True)
class Pair:
    """A recording and what each checkpoint made for the prompt of its track, in the order of the checkpoints."""

    held_out: Material
    generated: list[Material]


@dataclass(frozen=True)
class Take:
    """A generated clip in a file, and what it was asked for."""

    path: Path
    prompt: str
    seed: int


def record_of(found: CheckpointFolder) -> CheckpointRecord:
    """The record of a checkpoint that can be tested.

    Raises:
        ListeningError: it can't be read, is not valid, or was not scored: there would be no QualityMetrics to write into.
    """
    name = found.folder.name
    if found.record is None:
        raise ListeningError(f"{name}: {found.error}")
    if not found.record.checkpoint.is_valid:
        raise ListeningError(f"{name}: is not valid ({found.record.invalid_reason}); test another checkpoint")
    if found.scores is None or changed_scores(found.folder, found.record):
        raise ListeningError(
            f"{name}: was not scored, or its scores or samples changed since; `lofi run` scores it, then make the test"
        )
    return found.record


def held_out_tracks(root: DataRoot, record: CheckpointRecord) -> list[VersionTrack]:
    """The validation tracks of a checkpoint's data set version that are in the current one still.

    Raises:
        ListeningError: there is none.
    """
    current = load_version(root)
    version = _version_of(root, record) or current
    allowed = {item.track.track_id for item in current.side(Split.VALIDATION)}
    tracks = [item for item in version.side(Split.VALIDATION) if item.track.track_id in allowed]
    if not tracks:
        raise ListeningError(
            f"{version.dataset.dataset_id}: no track that was held out of training is in the current data set; add music (a tenth "
            "of it is held out) and run `lofi run`"
        )
    return tracks


def _version_of(root: DataRoot, record: CheckpointRecord) -> DatasetVersion | None:
    """None of a LoRA that was trained elsewhere."""
    with suppress(RecordError):
        return load_version(root, record.checkpoint.dataset_hash)
    return None


def kept_takes(root: DataRoot, found: CheckpointFolder) -> list[Take]:
    """The samples of validation prompts that lie in a checkpoint's folder."""
    samples = found.scores.samples if found.scores else []
    return [take for sample in samples if (take := _take(root, sample))]


def _take(root: DataRoot, sample: Sample) -> Take | None:
    path = root.inside(sample.path) if sample.path and sample.style_id is None else None
    if path is None or not path.is_file() or sample.sha256 not in (None, file_sha256(path)):
        return None
    return Take(path, sample.prompt, sample.seed)


def common_takes(takes: Sequence[Sequence[Take]]) -> list[list[Take]]:
    """The prompts and seeds that all checkpoints have a clip of, each with the clips in the order of the checkpoints."""
    by_ask = [{(take.prompt, take.seed): take for take in each} for each in takes]
    asked = [ask for ask in by_ask[0] if all(ask in each for each in by_ask)]
    return [[each[ask] for each in by_ask] for ask in asked]


def seconds_of(takes: Sequence[Take], asked: float | None) -> float:
    """How long each clip of the test is: as asked, else as long as the shortest generated clip, at most 10 s.

    Raises:
        ListeningError: the clips are shorter than that, or too short to be judged.
    """
    there = shortest(takes)
    seconds = min(USUAL_SECONDS, there) if asked is None else asked
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ListeningError(
            f"--seconds: clips of {seconds:g} s can't be judged; between {LEAST_SECONDS:g} and {MOST_SECONDS:g} s can: see "
            "evaluation.clip_seconds"
        )
    if seconds > there + 0.01:
        raise ListeningError(
            f"--seconds: the kept samples are {there:g} s long; ask for no more, or have new ones made with --generate"
        )
    return seconds


def shortest(takes: Sequence[Take]) -> float:
    """Seconds of the shortest clip."""
    import soundfile

    return min((soundfile.info(str(take.path)).duration for take in takes), default=USUAL_SECONDS)


def matched(
    root: DataRoot,
    tracks: Sequence[VersionTrack],
    takes: Sequence[Sequence[Take]],
    checkpoints: Sequence[str],
    seconds: float,
    dice: random.Random,
) -> Iterator[Pair]:
    """Pairs of equal prompts, as long as there are excerpts left that do not overlap; what is silent is passed over."""
    by_prompt: dict[str, list[_Excerpts]] = {}
    for track in tracks:
        by_prompt.setdefault(track.prompt, []).append(_Excerpts.of(root, track, seconds, dice))
    for each in takes:
        generated = [_generated(root, take, name, seconds) for take, name in zip(each, checkpoints)]
        if not all(is_fit(item.samples) for item in generated):
            continue
        excerpts = max(by_prompt.get(each[0].prompt, ()), key=lambda item: len(item.starts), default=None)
        held_out = excerpts.next(seconds) if excerpts else None
        if held_out is not None:
            yield Pair(held_out, generated)


@dataclass
class _Excerpts:
    """Where a track can be cut still; each place is taken once."""

    path: Path
    track: VersionTrack
    file: str
    starts: list[float]

    @classmethod
    def of(cls, root: DataRoot, track: VersionTrack, seconds: float, dice: random.Random) -> _Excerpts:
        """Places that do not overlap, in random order."""
        room = track.track.duration - 2 * _MARGIN_SECONDS
        count = int(room // seconds)
        rest = room - count * seconds
        first = _MARGIN_SECONDS + dice.uniform(0, rest)
        starts = [first + number * seconds for number in range(count)]
        dice.shuffle(starts)
        return cls(root.inside(track.track.audio_path), track, track.track.audio_path, starts)

    def next(self, seconds: float) -> Material | None:
        """The next excerpt that is not silent; None where none is left."""
        while self.starts:
            start = round(self.starts.pop(), 3)
            cut = excerpt(_track(self.path, self.track.audio_sha256), start, seconds)
            if is_fit(cut):
                track_id = self.track.track.track_id
                return Material(
                    cut, ClipSource(origin=Origin.HELD_OUT, of=track_id, file=self.file, start=start)
                )
        return None


@lru_cache(maxsize=2)
def _track(path: Path, sha256: str) -> np.ndarray:
    if not path.is_file() or file_sha256(path) != sha256:
        raise ListeningError(
            f"{path}: is missing, or not the audio that the data set has; `lofi run --to dataset_manifest` makes it again"
        )
    return audio.read(path, max_seconds=_LONGEST_TRACK).samples


def _generated(root: DataRoot, take: Take, checkpoint: str, seconds: float) -> Material:
    import soundfile

    samples, rate = soundfile.read(take.path, dtype="float32", always_2d=True)
    inside = take.path.is_relative_to(root.path)
    file = root.relative(take.path) if inside else None
    cut = excerpt(stereo(samples.T, rate), 0.0, seconds)
    return Material(cut, ClipSource(origin=Origin.GENERATED, of=checkpoint, file=file))


def credits_of(root: DataRoot, tracks: Sequence[VersionTrack]) -> list[str]:
    """A line for each recording that is heard, as its licence may ask for."""
    providers = {source.source_id: source.provider for source in load_version(root).sources}
    lines = []
    for item in tracks:
        title = item.credited_title or "Untitled"
        artist = item.credited_artist or providers.get(item.source_ids[0], "somebody who is not on record")
        url = f", {item.url}" if item.url else ""
        lines.append(f"{title} by {artist}, {item.licence}{url}")
    return sorted(set(lines))
