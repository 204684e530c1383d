"""What stands behind scores: measured on clips and tracks, and what is weak in the reference is found and said."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline.checkpoints.compare import jackknife_error
from lofi_pipeline.evaluation.precision import duplicates, measure_precision
from lofi_pipeline.evaluation.reference import Reference
from lofi_pipeline.evaluation.spread import ClipDistances
from lofi_pipeline.evaluation.weaknesses import weaknesses


def reference(tracks: list[np.ndarray], styles: int = 3) -> Reference:
    ids = tuple(f"track_{number:03d}" for number in range(1, len(tracks) + 1))
    return Reference(
        tracks, "0" * 64, ids, frozenset(f"CORE-{number:02d}" for number in range(1, styles + 1))
    )


def music(seed: int, count: int, windows: int = 6, dimension: int = 8) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(windows, dimension)).astype(np.float32) for _ in range(count)]


def test_errors_and_parts_are_those_of_the_clips():
    tracks, clips = reference(music(0, 5)), music(1, 12, windows=2)
    found, parts = measure_precision(clips, [0.1 * number for number in range(10)], tracks)
    assert parts is not None and (len(parts.clips), len(parts.tracks)) == (12, 5)
    assert parts.clips == ClipDistances(clips, tracks.gaussian).without_each()
    assert found.fad_se_by_clip == jackknife_error(parts.clips)
    assert found.fad_se_by_track == jackknife_error(parts.tracks)
    assert found.fad_se == max(found.fad_se_by_clip or 0, found.fad_se_by_track or 0)
    assert (found.clips, found.reference_tracks, found.reference_styles) == (12, 5, 3)
    assert found.kad is not None and found.kad_se and found.kad_fixed is not None
    assert found.clap_interval and found.clap_interval[0] < 0.45 < found.clap_interval[1]
    assert found.floor and found.floor_windows == 12


def test_too_little_to_measure_an_error_is_said_and_is_no_crash():
    found, parts = measure_precision(music(1, 2, windows=1), [0.1, 0.2], reference(music(0, 1)))
    assert parts is None and found.fad_se is None and found.fad_infinity is None and found.floor is None
    assert any("too few clips or tracks" in sentence for sentence in weaknesses(found))


def test_a_track_without_a_window_is_no_part_of_the_reference():
    tracks = music(0, 4)
    tracks.insert(1, np.zeros((0, 8), np.float32))
    found, parts = measure_precision(music(1, 10), [0.1, 0.2], reference(tracks))
    assert found.reference_tracks == 4 and parts and len(parts.tracks) == 4


def test_the_same_music_twice_is_found_also_where_one_is_longer_and_rounded_otherwise():
    tracks = music(0, 6, windows=10)
    tracks[4] = tracks[1][:7] + np.float32(1e-5)
    assert duplicates(tracks) == [(1, 4)]
    tracks[4] = np.concatenate([tracks[1][:3], music(7, 1, windows=7)[0]])
    assert duplicates(tracks) == []  # a sample in common is no copy
    assert duplicates([tracks[0]] * 3) == [(0, 1), (0, 2), (1, 2)]


def test_a_silent_reference_is_found_to_be_all_the_same():
    silent = [np.full((5, 8), 0.5, np.float32) for _ in range(4)]
    found, _ = measure_precision(music(1, 10), [0.1, 0.2], reference(silent))
    assert found.kad is None and len(found.duplicates) == 6


@pytest.mark.parametrize(
    ("count", "styles", "words"),
    [
        (29, 3, ["29 validation tracks"]),
        (30, 2, ["2 styles"]),
        (30, 3, []),
        (1, 1, ["1 validation track:", "1 style:"]),
    ],
)
def test_few_tracks_and_few_styles_are_warned_of(count: int, styles: int, words: list[str]):
    found, _ = measure_precision(music(1, 12), [0.1, 0.2], reference(music(0, count), styles))
    said = [sentence for sentence in weaknesses(found) if "too few clips" not in sentence]
    assert len(said) == len(words)
    assert all(word in sentence for word, sentence in zip(words, said, strict=True))


def test_scores_without_it_say_how_to_get_it():
    (sentence,) = weaknesses(None)
    assert "scores.json" in sentence and "lofi run" in sentence
