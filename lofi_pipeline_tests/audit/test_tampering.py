"""Whoever changes, empties, removes or puts back a record that protects is named: by the next build, and by an audit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.dataset import build_dataset, dataset_is_current
from lofi_pipeline.entities import RecordError
from lofi_pipeline.errors import LofiError
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    content_sha256,
    file_sha256,
    ledger_path,
    read_json,
    version_files,
    write_json_atomic,
)
from lofi_pipeline_tests.damage.damages import empty, remove, truncate
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work

LEDGER = "metadata/seals.jsonl"
RECORDS = ("withdrawals", "claims", "drops", "registry", "duplicates")
OLDER = "older"
Tampering = Callable[[DataRoot], object]


@pytest.fixture(scope="session")
def protected(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two versions, two withdrawn sources, a copy that was left out; and each record as it was before the last work."""
    folder = tmp_path_factory.mktemp("protected")
    root = DataRoot(folder / "data").create()
    samples, rate = soundfile.read(song(0, 40.0))
    soundfile.write(folder / "copy.ogg", 0.7 * samples[rate:], rate, format="OGG")
    make_drop(
        root,
        "commons",
        {"a.wav": song(0, 40.0), "b.wav": song(1)},
        facts(source_id="commons", license_type="CC BY 4.0"),
    )
    make_drop(root, "first", {"c.wav": song(2)}, facts(source_id="first", provider="First"))
    make_drop(root, "again", {"a.ogg": folder / "copy.ogg"}, facts(source_id="again", provider="Somebody"))
    work(root)
    build_dataset(root, settings())
    withdraw(root, "first", reason="it ended", day=date.today())
    for name in RECORDS:
        shutil.copy2(root.metadata / f"{name}.json", folder / f"{OLDER}-{name}.json")
    make_drop(root, "second", {"d.wav": song(3)}, facts(source_id="second", provider="Second"))
    make_drop(root, "third", {"e.wav": song(4)}, facts(source_id="third", provider="Third"))
    work(root)
    withdraw(root, "second", reason="it ended too", day=date.today())
    register(root)
    build_dataset(root, settings())
    return root


@pytest.fixture
def data(protected: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy, with its times."""
    shutil.copytree(protected.path, tmp_path / "data")
    for path in protected.path.parent.glob(f"{OLDER}-*"):
        shutil.copy2(path, tmp_path)
    return DataRoot(tmp_path / "data")


def edited(path: Path, edit: Callable[[Any], object]) -> None:
    """Change what a JSON file says, as neatly as the program writes it."""
    value = read_json(path)
    edit(value)
    write_json_atomic(path, value)


def record(root: DataRoot, name: str) -> Path:
    return root.metadata / f"{name}.json"


EDITS: dict[str, Callable[[Any], object]] = {
    "withdrawals": lambda value: value["withdrawals"].pop(),
    "claims": lambda value: value["sources"]["commons"][0]["claims"]["source"].update(license_type="CC0"),
    "drops": lambda value: value["drops"][1]["manifest"].update(license_type="CC0"),
    "registry": lambda value: value["tracks"][0]["origins"][0].update(source_id="third"),
    "duplicates": lambda value: value.update(pairs=[]),
}


def put_back(root: DataRoot, name: str) -> None:
    """The record as it was earlier, which was sealed too, then."""
    shutil.copy2(root.path.parent / f"{OLDER}-{name}.json", record(root, name))


def versions(root: DataRoot) -> list[Path]:
    """The older version, then the current one."""
    return sorted(version_files(root), key=lambda path: path.stem == current(root))


def current(root: DataRoot) -> str:
    return read_json(root.dataset_manifest_json)["hash"]


def milder(value: Any) -> None:
    value["sources"][0]["license_type"] = "CC0"


def lines(root: DataRoot) -> list[dict[str, str]]:
    return [json.loads(line) for line in ledger_path(root).read_bytes().splitlines()]


def chain_anew(root: DataRoot, entries: list[dict[str, str]]) -> None:
    """A ledger of these lines whose chain holds, as anybody can write it."""
    head, text = "0" * 64, ""
    for entry in entries:
        head = content_sha256([head, entry["name"], entry["sha256"], entry["when"]])
        text += json.dumps({**entry, "chain": head}) + "\n"
    ledger_path(root).write_text(text)


def cut(root: DataRoot, count: int) -> None:
    kept = ledger_path(root).read_bytes().splitlines(keepends=True)
    ledger_path(root).write_bytes(b"".join(kept[:-count]))


def change_line(root: DataRoot) -> None:
    text = ledger_path(root).read_text()
    ledger_path(root).write_text(text.replace('"when": "2', '"when": "3', 1))


def without(root: DataRoot, name: str) -> list[dict[str, str]]:
    return [line for line in lines(root) if name not in line["name"]]


def forget_withdrawals(root: DataRoot) -> None:
    """The list, and every line that tells of it."""
    record(root, "withdrawals").unlink()
    chain_anew(root, without(root, "withdrawals"))


def terms_and_source_together(root: DataRoot) -> None:
    edited(record(root, "claims"), EDITS["claims"])
    edited(
        root.raw / "creative-commons" / "commons" / "source.json",
        lambda value: value.update(license_type="CC0"),
    )


def seal_again(root: DataRoot) -> None:
    """A version that was edited, and a second line that covers it."""
    path = versions(root)[0]
    edited(path, milder)
    name = root.relative(path)
    entry = {"name": name, "sha256": file_sha256(path), "when": lines(root)[-1]["when"]}
    chain_anew(root, [*lines(root), entry])


def other_fingerprint(root: DataRoot, track_id: str) -> None:
    path = root.fingerprint(track_id)
    np.save(path, np.load(path)[::-1])


CASES: dict[str, tuple[str, Tampering]] = {}
for _name in RECORDS:
    _where = f"metadata/{_name}.json"
    CASES |= {
        f"{_name} removed": (_where, lambda root, name=_name: remove(record(root, name))),
        f"{_name} emptied": (_where, lambda root, name=_name: empty(record(root, name))),
        f"{_name} truncated": (_where, lambda root, name=_name: truncate(record(root, name))),
        f"{_name} edited": (_where, lambda root, name=_name: edited(record(root, name), EDITS[name])),
        f"{_name} put back": (
            _where,
            lambda root, name=_name: put_back(root, name),
        ),
    }
for _at, _name in enumerate(("older version", "current version")):
    CASES |= {
        f"{_name} removed": ("metadata/datasets/", lambda root, at=_at: remove(versions(root)[at])),
        f"{_name} emptied": ("metadata/datasets/", lambda root, at=_at: empty(versions(root)[at])),
        f"{_name} truncated": ("metadata/datasets/", lambda root, at=_at: truncate(versions(root)[at])),
        f"{_name} edited": ("metadata/datasets/", lambda root, at=_at: edited(versions(root)[at], milder)),
    }
CASES["older version in place of the current one"] = (
    "metadata/datasets/",
    lambda root: shutil.copy2(versions(root)[0], versions(root)[1]),
)
for _id, _name in (("track_001", "a ready track"), ("track_004", "a withdrawn track")):
    _where = f"metadata/fingerprints/{_id}.npy"
    CASES |= {
        f"fingerprint of {_name} removed": (_where, lambda root, it=_id: remove(root.fingerprint(it))),
        f"fingerprint of {_name} emptied": (_where, lambda root, it=_id: empty(root.fingerprint(it))),
        f"fingerprint of {_name} truncated": (_where, lambda root, it=_id: truncate(root.fingerprint(it))),
        f"fingerprint of {_name} edited": (_where, lambda root, it=_id: other_fingerprint(root, it)),
        f"fingerprint of {_name} swapped": (
            _where,
            lambda root, it=_id: shutil.copy(root.fingerprint("track_002"), root.fingerprint(it)),
        ),
    }
CASES |= {
    "terms edited together with source.json": ("metadata/claims.json", terms_and_source_together),
    "withdrawals removed, and their lines of the ledger": (LEDGER, forget_withdrawals),
    "ledger removed": (LEDGER, lambda root: remove(ledger_path(root))),
    "ledger emptied": (LEDGER, lambda root: empty(ledger_path(root))),
    "ledger truncated": (LEDGER, lambda root: truncate(ledger_path(root))),
    "a line of the ledger edited": (LEDGER, change_line),
    "the last ten lines of the ledger removed": (LEDGER, lambda root: cut(root, 10)),
    "the last line of the ledger removed": ("metadata/", lambda root: cut(root, 1)),
    "the ledger chained anew without a version": (
        LEDGER,
        lambda root: chain_anew(root, without(root, "datasets/")),
    ),
    "the ledger chained anew without its first line": (
        LEDGER,
        lambda root: chain_anew(root, lines(root)[1:]),
    ),
    "the ledger chained anew, a hash changed": (
        LEDGER,
        lambda root: chain_anew(root, [lines(root)[0] | {"sha256": "1" * 64}, *lines(root)[1:]]),
    ),
    "a second seal for a version that was edited": ("metadata/datasets/", seal_again),
}


def audit_of(root: DataRoot, name: str) -> list[str]:
    """What an audit of the newest version says that is an error: its findings, or why it cannot be made."""
    inputs = AuditInputs(root)
    try:
        report = build_report(inputs, find_subject(inputs, name), config=settings())
    except LofiError as error:
        return [str(error)]
    return [finding.sentence for finding in report.findings if finding.severity == "error"]


def test_nothing_is_found_where_nothing_was_changed(data: DataRoot) -> None:
    assert dataset_is_current(data, settings())
    assert not build_dataset(data, settings()).is_new
    assert audit_of(data, current(data)) == []
    assert not [it for it in check_data_root(data).findings if it.severity == "error"]


@pytest.mark.parametrize("case", CASES)
def test_a_tampering_is_found_by_the_build_and_by_an_audit(data: DataRoot, case: str) -> None:
    where, tamper = CASES[case]
    newest = current(data)
    published = data.dataset_manifest_json.read_bytes()
    tamper(data)
    with pytest.raises(RecordError) as refused:
        build_dataset(data, settings())
    assert where in str(refused.value) and (
        "backup" in str(refused.value) or "lofi run" in str(refused.value)
    )
    assert data.dataset_manifest_json.read_bytes() == published
    found = audit_of(data, newest)
    assert any(where in sentence for sentence in found), found


@pytest.mark.parametrize("name", ["withdrawals", "claims", "drops", "registry"])
def test_registering_refuses_too_and_changes_nothing(data: DataRoot, name: str) -> None:
    """Else milder terms in claims.json and source.json together would be the terms on record from now on."""
    edited(record(data, name), EDITS[name])
    edited(
        data.raw / "creative-commons" / "commons" / "source.json",
        lambda value: value.update(license_type="CC0"),
    )
    before = {path: path.read_bytes() for path in data.metadata.glob("*.json*")}
    with pytest.raises(RecordError, match=f"metadata/{name}.json"):
        register(data)
    assert {path: path.read_bytes() for path in data.metadata.glob("*.json*")} == before


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", ["claims", "drops", "registry", "duplicates"])
def test_what_can_be_compiled_anew_is_by_a_command_that_says_what_it_did(data: DataRoot, name: str) -> None:
    """And the next run makes the same data set of it."""
    before, pairs = current(data), read_json(record(data, "duplicates"))["pairs"]
    assert "same recording" in {pair["kinship"] for pair in pairs}
    terms = read_json(record(data, "claims"))["sources"]["commons"][0]["claims"]
    edited(record(data, name), EDITS[name])
    report = check_data_root(data, repair=True)
    assert any(f"metadata/{name}.json" in sentence and "lofi run" in sentence for sentence in report.repaired)
    work(data)
    assert build_dataset(data, settings()).version.dataset.hash == before
    assert read_json(record(data, "claims"))["sources"]["commons"][-1]["claims"] == terms
    assert read_json(record(data, "duplicates"))["pairs"] == pairs
    assert audit_of(data, before) == []


def test_a_second_seal_for_a_version_is_refused(data: DataRoot) -> None:
    name = data.relative(versions(data)[0])
    with pytest.raises(RecordError, match="never written again"):
        append_to_ledger(data, {name: "1" * 64})


def test_a_data_root_from_before_the_seals_is_sealed_once_as_it_stands(data: DataRoot) -> None:
    """Only versions and withdrawals were entered then."""
    for path in (data.drops_json, data.built_from_json):
        edited(path, lambda value: value.update(ledger=None))
    old = [
        line
        for line in lines(data)
        if "datasets/" in line["name"] or line["name"].endswith("/withdrawals.json")
    ]
    chain_anew(data, old)
    edited(record(data, "duplicates"), lambda value: [value.pop("fingerprints"), value.pop("sketches")])
    assert dataset_is_current(data, settings())
    told: list[str] = []
    built = build_dataset(data, settings(), progress=told.append)
    assert not built.is_new and built.version.dataset.hash == current(data)
    assert sorted(line.split(":")[0] for line in told if "sealed as it stands" in line) == sorted(
        f"metadata/{name}.json" for name in ("claims", "drops", "registry", "duplicates")
    )
    told.clear()
    build_dataset(data, settings(), progress=told.append)
    assert not any("sealed" in line for line in told)
    remove(record(data, "duplicates"))
    with pytest.raises(RecordError, match=r"duplicates\.json"):
        build_dataset(data, settings())
