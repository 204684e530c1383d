"""Copies and related: who stays, who is left out and why; and an index that is only ever a faster way to the same answer."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.dataset import build_dataset, dataset_is_current, duplicates, left_out
from lofi_pipeline.dataset.duplicates import (
    Comparisons,
    TrackPair,
    compare_tracks,
    copies_among,
    group_related,
    load_comparisons,
)
from lofi_pipeline.dataset.sketch_index import SketchIndex
from lofi_pipeline.demo.synth import RATE, SongSpec, render
from lofi_pipeline.entities import RecordError, Split
from lofi_pipeline.ingest import pending_tracks
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import BrokenSeal, DataRoot, file_sha256, read_json, remove_sealed
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work

SPEC = SongSpec(
    seed=3,
    bpm=82.0,
    key="A",
    mode="minor",
    seconds=36.0,
    instruments=("rhodes", "vibraphone", "upright bass", "boom bap drums"),
)


@cache
def prints() -> list[np.ndarray]:
    """Fingerprints: four pieces, two of them on one progression, and edits of the first."""
    from lofi_pipeline.demo import synth

    wanted = synth.arrange(SPEC).progression
    related = next(
        seed for seed in range(4, 400) if synth.arrange(replace(SPEC, seed=seed)).progression == wanted
    )
    pieces = [
        render(spec).samples
        for spec in (
            SPEC,
            replace(SPEC, seed=related),
            replace(SPEC, seed=50, key="D", bpm=71.0, mode="major"),
            replace(SPEC, seed=51, key="F", bpm=93.0),
        )
    ]
    edits = [
        np.asarray(soxr.resample(pieces[0].T, RATE, RATE / 0.88)).T,
        pieces[0][:, 7 * RATE : 27 * RATE],
        np.asarray(soxr.resample(pieces[2].T, RATE, RATE * 1.06)).T,
    ]
    return [
        audio.fingerprint(audio.mono_at(np.ascontiguousarray(samples, np.float32), 22_050))
        for samples in (*pieces, *edits)
    ]


def put(root: DataRoot, order: Sequence[int]) -> dict[str, str]:
    """Save fingerprints as those of track_001 and so on; by track, the hash of its processing."""
    keys = {}
    for number, which in enumerate(order, start=1):
        path = root.fingerprint(f"track_{number:03d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, prints()[which], allow_pickle=False)
        keys[f"track_{number:03d}"] = f"{which:064d}"
    return keys


def kinships(found: Comparisons) -> dict[tuple[str, str], str]:
    return {(pair.track_id, pair.other): str(pair.kinship) for pair in found.pairs}


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6), (6, 5, 4, 3, 2, 1, 0), (4, 0, 2, 5, 6, 1, 3)])
def test_the_index_finds_what_comparing_all_with_all_finds(root: DataRoot, order: tuple[int, ...]) -> None:
    found = kinships(compare_tracks(root, put(root, order)))
    wanted = {}
    for late in range(len(order)):
        for early in range(late):
            kinship = audio.compare(prints()[order[late]], prints()[order[early]]).match_type
            if kinship is not audio.MatchType.NONE:
                wanted[f"track_{late + 1:03d}", f"track_{early + 1:03d}"] = str(kinship)
    assert found == wanted
    same = {tuple(sorted((0, 4))), tuple(sorted((0, 5))), tuple(sorted((4, 5))), tuple(sorted((2, 6)))}
    number = {f"track_{at + 1:03d}": which for at, which in enumerate(order)}
    told = {
        tuple(sorted((number[a], number[b])))
        for (a, b), related in found.items()
        if related == "same recording"
    }
    assert told == same


def test_one_at_a_time_and_with_a_lost_or_damaged_index_is_the_same_as_at_once(
    root: DataRoot, tmp_path: Path
) -> None:
    at_once = DataRoot(tmp_path / "other").create()
    wanted = compare_tracks(at_once, put(at_once, range(7)))
    keys = put(root, range(7))
    shards = root.cache / "fingerprints"
    given: dict[str, str] = {}
    for number, (track_id, key) in enumerate(keys.items()):
        given[track_id] = key
        found = compare_tracks(root, given)
        if number == 2:
            next(shards.glob("*.npz")).write_bytes(b"damaged")
        if number == 4:
            shutil.rmtree(shards)
    assert found == wanted
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.suffix != ".lock"}
    assert compare_tracks(root, keys) == wanted
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (root.metadata / "duplicates.json").write_text("{")
    assert compare_tracks(root, keys) == wanted


def test_several_workers_find_what_one_finds(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = DataRoot(tmp_path / "other").create()
    wanted = compare_tracks(alone, put(alone, range(7)))
    monkeypatch.setattr(duplicates, "_WORTH_WORKERS", 1)
    assert compare_tracks(root, put(root, range(7)), workers=2) == wanted


def test_a_track_processed_anew_is_compared_anew(root: DataRoot) -> None:
    keys = put(root, (0, 3, 5))
    assert len(compare_tracks(root, keys).pairs) == 1
    keys = put(root, (0, 4, 2))
    assert kinships(compare_tracks(root, keys)) == {("track_002", "track_001"): "same recording"}
    root.fingerprint("track_001").write_bytes(b"damaged")
    shutil.rmtree(root.cache / "fingerprints")
    with pytest.raises(BrokenSeal, match=r"fingerprints/track_001\.npy: was changed since it was compared"):
        compare_tracks(root, keys)
    put(root, (0, 4, 2))
    assert len(compare_tracks(root, keys).pairs) == 1


def test_what_was_made_again_with_other_bytes_stays_the_same_recording(root: DataRoot) -> None:
    """Whether the fingerprint was made again by another library, or it and its record were edited by hand."""
    keys = put(root, (0, 4))
    found = compare_tracks(root, keys)
    put(root, (0, 1))
    other = {"track_002": file_sha256(root.fingerprint("track_002"))}
    again = compare_tracks(root, keys, fingerprints=other)
    assert again.pairs == found.pairs and again.fingerprints != found.fingerprints


def test_two_runs_at_once_leave_what_one_leaves(root: DataRoot) -> None:
    keys = put(root, range(7))
    found: list[Comparisons] = []
    threads = [threading.Thread(target=lambda: found.append(compare_tracks(root, keys))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == load_comparisons(root)
    assert set(SketchIndex.open(root).keys) == set(keys)


def test_full_shards_stay_and_outdated_ones_go(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lofi_pipeline.dataset.sketch_index.SHARD_TRACKS", 2)
    index = SketchIndex.open(root)
    rows = np.eye(5, audio.DIMENSIONS, dtype=np.int8)
    for number in range(5):
        index.add(f"track_{number:03d}", "0" * 64, 10, rows[number : number + 1])
        index.save()
    full = {path.name for path in index.folder.glob("*.npz")}
    assert len(full) == 3
    index = SketchIndex.open(root)
    index.add("track_004", "1" * 64, 10, rows[:1])
    index.remove("track_000")
    index.save()
    again = SketchIndex.open(root)
    assert again.keys == {
        "track_001": "0" * 64,
        "track_002": "0" * 64,
        "track_003": "0" * 64,
        "track_004": "1" * 64,
    }
    assert len({path.name for path in again.folder.glob("*.npz")} & full) == 1


def _wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples.T, rate)
    return path


def test_a_copy_is_left_out_until_its_original_is_gone(root: DataRoot, tmp_path: Path) -> None:
    samples, rate = soundfile.read(song(0, 40.0))
    slowed = _wav(tmp_path / "slowed.wav", np.asarray(soxr.resample(samples, rate, rate / 0.88)).T, rate)
    make_drop(root, "one", {"a.wav": song(0, 40.0), "b.wav": song(1), "c.wav": song(3)}, facts())
    work(root)
    config = settings(dataset={"validation_ratio": 0.34})
    build_dataset(root, config)
    make_drop(root, "later", {"slow.wav": slowed}, facts(source_id="later"))
    assert work(root, config)["slow.wav"].status == "ok"
    built = build_dataset(root, config)
    assert {item.track.filename for item in built.version.tracks} == {"a.wav", "b.wav", "c.wav"}
    told = {item.file: (item.reason, item.track_id) for item in built.left_out}
    reason, track_id = told["creative-commons/later/slow.wav"]
    assert reason == (
        "the same recording as creative-commons/one/a.wav (track_001), at 0.88 times the speed, 2.2 semitones lower"
    )
    assert track_id == "track_004"
    assert left_out(root) == built.left_out
    assert dataset_is_current(root, config)
    assert not [path for folder in (root.final, root.validation) for path in folder.glob("track_004*")]
    sides = read_json(root.splits_json)["sides"]
    assert sides["track_004"] == sides["track_001"]

    (root.raw / "creative-commons" / "one" / "a.wav").unlink()
    register(root, config)
    version = build_dataset(root, config).version
    assert {item.track.filename: str(item.track.split) for item in version.tracks}["slow.wav"] == sides[
        "track_001"
    ]


@pytest.mark.parametrize("name", ["before", "after"])
def test_a_withdrawn_recording_that_comes_back_re_encoded_is_refused_by_name(
    root: DataRoot, tmp_path: Path, name: str
) -> None:
    """Whether the copy came before the withdrawal or after it, when nothing of the source lies there any more."""
    samples, rate = soundfile.read(song(0, 40.0))
    copy = tmp_path / "again.ogg"
    soundfile.write(copy, 0.7 * samples[rate:], rate, format="OGG")
    files = {"rain.wav": song(0, 40.0)}
    folder = make_drop(root, "label", files, facts(source_id="label", files={"rain.wav": {"title": "Rain"}}))
    make_drop(root, "others", {"b.wav": song(1), "c.wav": song(3)}, facts(source_id="others"))

    def comes_back() -> None:
        make_drop(root, "again", {"again.ogg": copy}, facts(source_id="again", provider="somebody else"))

    if name == "before":
        comes_back()
    work(root)
    config = settings()
    build_dataset(root, config)
    withdraw(root, "label", reason="the contract ended", day=date.today())
    assert not dataset_is_current(root, config)
    if name == "after":
        shutil.rmtree(folder)
        register(root)
        build_dataset(root, config)
        shutil.rmtree(root.cache)
        remove_sealed(root, root.duplicates_json)
        comes_back()
    work(root)
    built = build_dataset(root, config)
    assert {item.track.filename for item in built.version.tracks} == {"b.wav", "c.wav"}
    reason = {item.file: item.reason for item in built.left_out}["creative-commons/again/again.ogg"]
    for said in ("the same recording as the withdrawn track_", "(Rain)", "'label'", "the contract ended"):
        assert said in reason, reason
    assert dataset_is_current(root, config)
    assert not build_dataset(root, config).is_new


def test_with_a_lost_fingerprint_nothing_is_built_until_it_is_made_again(ready: DataRoot) -> None:
    config = settings()
    build_dataset(ready, config)
    ready.fingerprint("track_002").write_bytes(b"damaged")
    shutil.rmtree(ready.cache / "fingerprints")
    with pytest.raises(RecordError, match=r"fingerprints/track_002\.npy"):
        build_dataset(ready, config)
    assert pending_tracks(ready, config) == ["track_002"]
    work(ready, config)
    assert "track_002" in {item.track.track_id for item in build_dataset(ready, config).version.tracks}


def test_kin_share_a_side(root: DataRoot, tmp_path: Path) -> None:
    from lofi_pipeline.demo import synth

    wanted = synth.arrange(SPEC).progression
    seeds = [seed for seed in range(4, 400) if synth.arrange(replace(SPEC, seed=seed)).progression == wanted][
        :3
    ]
    files = {
        f"{seed}.wav": _wav(tmp_path / f"{seed}.wav", render(replace(SPEC, seed=seed)).samples)
        for seed in seeds
    }
    make_drop(root, "one", {**files, "x.wav": song(1), "y.wav": song(3), "z.wav": song(4)}, facts())
    work(root)
    version = build_dataset(root, settings(dataset={"validation_ratio": 0.4})).version
    sides = {item.track.filename: item.track.split for item in version.tracks}
    assert len({sides[name] for name in files}) == 1
    assert set(sides.values()) == {Split.TRAIN, Split.VALIDATION}


def _found(pairs: list[tuple[int, int, bool, float]]) -> Comparisons:
    made = {
        (max(a, b), min(a, b)): TrackPair(
            track_id=f"track_{max(a, b):03d}",
            other=f"track_{min(a, b):03d}",
            kinship=audio.MatchType.SAME if same else audio.MatchType.RELATED,
            similarity=alike,
            contradiction=0.01,
            speed=1.0,
            semitones=0.0,
        )
        for a, b, same, alike in pairs
        if a != b
    }
    return Comparisons(pairs=list(made.values()))


PAIRS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.sampled_from([0.7, 0.8, 0.9])),
    max_size=30,
).map(_found)
IDS = st.sets(st.integers(1, 12), min_size=1).map(
    lambda found: [f"track_{number:03d}" for number in sorted(found)]
)


@given(ids=IDS, found=PAIRS)
def test_whoever_is_left_out_has_an_earlier_original_that_stays(ids: list[str], found: Comparisons) -> None:
    copies = copies_among(ids, found)
    kept = set(ids) - set(copies)
    assert min(ids) in kept
    for copy in copies.values():
        assert copy.original in kept and copy.original < copy.track_id
    for pair in found.pairs:
        assert not (pair.kinship is audio.MatchType.SAME and {pair.track_id, pair.other} <= kept)
    assert copies_among(ids[::-1], found) == copies


@given(ids=IDS, found=PAIRS, known=IDS)
def test_new_kin_share_a_group_and_known_groups_stay(
    ids: list[str], found: Comparisons, known: list[str]
) -> None:
    before = group_related(known, found, {})
    groups = group_related(ids, found, before)
    assert set(groups) == set(ids)
    for pair in found.pairs:
        if {pair.track_id, pair.other} <= set(ids) - set(known):
            assert groups[pair.track_id] == groups[pair.other]
    for track_id in set(ids) & set(known):
        assert groups[track_id] == before[track_id]
    assert group_related(ids[::-1], found, before) == groups
