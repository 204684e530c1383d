"""Shards of latents and conditions: the same trainings as from single files, and never a byte that was not encoded."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lofi_pipeline.checkpoints.loss_log import training_log
from lofi_pipeline.checkpoints.manifest import training_lock
from lofi_pipeline.dataset.gone import GoneFile, remove_gone
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot, file_sha256, locked
from lofi_pipeline.training.encode import encode_dataset, read_encoded
from lofi_pipeline.training.errors import EncodingError, TrainingError
from lofi_pipeline.training.packing import pack
from lofi_pipeline.training.records import TrainingEvent
from lofi_pipeline.training.shards import Shard, keys_in, read_shard, shard_files, write_shard
from lofi_pipeline_tests.damage.damages import DAMAGES, Damage, flip_unseen
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job
from lofi_pipeline_tests.training.toy import make_dataset, toy_preset
from lofi_pipeline_tests.writes.kills import Trial

BASE = "b" * 64


def shards_of(root: DataRoot, kind: str = "*") -> list[Path]:
    return sorted(root.cache.glob(f"{kind}/*/shards/*.safetensors"))


def singles_of(root: DataRoot) -> list[Path]:
    return sorted(root.cache.glob("*/*/*.safetensors"))


def losses(root: DataRoot) -> bytes:
    return training_log(root).read_bytes()


@pytest.fixture
def packed(root: DataRoot, version: DatasetVersion, base: Path) -> DataRoot:
    """A data root whose encodings lie in one shard of each kind."""
    pack(root, read_encoded(version, root, str(base), toy_preset()))
    return root


def test_losses_and_weights_are_the_same_from_shards(
    run: Train, root: DataRoot, undisturbed: tuple[DataRoot, list[TrainingEvent]]
) -> None:
    run(latents="shards")
    assert losses(root) == losses(undisturbed[0])
    name = "epoch=0-step=6_lora/adapter_model.safetensors"
    assert file_sha256(root.checkpoints / name) == file_sha256(undisturbed[0].checkpoints / name)
    assert len(shards_of(root)) == 2 and singles_of(root) == []


@pytest.mark.slow
def test_nano_has_the_same_losses_from_files_and_from_shards(tmp_path: Path) -> None:
    roots = DataRoot(tmp_path / "files"), DataRoot(tmp_path / "shards")
    version = make_dataset(roots[0], seconds=6.0)
    shutil.copytree(roots[0].path, roots[1].path)
    for root, latents in zip(roots, ("files", "shards"), strict=True):
        preset = {"max_steps": 4, "crop_seconds": 1.0, "condition_dropout": 0.3}
        run_job(job_for(root, version, Path("nano"), latents=latents, preset=preset))
    assert losses(roots[0]) == losses(roots[1])
    weights = [
        file_sha256(root.checkpoint("epoch=0-step=4_lora") / "adapter_model.safetensors") for root in roots
    ]
    assert weights[0] == weights[1]
    assert (len(singles_of(roots[0])), len(shards_of(roots[0]))) == (8, 0)
    assert (len(singles_of(roots[1])), len(shards_of(roots[1]))) == (0, 2)


def test_a_shard_is_named_by_what_it_holds(packed: DataRoot, version: DatasetVersion, base: Path) -> None:
    (latents,) = shards_of(packed, "latents")
    assert keys_in(latents) == {item.audio_sha256 for item in version.tracks}
    bytes_before = latents.read_bytes()
    for path in shards_of(packed):
        path.unlink()
    backwards = version.model_copy(update={"tracks": list(reversed(version.tracks))})
    pack(packed, encode_dataset(backwards, packed, str(base), toy_preset()))
    assert shards_of(packed, "latents") == [latents] and latents.read_bytes() == bytes_before


def test_latents_and_conditions_of_one_key_are_told_apart(
    root: DataRoot, version: DatasetVersion, base: Path
) -> None:
    found = read_encoded(version, root, str(base), toy_preset())
    tracks = []
    for track in found.tracks:
        (said,) = track.captions
        path = Path(said.condition).with_name(Path(track.latents).name)
        (root.path / said.condition).rename(root.path / path)
        moved = said.model_copy(update={"condition": path.as_posix()})
        tracks.append(track.model_copy(update={"captions": [moved]}))
    packed = pack(root, found.model_copy(update={"tracks": tracks}))
    places = [(it.latents.split("/")[1], it.captions[0].condition.split("/")[1]) for it in packed.tracks]
    assert places == [("latents", "conditions")] * 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_named_and_made_again(
    damage: Damage, packed: DataRoot, version: DatasetVersion, base: Path
) -> None:
    before = {path: path.read_bytes() for path in shards_of(packed)}
    for path in before:
        damage(path)
    gone = [packed.relative(path) for path in before if path.exists()]
    found = encode_dataset(version, packed, str(base), toy_preset())
    assert (found.encoded, sorted(found.rebuilt)) == (8, gone)
    pack(packed, found)
    assert {path: path.read_bytes() for path in shards_of(packed)} == before
    assert encode_dataset(version, packed, str(base), toy_preset()).encoded == 0


def test_whichever_byte_is_another_a_shard_is_not_taken(tmp_path: Path) -> None:
    arrays = {"condition": np.ones((3, 2), np.float32)}
    shard = write_shard(tmp_path, "conditions", BASE, {"a" * 64: arrays, "c" * 64: arrays})
    whole, moment = shard.path.read_bytes(), shard.path.stat().st_mtime_ns
    for place in range(len(whole)):
        shard.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_shard(shard.path) is None, place
        os.utime(shard.path, ns=(moment, moment))
        assert read_shard(shard.path, read=True) is None, place
    shard.path.write_bytes(whole)
    assert read_shard(shard.path) == shard
    assert shard.path.stat().st_mtime_ns == moment  # it was read, and got its time back
    another = shard.path.with_name(f"{'d' * 64}.safetensors")
    shard.path.rename(another)
    assert read_shard(another) is None


@pytest.mark.parametrize(
    "about", ["[" * 100_000, "[]", "{}", '{"members": 1, "kind": "x"}', '{"members": {}}', "x"]
)
def test_a_shard_that_somebody_else_made_is_not_taken(about: str, tmp_path: Path) -> None:
    path = tmp_path / f"{hashlib.sha256(about.encode()).hexdigest()}.safetensors"
    save_file({"x": np.ones(1, np.float32)}, path, metadata={"about": about})
    assert read_shard(path) is None and read_shard(path, read=True) is None


def test_what_comes_later_goes_into_the_shard_that_is_not_full(
    root: DataRoot, version: DatasetVersion, base: Path
) -> None:
    def in_shards(count: int, shard_bytes: int = 1 << 20) -> list[int]:
        some = version.model_copy(update={"tracks": version.tracks[:count]})
        found = pack(root, read_encoded(some, root, str(base), toy_preset()), shard_bytes=shard_bytes)
        assert read_encoded(some, root, str(base), toy_preset()).tracks == found.tracks
        return sorted(len(keys_in(path)) for path in shards_of(root, "latents"))

    assert [in_shards(count) for count in (1, 1, 3)] == [[1], [1], [3]]
    assert in_shards(4, shard_bytes=100) == [1, 3]  # the one that stands is full by this measure
    assert singles_of(root) == []


def test_killed_while_packing_the_next_one_goes_on(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
) -> None:
    some = version.model_copy(update={"tracks": version.tracks[:1]})
    pack(root, read_encoded(some, root, str(base), toy_preset()))

    def work(place: DataRoot) -> None:
        pack(place, read_encoded(version, place, str(base), toy_preset()), shard_bytes=7_000)

    trial = Trial(root, work, tmp_path)
    assert len(trial.changes) > 8
    assert trial.unequal("all") == []


def test_a_file_that_no_time_tells_of_is_never_packed(
    root: DataRoot, version: DatasetVersion, base: Path
) -> None:
    found = read_encoded(version, root, str(base), toy_preset())
    path = root.inside(found.tracks[1].latents)
    flip_unseen(path)
    with pytest.raises(EncodingError, match=f"{path.name}: does not hold what was encoded any more"):
        pack(root, found)
    path.unlink()
    pack(root, encode_dataset(version, root, str(base), toy_preset()))
    assert len(shards_of(root)) == 2 and singles_of(root) == []


def test_music_is_taken_out_of_a_shard_and_the_rest_stays(packed: DataRoot, version: DatasetVersion) -> None:
    (path,) = shards_of(packed, "latents")
    before = read_shard(path)
    assert isinstance(before, Shard)
    gone = version.tracks[0].audio_sha256
    files = [GoneFile(track_id="track_001", path=packed.relative(path), size=1, entry=gone)]
    with locked(training_lock(packed)):
        with pytest.raises(TrainingError, match="a training works on this data root"):
            remove_gone(packed, files)
    assert read_shard(path) == before
    remove_gone(packed, files)
    (left,) = shards_of(packed, "latents")
    after = read_shard(left, read=True)
    assert after and after.shapes.keys() == before.shapes.keys() - {gone}
    assert b"".join(file.read_bytes() for file in shard_files(left.parent.parent)).find(gone.encode()) < 0
