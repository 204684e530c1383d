"""Licences over time: evidence, edited source.json files, grants that end, withdrawals, and what versions keep of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import LicensingSettings, config_root, load_config
from lofi_pipeline.dataset import NoTracks, build_dataset, dataset_is_current, load_version
from lofi_pipeline.entities import Drop, DropStatus, SourceType
from lofi_pipeline.ingest import Registration, changed_drops, incomplete_reason, load_scan, register_sources
from lofi_pipeline.ingest.source_history import declared_terms_json
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, file_sha256, read_json, remove_sealed, write_json_atomic
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.documents import pdf
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work

STYLES = set(load_presets())
DAY = date(2100, 6, 1)  # far off: what the fixtures register today comes before it
CONTRACT = b"The label grants training. Signed: A label\n"
GRANT: dict[str, Any] = {
    "uses": {"train": "allowed", "commercial": "allowed"},
    "validity": {"start": "2026-01-01", "end": "2100-12-31"},
    "evidence": [{"document": "contract.txt", "clause": "grants training", "licensor": "A label"}],
}


def granted(**changes: Any) -> dict[str, object]:
    return facts(
        source_id="label", license_type="Royalty Free", grant=GRANT | changes.pop("grant", {}), **changes
    )


def register(root: DataRoot, day: date = DAY, **licensing: Any) -> Registration:
    return register_sources(root, settings(licensing=licensing), style_ids=STYLES, day=day)


def only(found: Registration) -> Drop:
    (drop,) = found.scan.drops
    return drop


def taken(found: Registration) -> list[str]:
    return [origin.path.split("/", 2)[2] for track in found.registry.tracks for origin in track.origins]


# Evidence


def test_a_grant_is_taken_with_its_document_whose_hash_is_recorded(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"A"}, granted())
    waiting = only(register(root))
    assert waiting.status is DropStatus.INCOMPLETE
    assert "grant.evidence: named but not in the drop: contract.txt" in (waiting.reason or "")
    assert "waiting for contract.txt" in (incomplete_reason(root, folder, style_ids=STYLES) or "")
    (folder / "contract.txt").write_bytes(CONTRACT)
    assert incomplete_reason(root, folder, style_ids=STYLES) is None
    drop = only(register(root))
    assert drop.status is DropStatus.ACCEPTED
    (document,) = drop.evidence
    assert document.path == "raw/creative-commons/one/contract.txt"
    assert (document.sha256, document.size) == (file_sha256(folder / "contract.txt"), len(CONTRACT))
    assert drop.verdict is not None and drop.verdict.day == DAY and drop.verdict.policy is not None


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "out through a linked folder"])
def test_a_document_must_be_a_regular_file_in_the_drop(root: DataRoot, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "contract.txt").write_bytes(CONTRACT)
    name = "papers/contract.txt" if "folder" in kind and kind != "folder" else "contract.txt"
    folder = make_drop(root, "one", {"a.mp3": b"A"}, granted(grant={"evidence": [{"document": name}]}))
    path = folder / "contract.txt"
    {
        "link": lambda: path.symlink_to(elsewhere / "contract.txt"),
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "out through a linked folder": lambda: (folder / "papers").symlink_to(elsewhere),
    }[kind]()
    drop = only(register(root))
    assert drop.status is DropStatus.REFUSED
    assert f"grant.evidence: {name}: is " in (drop.reason or "")
    assert not drop.evidence


@pytest.mark.parametrize("name", ["../contract.txt", "/etc/hostname", "a/../../b", "x\\y", ""])
def test_a_document_is_named_inside_the_drop(root: DataRoot, name: str) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, granted(grant={"evidence": [{"document": name}]}))
    drop = only(register(root))
    assert drop.status is DropStatus.REFUSED
    assert "grant.evidence.0.document" in (drop.reason or "")


@pytest.mark.parametrize("profile", ["cc", "strict"])
@pytest.mark.parametrize("license_type", ["AI Training Rights", "Work for hire", "Partnership contract"])
def test_a_contract_without_its_document_is_refused_and_told_what_to_write(
    root: DataRoot, license_type: str, profile: str
) -> None:
    said = facts(license_type=license_type, verified_by="Ann", notes="contract 17: training of models")
    make_drop(root, "one", {"a.mp3": b"A"}, said)
    drop = only(register(root, profile=profile))
    assert drop.status is DropStatus.FORBIDDEN
    written = re.search(r'"grant": (\{.*\})', drop.reason or "")
    assert written, drop.reason
    given = json.loads(written[1])
    document = given["evidence"][0]["document"]
    make_drop(root, "one", {document: pdf(CONTRACT.decode())}, said | {"grant": given})
    drop = only(register(root, profile=profile))
    assert drop.status is DropStatus.ACCEPTED
    assert [item.sha256 for item in drop.evidence] == [hashlib.sha256(pdf(CONTRACT.decode())).hexdigest()]


def test_another_profile_judges_every_drop_anew_and_says_what_changed(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, facts(license_type="CC BY 4.0"))
    assert only(register(root)).status is DropStatus.ACCEPTED
    (change,) = register(root, profile="strict").verdict_changes
    assert change.before == "accepted: CC-BY-4.0, asks for attribution"
    assert change.after.startswith("forbidden: CC-BY-4.0")


# What was ingested, and edits


def edit(root: DataRoot, source: dict[str, object], **files: bytes) -> Drop:
    make_drop(root, "one", {name.replace("_", "."): data for name, data in files.items()}, source)
    return only(register(root))


def test_an_edit_that_loosens_is_shown_and_not_taken(root: DataRoot) -> None:
    edit(root, facts(license_type="CC BY 4.0", provider="Ann"), a_mp3=b"A")
    drop = edit(root, facts(license_type="CC0", provider="Bob"))
    assert (drop.status, drop.licence) == (DropStatus.ACCEPTED, "CC-BY-4.0")
    assert drop.manifest is not None and drop.manifest.provider == "Ann"
    told = drop.edited or ""
    for words in ("license_type: 'CC BY 4.0' is now 'CC0'", "'Ann' is now 'Bob'", "what it said then holds"):
        assert words in told
    assert [source["provider"] for source in read_json(root.sources_json)] == ["Ann"]
    assert edit(root, facts(license_type="CC BY 4.0", provider="Ann")).edited is None


def test_an_edit_that_tightens_or_forbids_holds_while_it_is_there(root: DataRoot) -> None:
    edit(root, facts(), a_mp3=b"A")
    drop = edit(root, facts(license_type="CC BY 4.0"))
    assert (drop.status, drop.licence) == (DropStatus.ACCEPTED, "CC-BY-4.0")
    assert "what it says now is stricter and holds" in (drop.edited or "")
    for text in ("CC BY-NC 4.0", "no AI training", "gibberish"):
        drop = edit(root, facts(license_type=text))
        assert drop.status is DropStatus.FORBIDDEN
        assert drop.edited
    drop = edit(root, facts())
    assert (drop.status, drop.licence, drop.edited) == (DropStatus.ACCEPTED, "CC0-1.0", None)


def test_facts_about_files_may_change_and_another_source_id_is_an_edit_too(root: DataRoot) -> None:
    edit(root, facts(license_type="CC BY 4.0", source_id="ann"), a_mp3=b"A")
    drop = edit(root, facts(license_type="CC BY 4.0", source_id="ann", defaults={"title": "T"}))
    assert drop.edited is None
    assert drop.manifest and drop.manifest.defaults.title == "T"
    drop = edit(root, facts(source_id="nobody"))
    assert drop.manifest and drop.manifest.source_id == "ann"
    assert "source_id: 'ann' is now 'nobody'" in (drop.edited or "")
    assert drop.licence == "CC-BY-4.0"


def test_a_change_that_is_meant_says_what_it_amends_and_the_record_keeps_both(root: DataRoot) -> None:
    edit(root, facts(license_type="CC BY 4.0"), a_mp3=b"A")
    told = edit(root, facts(license_type="CC BY 4.0", provider="Ann")).edited or ""
    amended = told.split('"amends": "')[1].split('"')[0]
    told = edit(root, facts()).edited or ""
    replaced = told.split('"record": "')[1].split('"')[0]
    assert replaced == amended
    for unproved in (
        facts(amends=replaced),
        facts(supersedes=[{"record": replaced}]),
        facts(supersedes=[{"record": "0" * 16, "evidence": [{"document": "letter.txt"}]}]),
    ):
        assert edit(root, unproved, letter_txt=b"CC0 from now on. Ann\n").licence == "CC-BY-4.0"
    meant = facts(supersedes=[{"record": replaced, "evidence": [{"document": "letter.txt"}]}])
    drop = edit(root, meant)
    assert (drop.licence, drop.edited) == ("CC0-1.0", None)
    assert edit(root, meant).edited is None
    history = read_json(declared_terms_json(root))["sources"]["tests-creative_commons"]
    assert [entry["claims"]["source"]["license_type"] for entry in history] == ["CC BY 4.0", "CC0 1.0"]
    assert edit(root, facts(license_type="CC BY 4.0", amends=replaced)).licence == "CC-BY-4.0"


def test_another_document_is_no_evidence_until_it_is_meant(root: DataRoot) -> None:
    edit(root, granted(), a_mp3=b"A", contract_txt=CONTRACT)
    drop = edit(root, granted(), contract_txt=b"Something else that somebody wrote.")
    assert drop.status is DropStatus.FORBIDDEN
    assert "document contract.txt" in (drop.reason or "")
    assert edit(root, granted(), contract_txt=CONTRACT).status is DropStatus.ACCEPTED


def test_a_data_root_from_before_the_record_is_held_to_what_was_taken(root: DataRoot) -> None:
    edit(root, facts(license_type="CC BY 4.0"), a_mp3=b"A")
    remove_sealed(root, declared_terms_json(root))
    assert edit(root, facts()).licence == "CC-BY-4.0"
    remove_sealed(root, declared_terms_json(root))
    remove_sealed(root, root.drops_json)
    edit(root, granted(), contract_txt=CONTRACT)
    remove_sealed(root, declared_terms_json(root))
    drop = edit(root, granted())
    assert (drop.status, drop.edited) == (DropStatus.ACCEPTED, None)


def test_two_sources_that_claim_one_track_are_both_shown_and_the_stricter_holds(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"same"}, facts(source_id="one"))
    make_drop(root, "two", {"b.mp3": b"same"}, facts(source_id="two", license_type="CC BY 4.0"))
    (track,) = register(root).registry.tracks
    assert [(origin.source_id, origin.licence) for origin in track.origins] == [
        ("two", "CC-BY-4.0"),
        ("one", "CC0-1.0"),
    ]


# Time


def test_a_grant_opens_and_closes_by_the_day_that_is_given(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A", "contract.txt": CONTRACT}, granted())
    early = only(register(root, date(2025, 12, 31)))
    assert early.status is DropStatus.FORBIDDEN
    assert "begins on 2026-01-01" in (early.reason or "")
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    name = ["raw/creative-commons/one"]
    assert changed_drops(root, load_scan(root), day=date(2025, 12, 31), **look) == []
    assert changed_drops(root, load_scan(root), day=date(2026, 1, 1), **look) == name
    assert only(register(root, date(2100, 12, 31))).status is DropStatus.ACCEPTED
    assert changed_drops(root, load_scan(root), day=date(2101, 1, 1), **look) == name
    late = register(root, date(2101, 1, 1))
    assert only(late).status is DropStatus.FORBIDDEN
    assert "ended on 2100-12-31" in (only(late).reason or "")
    assert not taken(late)


def test_a_clock_that_is_set_back_brings_nothing_back(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A", "contract.txt": CONTRACT}, granted())
    register(root, date(2101, 1, 1))
    again = register(root, DAY)
    assert again.scan.day == date(2101, 1, 1)
    assert only(again).status is DropStatus.FORBIDDEN


def test_an_edit_that_ends_a_grant_later_ends_it_then_with_or_without_a_scan(licensed: DataRoot) -> None:
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    folder = licensed.raw / "creative-commons" / "third"
    source = json.loads((folder / "source.json").read_text())
    source["grant"]["withdrawn"] = "2100-09-01"
    (folder / "source.json").write_text(json.dumps(source))
    register(licensed)
    work(licensed)
    drop = only_of(licensed, "third")
    assert drop.status is DropStatus.ACCEPTED and drop.edited
    assert "label" in sources(licensed, date(2100, 8, 31))
    assert not changed_drops(licensed, load_scan(licensed), day=date(2100, 8, 31), **look)
    assert changed_drops(licensed, load_scan(licensed), day=date(2100, 9, 1), **look)
    assert "label" not in sources(licensed, date(2100, 9, 1))


# A changed policy


def test_a_changed_policy_judges_everything_anew_and_says_what_changed(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(config_root(), tmp_path / "config")
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(tmp_path / "config"))
    make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one", license_type="CC BY 4.0"))
    make_drop(root, "two", {"b.mp3": b"B"}, facts(source_id="two"))
    first = register(root)
    assert not register(root).verdict_changes
    path = tmp_path / "config" / "licence_policy.yaml"
    path.write_text(
        path.read_text().replace("needs: {cc: nothing, strict: grant}", "needs: {cc: grant, strict: grant}")
    )
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    assert len(changed_drops(root, first.scan, day=DAY, **look)) == 2
    found = register(root)
    (change,) = found.verdict_changes
    assert (change.source_id, change.before) == ("one", "accepted: CC-BY-4.0, asks for attribution")
    assert change.after.startswith("forbidden: CC-BY-4.0")
    assert taken(found) == ["two/b.mp3"]
    before, after = (
        {drop.verdict.policy for drop in each.scan.drops if drop.verdict} for each in (first, found)
    )
    assert len(before) == len(after) == 1 and before != after


# Withdrawals


def test_a_withdrawn_source_is_refused_under_any_name(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"A", "b.mp3": b"B"}, facts(source_id="one"))
    make_drop(root, "two", {"c.mp3": b"C"}, facts(source_id="two"))
    first = register(root)
    withdraw(root, "one", reason="the author asked", day=DAY)
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    assert len(changed_drops(root, first.scan, day=DAY, **look)) == 2
    found = register(root)
    assert taken(found) == ["two/c.mp3"]
    assert "was withdrawn on 2100-06-01: the author asked" in (found.scan.drops[0].reason or "")
    shutil.rmtree(folder)
    make_drop(root, "fresh", {"z.mp3": b"A", "new.mp3": b"N"}, facts(source_id="fresh", provider="Eve"))
    found = register(root)
    assert taken(found) == ["two/c.mp3", "fresh/new.mp3"]
    ((path, reason),) = found.scan.refusals()
    assert path == "raw/creative-commons/fresh/z.mp3"
    assert "'one' (tests) was withdrawn" in reason
    make_drop(root, "back", {"q.mp3": b"Q"}, facts(source_id="one"))
    assert "back/q.mp3" not in taken(register(root))


def test_a_withdrawal_holds_from_its_day_on(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one"))
    register(root)
    withdraw(root, "one", reason="the contract is cancelled", day=date(2100, 7, 1))
    assert taken(register(root, date(2100, 6, 30))) == ["one/a.mp3"]
    assert not taken(register(root, date(2100, 7, 1)))


# Versions


@pytest.fixture
def licensed(ready: DataRoot) -> DataRoot:
    """The data root of `ready` with a third drop, whose licence rests on a grant until the end of 2100."""
    source = granted(url="https://label.example/catalogue", defaults={"style_ids": ["CORE-01"]})
    make_drop(ready, "third", {"e.wav": song(4), "contract.txt": CONTRACT}, source)
    register(ready)
    work(ready)
    return ready


def sources(root: DataRoot, day: date) -> list[str]:
    version = build_dataset(root, load_config(), day=day).version
    return sorted({source_id for track in version.tracks for source_id in track.source_ids})


def test_a_version_keeps_verdict_grant_evidence_and_links(licensed: DataRoot) -> None:
    version = build_dataset(licensed, load_config(), day=DAY).version
    assert [item.source_id for item in version.provenance] == [item.source_id for item in version.sources]
    (kept,) = [item for item in version.provenance if item.source_id == "label"]
    assert kept.verdict.licence == "LicenseRef-Royalty-Free AND LicenseRef-AI-Training-Rights"
    assert kept.verdict.day is not None and kept.verdict.policy is not None
    assert kept.grant is not None and str(kept.grant.validity.end) == "2100-12-31"
    assert [item.sha256 for item in kept.evidence] == [
        file_sha256(licensed.raw / "creative-commons" / "third" / "contract.txt")
    ]
    assert kept.url == "https://label.example/catalogue"
    (track,) = [track for track in version.tracks if "label" in track.source_ids]
    assert track.url == kept.url
    assert load_version(licensed) == version


def test_a_new_version_is_built_without_what_has_ended_and_the_old_one_stays(licensed: DataRoot) -> None:
    assert "label" in sources(licensed, DAY)
    old = load_version(licensed)
    file = licensed.dataset_version(old.dataset.hash)
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    assert dataset_is_current(licensed, load_config(), day=date(2100, 12, 31))
    assert not dataset_is_current(licensed, load_config(), day=date(2101, 1, 1))
    built = build_dataset(licensed, load_config(), day=date(2101, 1, 1))
    assert built.is_new
    assert "label" not in {item.source_id for item in built.version.sources}
    (told,) = [item.reason for item in built.left_out if item.file.endswith("e.wav")]
    assert "ended on 2100-12-31" in told
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert "label" not in sources(licensed, DAY)  # the clock was set back


def test_neither_day_nor_policy_makes_another_version_but_content_does(licensed: DataRoot) -> None:
    first = build_dataset(licensed, load_config(), day=DAY)
    later = build_dataset(licensed, load_config(), day=date(2100, 8, 1))
    assert (later.is_new, later.version) == (False, first.version)
    folder = licensed.raw / "creative-commons" / "third"
    source = json.loads((folder / "source.json").read_text())
    source["grant"]["territory"] = "Germany"
    (folder / "source.json").write_text(json.dumps(source))
    register(licensed)
    edited = only_of(licensed, "third").edited or ""
    source["amends"] = edited.split('"amends": "')[1].split('"')[0]
    (folder / "source.json").write_text(json.dumps(source))
    register(licensed)
    work(licensed)
    assert build_dataset(licensed, load_config(), day=date(2100, 8, 1)).is_new


def only_of(root: DataRoot, name: str) -> Drop:
    scan = load_scan(root)
    assert scan is not None
    (drop,) = [drop for drop in scan.drops if drop.folder.endswith(f"/{name}")]
    return drop


def test_a_withdrawn_source_leaves_the_next_version_even_before_the_next_scan(licensed: DataRoot) -> None:
    build_dataset(licensed, load_config(), day=DAY)
    withdraw(licensed, "label", reason="the author asked", day=DAY)
    assert not dataset_is_current(licensed, load_config(), day=DAY)
    built = build_dataset(licensed, load_config(), day=DAY)
    assert "label" not in {item.source_id for item in built.version.sources}
    assert any("was withdrawn on" in item.reason for item in built.left_out)
    assert not [path for path in licensed.final.iterdir() if path.name.startswith("track_006")]


def test_stricter_settings_hold_at_the_next_build(licensed: DataRoot) -> None:
    said = facts(source_id="attribution", license_type="CC BY 4.0")
    make_drop(licensed, "fourth", {"f.wav": song(5)}, said)
    work(licensed)
    assert "attribution" in sources(licensed, DAY)
    built = build_dataset(licensed, settings(licensing={"profile": "strict"}), day=DAY)
    assert {item.source_id for item in built.version.sources} == {
        "label",
        "tests-commissioned",
        "tests-creative_commons",
    }


def test_nothing_left_in_force_leaves_nothing_published(root: DataRoot) -> None:
    make_drop(root, "one", {"a.wav": song(0), "contract.txt": CONTRACT}, granted())
    register(root)
    work(root)
    version = build_dataset(root, load_config(), day=DAY).version
    with pytest.raises(NoTracks):
        build_dataset(root, load_config(), day=date(2101, 1, 1))
    assert not [*root.final.iterdir(), *root.validation.iterdir()]
    assert load_version(root, version.dataset.hash) == version


def test_version_files_from_before_provenance_still_load(licensed: DataRoot) -> None:
    version = build_dataset(licensed, load_config(), day=DAY).version
    old = version.model_dump(mode="json", exclude={"provenance"})
    for track in old["tracks"]:
        del track["url"]
    write_json_atomic(licensed.dataset_version(version.dataset.hash), old)
    assert load_version(licensed).provenance == []


def test_commissioned_music_of_the_data_models_example_still_goes_through(ready: DataRoot) -> None:
    version = build_dataset(ready, load_config()).version
    commissioned = [item for item in version.sources if item.source_type is SourceType.COMMISSIONED]
    assert [item.license_type for item in commissioned] == ["AI Training Rights"]
