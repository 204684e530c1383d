"""Of the copies of one recording the best stays, whatever it is called and whenever it came."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from lofi_pipeline import audio
from lofi_pipeline.dataset import build_dataset, dataset_is_current
from lofi_pipeline.entities import Split
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.audio.music import loop, truncate, write, write_av
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work

RATE = audio.SAMPLE_RATE


@cache
def piece(seed: int, seconds: float = 33.0) -> np.ndarray:
    """Music, float32 [2, n]; copy it, do not change it."""
    return loop(seconds, bpm=74 + 4 * seed, tonic=(9 + 5 * seed) % 12, seed=seed)


def mp3(path: Path, samples: np.ndarray, kilobits: int) -> Path:
    return write_av(path, samples, "libmp3lame", bit_rate=1000 * kilobits)


def in_a_shell(path: Path, samples: np.ndarray) -> Path:
    """A WAV of what a poor MP3 left."""
    poor = audio.read(mp3(path.with_suffix(".mp3"), samples, 64), max_seconds=100)
    return write(path, poor.samples)


def holed(path: Path, samples: np.ndarray) -> Path:
    """A file of which some thousand bytes in the middle were lost."""
    data = bytearray(write(path, samples).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = bytes(6000)
    path.write_bytes(data)
    return path


Make = Callable[[Path, np.ndarray], Path]
PAIRS: dict[str, tuple[tuple[str, Make], tuple[str, Make], str]] = {
    "64 kbit": (
        ("mp3", lambda path, samples: mp3(path, samples, 64)),
        ("wav", write),
        "a better copy (lossless)",
    ),
    "holed": (
        ("flac", holed),
        ("mp3", lambda path, samples: mp3(path, samples, 192)),
        "a better copy (whole: 0.",
    ),
    "broken off": (
        ("flac", lambda path, samples: truncate(write(path, samples), 0.7)),
        ("mp3", lambda path, samples: mp3(path, samples, 192)),
        "a better copy (whole: 3",
    ),
    "cut off": (
        ("wav", lambda path, samples: write(path, samples[:, : 36 * RATE])),
        ("mp3", lambda path, samples: mp3(path, samples, 192)),
        "a better copy (whole: 25% of this one is missing)",
    ),
    "shell": (
        ("wav", in_a_shell),
        ("mp3", lambda path, samples: mp3(path, samples, 320)),
        "a better copy (score ",
    ),
    "clipped": (
        ("wav", lambda path, samples: write(path, np.clip(4 * samples, -0.9, 0.9))),
        ("flac", write),
        "a better copy (score ",
    ),
}
"""By name: the worse copy, the better one, each with its suffix, and what is said of the worse."""
LONG = {"broken off": 48.0, "cut off": 48.0}
"""Seconds of which enough is left."""


def test_the_better_copy_stays_though_the_worse_sorts_first(root: DataRoot, tmp_path: Path) -> None:
    files, wanted, said = {}, set[str](), {}
    for seed, (name, (worse, better, reason)) in enumerate(PAIRS.items()):
        for order, (suffix, make) in (("a", worse), ("b", better)):
            file = f"{name} {order}.{suffix}"
            files[file] = make(tmp_path / file, piece(seed, LONG.get(name, 33.0)))
        wanted.add(f"{name} b.{better[0]}")
        said[f"{name} a.{worse[0]}"] = f"/{name} b.{better[0]} (track_", reason
    make_drop(root, "one", files, facts())
    records = work(root)
    built = build_dataset(root, settings())
    assert {item.track.filename for item in built.version.tracks} == wanted
    reasons = {item.file.rpartition("/")[2]: item.reason for item in built.left_out}
    assert reasons.keys() == said.keys()
    for file, texts in said.items():
        for text in ("the same recording as ", *texts):
            assert text in reasons[file], (file, reasons[file], records[file].processed)


def test_of_equally_good_copies_the_first_registered_stays(root: DataRoot, tmp_path: Path) -> None:
    samples = piece(0)
    files = {name: write(tmp_path / name, samples) for name in ("a.flac", "b.wav")}
    make_drop(root, "one", {**files, "c.wav": song(3)}, facts())
    work(root)
    built = build_dataset(root, settings())
    assert {item.track.filename for item in built.version.tracks} == {"a.flac", "c.wav"}
    (left,) = built.left_out
    assert left.reason == "the same recording as creative-commons/one/a.flac (track_001)"


def test_a_better_copy_that_comes_later_takes_the_place_on_the_same_side(
    root: DataRoot, tmp_path: Path
) -> None:
    """The next version has the better copy under its own id; a worse one that comes then changes nothing."""
    config = settings(dataset={"validation_ratio": 0.34})
    side = Split.TRAIN
    samples = {name: piece(seed) for seed, name in enumerate("abc")}
    make_drop(
        root, "one", {f"{it}.mp3": mp3(tmp_path / f"{it}.mp3", samples[it], 96) for it in samples}, facts()
    )
    work(root, config)
    before = build_dataset(root, config).version
    (worse, *_) = before.side(side)
    name = worse.track.filename.removesuffix(".mp3")
    kept = root.dataset_version(before.dataset.hash).read_bytes()
    config = settings(dataset={"validation_ratio": 0.67})  # now what is new would go to the other side

    better = write(tmp_path / "better.wav", samples[name])
    make_drop(root, "later", {"better.wav": better}, facts(source_id="later"))
    better_id = work(root, config)["better.wav"].track_id
    assert not dataset_is_current(root, config)
    built = build_dataset(root, config)
    found = {item.track.track_id: item.track for item in built.version.tracks}
    assert found[better_id].split is side and worse.track.track_id not in found
    assert {it.track.track_id: it.track.split for it in before.tracks if it != worse}.items() <= {
        track_id: track.split for track_id, track in found.items()
    }.items()
    assert {item.track_id: item.reason for item in built.left_out} == {
        worse.track.track_id: f"the same recording as creative-commons/later/better.wav ({better_id}), a better copy (lossless)"
    }
    assert root.dataset_version(before.dataset.hash).read_bytes() == kept
    assert not [
        path for folder in (root.final, root.validation) for path in folder.glob(f"{worse.track.track_id}*")
    ]

    again = mp3(tmp_path / "again.mp3", samples[name], 64)
    make_drop(root, "last", {"again.mp3": again}, facts(source_id="last"))
    worst_id = work(root, config)["again.mp3"].track_id
    after = build_dataset(root, config)
    assert not after.is_new and after.version.dataset.hash == built.version.dataset.hash
    assert read_json(root.splits_json)["sides"][worst_id] == side

    (root.raw / "creative-commons" / "later" / "better.wav").unlink()
    work(root, config)
    assert build_dataset(root, config).version.dataset.hash == before.dataset.hash
