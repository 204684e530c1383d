"""Many files: how much work each of them is, and that none is given the hash of bytes that never stood in it together."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import LicensingSettings, load_config
from lofi_pipeline.entities import Drop, DropAudio, DropStatus, SourceRecord, now
from lofi_pipeline.ingest import (
    DeclaredTerms,
    Registration,
    changed_drops,
    hashing,
    load_scan,
    register_sources,
    registry,
    scan,
)
from lofi_pipeline.ingest.hashing import hashed
from lofi_pipeline.ingest.remembered import RememberedTerms
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.alive import Alive
from lofi_pipeline_tests.audited import listening
from lofi_pipeline_tests.drops import GRANT, TODAY, facts, make_drop, register

STYLES = set(load_presets())
FILES = 5
LICENCES = ("CC0 1.0", "CC BY 4.0", "CC BY-NC 4.0", "CC-BY-4.0 OR CC0-1.0", "what I like")


def make_drops(root: DataRoot, numbers: range) -> None:
    """Drops with a file in a folder, facts of one file, lyrics, and various licences."""
    for number in numbers:
        files = {f"{place}.mp3": f"{number} {place}".encode() for place in range(FILES - 1)}
        source = facts(
            source_id=f"source-{number}",
            license_type=LICENCES[number % len(LICENCES)],
            files={"0.mp3": {"lyrics": "words.txt"}, "more/4.mp3": {"title": "The last"}},
        )
        make_drop(
            root, f"drop-{number:04d}", {**files, "more/4.mp3": b"%d 4" % number, "words.txt": b"la"}, source
        )


class Work:
    """What was opened and listed, and how many functions were called, while it was on."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.opened: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()
        self.calls = 0
        with listening(self._note):
            sys.setprofile(self._count)
            try:
                action()
            finally:
                sys.setprofile(None)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.scandir", "os.listdir") and isinstance(arguments[0], str):
            found = self.opened if event == "open" else self.listed
            found[arguments[0]] += 1

    def _count(self, _frame: object, event: str, _argument: object) -> None:
        self.calls += event in ("call", "c_call")

    def under(self, folder: Path) -> tuple[Counter[str], Counter[str]]:
        """What was opened and what was listed in a folder, by names relative to it."""
        return tuple(
            Counter(
                {
                    os.path.relpath(name, folder): times
                    for name, times in found.items()
                    if name.startswith(str(folder))
                }
            )
            for found in (self.opened, self.listed)
        )  # pyright: ignore[reportReturnType]


def test_each_file_is_opened_once_and_each_folder_listed_once(root: DataRoot) -> None:
    make_drops(root, range(20))
    register(root)  # what is imported and cached the first time has nothing to do with files
    for path in root.metadata.glob("*.json*"):  # the ledger, too: it knows what was there
        path.unlink()
    opened, listed = Work(lambda: register(root)).under(root.raw / "creative-commons")
    audio = {name: times for name, times in opened.items() if name.endswith(".mp3")}
    assert len(audio) == 20 * FILES
    assert set(audio.values()) == {1}
    assert {times for name, times in opened.items() if name.endswith("source.json")} == {1}
    assert {times for name, times in listed.items() if name != "."} == {1}
    assert len(listed) == 1 + 2 * 20  # raw/<kind> itself, and two folders of each drop


def test_what_is_unchanged_is_not_opened_again_but_for_its_source_json(root: DataRoot) -> None:
    make_drops(root, range(20))
    first = register(root)
    opened, listed = Work(lambda: register(root)).under(root.raw)
    assert {os.path.basename(name) for name in opened} == {"source.json", "words.txt"}
    assert set(opened.values()) == {1}
    looked = Work(lambda: look(root))
    assert looked.under(root.raw)[0] == {}
    assert looked.under(root.raw)[1].total() <= listed.total()
    assert register(root).registry == first.registry


def look(root: DataRoot) -> list[str]:
    return changed_drops(root, load_scan(root), style_ids=STYLES, licensing=LicensingSettings())


@pytest.mark.parametrize("again", [False, True], ids=["first time", "nothing changed"])
def test_twice_the_files_are_twice_the_work(tmp_path: Path, again: bool) -> None:
    def work(drops: int) -> Work:
        root = DataRoot(tmp_path / str(drops)).create()
        make_drops(root, range(drops))
        if again:
            register(root)
        return Work(lambda: [register(root), look(root)])

    work(1)  # the imports
    once, twice = work(60), work(120)
    assert twice.opened.total() + twice.listed.total() <= 2.1 * (once.opened.total() + once.listed.total())
    assert twice.calls <= 2.3 * once.calls


def told(root: DataRoot, progress: Callable[[int, int, str], None]) -> Registration:
    return register_sources(root, load_config(), style_ids=STYLES, day=TODAY, progress=progress)


def test_few_drops_and_terms_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = DataRoot(tmp_path).create()
    make_drops(root, range(40))
    monkeypatch.setattr(registry, "_DROPS_AT_HAND", 4)
    alive = Alive(Drop, DeclaredTerms, RememberedTerms, SourceRecord)
    there: list[Counter[type]] = []

    def look() -> None:
        there.append(alive.count())

    def progress(done: int, _total: int, _what: str) -> None:
        if done in (FILES * 15, 39):
            look()

    writing, applying = registry.write_sealed, scan.apply_memory
    monkeypatch.setattr(registry, "write_sealed", lambda *given: (look(), writing(*given)))
    monkeypatch.setattr(scan, "apply_memory", lambda *given: (look(), applying(*given))[1])
    for looks in (5, 8):
        registry._last_scan.clear()  # pyright: ignore[reportPrivateUsage]
        found = register_sources(root, load_config(), style_ids=STYLES, progress=progress)
        assert len(found.scan.drops) == 40 and len(there) >= looks
        assert max(found.total() for found in there) < 9, there


def test_all_names_and_sizes_are_known_before_the_first_file_is_hashed(root: DataRoot) -> None:
    make_drops(root, range(3))
    said: list[tuple[int, int, str]] = []
    told(root, lambda done, total, what: said.append((done, total, what.split(":")[0])))
    read = [(number, 3, "drops read") for number in (1, 2, 3)]
    assert said == [*read, *((number * FILES, 3 * FILES, "files hashed") for number in (1, 2, 3))]


def taken(found: Registration) -> list[str]:
    return sorted(Path(track.origins[0].path).name for track in found.registry.tracks if track.origins)


def test_a_file_that_grows_after_it_was_listed_waits_for_the_next_scan(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"whole", "b.mp3": b"the first ha"}, facts())

    def go_on_copying(_done: int, _total: int, what: str) -> None:
        if what.startswith("drops read"):
            (folder / "b.mp3").write_bytes(b"the first half and the second")

    first = told(root, go_on_copying)
    assert taken(first) == ["a.mp3"]
    assert [reason for _, reason in first.scan.refusals()] == [
        "raw/creative-commons/one/b.mp3: changed while it was read; scan again when it stands still"
    ]
    assert look(root) == ["raw/creative-commons/one"]
    second = register(root)
    assert taken(second) == ["a.mp3", "b.mp3"]
    assert hashlib.sha256((folder / "b.mp3").read_bytes()).hexdigest() in {
        track.sha256 for track in second.registry.tracks
    }


def written_over_while_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have other bytes of the same length written into a file when its first ones are hashed."""

    class Digest:
        def __init__(self) -> None:
            self._digest = hashlib.sha256()

        def update(self, block: bytes) -> None:
            self._digest.update(block)
            if block == path.read_bytes() and block.isupper():
                path.write_bytes(block.lower())

        def hexdigest(self) -> str:
            return self._digest.hexdigest()

    class Library:
        sha256 = Digest

    monkeypatch.setattr(hashing, "hashlib", Library)
    os.utime(path, ns=(10**18, 10**18))


def test_a_file_that_is_written_over_while_it_is_hashed_waits_for_the_next_scan(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"steady", "b.mp3": b"CHANGING"}, facts())
    written_over_while_read(folder / "b.mp3", monkeypatch)
    first = register(root)
    assert taken(first) == ["a.mp3"]
    assert "b.mp3: changed while it was read" in first.scan.refusals()[0][1]
    assert look(root) == ["raw/creative-commons/one"]
    second = register(root)
    assert taken(second) == ["a.mp3", "b.mp3"]
    assert hashlib.sha256(b"changing").hexdigest() in {track.sha256 for track in second.registry.tracks}


def test_a_contract_that_is_written_over_while_it_is_hashed_is_no_evidence_yet(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.mp3": b"a", "contract.txt": b"WE GRANT THE TRAINING OF MODELS"}
    folder = make_drop(root, "one", files, facts(license_type="CC BY-NC 4.0", grant=GRANT))
    written_over_while_read(folder / "contract.txt", monkeypatch)
    first = register(root).scan.drops[0]
    assert first.status is DropStatus.REFUSED
    assert "contract.txt: changed while it was read" in (first.reason or "")
    assert look(root) == ["raw/creative-commons/one"]
    second = register(root).scan.drops[0]
    assert second.status is DropStatus.ACCEPTED
    assert second.evidence[0].sha256 == hashlib.sha256(b"we grant the training of models").hexdigest()


def unhashed(root: DataRoot, sizes: list[int]) -> list[DropAudio]:
    files = []
    for number, size in enumerate(sizes):
        path = root.raw / f"{number}.mp3"
        path.write_bytes(b"%d" % number * size)
        info = path.stat()
        files.append(DropAudio(path=root.relative(path), size=info.st_size, modified_ns=info.st_mtime_ns))
    return files


def test_hashes_come_in_the_order_of_the_files_whichever_thread_is_done_first(root: DataRoot) -> None:
    files = unhashed(root, [6_000_000, *([10] * 300), 3_000_000, 0, *([1] * 200)])
    found = list(hashed(root, files, threads=4))
    assert [file.path for file in found] == [file.path for file in files]
    assert found == list(hashed(root, files, threads=1))
    for file in found[::50]:
        assert file.sha256 == hashlib.sha256((root.path / file.path).read_bytes()).hexdigest()


def test_only_a_few_files_are_handed_out_ahead(root: DataRoot) -> None:
    files = unhashed(root, [1] * 2000)
    asked = 0

    def one_by_one() -> Iterator[DropAudio]:
        nonlocal asked
        for file in files:
            asked += 1
            yield file

    results = hashed(root, one_by_one(), threads=1)
    next(results)
    assert asked <= 500
    results.close()
    assert asked <= 500


def test_the_records_of_many_files_are_the_same_whatever_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, written = now(), []
    monkeypatch.setattr("lofi_pipeline.storage.ledger.now", lambda: moment)
    for threads in (1, 7):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        root = DataRoot(tmp_path / str(threads)).create()
        make_drops(root, range(30))
        for path in root.raw.rglob("*"):
            os.utime(path, ns=(10**18, 10**18))
        register(root)
        names = ("drops.json", "registry.json", "sources.json", "claims.json")
        written.append([(root.metadata / name).read_bytes() for name in names])
    assert written[0] == written[1]
    assert json.loads(written[0][1])["tracks"][0]["track_id"] == "track_001"
