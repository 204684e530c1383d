"""Copies of training tracks in clips: planted ones are found whatever was done to them, and honest clips raise no alarm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr
from scipy.signal import butter, sosfilt

from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import KEYS, SongSpec, render
from lofi_pipeline.evaluation.copies.search import EXACT, Copied, Likeness, _best, _Spot, find_copies
from lofi_pipeline.evaluation.copies.sound import Sound, bands_of, mono_of
from lofi_pipeline.styles import load_presets

RATE = 24_000
STYLES = ("CORE-01", "CORE-04", "THEME-02", "SEASON-03", "CORE-03", "THEME-01")
Music = np.ndarray


def _specs() -> list[SongSpec]:
    presets = load_presets()
    return [spec_of(presets[style], number, 16.0) for number, style in enumerate(STYLES)]


@pytest.fixture(scope="module")
def tracks() -> dict[str, Music]:
    """Six training tracks of 16 s."""
    return {f"track_{number:03d}": render(spec, RATE).samples for number, spec in enumerate(_specs())}


@pytest.fixture(scope="module")
def sounds(tracks: dict[str, Music]) -> dict[str, Sound]:
    return {name: Sound.of(music, RATE) for name, music in tracks.items()}


@pytest.fixture(scope="module")
def honest() -> list[Music]:
    """Clips of 5 s with the tempo, instruments and tags of the training tracks, in other keys."""
    return [
        render(_twin(spec, take, number), RATE).samples
        for take in range(2)
        for number, spec in enumerate(_specs())
    ]


def _twin(spec: SongSpec, take: int, number: int) -> SongSpec:
    key = KEYS[(KEYS.index(spec.key) + 1 + 5 * take + number) % 12]
    return replace(spec, seconds=5.0, seed=77_000 + 10 * take + number, key=key)


def _planted(host: Music, music: Music, start: float, at: float, seconds: float) -> Music:
    found = host.copy()
    first, begin, count = (round(value * RATE) for value in (start, at, seconds))
    found[:, begin : begin + count] = music[:, first : first + count]
    return found


def _noisy(clip: Music) -> Music:
    noise = (
        np.random.default_rng(0).standard_normal(clip.shape) * np.sqrt(np.mean(clip**2)) * 10 ** (-30 / 20)
    )
    return (clip + noise).astype(np.float32)


CHANGES = {
    "none": lambda clip: clip,
    "softer": lambda clip: 0.3 * clip,
    "noise": _noisy,
    "mono": lambda clip: clip.mean(axis=0, keepdims=True),
    "inverted": lambda clip: -clip,
    "another rate": lambda clip: clip,
}


@pytest.mark.parametrize("speed", [0.98, 0.99, 1.01, 1.02])
def test_copies_that_are_faster_or_slower_are_found_and_located(speed: float, tracks, sounds, honest) -> None:
    names = list(tracks)
    for number, host in enumerate(honest[1:4]):
        planted = _planted(host, tracks[names[number]], 4.3, 1.1, 3.0)
        clip = soxr.resample(planted.T, RATE * speed, RATE).T
        (copied,) = find_copies([clip], RATE, sounds)[0]
        assert copied.track_id == names[number]
        assert copied.start == pytest.approx(1.1 / speed, abs=0.4)
        assert copied.end == pytest.approx(4.1 / speed, abs=0.4)
        assert copied.track_start == pytest.approx(4.3, abs=0.4)


def test_the_same_loud_texture_over_other_music_is_no_copy(tracks, sounds, honest) -> None:
    """Rain of the very same samples fills most bands, and a drone never changes: neither tells whose music it is."""
    rng = np.random.default_rng(9)
    high = butter(4, 1200, "high", fs=RATE, output="sos")
    rain = np.asarray(sosfilt(high, rng.standard_normal((2, 16 * RATE)), axis=1), np.float32) * np.float32(
        0.1
    )
    drone = np.sin(2 * np.pi * 110 * np.arange(16 * RATE) / RATE).astype(np.float32) * np.float32(0.2)
    searched = {
        **sounds,
        "track_900": Sound.of(tracks["track_000"] + rain, RATE),
        "track_901": Sound.of(rain + drone, RATE),
    }
    clips = [other + rain[:, 2 * RATE :][:, : other.shape[1]] for other in honest[1:4]]
    clips += [np.roll(rain, 777, axis=1)[:, : 5 * RATE] + drone[: 5 * RATE]]
    assert find_copies(clips, RATE, searched) == [[]] * 4


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found_and_located(change: str, tracks, sounds, honest) -> None:
    names = list(tracks)
    clips = [
        CHANGES[change](_planted(host, tracks[names[number % 6]], 3.0 + number / 7, 1.1, 2.5))
        for number, host in enumerate(honest[1:] + honest[:1])
    ]
    rate = RATE
    if change == "another rate":
        rate = 44_100
        clips = [soxr.resample(clip.T, RATE, rate).T for clip in clips]
    found = find_copies(clips, rate, sounds)
    for number, copies in enumerate(found):
        (copied,) = copies
        assert copied.track_id == names[number % 6]
        assert copied.start == pytest.approx(1.1, abs=0.4) and copied.end == pytest.approx(3.6, abs=0.4)
        assert copied.track_start - copied.start == pytest.approx(3.0 + number / 7 - 1.1, abs=0.06)


def test_honest_clips_raise_no_alarm(sounds, honest) -> None:
    """Hard ones: the drums are the same one-shots, and so are textures, and the tempo is that of a training track."""
    assert find_copies(honest, RATE, sounds) == [[]] * len(honest)


def test_silence_noise_and_short_clips_are_no_copies(sounds) -> None:
    silent = np.zeros((2, 5 * RATE), np.float32)
    click = silent.copy()
    click[:, 0] = 1.0
    hiss = np.random.default_rng(1).standard_normal((2, 5 * RATE)).astype(np.float32)
    searched = {**sounds, "track_900": Sound.of(silent, RATE), "track_901": Sound.of(click, RATE)}
    clips = [silent, click, hiss, hiss[:, : RATE // 3], silent[:, :100]]
    assert find_copies(clips, RATE, searched) == [[]] * len(clips)


def test_a_loop_that_several_tracks_share_is_no_copy_of_one_of_them(tracks, sounds, honest) -> None:
    """A producer's loops lie in many tracks; what copies more than a loop is told all the same."""
    first, second = list(tracks)[:2]
    loop = tracks[first][:, 4 * RATE : 7 * RATE]
    other = tracks[second].copy()
    other[:, 9 * RATE : 12 * RATE] = loop
    shared = {**sounds, second: Sound.of(other, RATE)}
    clip = _planted(honest[2], tracks[first], 4.2, 1.0, 2.5)
    assert [it.track_id for it in find_copies([clip], RATE, sounds)[0]] == [first]
    assert find_copies([clip], RATE, shared) == [[]]
    whole = tracks[first][:, : 12 * RATE]
    assert first in [it.track_id for it in find_copies([whole], RATE, shared)[0]]


def test_what_a_lossy_codec_leaves_of_a_copy_is_a_copy_where_all_clips_pass_through_it(
    tracks, sounds
) -> None:
    """With random phases and noise the likeness falls; the allowance is for exactly that."""
    music = tracks["track_000"][:, 2 * RATE : 8 * RATE]
    noise = np.random.default_rng(3).standard_normal(music.shape).astype(np.float32)
    for loudness in np.linspace(0.02, 0.2, 10):
        clip = music + noise * np.float32(loudness * np.sqrt(np.mean(music**2)))
        strict, lenient = (
            find_copies([clip], RATE, sounds, lost=lost)[0] for lost in (EXACT, Likeness(0.9, 2.0))
        )
        if lenient and not strict:
            return
    pytest.fail("the allowance makes no difference")


def test_levels_are_relative_to_the_loudest_moment(tracks) -> None:
    mono = mono_of(tracks["track_001"], RATE)
    loud, soft = bands_of(mono), bands_of(mono * np.float32(0.05))
    assert np.abs(loud.astype(int) - soft).max() <= 1


def test_nothing_is_found_where_there_is_nothing(sounds, honest) -> None:
    assert find_copies([], RATE, sounds) == []
    assert find_copies(honest[:1], RATE, {}) == [[]]


def test_half_of_the_shorter_stretch_in_common_makes_it_shared() -> None:
    one = Copied("track_001", 1.0, 3.0, 0.0, 0.99)
    assert one.shares(Copied("track_002", 2.0, 5.0, 0.0, 0.99))
    assert not one.shares(Copied("track_002", 2.1, 5.0, 0.0, 0.99))


def test_music_that_is_like_much_of_what_was_trained_on_leaves_room_for_a_copy_beside_it():
    """Found with a clip of which a few seconds were like 32 places of tracks, and another three seconds were copied."""
    crowd = [
        _Spot(f"track_{number:03d}", 1.0, frame=number % 150, shift=40 * number, alike=0.95)
        for number in range(60)
    ]
    copied = _Spot("track_999", 1.0, frame=800, shift=-500, alike=0.9)
    assert copied in _best([*crowd, copied])
