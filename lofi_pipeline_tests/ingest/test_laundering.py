"""Refusal has a memory: what was refused or removed keeps its stricter terms, however its bytes come back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.entities import DropStatus, RecordError, SourceType
from lofi_pipeline.ingest import Registration, load_memory
from lofi_pipeline.ingest.remembered import remembered_json
from lofi_pipeline.ingest.source_history import declared_terms_json
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import BrokenSeal, DataRoot, file_sha256, ledger_path, read_json, read_ledger
from lofi_pipeline_tests.drops import CONTRACT, GRANT, TODAY, facts, make_drop, register

ND = facts(source_id="nd", license_type="CC BY-NC-ND 4.0", provider="Ann")
BY = facts(source_id="by", license_type="CC BY 4.0", provider="Ann")
MILD = facts(source_id="mild", provider="Bob")
CC, ROYALTY_FREE = SourceType.CREATIVE_COMMONS, SourceType.ROYALTY_FREE


def of_type(kind: SourceType, **changes: object) -> dict[str, object]:
    return facts(kind, source_id="moved", **changes)


def licences(found: Registration) -> dict[str, str]:
    """Of every file that gives a track, the licence that it is taken under."""
    return {
        origin.path.rsplit("/", 1)[1]: origin.licence
        for track in found.registry.tracks
        for origin in track.origins
    }


def edited(source: dict[str, object]) -> Callable[[DataRoot, Path], None]:
    """The same folder with another source.json."""

    def attack(root: DataRoot, folder: Path) -> None:
        (folder / "source.json").write_text(json.dumps(source))

    return attack


def again(
    source: dict[str, object], *, kind: SourceType = CC, between: bool = False, **files: bytes
) -> Callable[[DataRoot, Path], None]:
    """The folder removed, and its bytes in a new drop, perhaps with a scan between, and with other files."""

    def attack(root: DataRoot, folder: Path) -> None:
        shutil.rmtree(folder)
        if between:
            register(root)
        given = {name.replace("_", "."): data for name, data in files.items()}
        make_drop(root, "again", {"a.mp3": b"A", "b.mp3": b"B", **given}, source, kind=kind)

    return attack


def beside(source: dict[str, object]) -> Callable[[DataRoot, Path], None]:
    """A second drop with one of the files under another name, while the first is there."""

    def attack(root: DataRoot, folder: Path) -> None:
        make_drop(root, "again", {"c.mp3": b"A"}, source)

    return attack


ATTACKS: dict[str, tuple[dict[str, object], Callable[[DataRoot, Path], None]]] = {
    "ND to CC0 in one line": (ND, edited({**ND, "license_type": "CC0 1.0"})),
    "ND to CC0 with another source_id": (ND, edited({**ND, "license_type": "CC0 1.0", "source_id": "x"})),
    "ND to CC BY": (ND, edited({**ND, "license_type": "CC BY 4.0"})),
    "ND to CC0, amended without evidence": (ND, edited({**ND, "license_type": "CC0", "amends": "HASH"})),
    "ND to CC0, superseded without a document": (
        ND,
        edited({**ND, "license_type": "CC0", "supersedes": [{"record": "nd"}]}),
    ),
    "ND to CC0, superseded by a document that is not there": (
        ND,
        edited(
            {
                **ND,
                "license_type": "CC0",
                "supersedes": [{"record": "nd", "evidence": [{"document": "letter.txt"}]}],
            }
        ),
    ),
    "ND to a contract that nobody has": (ND, edited({**ND, "license_type": "AI Training Rights"})),
    "ND in a new drop": (ND, again(MILD)),
    "ND in a new drop, after a scan": (ND, again(MILD, between=True)),
    "ND in a new drop with one file more": (ND, again(MILD, c_mp3=b"C")),
    "ND beside": (ND, beside(MILD)),
    "ND as royalty free": (ND, again(of_type(ROYALTY_FREE), kind=ROYALTY_FREE)),
    "NC in a new drop": ({**ND, "license_type": "CC BY-NC 4.0"}, again(MILD)),
    "all rights reserved": (
        {**ND, "license_type": "All rights reserved"},
        edited({**ND, "license_type": "CC0"}),
    ),
    "no AI training": ({**ND, "license_type": "CC BY 4.0, no AI training"}, again(MILD)),
    "a contract that was not proved": ({**ND, "license_type": "AI Training Rights"}, again(MILD)),
    "a grant that says no": (
        {**ND, "license_type": "CC BY 4.0", "grant": {"uses": {"train": "notAllowed"}}},
        edited({**ND, "license_type": "CC BY 4.0"}),
    ),
    "BY to CC0 in one line": (BY, edited({**BY, "license_type": "CC0"})),
    "BY to CC0 with another source_id": (BY, edited({**BY, "license_type": "CC0", "source_id": "x"})),
    "BY in a new drop": (BY, again(MILD)),
    "BY in a new drop, after a scan": (BY, again(MILD, between=True)),
    "BY moved to another source type with another id": (BY, again(of_type(ROYALTY_FREE), kind=ROYALTY_FREE)),
    "BY in a new drop with one file more": (BY, again(MILD, c_mp3=b"C")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_terms_that_were_refused_or_removed_hold(root: DataRoot, name: str) -> None:
    before, attack = ATTACKS[name]
    folder = make_drop(root, "first", {"a.mp3": b"A", "b.mp3": b"B"}, before)
    first = licences(register(root))
    attack(root, folder)
    text = (root.raw / "creative-commons" / "first" / "source.json") if "amended" in name else None
    if text is not None:
        text.write_text(text.read_text().replace("HASH", load_memory(root).record.entries[0].claims.sha256))
    for _ in range(2):  # and the next scan forgets nothing
        found = register(root)
        taken = licences(found)
        expected = set() if before is not BY else {"CC-BY-4.0"}
        assert {
            taken[file] for file in ("a.mp3", "b.mp3", "c.mp3") if file in taken and file != "c.mp3"
        } <= expected
        if "one file more" in name:
            assert taken["c.mp3"] == "CC0-1.0"
        else:
            assert "c.mp3" not in taken
        said = [
            *(drop.edited or "" for drop in found.scan.drops),
            *(reason for _, reason in found.scan.refusals()),
        ]
        named = str(before["license_type"])
        assert any(named in text for text in said) or first == taken, said


@pytest.mark.parametrize("before", [ND, BY], ids=["refused", "taken"])
@pytest.mark.parametrize("record", ["drops.json", "registry.json", "claims.json", "remembered.json"])
def test_a_scan_does_not_go_on_after_a_record_was_deleted(
    root: DataRoot, record: str, before: dict[str, object]
) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A", "b.mp3": b"B"}, before)
    register(root)
    again(MILD, between=True)(root, folder)
    (root.metadata / record).unlink()
    left = {path: path.read_bytes() for path in root.metadata.rglob("*.json*")}
    for _ in range(2):  # and refusing makes nothing anew
        with pytest.raises((BrokenSeal, RecordError), match=rf"{re.escape(record)}: .*backup"):
            register(root)
        assert {path: path.read_bytes() for path in root.metadata.rglob("*.json*")} == left


@pytest.mark.parametrize(
    "attack",
    [again(MILD, between=True), again(MILD), edited(MILD)],
    ids=["moved before a scan", "moved", "under another source_id"],
)
@pytest.mark.parametrize("before", [ND, BY], ids=["refused", "taken"])
def test_a_repair_of_the_scan_that_was_lost_forgets_no_terms(
    root: DataRoot, before: dict[str, object], attack: Callable[[DataRoot, Path], None]
) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A", "b.mp3": b"B"}, before)
    make_drop(root, "other", {"c.mp3": b"C"}, facts(source_id="other"))
    register(root)
    attack(root, folder)
    root.drops_json.unlink()
    assert check_data_root(root, repair=True).not_repaired == []
    held = {} if before is ND else {"a.mp3": "CC-BY-4.0", "b.mp3": "CC-BY-4.0"}
    for _ in range(2):
        assert licences(register(root)) == held | {"c.mp3": "CC0-1.0"}


LETTER = {"letter.txt": b"From now on my album is CC0. Ann, ann@example.org\n"}


def superseding(record: str) -> dict[str, object]:
    return {"supersedes": [{"record": record, "evidence": [{"document": "letter.txt"}]}]}


@pytest.mark.parametrize("before", [ND, BY], ids=["refused", "taken"])
@pytest.mark.parametrize("named_by", ["source_id", "hash"])
@pytest.mark.parametrize("moved", [False, True])
def test_terms_that_are_superseded_with_a_document_are_replaced(
    root: DataRoot, before: dict[str, object], named_by: str, moved: bool
) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, before)
    register(root)
    (again(MILD) if moved else edited({**before, "license_type": "CC0"}))(root, folder)
    if moved:
        (root.raw / "creative-commons" / "again" / "b.mp3").unlink()
    found = register(root)
    said = " ".join(str(drop.edited or drop.reason) for drop in found.scan.drops)
    hash_ = said.split('"record": "')[1].split('"')[0]
    name = "again" if moved else "first"
    source = MILD if moved else {**before, "license_type": "CC0"}
    record = hash_ if named_by == "hash" else str(before["source_id"])
    make_drop(root, name, LETTER, {**source, **superseding(record)})
    for _ in range(2):
        assert licences(register(root)) == {"a.mp3": "CC0-1.0"}
    make_drop(root, "third", {"a.mp3": b"A"}, MILD | {"source_id": "third"})  # another one proves nothing
    (track,) = register(root).registry.tracks
    known = {origin.source_id for origin in track.origins}
    assert source["source_id"] in known and ("third" in known) is (before is BY and not moved)


def test_a_grant_with_its_document_opens_what_was_refused_for_want_of_it(root: DataRoot) -> None:
    said: dict[str, Any] = {**ND, "license_type": "AI Training Rights"}
    make_drop(root, "first", {"a.mp3": b"A"}, said)
    assert licences(register(root)) == {}
    make_drop(root, "first", CONTRACT, {**said, "grant": GRANT})
    assert licences(register(root)) == {"a.mp3": "LicenseRef-AI-Training-Rights"}


def test_a_misspelt_licence_is_corrected_by_naming_it(root: DataRoot) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, {**BY, "license_type": "CC BYY 4.0"})
    register(root)
    edited(BY)(root, folder)
    found = register(root)
    assert licences(found) == {}
    assert "'CC BYY 4.0'" in (found.scan.drops[0].reason or "")
    edited({**BY, "amends": load_memory(root).record.entries[0].claims.sha256[:16]})(root, folder)
    assert licences(register(root)) == {"a.mp3": "CC-BY-4.0"}


def test_a_stricter_edit_that_is_undone_is_undone(root: DataRoot) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, BY)
    register(root)
    for source in (ND | {"source_id": "by"}, BY):
        edited(source)(root, folder)
        found = register(root)
    assert licences(found) == {"a.mp3": "CC-BY-4.0"}


def test_the_same_or_milder_terms_on_record_change_nothing(root: DataRoot) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, MILD)
    register(root)
    shutil.rmtree(folder)
    make_drop(root, "again", {"a.mp3": b"A"}, BY)
    found = register(root)
    assert licences(found) == {"a.mp3": "CC-BY-4.0"}
    assert [drop.edited for drop in found.scan.drops] == [None]


def test_an_old_data_root_remembers_what_was_removed_before_it_had_a_memory(root: DataRoot) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, ND)
    register(root)
    remembered_json(root).unlink()
    ledger_path(root).unlink()
    shutil.rmtree(folder)
    make_drop(root, "again", {"a.mp3": b"A"}, MILD)
    assert licences(register(root)) == {}


def test_the_memory_is_sealed_and_only_grows(root: DataRoot) -> None:
    make_drop(root, "first", {"a.mp3": b"A"}, ND)
    register(root)
    path = remembered_json(root)
    where = root.relative(path)
    assert read_ledger(root).hashes[where] == file_sha256(path)
    ledger, one = ledger_path(root).read_bytes(), path.read_bytes()
    register(root)
    assert (ledger_path(root).read_bytes(), path.read_bytes()) == (ledger, one)
    before = {record: record.read_bytes() for record in root.metadata.glob("*.json*")}
    make_drop(root, "second", {"b.mp3": b"B"}, ND | {"source_id": "nd2"})
    register(root)
    assert read_json(path)["entries"][:1] == json.loads(one)["entries"]
    announced = next(
        line
        for line in ledger_path(root).read_bytes().splitlines(True)[len(ledger.splitlines()) :]
        if where.encode() in line
    )
    for record in before.keys() - {path}:  # as a kill before the seal leaves it
        record.write_bytes(before[record])
    ledger_path(root).write_bytes(ledger + announced)
    register(root)
    assert read_ledger(root).hashes[where] == file_sha256(path)
    grown = path.read_bytes()
    for changed in (one, b'{"entries": []}', grown.replace(b"CC BY-NC-ND 4.0", b"CC0 1.0        "), None):
        path.write_bytes(changed) if changed is not None else path.unlink()
        with pytest.raises(RecordError, match=r"remembered\.json.*backup"):
            register(root)
    path.write_bytes(grown)
    register(root)


def test_a_withdrawn_source_is_named_by_its_withdrawal(root: DataRoot) -> None:
    folder = make_drop(root, "first", {"a.mp3": b"A"}, BY)
    register(root)
    withdraw(root, "by", reason="the author asked", day=TODAY)
    again(MILD)(root, folder)
    found = register(root)
    assert licences(found) == {"b.mp3": "CC0-1.0"}
    assert "the author asked" in dict(found.scan.refusals())["raw/creative-commons/again/a.mp3"]
    assert [drop.status for drop in found.scan.drops] == [DropStatus.ACCEPTED]
    assert declared_terms_json(root).is_file()
