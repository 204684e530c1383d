"""Following a source downstream, comparing two versions, and telling whose a file is."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
import soundfile

from lofi_pipeline.audit import AuditInputs, UnknownSubject, compare, find_subject, look_up, trace
from lofi_pipeline.audit.lookup import MatchKind
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, read_json, remove_sealed
from lofi_pipeline_tests.audit.roots import land, lineage_for
from lofi_pipeline_tests.drops import register, song, work

ID = "epoch=0-step=60_lora"
LICENSING = load_config().licensing


def test_a_source_is_traced_to_versions_and_checkpoints(data: DataRoot) -> None:
    key = find_subject(AuditInputs(data), ID).checkpoint.key  # type: ignore[union-attr]
    version = load_version(data)
    session = next(item for item in version.tracks if item.source_ids == ["session"])
    cached = data.cache / "latents" / "toy" / f"{session.audio_sha256}.safetensors"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"latents")
    found = trace(AuditInputs(data), "session", LICENSING, date.today())
    assert found.caches == [data.relative(cached)]
    assert found.in_force
    assert len(found.tracks) == 2
    assert [(item.hash, item.current) for item in found.versions] == [(version.dataset.hash, True)]
    assert [item.partition_key for item in found.checkpoints] == [key]
    assert [item.checkpoints for item in found.retrain] == [[key]]
    with pytest.raises(UnknownSubject, match="commons, session"):
        trace(AuditInputs(data), "nobody", LICENSING, date.today())


def test_after_a_withdrawal_the_next_version_is_free_of_it_and_the_old_stays_tainted(data: DataRoot) -> None:
    former = load_version(data)
    withdraw(data, "session", reason="it ended", day=date.today())
    register(data)
    newer = build_dataset(data, load_config()).version
    land(data, lineage_for(newer), 120)
    found = trace(AuditInputs(data), "session", LICENSING, date.today())
    assert not found.in_force
    assert (found.withdrawn, found.withdrawn_reason) == (date.today(), "it ended")
    assert [(item.hash, item.current) for item in found.versions] == [(former.dataset.hash, False)]
    assert [item.checkpoint_id for item in found.checkpoints] == [ID]
    assert {record.source_id for record in newer.sources} == {"commons"}
    assert load_version(data, former.dataset.hash) == former


def test_an_expired_source_is_traced_as_not_in_force(data: DataRoot) -> None:
    found = trace(AuditInputs(data), "session", LICENSING, date(2100, 1, 1))
    assert not found.in_force
    assert "2099-12-31" in found.verdict.reason


def test_the_same_bytes_under_another_name_are_tainted_too(data: DataRoot) -> None:
    """The version names another source, the withdrawn one brought the same content."""
    source = data.raw / "creative-commons" / "commons" / "source.json"
    data_of = read_json(source)
    data_of["source_id"] = "renamed"
    for path in (data.claims_json, data.drops_json):  # as if the drop had come under this name from the start
        remove_sealed(data, path)
    source.write_text(json.dumps(data_of))
    work(data)
    renamed = build_dataset(data, load_config()).version
    assert "renamed" in {record.source_id for record in renamed.sources}
    withdraw(data, "commons", reason="not theirs to give", day=date.today())
    found = trace(AuditInputs(data), "commons", LICENSING, date.today())
    assert renamed.dataset.hash in {item.hash for item in found.versions}
    assert {name for track in found.tracks for name in track.named_by} == {"renamed"}


def test_two_versions_differ_in_what_was_changed(data: DataRoot) -> None:
    former = load_version(data)
    source = data.raw / "creative-commons" / "commons" / "source.json"
    said = read_json(source)
    said["defaults"]["style_ids"] = ["CORE-02"]
    said["files"]["a.wav"]["title"] = "Fog"
    source.write_text(json.dumps(said))
    (data.raw / "creative-commons" / "commons" / "b.wav").unlink()
    del said["files"]["b.wav"]
    source.write_text(json.dumps(said))
    work(data)
    newer = build_dataset(data, load_config()).version
    found = compare(AuditInputs(data), former.dataset.hash, newer.dataset.hash)
    assert [item.title for item in found.only_in_a] == ["Snow"]
    assert not found.only_in_b
    facts = {(change.track_id, change.fact) for change in found.changed}
    (track_id,) = {track_id for track_id, _ in facts}
    assert {(track_id, "title"), (track_id, "style_ids")} <= facts
    assert found.a.hours > found.b.hours
    assert found.a.hours_by_licence["CC-BY-4.0"] == pytest.approx(2 * found.b.hours_by_licence["CC-BY-4.0"])
    assert compare(AuditInputs(data), former.dataset.hash, former.dataset.hash).nothing


def test_two_checkpoints_differ_in_their_facts(data: DataRoot) -> None:
    land(data, lineage_for(load_version(data)), 120)
    found = compare(AuditInputs(data), ID, "epoch=0-step=120_lora")
    assert found.facts == ["step: 60 / 120"]
    assert not found.nothing
    assert not found.changed


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (f"checkpoints/{ID}/adapter_model.safetensors", MatchKind.CHECKPOINT_FILE),
        (f"checkpoints/{ID}/samples/00.flac", MatchKind.SAMPLE),
        ("raw/creative-commons/commons/a.wav", MatchKind.ORIGINAL),
        ("final/track_003.mp3", MatchKind.PROCESSED),
        ("raw/commissioned/session/contract.txt", MatchKind.EVIDENCE),
    ],
)
def test_a_file_of_ours_is_known_again(data: DataRoot, tmp_path: Path, file: str, kind: MatchKind) -> None:
    sent = tmp_path / "sent in.bin"
    sent.write_bytes((data.path / file).read_bytes())
    found = look_up(AuditInputs(data), sent, load_config().audio)
    assert {match.kind for match in found.matches} == {kind}
    version = load_version(data)
    for match in found.matches:
        assert match.dataset_hash == version.dataset.hash
        if kind in (MatchKind.CHECKPOINT_FILE, MatchKind.SAMPLE):
            assert match.lineage == lineage_for(version).lineage
    sent.write_bytes(sent.read_bytes() + b"\0")
    again = {match.kind for match in look_up(AuditInputs(data), sent, load_config().audio).matches}
    assert again == ({MatchKind.RECORDING} if kind in (MatchKind.ORIGINAL, MatchKind.PROCESSED) else set())


def test_what_retention_removed_is_still_known(data: DataRoot, tmp_path: Path) -> None:
    folder = data.checkpoint(ID)
    sent = tmp_path / "old.safetensors"
    sent.write_bytes((folder / "adapter_model.safetensors").read_bytes())
    sample = tmp_path / "old.flac"
    sample.write_bytes((folder / "samples" / "01.flac").read_bytes())
    (folder / "adapter_model.safetensors").unlink()
    (folder / "samples" / "01.flac").unlink()
    assert look_up(AuditInputs(data), sent, load_config().audio).matches
    assert look_up(AuditInputs(data), sample, load_config().audio).matches


def test_music_that_was_converted_cut_and_tagged_since_is_known_by_its_sound(
    data: DataRoot, tmp_path: Path
) -> None:
    """Also what no version has any more; and how sure that is, is said."""
    samples, rate = soundfile.read(data.raw / "creative-commons" / "commons" / "a.wav")
    original = find_track(data, "a.wav")
    for name, form in (
        ("sent.wav", "WAV"),
        ("sent.mp3", "MP3"),
        ("sent.ogg", "OGG"),
        ("sent.flac", "FLAC"),
    ):
        sent = tmp_path / name
        soundfile.write(sent, 0.5 * samples[2 * rate :], rate, format=form)
        found = look_up(AuditInputs(data), sent, load_config().audio)
        assert found.heard, (name, found.not_heard)
        (match,) = [each for each in found.matches if each.kind is MatchKind.RECORDING]
        assert (match.track_id, match.source_ids) == (original, ["commons"])
        assert match.similarity is not None and match.similarity > 0.75 and "% alike" in match.sentence
        assert match.dataset_hash == load_version(data).dataset.hash
    shutil.rmtree(data.cache)  # the index is made again from the fingerprints, in memory
    shutil.rmtree(data.dataset_version("any").parent)
    before = {path: path.stat().st_mtime_ns for path in data.path.rglob("*")}
    (match,) = look_up(AuditInputs(data), tmp_path / "sent.mp3", load_config().audio).matches
    assert match.track_id == original and "in no data set version" in match.sentence
    assert {path: path.stat().st_mtime_ns for path in data.path.rglob("*")} == before


def test_other_music_is_nobodys_and_what_cannot_be_heard_is_said(data: DataRoot, tmp_path: Path) -> None:
    found = look_up(AuditInputs(data), song(9), load_config().audio)
    assert found.heard and not [match for match in found.matches if match.kind is MatchKind.RECORDING]
    text = tmp_path / "words.txt"
    text.write_text("no music")
    found = look_up(AuditInputs(data), text, load_config().audio)
    assert not found.heard and not found.matches and "words.txt" in (found.not_heard or "")


def find_track(root: DataRoot, filename: str) -> str:
    (track_id,) = [it.track.track_id for it in load_version(root).tracks if it.track.filename == filename]
    return track_id
