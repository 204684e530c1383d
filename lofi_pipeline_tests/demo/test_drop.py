"""The demo drop: valid source.json files, known truth, and one of each thing that must be refused."""

from __future__ import annotations

import json

import pytest
import soundfile

from lofi_pipeline.demo.drop import make_demo_drop
from lofi_pipeline.entities import DropManifest
from lofi_pipeline.licensing import judge
from lofi_pipeline.storage import file_sha256
from lofi_pipeline.styles import load_presets


@pytest.fixture(scope="module")
def drop(tmp_path_factory):
    raw = tmp_path_factory.mktemp("data") / "raw"
    return raw, make_demo_drop(raw, tracks=5, workers=1)


def test_each_source_json_is_valid_and_lists_every_audio_file(drop):
    raw, _ = drop
    manifests = sorted(raw.glob("*/*/source.json"))
    assert len(manifests) == 5
    for path in manifests:
        context = {"style_ids": set(load_presets())}
        manifest = DropManifest.parse(json.loads(path.read_text()), where=str(path), context=context)
        audio = {item.name for item in path.parent.iterdir() if item.suffix not in (".json", ".txt")}
        assert set(manifest.files) == audio
        permitted = judge(
            manifest.license_type, manifest.source_type, grant=manifest.grant is not None
        ).permitted
        assert permitted == ("no-derivatives" not in path.parent.name)


def test_contracts_have_their_document(drop):
    raw, _ = drop
    with_grant = []
    for path in sorted(raw.glob("*/*/source.json")):
        manifest = DropManifest.parse(json.loads(path.read_text()), where=str(path))
        contract = "AI Training Rights" in manifest.license_type
        assert (manifest.grant is not None) == contract
        if manifest.grant is not None:
            with_grant.append(path.parent.name)
            (evidence,) = manifest.grant.evidence
            assert evidence.clause and evidence.clause in (path.parent / evidence.document).read_text()
    assert with_grant == ["demo-sessions", "demo-label"]


def test_the_truth_holds(drop):
    raw, truth = drop
    assert len(truth.tracks) == 5
    for track in truth.tracks:
        facts = soundfile.info(raw / track.path)
        assert facts.samplerate == 48_000
        assert facts.channels == 2
        assert facts.duration == pytest.approx(track.seconds, abs=0.1)
        assert 30 <= track.seconds <= 45


def test_what_must_be_refused_is_there(drop):
    raw, truth = drop
    reasons = {reason: raw / path for path, reason in truth.refused.items()}
    assert set(reasons) == {"licence", "corrupt", "too short", "duplicate"}
    assert soundfile.info(reasons["too short"]).duration == pytest.approx(12, abs=0.1)
    assert reasons["corrupt"].read_text().startswith("This was text")
    assert file_sha256(reasons["duplicate"]) == file_sha256(raw / truth.tracks[0].path)


def test_the_singer_has_words(drop):
    raw, truth = drop
    [sung] = [track for track in truth.tracks if track.style_id == "VOCAL-01"]
    entry = json.loads((raw / sung.path).with_name("source.json").read_text())["files"][
        sung.path.rsplit("/", 1)[-1]
    ]
    assert (raw / sung.path).with_name(entry["lyrics"]).read_text().startswith("[verse]")
