"""The validation split as a reference: windows, what is kept of them, and the floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline.evaluation import ReferenceMissing, frechet_distance
from lofi_pipeline.evaluation.reference import floor_fad, load_reference, reference_sha256
from lofi_pipeline.evaluation.windows import cut_windows, window_seconds
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.evaluation.toys import BandEmbedder, toy_root


def test_windows_do_not_overlap_and_cover_the_audio() -> None:
    embedder = BandEmbedder()
    samples = np.arange(2 * 16_000 * 2, dtype=np.float32).reshape(2, -1)
    windows = cut_windows(samples, 16_000, embedder, 0.5)
    assert windows.shape == (4, 8_000) and windows.dtype == np.float32
    np.testing.assert_array_equal(windows.reshape(-1), samples.mean(axis=0))


@pytest.mark.parametrize(("frames", "count"), [(7_599, 0), (7_700, 1), (8_000, 1), (15_000, 1), (15_700, 2)])
def test_a_rest_is_left_out_unless_almost_nothing_is_missing(frames: int, count: int) -> None:
    windows = cut_windows(np.ones((2, frames), np.float32), 16_000, BandEmbedder(), 0.5)
    assert len(windows) == count


def test_other_rates_are_resampled_to_the_embedders() -> None:
    times = np.arange(48_000) / 48_000
    tone = np.stack([np.sin(2 * np.pi * 440 * times)] * 2)
    windows = cut_windows(tone, 48_000, BandEmbedder(), 0.5)
    spectrum = np.abs(np.fft.rfft(windows[1]))
    assert windows.shape == (2, 8_000) and abs(int(spectrum.argmax()) - 220) <= 1


def test_the_window_is_never_longer_than_a_clip() -> None:
    assert window_seconds(BandEmbedder(), 5.0) == 0.5
    assert window_seconds(BandEmbedder(), 0.25) == 0.25


class Counting(BandEmbedder):
    calls = 0

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        self.calls += 1
        return super().embed_audio(samples)


def _cached(root: DataRoot) -> list[Path]:
    return sorted((root.cache / "reference").rglob("*.npy"))


def test_tracks_are_embedded_once(rooted) -> None:
    root, version = rooted
    embedder = Counting()
    first = load_reference(root, version, embedder, 0.5)
    assert first.embeddings.shape == (16, 8) and embedder.calls == 2
    again = load_reference(root, version, embedder, 0.5)
    assert embedder.calls == 2 and again.sha256 == first.sha256
    np.testing.assert_array_equal(first.embeddings, again.embeddings)


def test_a_changed_file_and_another_window_are_embedded_anew(rooted) -> None:
    root, version = rooted
    embedder = Counting()
    first = load_reference(root, version, embedder, 0.5)
    path = root.inside(version.tracks[0].track.audio_path)
    path.write_bytes(root.inside(version.tracks[1].track.audio_path).read_bytes())
    changed = load_reference(root, version, embedder, 0.5)
    assert changed.sha256 != first.sha256
    np.testing.assert_array_equal(changed.tracks[0], first.tracks[1])
    other = load_reference(root, version, embedder, 0.25)
    assert other.sha256 != changed.sha256 and len(other.embeddings) == 32


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"not an array"])
def test_damaged_cache_files_are_made_again(rooted, damage: bytes) -> None:
    root, version = rooted
    first = load_reference(root, version, BandEmbedder(), 0.5)
    for path in _cached(root):
        path.write_bytes(damage)
    again = load_reference(root, version, BandEmbedder(), 0.5)
    np.testing.assert_array_equal(first.embeddings, again.embeddings)


def test_pickles_in_the_cache_are_not_loaded(rooted) -> None:
    root, version = rooted
    first = load_reference(root, version, BandEmbedder(), 0.5)
    np.save(_cached(root)[0], np.array([print], dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(
        first.embeddings, load_reference(root, version, BandEmbedder(), 0.5).embeddings
    )


def test_the_hash_needs_no_embedding(rooted) -> None:
    root, version = rooted
    embedder = Counting()
    digest = reference_sha256(root, version, embedder, 0.5)
    assert embedder.calls == 0
    assert digest == load_reference(root, version, embedder, 0.5).sha256


def test_the_floor_is_far_below_the_distance_between_tracks(rooted) -> None:
    root, version = rooted
    reference = load_reference(root, version, BandEmbedder(), 0.5)
    floor = floor_fad(reference)
    assert floor is not None
    assert 0 <= floor < 0.2 * frechet_distance(*reference.tracks)


def test_no_floor_with_too_few_windows(tmp_path) -> None:
    root, version = toy_root(tmp_path, validation_tracks=1)
    assert floor_fad(load_reference(root, version, BandEmbedder(), 2.0)) is None


def test_a_missing_file_is_named(rooted) -> None:
    root, version = rooted
    root.inside("validation/track_002.mp3").unlink()
    with pytest.raises(ReferenceMissing, match=r"validation/track_002\.mp3"):
        load_reference(root, version, BandEmbedder(), 0.5)
