"""The synthesiser: deterministic, true to its tempo and key, and every tag can be heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from lofi_pipeline.demo.instruments import TIMBRES
from lofi_pipeline.demo.synth import MOODS, SongSpec, render
from lofi_pipeline.demo.textures import TEXTURE_OF
from lofi_pipeline.pretraining.listen import octave_error, tempo

RATE = 24_000
PLAIN = SongSpec(
    seed=4,
    bpm=84,
    key="A",
    mode="minor",
    seconds=6.0,
    instruments=("rhodes", "electric bass", "boom bap drums"),
    mood="mellow",
)


def centroid(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples.mean(0))) ** 2
    return float((power * np.fft.rfftfreq(samples.shape[1], 1 / RATE)).sum() / power.sum())


def high_energy(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples.mean(0))) ** 2
    return float(power[np.fft.rfftfreq(samples.shape[1], 1 / RATE) > 6000].sum())


def test_the_same_spec_gives_the_same_samples_and_another_seed_others():
    first, again = render(PLAIN), render(PLAIN)
    assert first.samples.dtype == np.float32
    assert first.samples.shape == (2, 6 * 48_000)
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, render(replace(PLAIN, seed=5)).samples)
    assert 0.1 < np.abs(first.samples).max() <= 0.9


@pytest.mark.parametrize("bpm", [66, 84, 120, 150])
def test_the_tempo_can_be_heard(bpm):
    samples = render(replace(PLAIN, bpm=bpm), RATE).samples
    assert octave_error(tempo(samples.mean(0), RATE), bpm) < 1.04


@pytest.mark.parametrize(("key", "mode"), [("A", "minor"), ("C", "major"), ("F#", "minor")])
def test_the_tonic_chord_is_what_sounds_first(key, mode):
    samples = render(replace(PLAIN, key=key, mode=mode, instruments=("organ",)), RATE).samples
    first_bar = samples.mean(0)[: int(0.9 * 4 * 60 / PLAIN.bpm * RATE)]
    power = np.abs(np.fft.rfft(first_bar * np.hanning(len(first_bar)))) ** 2
    frequency = np.fft.rfftfreq(len(first_bar), 1 / RATE)
    heard = (frequency > 150) & (frequency < 420)
    classes = np.round(12 * np.log2(frequency[heard] / 261.626)).astype(int) % 12
    chroma = np.bincount(classes, weights=power[heard], minlength=12)
    names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    root = names.index(key)
    chord = {root, (root + (3 if mode == "minor" else 4)) % 12, (root + 7) % 12}
    assert chord <= set(np.argsort(chroma)[-4:].tolist())


def test_production_and_atmosphere_can_be_heard():
    clean = render(PLAIN, RATE).samples
    assert centroid(render(replace(PLAIN, production=("low-pass filtered",)), RATE).samples) < 0.9 * centroid(
        clean
    )
    quiet = replace(PLAIN, instruments=("rhodes", "boom bap drums"))
    silent = high_energy(render(replace(quiet, production=("no drums",)), RATE).samples)
    assert silent < 0.3 * high_energy(render(quiet, RATE).samples)
    for tag in ("tape hiss", "vinyl crackle"):
        assert high_energy(render(replace(quiet, production=("no drums", tag)), RATE).samples) > 2 * silent
    assert high_energy(render(replace(PLAIN, atmosphere="rain"), RATE).samples) > 1.2 * high_energy(clean)


def test_every_instrument_and_atmosphere_and_mood_of_the_vocabulary_can_be_played():
    path = Path(__file__).parents[2] / "config" / "tag_categories.yaml"
    tags = {entry["category"]: entry["tags"] for entry in yaml.safe_load(path.read_text())}
    assert set(tags["instruments"]) <= set(TIMBRES)
    assert set(tags["atmosphere"]) <= set(TEXTURE_OF)
    assert set(tags["mood"]) <= set(MOODS)
    for instrument in tags["instruments"]:
        samples = render(replace(PLAIN, seconds=1.5, instruments=(instrument,)), RATE).samples
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() > 0.05


@pytest.mark.parametrize(
    "change", [{"instruments": ("theremin",)}, {"instruments": ()}, {"mood": "furious"}, {"key": "H"}]
)
def test_what_cannot_be_played_is_refused_by_name(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(PLAIN, **change)
