"""Music, latents and checkpoints in a bucket of a real S3 server, also where server, network, disk or credentials fail."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.backup import write_backup
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import Lineage, RecordError
from lofi_pipeline.ingest import changed_drops, load_scan, pending_tracks
from lofi_pipeline.offsite import Bucket, StoreError, evict, overview, pull, push
from lofi_pipeline.offsite.index import load_index
from lofi_pipeline.storage import DataRoot, file_sha256, load_evicted
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audit.roots import BASE, land, lineage_for
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work
from lofi_pipeline_tests.offsite.conftest import URL
from lofi_pipeline_tests.offsite.server import BUCKET, SLOW_DOWN, Faults

STORE = "LOFI_STORAGE__OBJECT_STORE"
NEW = "raw/creative-commons/new"
SOURCE = json.dumps(facts(source_id="new")).encode()


def config() -> PipelineConfig:
    return settings(dataset={"validation_ratio": 0.25})


def files(root: DataRoot) -> dict[str, str]:
    """The hash of every file that belongs in the store."""
    tops = ("raw", "processed", "final", "validation", "cache/latents", "checkpoints")
    found = [path for top in tops for path in (root.path / top).rglob("*")]
    return {
        root.relative(path): file_sha256(path)
        for path in found
        if path.is_file() and not path.name.endswith(".lock")
    }


def temporaries(root: DataRoot) -> list[Path]:
    return list(root.path.rglob(".tmp-*"))


def put(client: Any, key: str, body: bytes, **metadata: str) -> None:
    client.put_object(Bucket=BUCKET, Key=f"lofi/{key}", Body=body, Metadata=metadata)


def body_of(client: Any, key: str) -> bytes:
    return client.get_object(Bucket=BUCKET, Key=f"lofi/{key}")["Body"].read()


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system refuses to write more into any file of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_goes_there_comes_back_as_it_was(root: DataRoot, bucket: Bucket, faults: Faults) -> None:
    before = files(root)
    first = push(root, bucket)
    assert (first.files, first.skipped) == (len(before), {})
    faults.seen.clear()
    assert push(root, bucket).files == 0 and faults.seen == []  # nothing is even asked
    gone = evict(root, bucket, ["music"])
    assert gone.keys() == before.keys() and files(root) == {}
    assert overview(root, bucket.url).away.keys() == before.keys()
    done = pull(root, bucket)
    assert done.files == len(before) and files(root) == before
    assert load_evicted(root) is None and temporaries(root) == []
    # Nothing looks changed: times came back, too
    assert pending_tracks(root, config()) == [] and push(root, bucket).files == 0
    assert check_data_root(root).clean


def test_nothing_is_taken_for_gone_while_music_lies_elsewhere(root: DataRoot, bucket: Bucket) -> None:
    push(root, bucket)
    evict(root, bucket, ["music"])
    before = {path: path.read_bytes() for path in root.metadata.rglob("*.json")}
    attempts = [
        lambda: changed_drops(
            root, load_scan(root), style_ids=set(load_presets()), licensing=config().licensing
        ),
        lambda: pending_tracks(root, config()),
        lambda: work(root, config()),
        lambda: build_dataset(root, config()),
    ]
    for attempt in attempts:
        with pytest.raises(RecordError, match=r"files lie only in s3://.*`lofi store pull` brings them back"):
            attempt()
    assert {path: path.read_bytes() for path in root.metadata.rglob("*.json")} == before


def test_a_check_says_what_it_did_not_read(root: DataRoot, bucket: Bucket) -> None:
    push(root, bucket)
    evict(root, bucket, ["music"])
    report = check_data_root(root)
    assert report.clean
    (said,) = [it for it in report.findings if it.code == "file-elsewhere"]
    assert said.where == URL and "they were not read" in said.sentence
    pull(root, bucket)
    assert "file-elsewhere" not in {it.code for it in check_data_root(root).findings}


def test_a_drop_that_somebody_put_there_is_brought_in_whole(
    root: DataRoot, bucket: Bucket, client: Any
) -> None:
    push(root, bucket)
    put(client, f"{NEW}/source.json", SOURCE)
    put(client, f"{NEW}/music/c.wav", song(2).read_bytes())
    put(client, "raw/creative-commons/loose.wav", b"x")
    put(client, f"{NEW}/\u202ea.wav", b"x")
    put(client, f"{NEW}/../../../../evil.wav", b"x")
    put(client, "metadata/registry.json", b"{}")
    put(client, "final/track_009.mp3", b"x")
    before = files(root)
    done = pull(root, bucket)
    assert done.drops == [NEW] and len(done.refused) == 3
    assert files(root).keys() - before.keys() == {f"{NEW}/source.json", f"{NEW}/music/c.wav"}
    assert len(work(root, config())) == 1 and temporaries(root) == []
    (root.path / NEW / "music/c.wav").unlink()
    assert pull(root, bucket).files == 0  # it was removed on purpose
    assert overview(root, bucket.url).gone == [f"{NEW}/music/c.wav"]
    assert push(root, bucket, delete=True).removed == 1
    assert f"{NEW}/music/c.wav" not in [key for key, _ in bucket.keys("raw")]


def test_a_drop_that_is_not_in_order_keeps_no_other_out(root: DataRoot, bucket: Bucket, client: Any) -> None:
    other = "raw/creative-commons/a-damaged"
    put(client, f"{other}/source.json", SOURCE, sha256="0" * 64)
    put(client, "raw/creative-commons/b-both/a", b"x")
    put(client, "raw/creative-commons/b-both/a/b.wav", b"x")
    put(client, "raw/creative-commons/empty/", b"")
    put(client, f"{NEW}/source.json", SOURCE)
    put(client, f"{NEW}/nothing.txt", b"")
    done = pull(root, bucket)
    assert done.drops == [NEW] and (root.path / NEW / "nothing.txt").read_bytes() == b""
    assert done.refused.keys() == {other, "raw/creative-commons/b-both"}
    assert "it was changed there" in done.refused[other]
    assert {path.name for path in (root.raw / "creative-commons").iterdir()} == {"album", "new"}


def test_a_new_folder_with_the_records_gets_everything(
    root: DataRoot, bucket: Bucket, tmp_path: Path
) -> None:
    push(root, bucket)
    other = DataRoot(tmp_path / "other")
    shutil.copytree(root.metadata, other.metadata)
    assert pull(other, bucket).files == 0
    assert pull(other, bucket, missing=True).files == len(files(root))
    assert files(other) == files(root) and check_data_root(other).clean


def test_a_put_that_fails_is_tried_again_and_then_said(
    root: DataRoot, bucket: Bucket, faults: Faults
) -> None:
    bucket.require_conditions()
    faults.answers = [("PUT", 503, SLOW_DOWN), ("PUT", 500, b"")]
    assert push(root, bucket).files == len(files(root)) and faults.answers == []
    track = root.path / next(path for path in files(root) if path.startswith("raw/"))
    track.write_bytes(track.read_bytes() + b"more")
    faults.answers = [("PUT", 503, SLOW_DOWN)] * 3
    with pytest.raises(StoreError, match=r"the server answers 503 SlowDown .*what was done is kept"):
        push(root, bucket)
    faults.answers = []
    assert push(root, bucket).files == 1


def test_a_connection_that_is_cut_goes_on_from_there(root: DataRoot, bucket: Bucket, faults: Faults) -> None:
    before = files(root)
    push(root, bucket)
    evict(root, bucket, ["music"])
    faults.cut_after = [1000, 5000]
    assert pull(root, bucket).files == len(before) and files(root) == before
    evict(root, bucket, ["music"])
    faults.cut_after = [1000, 1000, 1000]
    with pytest.raises(StoreError, match=r"broke off after 3000 of \d+ bytes, 3 times; see to the network"):
        pull(root, bucket)
    assert temporaries(root) == [] and files(root) == {}
    pull(root, bucket)
    assert files(root) == before


def test_a_listing_that_is_late_loses_nothing(
    root: DataRoot, bucket: Bucket, client: Any, faults: Faults
) -> None:
    before = files(root)
    push(root, bucket)
    evict(root, bucket, ["music"])
    put(client, f"{NEW}/source.json", SOURCE)
    put(client, f"{NEW}/c.wav", song(2).read_bytes())
    faults.not_listed = {*before, f"{NEW}/c.wav"}
    pull(root, bucket)
    assert files(root).keys() - before.keys() == {f"{NEW}/source.json"}
    faults.not_listed = set()
    assert pull(root, bucket).drops == [NEW]
    assert (root.path / NEW / "c.wav").read_bytes() == song(2).read_bytes()


def test_credentials_that_expire_are_said_and_nothing_is_lost(
    root: DataRoot, bucket: Bucket, faults: Faults
) -> None:
    before, puts = files(root), [0]

    def expire(method: str, _path: str) -> None:
        puts[0] += method == "PUT"
        faults.expired = puts[0] > 5  # two of them ask whether the server knows conditions

    faults.before = expire
    with pytest.raises(StoreError, match="credentials have expired; renew them, then give") as failed:
        push(root, bucket)
    assert "very-secret" not in str(failed.value) and files(root) == before
    faults.before, faults.expired = Faults().before, False
    kept = len(load_index(root, bucket.url))
    assert 0 < kept < len(before) and push(root, bucket).files == len(before) - kept
    evict(root, bucket, ["music"])
    faults.expired = True
    with pytest.raises(StoreError, match="credentials have expired"):
        pull(root, bucket)
    faults.expired = False
    pull(root, bucket)
    assert files(root) == before
    assert not any(b"very-secret" in path.read_bytes() for path in root.path.rglob("*") if path.is_file())


def test_a_full_disk_leaves_nothing_half_written(root: DataRoot, bucket: Bucket) -> None:
    before = files(root)
    push(root, bucket)
    evict(root, bucket, ["music"])
    with no_file_larger_than(400_000), pytest.raises(OSError, match="too large"):
        pull(root, bucket)
    assert temporaries(root) == [] and load_evicted(root) is not None
    assert all(before[path] == digest for path, digest in files(root).items())
    pull(root, bucket)
    assert files(root) == before and load_evicted(root) is None


def test_killed_while_fetching_the_next_one_goes_on(root: DataRoot, bucket: Bucket, faults: Faults) -> None:
    before = files(root)
    push(root, bucket)
    evict(root, bucket, ["music"])
    command = [sys.executable, "-m", "lofi_pipeline.cli", "--data", str(root.path), "store", "pull"]
    process = subprocess.Popen(
        command, env=os.environ | {STORE: URL}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def kill(method: str, path: str) -> None:
        if method == "GET" and path.endswith("b.wav"):
            process.kill()
            process.wait()

    faults.before = kill
    assert process.wait(timeout=100) == -9
    (left,) = temporaries(root)
    assert left.parent.name == "album" and left.parent.joinpath("a.wav").is_file()
    with pytest.raises(RecordError, match="lie only in"):
        pending_tracks(root, config())
    faults.before = Faults().before
    assert pull(root, bucket).files == len(before)
    assert files(root) == before and temporaries(root) == [] and pending_tracks(root, config()) == []


def test_a_backup_says_what_is_not_in_it(root: DataRoot, bucket: Bucket, tmp_path: Path) -> None:
    push(root, bucket)
    away = {path for path in evict(root, bucket, ["music"]) if path.startswith("raw/")}
    made = write_backup(root, tmp_path / "backup")
    assert made.skipped == dict.fromkeys(away, f"lies only in {URL}")


def test_bytes_that_are_not_those_on_record_are_never_taken(
    root: DataRoot, bucket: Bucket, client: Any
) -> None:
    push(root, bucket)
    gone = evict(root, bucket, ["music"])
    path = next(path for path in gone if path.endswith("a.wav"))
    whole = body_of(client, path)
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    for said in (gone[path].sha256, sha256(changed).hexdigest()):
        put(client, path, changed, sha256=said)
        with pytest.raises(StoreError, match=rf"{path}: has the hash .* on record is .*nothing was written"):
            pull(root, bucket)
        assert not (root.path / path).exists() and temporaries(root) == []
    client.delete_object(Bucket=BUCKET, Key=f"lofi/{path}")
    with pytest.raises(StoreError, match="is not there any more"):
        pull(root, bucket)
    put(client, path, whole)
    pull(root, bucket)
    assert file_sha256(root.path / path) == gone[path].sha256


def test_nothing_is_removed_here_that_is_not_there(root: DataRoot, bucket: Bucket, client: Any) -> None:
    before = files(root)
    assert evict(root, bucket, ["music"]) == {}  # nothing was put yet
    push(root, bucket)
    path = next(path for path in before if path.endswith("b.wav"))
    put(client, path, b"another")
    with pytest.raises(StoreError, match="not what was put there any more.*Nothing was removed here"):
        evict(root, bucket, ["music"])
    assert files(root) == before and load_evicted(root) is None


@pytest.fixture
def lineage(root: DataRoot) -> Lineage:
    """A former lineage in the archive, with one checkpoint."""
    found = lineage_for(load_version(root))
    folder = root.archived_lineage(found.lineage)
    folder.mkdir(parents=True)
    land(root, found, 60, folder)
    return found


def test_weights_are_put_once_and_never_replaced(
    root: DataRoot, bucket: Bucket, client: Any, lineage: Lineage
) -> None:
    weights = next(path for path in files(root) if path.endswith("adapter_model.safetensors"))
    put(client, weights, b"others")
    with pytest.raises(StoreError, match="holds other bytes than .* though such a file never changes"):
        push(root, bucket)
    assert body_of(client, weights) == b"others"
    client.delete_object(Bucket=BUCKET, Key=f"lofi/{weights}")
    push(root, bucket)
    assert body_of(client, weights) == (root.path / weights).read_bytes()


def test_of_two_who_put_at_once_neither_overwrites_unseen(
    root: DataRoot, bucket: Bucket, client: Any, faults: Faults
) -> None:
    path = next(path for path in files(root) if path.endswith("_prompt.txt"))
    put(client, path, b"of yesterday")
    interfered: list[str] = []

    def interfere(method: str, where: str) -> None:
        if method == "HEAD" and where.endswith(path) and not interfered:
            interfered.append(where)
            faults.before = Faults().before
            client.put_object(Bucket=BUCKET, Key=f"lofi/{path}", Body=b"in between")
            faults.before = interfere

    faults.before = interfere
    assert push(root, bucket).files == len(files(root)) and interfered
    assert body_of(client, path) == (root.path / path).read_bytes()


def test_a_server_that_knows_no_conditions_is_refused(root: DataRoot, bucket: Bucket, faults: Faults) -> None:
    faults.ignores_conditions = True
    with pytest.raises(StoreError, match="overwrites objects although it is asked not to"):
        push(root, bucket)
    assert load_index(root, bucket.url) == {}
    assert {path for method, path in faults.seen if method == "PUT"} == {f"/{BUCKET}/lofi/.lofi-store"}


def test_former_lineages_make_room_and_are_asked_for_by_name(
    root: DataRoot, bucket: Bucket, lineage: Lineage
) -> None:
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.manifest import activate_lineage

    push(root, bucket)
    before = files(root)
    gone = evict(root, bucket, ["archive"])
    assert gone and not any(path.endswith(".json") for path in gone)
    with pytest.raises(CheckpointError, match="`lofi store pull` brings them back"):
        activate_lineage(root, lineage)
    assert files(root) == {path: digest for path, digest in before.items() if path not in gone}
    pull(root, bucket, ["archive"])
    assert files(root) == before and lineage.base == BASE
    activate_lineage(root, lineage)


def test_a_drop_that_is_refused_or_still_copied_is_not_put(root: DataRoot, bucket: Bucket) -> None:
    make_drop(root, "no", {"d.wav": song(3)}, facts(source_id="no", license_type="CC BY-NC 4.0"))
    register(root, config())
    make_drop(root, "later", {"e.wav": song(4)}, facts(source_id="later"))
    assert push(root, bucket).skipped == {}
    assert {key.split("/")[2] for key, _ in bucket.keys("raw")} == {"album"}
    os.rename(
        root.raw / "creative-commons" / "album" / "a.wav",
        root.raw / "creative-commons" / "album" / "\u202e.wav",
    )
    assert "letters in it that cannot be seen" in next(iter(push(root, bucket).skipped.values()))


def test_without_boto3_or_credentials_it_says_what_to_do(
    bucket: Bucket, root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    with pytest.raises(StoreError, match="no credentials for it.*sign in anew"):
        push(root, Bucket(URL))
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(StoreError, match=r'pip install "lofi-pipeline\[s3\]"'):
        Bucket(URL)
