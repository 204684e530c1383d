"""The split at its borders: by content, by whole groups, as near to the ratio as whole groups allow."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import soundfile

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.dataset.split import Candidate, assign_splits
from lofi_pipeline.entities import Split, StyleCategory
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.dataset.test_split import candidate
from lofi_pipeline_tests.drops import work

CORE, VOCAL = StyleCategory.CORE, StyleCategory.VOCAL


def by_content(found: list[Candidate]) -> dict[str, Split]:
    sides = assign_splits(found, {}, ratio=0.3, seed=0)
    return {item.sha256: sides[item.track_id] for item in found}


def test_the_same_music_falls_to_the_same_side_whatever_its_ids():
    found = [candidate(number, CORE, number) for number in range(1, 41)]
    ids = [item.track_id for item in reversed(found)]
    renamed = [replace(item, track_id=id_, group=id_) for item, id_ in zip(found, ids, strict=True)]
    assert by_content(renamed) == by_content(found)


def test_a_group_that_just_fits_is_taken_and_one_that_does_not_is_left():
    pairs = [candidate(number, CORE, number - (number + 1) % 2) for number in range(1, 21)]
    sides = assign_splits(pairs, {}, ratio=0.1, seed=0)
    assert list(sides.values()).count(Split.VALIDATION) == 2
    threes = [candidate(number, CORE, number - (number - 1) % 3) for number in range(1, 22)]
    sides = assign_splits(threes, {}, ratio=0.1, seed=0)  # two are wanted, groups have three
    assert list(sides.values()).count(Split.VALIDATION) == 3  # never without validation


def test_a_newcomer_joins_the_side_of_its_group_however_full_it_is():
    decided = {"track_001": Split.VALIDATION, "track_002": Split.TRAIN}
    found = [candidate(1, CORE, 1), candidate(2, CORE, 2)]
    found += [candidate(number, VOCAL, 1) for number in (3, 4)] + [candidate(5, CORE, 2)]
    sides = assign_splits(found, decided, ratio=0.1, seed=0)
    assert sides == {
        "track_001": Split.VALIDATION,
        "track_002": Split.TRAIN,
        "track_003": Split.VALIDATION,
        "track_004": Split.VALIDATION,
        "track_005": Split.TRAIN,
    }


def test_one_track_is_trained_and_of_two_one_validates():
    assert assign_splits([candidate(1, CORE, 1)], {}, ratio=0.1, seed=0) == {"track_001": Split.TRAIN}
    two = assign_splits([candidate(1, CORE, 1), candidate(2, VOCAL, 2)], {}, ratio=0.1, seed=0)
    assert sorted(two.values()) == [Split.TRAIN, Split.VALIDATION]
    kin = assign_splits([candidate(1, CORE, 1), candidate(2, CORE, 1)], {}, ratio=0.1, seed=0)
    assert set(kin.values()) == {Split.TRAIN}  # nothing would be left to train on


def test_a_copy_of_a_validation_track_is_kept_for_validation(ready: DataRoot, tmp_path: Path):
    """Should the original go one day, what was never trained on is not trained on under another name."""
    config = load_config()
    (original,) = build_dataset(ready, config).version.side(Split.VALIDATION)
    (place,) = ready.raw.rglob(original.track.filename)
    samples, rate = soundfile.read(place)
    soundfile.write(tmp_path / "again.wav", 0.7 * samples, rate)
    same_terms = read_json(place.parent / "source.json") | {"files": {}}
    drop = place.parent.with_name("again")
    shutil.copytree(place.parent, drop, ignore=shutil.ignore_patterns("*.wav"))
    (drop / "source.json").write_text(json.dumps(same_terms))
    shutil.copyfile(tmp_path / "again.wav", drop / "again.wav")
    copy = work(ready)["again.wav"].track_id
    version = build_dataset(ready, config).version
    assert copy not in {item.track.track_id for item in version.tracks}
    assert read_json(ready.splits_json)["sides"][copy] == Split.VALIDATION
    place.unlink()
    work(ready)
    (successor,) = build_dataset(ready, config).version.side(Split.VALIDATION)
    assert successor.track.track_id == copy
