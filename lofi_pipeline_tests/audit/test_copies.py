"""A withdrawal reaches every copy, also in versions that exist: impact, findings and exit codes follow the recording."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.dataset.pieces import at_speed, piece, seconds, write
from lofi_pipeline_tests.drops import facts, make_drop, register, song, work

TODAY = date.today()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A version with a CC BY track, with one that is a copy of a copy of it, and with a medley; the copy between was left out."""
    folder = tmp_path_factory.mktemp("trained")
    root = DataRoot(folder / "data").create()
    fog, middle = piece("fog"), at_speed(piece("fog"), 0.85)
    medley = np.concatenate([seconds(fog, 4, 25), seconds(piece("rain"), 3, 22)], axis=1)
    for source_id, name, samples in (
        ("label", "fog.flac", fog),
        ("owner", "fog.mp3", middle),
        ("stranger", "slow fog.flac", at_speed(middle, 0.85)),
        ("dj", "medley.flac", medley),
    ):
        files = {name: write(folder, name, samples)}
        make_drop(root, source_id, files, facts(source_id=source_id, license_type="CC BY 4.0"))
        work(root)
    make_drop(root, "others", {"x.wav": song(1), "y.wav": song(3)}, facts(source_id="others"))
    work(root)
    build_dataset(root, load_config())
    return root


@pytest.fixture
def root(trained: DataRoot, tmp_path: Path) -> DataRoot:
    shutil.copytree(trained.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def names(version: DatasetVersion) -> set[str]:
    return {item.track.filename for item in version.tracks}


def audit(root: DataRoot, *arguments: str) -> tuple[int, str, dict]:
    target = root.path.parent / "out.json"
    done = CliRunner().invoke(
        app, ["audit", *arguments, "--json", str(target), "--data", str(root.path)], catch_exceptions=False
    )
    return done.exit_code, done.output, read_json(target)


def test_the_copies_of_a_withdrawn_copy_are_found_in_the_old_version_and_kept_out_of_the_next(
    root: DataRoot,
) -> None:
    before = load_version(root)
    assert names(before) == {"fog.flac", "slow fog.flac", "medley.flac", "x.wav", "y.wav"}
    code, said, found = audit(root, "source", "owner")
    assert code == 0
    assert [item["named_by"] for item in found["tracks"]] == [["label"], ["stranger"]]
    assert "copy track_003 of stranger: the same recording as track_002, at 0.85 times the speed" in said
    for fact in ("similarity 0.", "contradiction 0.0", "of the shorter one"):
        assert fact in said

    withdraw(root, "owner", reason="she never agreed", day=TODAY)
    code, said, found = audit(root, before.dataset.hash)
    assert code == 1
    copies = {
        item["where"]: item["sentence"] for item in found["findings"] if item["code"] == "withdrawn-copy"
    }
    assert copies.keys() == {"track_001", "track_003"}
    for sentence in copies.values():
        assert "the same recording as the withdrawn track_002 (fog.mp3)" in sentence
        assert "she never agreed" in sentence and "similarity" in sentence

    register(root)
    after = build_dataset(root, load_config()).version
    assert names(after) == {"x.wav", "y.wav"}
    assert audit(root, after.dataset.hash)[0] == 0
    code, said, found = audit(root, before.dataset.hash)
    copies = {
        item["where"]: item["sentence"] for item in found["findings"] if item["code"] == "withdrawn-copy"
    }
    assert copies.keys() == {"track_001", "track_003", "track_004"}, (
        "the medley too, once parts were looked for"
    )
    assert "holds a part of the withdrawn track_002" in copies["track_004"]
    code, said, found = audit(root, "source", "owner")
    assert code == 1
    assert {item["track_id"] for item in found["tracks"]} == copies.keys()
    assert [len(item["tracks"]) for item in found["versions"]] == [3]
    assert build_dataset(root, load_config()).is_new is False


def test_the_relation_goes_both_ways(root: DataRoot) -> None:
    """The first is withdrawn: the copy of its copy goes, which was never found to be like it."""
    pairs = read_json(root.metadata / "duplicates.json")["pairs"]
    assert {"track_001", "track_003"} not in [{pair["track_id"], pair["other"]} for pair in pairs]
    before = load_version(root)
    withdraw(root, "label", reason="the contract ended", day=TODAY)
    register(root)
    assert names(build_dataset(root, load_config()).version) == {"x.wav", "y.wav"}
    code, _, found = audit(root, before.dataset.hash)
    assert code == 1
    told = {item["where"]: item["sentence"] for item in found["findings"] if item["code"] == "withdrawn-copy"}
    assert "by way of track_002" in told["track_003"]


def test_a_copy_whose_files_are_all_gone_still_ties_others_together(root: DataRoot) -> None:
    shutil.rmtree(root.raw / "creative-commons" / "owner")
    register(root)
    withdraw(root, "label", reason="the contract ended", day=TODAY)
    register(root)
    assert names(build_dataset(root, load_config()).version) == {"x.wav", "y.wav"}


def test_a_source_that_was_removed_before_it_was_withdrawn_reaches_its_copies(root: DataRoot) -> None:
    """It is in no version and in no drop: what is remembered of it says which bytes it brought."""
    shutil.rmtree(root.raw / "creative-commons" / "owner")
    register(root)
    code, _, found = audit(root, "source", "owner")
    assert code == 0 and {item["track_id"] for item in found["tracks"]} == {"track_001", "track_003"}
    withdraw(root, "owner", reason="late", day=TODAY, provider=found["provider"], contents=found["contents"])
    code, _, found = audit(root, load_version(root).dataset.hash)
    assert code == 1
    assert {it["where"] for it in found["findings"] if it["code"] == "withdrawn-copy"} == {
        "track_001",
        "track_003",
    }


def test_a_version_with_a_copy_of_what_is_refused_since_is_not_clean(root: DataRoot, tmp_path: Path) -> None:
    before = load_version(root)
    refused = facts(source_id="rights", license_type="CC BY-NC-ND 4.0", provider="The owner")
    make_drop(root, "rights", {"own.ogg": write(tmp_path, "own.ogg", 0.6 * piece("fog"))}, refused)
    register(root)
    after = build_dataset(root, load_config()).version
    assert names(after) == {"x.wav", "y.wav"}
    assert audit(root, after.dataset.hash)[0] == 0
    code, _, found = audit(root, before.dataset.hash)
    told = {item["where"]: item["sentence"] for item in found["findings"] if item["code"] == "stricter-terms"}
    assert code == 1 and told.keys() == {"track_001", "track_003", "track_004"}
    assert "'CC BY-NC-ND 4.0' from the source 'rights'" in told["track_001"]


def test_what_keeps_refused_music_out_is_proved(root: DataRoot, tmp_path: Path) -> None:
    refused = facts(source_id="rights", license_type="CC BY-NC-ND 4.0", provider="The owner")
    make_drop(root, "rights", {"own.ogg": write(tmp_path, "own.ogg", piece("rain"))}, refused)
    register(root)
    version = build_dataset(root, load_config()).version
    assert audit(root, version.dataset.hash)[0] == 0
    for record in ("remembered.json", "refused.json", "fingerprints/refused_001.npy"):
        path = root.metadata / record
        kept = path.read_bytes()
        path.unlink()
        code, said, found = audit(root, version.dataset.hash)
        assert (code, found["clean"]) == (1, False)
        assert record in said
        path.write_bytes(kept)
