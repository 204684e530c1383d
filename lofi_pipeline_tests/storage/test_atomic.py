"""Writing and reading: whole or not at all, one spelling for one value, one at a time."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import Timeout

from lofi_pipeline.storage import (
    DataRoot,
    UnreadableRecord,
    canonical_json,
    commit_folder,
    content_sha256,
    file_sha256,
    link_or_copy,
    locked,
    read_json,
    replacing,
    write_blocks_atomic,
    write_json_atomic,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fail_after_writing(path: Path) -> None:
    path.write_bytes(b"half")
    path.with_name("no such file").read_bytes()


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("new, ")
        assert path.read_text() == "old"
        temporary.write_text("new, whole")
    assert path.read_text() == "new, whole"
    assert names(tmp_path) == ["record.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path) as temporary:
        _fail_after_writing(temporary)
    assert (path.read_text(), names(tmp_path)) == ("old", ["record.json"])


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "record.json"
    path.write_text("old")
    code = (
        "import os, sys; from pathlib import Path; from lofi_pipeline.storage import replacing\\n"
        "with replacing(Path(sys.argv[1])) as temporary:\\n    temporary.write_text('half'); os._exit(9)"
    ).replace("\\n", "\n")
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert path.read_text() == "old"


def test_a_folder_is_not_there_until_it_is_whole(tmp_path: Path):
    target = tmp_path / "checkpoint"
    with commit_folder(target) as folder:
        (folder / "weights").write_bytes(b"half")
        assert not target.exists()
    assert (target / "weights").read_bytes() == b"half"
    with pytest.raises(FileNotFoundError), commit_folder(tmp_path / "other") as folder:
        _fail_after_writing(folder / "weights")
    assert names(tmp_path) == ["checkpoint"]


def test_a_folder_never_takes_the_place_of_another(tmp_path: Path):
    target = tmp_path / "checkpoint"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(OSError), commit_folder(target) as folder:
        (folder / "weights").touch()
    assert names(target) == ["kept"]


def test_a_record_that_says_so_already_is_not_written_again(tmp_path: Path):
    path = tmp_path / "record.json"
    write_json_atomic(path, {"a": [1, "ü"]})
    os.utime(path, (1, 1))
    write_json_atomic(path, {"a": [1, "ü"]})
    assert path.stat().st_mtime == 1
    write_json_atomic(path, {"a": [2, "ü"]})
    assert path.stat().st_mtime > 1 and read_json(path) == {"a": [2, "ü"]}


def test_the_hash_of_a_file_is_told_before_it_stands_there(tmp_path: Path):
    path, blocks = tmp_path / "record.json", [b"one", b"two"]
    told: list[tuple[str, bytes | None]] = []

    def before(sha256: str) -> None:
        told.append((sha256, path.read_bytes() if path.exists() else None))

    for there in (None, b"onetwo", b"onethree", b"onetwo\n"):
        if there is not None:
            path.write_bytes(there)
        write_blocks_atomic(path, blocks, before=before)
        assert told.pop() == (file_sha256(path), there) and path.read_bytes() == b"onetwo"

    def full(sha256: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        write_blocks_atomic(path, [b"one", b"three"], before=full)
    assert path.read_bytes() == b"onetwo" and names(tmp_path) == ["record.json"]


def test_one_value_has_one_spelling_and_one_hash():
    one, other = {"b": 1, "a": {"d": "ü", "c": (1, 2)}}, {"a": {"c": [1, 2], "d": "ü"}, "b": 1}
    assert canonical_json(one) == canonical_json(other) == '{"a":{"c":[1,2],"d":"ü"},"b":1}'
    assert content_sha256(one) == content_sha256(other) != content_sha256({"b": 1})


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_never_written(tmp_path: Path, number: float):
    path = tmp_path / "record.json"
    with pytest.raises(ValueError):
        write_json_atomic(path, {"loss": number})
    with pytest.raises(ValueError):
        canonical_json([number])
    assert names(tmp_path) == []


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"1" * 5000])
def test_what_is_no_json_is_named(tmp_path: Path, data: bytes):
    path = tmp_path / "record.json"
    path.write_bytes(data)
    with pytest.raises(UnreadableRecord, match=r"record\.json: is not JSON"):
        read_json(path)


def test_a_lock_lets_one_in_at_a_time(tmp_path: Path):
    path = tmp_path / "record.json"
    with locked(path):
        with pytest.raises(Timeout):
            _in_a_thread(path)
        code = f"from pathlib import Path; from lofi_pipeline.storage import locked\nwith locked(Path({str(path)!r}), timeout=0): pass"
        refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Timeout" in refused.stderr
    _in_a_thread(path)


def _in_a_thread(path: Path) -> None:
    """Take the lock in another thread, without waiting."""
    found: list[BaseException] = []

    def take() -> None:
        try:
            with locked(path, timeout=0):
                pass
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    if found:
        raise found[0]


def test_publishing_again_replaces_the_name_and_writes_through_no_link(tmp_path: Path):
    old, new, published = (tmp_path / name for name in ("old.mp3", "new.mp3", "final.mp3"))
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    link_or_copy(old, published)
    assert published.samefile(old)
    link_or_copy(new, published)
    assert published.samefile(new) and old.read_bytes() == b"old"
    assert names(tmp_path) == ["final.mp3", "new.mp3", "old.mp3"]


def test_where_no_link_can_be_made_the_bytes_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, published = tmp_path / "a.mp3", tmp_path / "final" / "a.mp3"
    source.write_bytes(b"music")

    def no_links(*_: object) -> None:
        raise OSError("no links between file systems")

    monkeypatch.setattr(os, "link", no_links)
    link_or_copy(source, published)
    assert published.read_bytes() == b"music" and not published.samefile(source)


OUTSIDE = ["..", "../x", "a/../../x", "/etc/passwd", "processed/../../x", "link/x", "link"]


@pytest.mark.parametrize("relative", OUTSIDE)
def test_no_stored_path_leads_out_of_the_data_root(tmp_path: Path, relative: str):
    root = DataRoot(tmp_path / "data").create()
    (tmp_path / "elsewhere").mkdir()
    (root.path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads out of the data root"):
        root.inside(relative)
    with pytest.raises(ValueError):
        root.relative(root.path / relative)


def test_paths_inside_the_data_root_are_taken_wherever_they_are_named_from(tmp_path: Path):
    root = DataRoot(tmp_path / "data").create()
    for relative, found in (("final/a.mp3", "final/a.mp3"), ("final/../raw", "raw"), (".", ".")):
        assert root.inside(relative) == (root.path / found).resolve()
        assert root.relative(root.inside(relative)) == found
    assert json.dumps(root.relative(root.final / "ü.mp3")) == '"final/\\u00fc.mp3"'
