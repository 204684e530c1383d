"""What is heard changes as the music does: slower, transposed, without drums, with crackle, in three, swung."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr

from lofi_pipeline import audio
from lofi_pipeline.audio.analysis.tonality import TONICS
from lofi_pipeline.demo.synth import SongSpec, render
from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline_tests.audio.music import loop

RATE = 22_050
SPEC = SongSpec(
    seed=41_000_003,
    bpm=80.0,
    key="D",
    mode="minor",
    seconds=30.0,
    instruments=("rhodes", "electric bass", "boom bap drums"),
    mood="mellow",
)


def mono(samples: np.ndarray) -> np.ndarray:
    return audio.mono_at(samples, RATE)


def hear(spec: SongSpec) -> TrackMeasurements:
    return audio.measure(mono(render(spec).samples))


@pytest.fixture(scope="module")
def plain() -> TrackMeasurements:
    return hear(SPEC)


@pytest.mark.parametrize("stretch", [1.06, 1.19, 0.94])
def test_a_slower_tape_is_slower_and_lower(stretch: float) -> None:
    samples = mono(loop(40.0, bpm=80, tonic=9))
    slowed = soxr.resample(samples, RATE, RATE * stretch)
    before, after = audio.measure(samples), audio.measure(slowed)
    assert after.tempo_bpm == pytest.approx(before.tempo_bpm / stretch, rel=0.002)
    steps = round(12 * np.log2(1 / stretch))
    assert TONICS.index(after.key) == (TONICS.index(before.key) + steps) % 12
    assert after.mode == before.mode
    assert (
        after.brightness_hz < before.brightness_hz
        if stretch > 1
        else after.brightness_hz > before.brightness_hz
    )


@pytest.mark.parametrize(
    ("seed", "bpm", "key", "instruments", "swing"),
    [
        (25000089, 97.7, "F", ("strings", "electric bass"), 0.523),
        (25000149, 75.8, "A", ("synth pad", "cello", "sub bass"), 0.521),
    ],
)
def test_the_beat_of_pads_is_told_by_where_bars_repeat(
    seed: int, bpm: float, key: str, instruments: tuple[str, ...], swing: float
) -> None:
    """Onsets alone took these for 79.4 and 67.2 bpm."""
    spec = replace(
        SPEC, seed=seed, bpm=bpm, key=key, mode="major", instruments=instruments, mood="cozy", swing=swing
    )
    heard = hear(replace(spec, groove="backbeat"))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=0.02)
    assert heard.tempo_bpm not in heard.tempo_alternatives and len(heard.tempo_alternatives) <= 3


@pytest.mark.parametrize("steps", [1, 5, 11])
def test_the_key_moves_with_the_music(plain: TrackMeasurements, steps: int) -> None:
    key = TONICS[(TONICS.index(SPEC.key) + steps) % 12]
    moved = hear(replace(SPEC, key=key))
    assert (plain.key, plain.mode) == ("D", "minor")
    assert (moved.key, moved.mode) == (key, "minor")


def test_relative_keys_are_told_apart_by_where_phrases_begin() -> None:
    for tonic, mode in ((9, "minor"), (0, "major")):
        heard = audio.measure(mono(loop(32.0, tonic=tonic, mode=mode)))
        assert (heard.key, heard.mode) == (TONICS[tonic], mode)
        assert heard.key_confidence > 0.5


def test_beats_lie_where_they_were_played() -> None:
    bpm, early = 83.0, 0.31
    samples = mono(loop(60.0, bpm=bpm))[round(early * RATE) :]
    heard = audio.measure(samples)
    assert heard.tempo_bpm == pytest.approx(bpm, abs=0.02)
    assert heard.beat_offset_s is not None
    beat = 60 / bpm
    first = -early % beat
    assert heard.beat_offset_s == pytest.approx(first, abs=0.03)
    at_fifty_seconds = [
        offset + 68 * 60 / tempo for offset, tempo in ((heard.beat_offset_s, heard.tempo_bpm), (first, bpm))
    ]
    assert at_fifty_seconds[0] == pytest.approx(at_fifty_seconds[1], abs=0.04)
    opening = heard.beat_offset_s + heard.downbeat * beat
    assert (opening + early) % (4 * beat) == pytest.approx(0, abs=0.05) or (opening + early) % (
        4 * beat
    ) == pytest.approx(4 * beat, abs=0.05)
    assert heard.beat_steadiness > 0.9


def test_a_wandering_tempo_is_not_called_steady() -> None:
    pieces = [mono(loop(12.0, bpm=bpm)) for bpm in (72, 80, 76, 84)]
    assert audio.measure(np.concatenate(pieces)).beat_steadiness < 0.8


def test_three_beats_a_bar() -> None:
    bpm = 84.0
    beat = 60 / bpm * RATE
    whole = mono(loop(60.0, bpm=bpm))
    bars = [
        whole[round(4 * k * beat) : round((4 * k + 3) * beat)] for k in range(int(len(whole) / (4 * beat)))
    ]
    waltz = audio.measure(np.concatenate(bars))
    assert waltz.time_signature == "3/4"
    assert waltz.tempo_bpm == pytest.approx(bpm, rel=0.02)
    assert audio.measure(whole).time_signature == "4/4"


def test_swing_is_heard() -> None:
    straight, swung = (hear(replace(SPEC, swing=swing, seconds=40.0)) for swing in (0.5, 0.64))
    assert straight.swing == pytest.approx(0.5, abs=0.03)
    assert swung.swing == pytest.approx(0.64, abs=0.03)
    assert min(straight.swing_confidence, swung.swing_confidence) > 0.4


def test_drums_or_none(plain: TrackMeasurements) -> None:
    without = hear(replace(SPEC, production=("no drums",)))
    assert plain.drums is not None and without.drums is not None
    assert plain.drums > 0.8 > 0.3 > without.drums
    assert plain.onset_density > without.onset_density


def test_crackle_or_none(plain: TrackMeasurements) -> None:
    with_crackle = hear(replace(SPEC, production=("vinyl crackle",)))
    assert plain.crackle is not None and with_crackle.crackle is not None
    assert plain.crackle < 0.2 < 0.8 < with_crackle.crackle


def test_rain_or_none(plain: TrackMeasurements) -> None:
    wet = hear(replace(SPEC, atmosphere="rain"))
    assert plain.rain is not None and wet.rain is not None and wet.noise is not None
    assert plain.rain < 0.2 < 0.8 < wet.rain
    assert wet.noise > 0.5


def test_clicks_are_counted_and_drums_are_not() -> None:
    from lofi_pipeline.audio.analysis.timbre import clicks_per_second

    rng = np.random.default_rng(0)
    music = mono(loop(20.0))
    clicks = np.zeros_like(music)
    clicks[rng.integers(0, len(clicks), 200)] = 0.5
    few, many = clicks_per_second(music)[1], clicks_per_second(music + clicks)[1]
    assert few < 1.5
    assert 6 < many < 11


def test_noise_has_no_tempo_to_be_sure_of_and_nothing_breaks_on_odd_input() -> None:
    for samples in (np.zeros(0, np.float32), np.zeros(100, np.float32), np.ones(50_000, np.float32)):
        heard = audio.measure(samples)
        assert heard.tempo_confidence == 0
        assert heard.key_confidence < 0.2


def test_the_same_sound_gives_the_same_numbers(plain: TrackMeasurements) -> None:
    assert hear(SPEC) == plain


def test_a_record_of_an_earlier_version_still_loads() -> None:
    old = {
        "tempo_bpm": 80.0, "tempo_confidence": 0.5, "key": "A", "mode": "minor", "key_confidence": 0.5,
        "time_signature_confidence": 0.1, "brightness_hz": 1000.0, "onset_density": 2.0,
    }  # fmt: skip
    assert TrackMeasurements.model_validate(old).voice is None
