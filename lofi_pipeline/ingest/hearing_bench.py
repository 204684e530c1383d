"""How well tempo, key, metre and voice are measured in anyone's recordings, with librosa beside it in the same run.

Acc1: within 4 % of the tempo; Acc2: or of its double, triple, half or third (F. Gouyon et al.: An Experimental Comparison of Audio
Tempo Induction Algorithms. IEEE TASLP 14 (2006) 1832-1844). The weighted key score is that of MIREX: 1 for the key, 0.5 for the
one a fifth above, 0.3 for the relative, 0.2 for the parallel one.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import Field

from lofi_pipeline import audio, styles
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import Entity, TrackMeasurements
from lofi_pipeline.entities.metre import Metre
from lofi_pipeline.ingest.hearing_truth import Truth, key_number
from lofi_pipeline.ingest.tagger import heard_in_samples, hearing_sha256

RATE = 22_050
WITHIN = 0.04
ACC2 = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
A_VOICE = 0.5
"""Measured probability from which there is a voice."""

# C. Krumhansl, E. Kessler: Tracing the Dynamic Changes in Perceived Tonal Organization. Psychological Review 89 (1982) 334-368.
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


class HeardTrack(Entity):
    """What was measured in a recording: by this project, by librosa; and what a prompt would say where no style is known."""

    file: str
    tempo: float
    tempo_said: bool
    tonic: int
    mode: str
    metre: Metre
    voice: bool
    instrumental_said: bool
    librosa_tempo: float
    librosa_tonic: int
    librosa_mode: str


class Share(Entity):
    """How many of those whose truth is known were right; of the key, the mean of its scores."""

    right: float
    of: int

    @property
    def share(self) -> float | None:
        """From 0 to 1; None of none."""
        return self.right / self.of if self.of else None


class HearingBench(Entity):
    """What was right, by question; then by who answered: `lofi`, `said` (where a prompt would say it), `librosa`."""

    recordings: int
    unreadable: dict[str, str] = Field(description="By file, why it was left out")
    tempo_acc1: dict[str, Share]
    tempo_acc2: dict[str, Share]
    key_weighted: dict[str, Share]
    key_exact: dict[str, Share]
    metre: dict[str, Share]
    voice: dict[str, Share]
    tracks: list[HeardTrack]


def bench_hearing(
    folder: Path,
    truths: Sequence[Truth],
    config: PipelineConfig,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> HearingBench:
    """Listen to each recording of a truth file, and count what is right."""
    heard: dict[str, HeardTrack] = {}
    unreadable: dict[str, str] = {}
    for done, truth in enumerate(truths):
        report(done, len(truths))
        try:
            heard[truth.file] = hear(folder / truth.file, truth.file, config)
        except audio.AudioError as error:
            unreadable[truth.file] = str(error)
    report(len(truths), len(truths))
    return compare([truth for truth in truths if truth.file in heard], heard, unreadable)


def hear(path: Path, file: str, config: PipelineConfig) -> HeardTrack:
    """What is measured in one recording.

    Raises:
        AudioError: it cannot be decoded.
    """
    samples = audio.read(path, max_seconds=config.audio.max_input_seconds).samples
    mono = audio.mono_at(samples, RATE)
    measured = audio.measure(mono)
    tagger = hearing_sha256(config)
    heard = heard_in_samples(samples, tagger) if tagger else None
    tonic, mode = key_number(f"{measured.key} {measured.mode}") or (0, "major")
    tempo, librosa_tonic, librosa_mode = _by_librosa(mono)
    return HeardTrack(
        file=file,
        tempo=measured.tempo_bpm,
        tempo_said=styles.tempo_support(measured, None) is not None,
        tonic=tonic,
        mode=mode,
        metre=measured.time_signature,
        voice=(measured.voice or 0.0) >= A_VOICE,
        instrumental_said=_says_instrumental(measured, heard),
        librosa_tempo=tempo,
        librosa_tonic=librosa_tonic,
        librosa_mode=librosa_mode,
    )


def _says_instrumental(measured: TrackMeasurements, heard: styles.Hearing | None) -> bool:
    return any(tag.tag == styles.INSTRUMENTAL for tag in styles.measured_tags(measured, heard, vocals=None))


def compare(
    truths: Sequence[Truth], heard: dict[str, HeardTrack], unreadable: dict[str, str]
) -> HearingBench:
    """Count what is right of recordings that were heard."""
    pairs = [(truth, heard[truth.file]) for truth in truths]
    tempos = [(truth.tempo, track) for truth, track in pairs if truth.tempo is not None]
    keys = [((truth.tonic, truth.mode), track) for truth, track in pairs if truth.tonic is not None]
    said = [(tempo, track) for tempo, track in tempos if track.tempo_said]

    def tempo(factors: Sequence[float]) -> dict[str, Share]:
        return {
            "lofi": _share(tempo_is_right(track.tempo, true, factors) for true, track in tempos),
            "said": _share(tempo_is_right(track.tempo, true, factors) for true, track in said),
            "librosa": _share(tempo_is_right(track.librosa_tempo, true, factors) for true, track in tempos),
        }

    def key(exact: bool) -> dict[str, Share]:
        ours = [key_score((track.tonic, track.mode), true) for true, track in keys]
        theirs = [key_score((track.librosa_tonic, track.librosa_mode), true) for true, track in keys]
        return {
            name: _share(s == 1 if exact else s for s in x)
            for name, x in (("lofi", ours), ("librosa", theirs))
        }

    return HearingBench(
        recordings=len(pairs),
        unreadable=unreadable,
        tempo_acc1=tempo((1.0,)),
        tempo_acc2=tempo(ACC2),
        key_weighted=key(False),
        key_exact=key(True),
        metre={
            "lofi": _share(track.metre == truth.metre for truth, track in pairs if truth.metre is not None)
        },
        voice={
            "lofi": _share(track.voice == truth.voice for truth, track in pairs if truth.voice is not None),
            "said": _share(
                not truth.voice
                for truth, track in pairs
                if truth.voice is not None and track.instrumental_said
            ),
        },
        tracks=[track for _, track in pairs],
    )


def tempo_is_right(measured: float, true: float, factors: Sequence[float] = (1.0,)) -> bool:
    """Whether a tempo is within 4 % of the true one times one of the factors."""
    return any(abs(measured - factor * true) <= WITHIN * factor * true for factor in factors)


def key_score(measured: tuple[int, str], true: tuple[int | None, str | None]) -> float:
    """The score of MIREX for a key: 1, 0.5, 0.3, 0.2 or 0."""
    (tonic, mode), (true_tonic, true_mode) = measured, true
    above = (tonic - (true_tonic or 0)) % 12
    if mode == true_mode:
        return {0: 1.0, 7: 0.5}.get(above, 0.0)
    return {0: 0.2, 9 if true_mode == "major" else 3: 0.3}.get(above, 0.0)


def _share(right: Iterable[float | bool]) -> Share:
    counted = [float(each) for each in right]
    return Share(right=round(sum(counted), 6), of=len(counted))


@cache
def _librosa() -> Any:
    """librosa, whose functions are compiled into a folder of this process alone.

    numba keeps them beside librosa, and two processes that compile at once leave what crashes every later one:
    https://github.com/numba/numba/issues/10128
    """
    import numba

    if not numba.config.CACHE_DIR:  # pyright: ignore[reportAttributeAccessIssue]
        folder = TemporaryDirectory(prefix="lofi-numba-")
        atexit.register(folder.cleanup)
        numba.config.CACHE_DIR = folder.name  # pyright: ignore[reportAttributeAccessIssue]
    import librosa

    return librosa


def _by_librosa(mono: np.ndarray) -> tuple[float, int, str]:
    """Its tempo, and the key whose profile its chroma correlates with best."""
    librosa = _librosa()
    tempo = float(np.atleast_1d(librosa.beat.beat_track(y=mono, sr=RATE)[0])[0])
    chroma = librosa.feature.chroma_cqt(y=mono, sr=RATE).mean(axis=1)
    chances = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), chroma)[0, 1] if np.ptp(chroma) else 0.0
        for mode, profile in _PROFILES.items()
        for tonic in range(12)
    }
    tonic, mode = max(chances, key=lambda key: chances[key])
    return tempo, tonic, mode
