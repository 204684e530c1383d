"""Whatever lies in data/raw: what is in order is taken, what is not has its reason, and neither touches the other."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import Drop, DropStatus, Scan, SourceType
from lofi_pipeline.ingest import changed_drops, drop_signature, incomplete_reason, scan_drops
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import GRANT, facts, make_drop, register

STYLES = set(load_presets())
FUTURE = (date.today() + timedelta(days=2)).isoformat()


def scan(root: DataRoot, known: Scan | None = None) -> dict[str, Drop]:
    found = scan_drops(root, style_ids=STYLES, licensing=LicensingSettings(), known=known)
    return {drop.folder.rsplit("/", 1)[-1]: drop for drop in found.drops}


def listing(source: str, entry: dict[str, object]) -> dict[str, object]:
    return facts(files={source: entry})


BAD = {
    "not JSON": ("{'source_id'", ["is not JSON"]),
    "an empty file": ("", ["is not JSON"]),
    "brackets without end": ("[" * 200_000, ["is not JSON"]),
    "a number without end": ("9" * 10_000, ["is not JSON"]),
    "no object": ("[1]", ["DropManifest.record"]),
    "half a character": ('{"source_id": "\\ud800", "files": {"\\ud800.mp3": {}}}', ["source_id"]),
    "half a character in a name": (
        json.dumps(facts(files={"a\ud800.mp3": {}, "b\udce9.txt": {}})),
        ["files", "half a character"],
    ),
    "unknown field": (facts(colour="blue"), ["DropManifest.colour", "Extra inputs are not permitted"]),
    "unknown field of a file": (listing("a.mp3", {"tempo": 80}), ["files.a.mp3.tempo", "Extra inputs"]),
    "missing field": (facts(provider=None), ["DropManifest.provider", "Field required"]),
    "future date": (facts(date_acquired=FUTURE), ["date_acquired", "must not be in the future", FUTURE]),
    "no date": (facts(date_acquired="yesterday"), ["date_acquired", "ISO 8601"]),
    "negative cost": (facts(cost=-1), ["cost", "greater than or equal to 0"]),
    "forbidding licence": (facts(license_type="CC BY-NC-ND 4.0"), ["license_type", "forbids derivatives"]),
    "licence that excludes AI": (facts(license_type="CC BY 4.0, no AI training"), ["excludes AI training"]),
    "licence without a word on AI": (
        facts(license_type="Royalty Free"),
        ["license_type", "AI training rights"],
    ),
    "unknown licence": (facts(license_type="all good, trust me"), ["No licence is recognised"]),
    "unknown style": (facts(defaults={"style_ids": ["CORE-99"]}), ["defaults: style_ids", "CORE-99"]),
    "no style id": (facts(defaults={"style_ids": ["lofi"]}), ["defaults.style_ids", "match pattern"]),
    "unknown style of a file": (
        listing("a.mp3", {"style_ids": ["CORE-98"]}),
        ["a.mp3: style_ids", "CORE-98"],
    ),
    "path upwards": (listing("../b/a.mp3", {}), ["files", "no '..'"]),
    "absolute path": (listing("/etc/passwd", {}), ["files", "no absolute path"]),
    "lyrics upwards": (facts(defaults={"lyrics": "../../x.txt"}), ["defaults.lyrics", "no '..'"]),
    "another kind of source": (
        facts(SourceType.PARTNERSHIP),
        ["source_type", "partnership", "creative-commons/"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_source_json_refuses_its_drop_by_file_field_and_rule(root: DataRoot, case: str) -> None:
    source, wanted = BAD[case]
    make_drop(root, "bad", {"a.mp3": b"x"}, source)
    make_drop(root, "good", {"a.mp3": b"y"}, facts())
    found = register(root)
    bad, good = sorted(found.scan.drops, key=lambda drop: drop.folder)
    by_licence = "licence" in case
    assert bad.status is (DropStatus.FORBIDDEN if by_licence else DropStatus.REFUSED)
    assert bad.reason
    for word in ["raw/creative-commons/bad/source.json", *wanted]:
        assert word in bad.reason
    assert found.scan.refusals() == [("raw/creative-commons/bad/a.mp3", bad.reason)]
    assert good.status is DropStatus.ACCEPTED
    assert [track.origins[0].path for track in found.registry.tracks] == ["raw/creative-commons/good/a.mp3"]
    assert [source.source_id for source in found.sources] == ["tests-creative_commons"]


def test_what_lies_in_no_drop_is_refused_by_name(root: DataRoot, tmp_path: Path) -> None:
    make_drop(root, "good", {"a.mp3": b"y"}, facts())
    loose = [root.raw / "creative-commons" / "loose.mp3", root.raw / "top.flac"]
    for path in loose:
        path.write_bytes(b"x")
    mistyped = root.raw / "creativecommons" / "drop" / "b.wav"
    mistyped.parent.mkdir(parents=True)
    mistyped.write_bytes(b"x")
    link = root.raw / "creative-commons" / "link"
    link.symlink_to(tmp_path)
    (root.raw / "creative-commons" / "README.txt").write_text("nobody's music")
    found = register(root)
    assert len(found.registry.tracks) == 1
    told = dict(found.scan.refusals())
    assert set(told) == {root.relative(path) for path in [*loose, mistyped]} | {"raw/creative-commons/link"}
    assert "move it into a folder of its own" in told["raw/creative-commons/loose.mp3"]
    assert "is no kind of source; there are: commissioned/" in told["raw/creativecommons/drop/b.wav"]
    assert "is a link" in told["raw/creative-commons/link"]
    assert not changes(root, found.scan)
    loose[0].unlink()
    mistyped.with_name("c.wav").write_bytes(b"x")
    assert changes(root, found.scan) == ["raw/creative-commons/loose.mp3", "raw/creativecommons"]


def changes(root: DataRoot, known: Scan) -> list[str]:
    return changed_drops(root, known, style_ids=STYLES, licensing=LicensingSettings())


def test_commissioned_music_needs_its_cost(root: DataRoot) -> None:
    source = facts(SourceType.COMMISSIONED, license_type="AI Training Rights", verified_by="me", cost=None)
    make_drop(root, "mine", {"a.mp3": b"x"}, source, kind=SourceType.COMMISSIONED)
    drop = scan(root)["mine"]
    assert drop.status is DropStatus.REFUSED
    assert "requires the field cost" in (drop.reason or "")


def test_a_drop_without_source_json_waits(root: DataRoot) -> None:
    folder = make_drop(root, "bare", {"a.mp3": b"x"})
    drop = scan(root)["bare"]
    assert drop.status is DropStatus.INCOMPLETE
    assert (
        drop.reason
        == "raw/creative-commons/bare/source.json: missing; write one with the fields of a SourceRecord"
    )
    assert incomplete_reason(root, folder, style_ids=STYLES) == drop.reason


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_source_json_must_be_a_regular_file(root: DataRoot, tmp_path: Path, kind: str) -> None:
    path = make_drop(root, "odd", {"a.mp3": b"x"}) / "source.json"
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(facts()))
    {"folder": path.mkdir, "fifo": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(elsewhere)}[
        kind
    ]()
    drop = scan(root)["odd"]
    assert drop.status is DropStatus.REFUSED
    assert "must be a regular file" in (drop.reason or "")


def test_a_listed_file_that_is_absent_makes_the_drop_incomplete_until_it_comes(root: DataRoot) -> None:
    long = "x" * 300 + ".mp3"
    folder = make_drop(
        root, "part", {"a.mp3": b"x"}, facts(files={"b.mp3": {"lyrics": "b.txt"}, "a.mp3": {}})
    )
    drop = scan(root)["part"]
    assert drop.status is DropStatus.INCOMPLETE
    assert "b.mp3, b.txt" in (drop.reason or "")
    assert "waiting for b.mp3, b.txt" in (incomplete_reason(root, folder, style_ids=STYLES) or "")
    (folder / "b.mp3").write_bytes(b"y")
    (folder / "b.txt").write_text("words")
    assert scan(root)["part"].status is DropStatus.ACCEPTED
    make_drop(root, "part", {}, facts(files={long: {}}))
    assert long in (scan(root)["part"].reason or "")


def test_a_file_that_is_not_listed_is_taken_with_the_defaults(root: DataRoot) -> None:
    source = facts(
        defaults={"style_ids": ["CORE-02"], "artist": "everybody", "vocals": False},
        files={"./a.mp3": {"title": "A", "artist": "somebody"}, "sub/b.mp3": {"style_ids": ["THEME-01"]}},
    )
    make_drop(root, "mixed", {"a.mp3": b"a", "sub/b.mp3": b"b", "c.ogg": b"c", ".hidden.mp3": b"h"}, source)
    origins = {t.origins[0].path.rsplit("/", 1)[-1]: t.origins[0] for t in register(root).registry.tracks}
    assert sorted(origins) == ["a.mp3", "b.mp3", "c.ogg"]
    assert (origins["a.mp3"].title, origins["a.mp3"].artist) == ("A", "somebody")
    assert origins["a.mp3"].style_ids == ["CORE-02"]
    assert (origins["b.mp3"].style_ids, origins["b.mp3"].artist) == (["THEME-01"], "everybody")
    assert (origins["c.ogg"].title, origins["c.ogg"].vocals) == (None, False)


def test_links_fifos_and_folders_named_like_audio_are_refused_one_by_one(
    root: DataRoot, tmp_path: Path
) -> None:
    folder = make_drop(root, "odd", {"good.mp3": b"x"}, facts())
    (folder / "link.mp3").symlink_to(folder / "good.mp3")
    (tmp_path / "elsewhere.mp3").write_bytes(b"out of the drop")
    (folder / "out.mp3").symlink_to(tmp_path / "elsewhere.mp3")
    (folder / "linked-folder.mp3").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "fifo.mp3")
    (folder / "folder.mp3").mkdir()
    found = register(root)
    reasons = {path.rsplit("/", 1)[-1]: reason for path, reason in found.scan.refusals()}
    assert "is a link; copy the audio itself" in reasons["link.mp3"]
    assert "is a link" in reasons["out.mp3"]
    assert "is a link" in reasons["linked-folder.mp3"]
    assert "is not a regular file" in reasons["fifo.mp3"]
    assert "is not a regular file" in reasons["folder.mp3"]
    assert len(reasons) == 5
    assert [track.origins[0].path for track in found.registry.tracks] == ["raw/creative-commons/odd/good.mp3"]


TEN_GB = 10 << 30


def grow(path: Path, size: int, *, reserve: bool = False) -> None:
    """Make a file longer without writing anything into it."""
    with path.open("r+b") as file:
        if reserve:
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == size:
            pytest.skip("this file system knows no holes")


@pytest.mark.parametrize("reserve", [False, True])
def test_a_copy_that_has_not_come_to_its_end_gives_no_track_until_it_has(
    root: DataRoot, reserve: bool
) -> None:
    folder = make_drop(root, "copying", {"good.mp3": b"x", "half.wav": b"the beginning"}, facts())
    size = 100 << 20
    grow(folder / "half.wav", size, reserve=reserve)
    first = register(root)
    assert [path for path, _ in first.scan.refusals()] == ["raw/creative-commons/copying/half.wav"]
    assert [track.origins[0].path for track in first.registry.tracks] == [
        "raw/creative-commons/copying/good.mp3"
    ]
    with (folder / "half.wav").open("r+b") as file:
        for _ in range(size >> 20):
            file.write(b"." * (1 << 20))
    assert changed_drops(root, first.scan, style_ids=STYLES, licensing=LicensingSettings())
    second = register(root)
    assert second.scan.refusals() == []
    assert len(second.registry.tracks) == 2


def test_ten_gigabytes_of_nothing_are_not_read(root: DataRoot) -> None:
    licensed = facts(grant={**GRANT, "evidence": [{"document": "scan.pdf"}]})
    files = {"a.mp3": b"x", "sparse.wav": b"RIFF", "lyrics.txt": b"la"}
    music = make_drop(root, "music", files, facts(defaults={"lyrics": "lyrics.txt"}))
    document = make_drop(root, "document", {"b.mp3": b"y", "scan.pdf": b"%PDF"}, licensed)
    source = make_drop(root, "source", {"c.mp3": b"z"}, facts())
    for path in (
        music / "sparse.wav",
        music / "lyrics.txt",
        document / "scan.pdf",
        source / "source.json",
    ):
        grow(path, TEN_GB)
    found = register(root)
    reasons = {path.removeprefix("raw/creative-commons/"): reason for path, reason in found.scan.refusals()}
    assert f"of {TEN_GB} bytes were never written" in reasons["music/sparse.wav"]
    assert "grant.evidence: scan.pdf" in reasons["document/b.mp3"]
    assert "were never written" in reasons["document/b.mp3"]
    assert "is larger than 16 MiB" in reasons["source/c.mp3"]
    assert len(reasons) == 3
    assert [track.lyrics_sha256 for track in found.registry.tracks] == [None]


def test_names_that_no_record_can_hold_are_refused_and_stop_nobody(root: DataRoot) -> None:
    folder = make_drop(root, "names", {"good.mp3": b"x", "back\\slash.mp3": b"y"}, facts())
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp3"))).write_bytes(b"z")
    odd = Path(os.fsdecode(os.fsencode(folder.parent) + b"/dr\xf6p"))
    odd.mkdir()
    (odd / "source.json").write_text(json.dumps(facts()))
    found = register(root)
    reasons = dict(found.scan.refusals())
    assert "rename it" in reasons["raw/creative-commons/names/back?slash.mp3"]
    assert "rename it" in reasons["raw/creative-commons/names/caf?.mp3"]
    assert "rename it" in reasons["raw/creative-commons/dr?p"]
    assert len(found.registry.tracks) == 1
    assert not changed_drops(root, found.scan, style_ids=STYLES, licensing=LicensingSettings())


def test_a_listed_file_of_another_kind_is_refused_by_name(root: DataRoot) -> None:
    make_drop(root, "kinds", {"a.mp3": b"x", "b.ac3": b"y", "cover.jpg": b"z"}, facts(files={"b.ac3": {}}))
    refused = register(root).scan.refusals()
    assert [path for path, _ in refused] == ["raw/creative-commons/kinds/b.ac3"]
    assert "convert it" in refused[0][1]


def test_who_had_a_source_id_first_keeps_it(root: DataRoot) -> None:
    make_drop(root, "zebra", {"a.mp3": b"x"}, facts(source_id="shared"))
    register(root)
    make_drop(root, "aardvark", {"b.mp3": b"y"}, facts(source_id="shared", provider="somebody else"))
    make_drop(root, "zoo", {"c.mp3": b"z"}, facts(source_id="shared"))
    drops = {drop.folder.rsplit("/", 1)[-1]: drop for drop in register(root).scan.drops}
    assert drops["zebra"].status is drops["zoo"].status is DropStatus.ACCEPTED
    assert drops["aardvark"].status is DropStatus.REFUSED
    assert "'shared' stands in raw/creative-commons/zebra with other facts" in (
        drops["aardvark"].reason or ""
    )


def test_what_has_not_changed_is_not_hashed_again_and_what_has_is_noticed(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"x", "b.mp3": b"y"}, facts())
    make_drop(root, "two", {"c.mp3": b"z"}, facts(source_id="two"))
    first = register(root).scan
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    assert changed_drops(root, None, **look) == ["raw/creative-commons/one", "raw/creative-commons/two"]
    assert changed_drops(root, first, **look) == []
    assert changed_drops(root, first, style_ids=STYLES, licensing=LicensingSettings(profile="strict")) == [
        "raw/creative-commons/one",
        "raw/creative-commons/two",
    ]
    times = (folder / "a.mp3").stat()
    (folder / "a.mp3").write_bytes(b"!")
    os.utime(folder / "a.mp3", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert scan(root, first)["one"].files == first.drops[0].files  # same size and time: the hash is believed
    os.utime(folder / "a.mp3", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert changed_drops(root, first, **look) == ["raw/creative-commons/one"]
    before, after = first.drops[0], scan(root, first)["one"]
    assert after.files[0].sha256 != before.files[0].sha256
    assert after.files[1] == before.files[1]
    assert drop_signature(folder) == after.signature != before.signature


def test_what_one_drop_forbids_no_other_allows(root: DataRoot) -> None:
    make_drop(root, "open", {"a.mp3": b"same", "b.mp3": b"other"}, facts())
    forbidding = facts(source_id="no", license_type="CC BY-NC 4.0")
    folder = make_drop(root, "closed", {"c.mp3": b"same"}, forbidding)
    found = register(root)
    assert [track.origins[0].path for track in found.registry.tracks] == ["raw/creative-commons/open/b.mp3"]
    assert "does not permit AI training" in dict(found.scan.refusals())["raw/creative-commons/open/a.mp3"]
    (folder / "c.mp3").unlink()
    again = register(root)
    assert len([track for track in again.registry.tracks if track.origins]) == 1
    assert "came as 'CC BY-NC 4.0'" in dict(again.scan.refusals())["raw/creative-commons/open/a.mp3"]
