"""Fingerprints: copies are recognised at any speed and pitch, pieces over the same loop are told from them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
import soxr
from av.filter import Graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.audio import Likeness, MatchType
from lofi_pipeline.demo.distributions import draw
from lofi_pipeline.demo.synth import RATE, SongSpec, render

PIECE = SongSpec(
    seed=3,
    bpm=82.0,
    key="A",
    mode="minor",
    seconds=40.0,
    instruments=("rhodes", "vibraphone", "upright bass", "boom bap drums"),
    production=("vinyl crackle",),
)


@cache
def piece(seed: int = 3, bpm: float = 82.0, key: str = "A", mode: str = "minor") -> np.ndarray:
    """float32 [2, n] at 48 kHz."""
    return render(replace(PIECE, seed=seed, bpm=bpm, key=key, mode=mode)).samples


def mark(samples: np.ndarray) -> np.ndarray:
    return audio.fingerprint(audio.mono_at(np.ascontiguousarray(samples, np.float32), 22_050))


def played_at(samples: np.ndarray, speed: float) -> np.ndarray:
    return np.asarray(soxr.resample(samples.T, RATE, RATE / speed)).T


def in_tempo_again(samples: np.ndarray, tempo: float) -> np.ndarray:
    """Music so many times as fast at the same pitch, by FFmpeg's `atempo`."""
    graph = Graph()
    given = graph.add_abuffer(format="fltp", sample_rate=RATE, layout="stereo", time_base=Fraction(1, RATE))
    parts = [given, graph.add("atempo", str(tempo)), graph.add("aformat", "fltp"), graph.add("abuffersink")]
    graph.link_nodes(*parts).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), "fltp", "stereo")
    frame.rate, frame.pts = RATE, 0
    graph.push(frame)
    graph.push(None)
    found: list[np.ndarray] = []
    with suppress(av.EOFError):
        while True:
            found.append(cast(av.AudioFrame, graph.pull()).to_ndarray())
    return np.concatenate(found, axis=1)


@cache
def marked(seed: int = 3, speed: float = 1.0) -> np.ndarray:
    """The fingerprint of a piece."""
    return mark(played_at(piece(seed), speed))


def same_loop() -> list[np.ndarray]:
    """Pieces by one band on one progression: another melody, other drum samples, other crackle."""
    from lofi_pipeline.demo import synth

    wanted = synth.arrange(PIECE).progression
    seeds = [seed for seed in range(4, 400) if synth.arrange(replace(PIECE, seed=seed)).progression == wanted]
    return [piece(seed) for seed in seeds[:3]]


def test_copies_are_recognised_whatever_was_done_to_them(tmp_path: Path) -> None:
    original = piece()
    path = tmp_path / "a.mp3"
    path.write_bytes(audio.encode_mp3(original, vbr_quality=9))
    dull = soxr.resample(soxr.resample(original.T, RATE, 8_000), 8_000, RATE).T
    noise = 0.005 * np.random.default_rng(0).standard_normal(original.shape)
    copies = {
        "itself": (original, 1.0, 0.0),
        "re-encoded": (audio.read(path, max_seconds=100).samples, 1.0, 0.0),
        "quieter": (0.1 * original, 1.0, 0.0),
        "excerpt of 20 s": (original[:, 9 * RATE + 77 : 29 * RATE + 77], 1.0, 0.0),
        "noisy": (original + noise, 1.0, 0.0),
        "darker": (dull, 1.0, 0.0),
        "slowed": (played_at(original, 0.88), 0.88, -2.21),
        "a semitone up, resampled": (played_at(original, 2 ** (1 / 12)), 1.059, 1.0),
        "a semitone down, resampled": (played_at(original, 2 ** (-1 / 12)), 0.944, -1.0),
        "a semitone up": (in_tempo_again(played_at(original, 2 ** (1 / 12)), 2 ** (-1 / 12)), 1.0, 1.0),
        "a semitone down": (in_tempo_again(played_at(original, 2 ** (-1 / 12)), 2 ** (1 / 12)), 1.0, -1.0),
    }
    first = mark(original)
    for name, (samples, speed, semitones) in copies.items():
        found = audio.compare(mark(samples), first)
        assert found.match_type is MatchType.SAME, (name, found)
        assert found.speed == pytest.approx(speed, rel=0.003), name
        assert found.semitones == pytest.approx(semitones, abs=0.15), name


def test_pieces_over_one_loop_are_kin_and_not_copies() -> None:
    first = mark(piece())
    for other in same_loop():
        found = audio.compare(first, mark(other))
        assert found.match_type is MatchType.RELATED, found
        slowed = audio.compare(first, mark(played_at(other, 0.88)))
        assert slowed.match_type is not MatchType.SAME, slowed


def test_other_music_is_not_kin() -> None:
    assert audio.compare(mark(piece()), mark(piece(77, 71.0, "D", "major"))).match_type is MatchType.NONE


def test_two_halves_with_little_in_common_are_not_copies() -> None:
    """Cut from one recording, but each has more of its own than they share: nothing is dropped."""
    samples = np.concatenate((piece(), piece(21, 77.0, "E"), piece(40, 90.0, "G")), axis=1)
    first, second = samples[:, : 64 * RATE], samples[:, 44 * RATE :]
    assert audio.compare(mark(first), mark(second)).match_type is not MatchType.SAME


def test_silence_noise_and_nothing_can_be_compared() -> None:
    silence = audio.fingerprint(np.zeros(30 * 22_050, np.float32))
    noise = audio.fingerprint(np.random.default_rng(0).standard_normal(30 * 22_050).astype(np.float32))
    for first in (silence, noise, silence[:0], silence[:1], marked()[:5]):
        for second in (silence[:3], noise, marked()):
            if first is not second:
                assert audio.compare(first, second).match_type is MatchType.NONE


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.integers(0, 200),
    length=st.integers(1, 430),
    speed=st.sampled_from([0.85, 0.9, 1.0, 1.1]),
    seed=st.integers(0, 3),
)
def test_comparing_is_symmetric(start: int, length: int, speed: float, seed: int) -> None:
    first = marked()
    second = (marked(speed=speed) if seed < 2 else marked(seed))[start : start + length]
    one, two = audio.compare(first, second), audio.compare(second, first)
    assert one.match_type is two.match_type
    assert one == two.swapped() or two == one.swapped()
    assert 0 <= one.similarity <= 1 and 0 <= one.contradiction <= 1 and 0 <= one.overlap <= 1
    assert audio.compare(first, first).match_type is MatchType.SAME


def test_a_sketch_hardly_depends_on_pitch_and_place() -> None:
    plain = audio.sketch(mark(piece())).astype(np.float32) * audio.SKETCH_SCALE
    moved = audio.query_sketches(mark(played_at(piece(), 0.88)[:, 3 * RATE :]))
    other = audio.query_sketches(mark(piece(77, 71.0, "D", "major")))
    assert (moved @ plain.T).max() > max(0.75, (other @ plain.T).max())
    assert plain.shape == (len(audio.sketch_starts(len(mark(piece())))), audio.DIMENSIONS)


def test_only_where_the_pitch_alone_was_shifted_may_a_copy_contradict_more() -> None:
    """As a phase vocoder left a piece without melody: it blurs what it shifts."""
    shifted = Likeness(similarity=0.802, contradiction=0.092, overlap=1.0, speed=1.0, semitones=-1.0)
    assert shifted.match_type is MatchType.SAME
    assert replace(shifted, semitones=0.0).match_type is MatchType.RELATED
    assert replace(shifted, speed=2 ** (-1 / 12)).match_type is MatchType.RELATED
    assert replace(shifted, contradiction=0.11).match_type is MatchType.RELATED


@cache
def drawn(number: int) -> np.ndarray:
    """The fingerprint of a piece of any preset."""
    return mark(render(draw("preset", 7_000_000 + number, 34.0).spec).samples)


@pytest.mark.parametrize(
    ("first", "second"), [(213, 175), (251, 99), (213, 99), (223, 185), (251, 175), (261, 109), (299, 147)]
)
def test_pieces_without_melody_that_share_their_chords_are_no_copies(first: int, second: int) -> None:
    """Each was left out once, among 300 pieces of all presets, for another that it was not made from."""
    assert audio.compare(drawn(first), drawn(second)).match_type is not MatchType.SAME


def test_what_was_played_at_another_tempo_is_kin_and_no_copy() -> None:
    stretched = Likeness(similarity=0.95, contradiction=0.0, overlap=1.0, speed=0.93, semitones=0.0)
    assert stretched.match_type is MatchType.RELATED
    assert replace(stretched, semitones=12 * np.log2(0.93)).match_type is MatchType.SAME


@pytest.mark.parametrize(
    ("speed", "semitones", "wanted"),
    [
        (1.0, 0.0, MatchType.SAME),
        (1.0, 3.0, MatchType.SAME),
        (2 ** (2 / 12), 2.0, MatchType.SAME),
        (2 ** (2 / 12), 0.0, MatchType.RELATED),
        (2 ** (2 / 12), -2.0, MatchType.NONE),
        (0.9, 3.0, MatchType.NONE),
    ],
)
def test_another_key_at_another_tempo_each_its_own_way_was_played_anew(
    speed: float, semitones: float, wanted: MatchType
) -> None:
    found = Likeness(similarity=0.95, contradiction=0.0, overlap=1.0, speed=speed, semitones=semitones)
    assert found.match_type is wanted
    assert found.swapped().match_type is wanted


def test_a_copy_is_of_four_fifths_of_the_shorter_and_related_means_two_thirds_alike() -> None:
    copy = Likeness(similarity=0.75, contradiction=0.045, overlap=0.8)
    assert copy.match_type is MatchType.SAME
    for change in ({"overlap": 0.79}, {"similarity": 0.749}, {"contradiction": 0.046}):
        assert replace(copy, **change).match_type is MatchType.RELATED
    assert replace(copy, similarity=0.67).match_type is MatchType.RELATED
    assert replace(copy, similarity=0.669).match_type is MatchType.NONE


def test_windows_are_counted_as_they_begin() -> None:
    assert all(audio.windows_in(frames) == len(audio.sketch_starts(frames)) for frames in range(1, 2_000))
