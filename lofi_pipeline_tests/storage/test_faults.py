"""What is wrong with a disk is said in a sentence: the file, the reason, what is free, what to do. The faults are real ones."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lofi_pipeline.storage import (
    commit_folder,
    in_words,
    is_of_the_disk,
    locked,
    naming,
    replacing,
    trouble_with,
    write_bytes_atomic,
)
from lofi_pipeline_tests.rights import as_any_user

AGAIN = "then give the same command again: what was done is kept"


def error_of(action: Callable[[], object]) -> OSError:
    with pytest.raises(OSError) as caught:
        action()
    return caught.value


def test_a_full_disk_is_said_with_the_file_and_what_is_free(tmp_path: Path) -> None:
    def write() -> None:
        with naming(tmp_path / "tracks.json"), Path("/dev/full").open("w") as full:
            full.write("x")
            full.flush()

    said = in_words(error_of(write))
    assert said.startswith(f"{tmp_path}/tracks.json: cannot be written, the file system at ")
    assert " are free); make room there, " in said and said.endswith(AGAIN)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EDQUOT, "your quota on the file system at"),
        (errno.EROFS, "is mounted read-only; mount it for writing"),
        (errno.EFBIG, "look at `ulimit -f`"),
        (errno.EIO, "reports an error; see the system's log"),
        (errno.EMFILE, "raise the limit with `ulimit -n 4096`"),
    ],
)
def test_each_kind_says_what_to_do(number: int, says: str, tmp_path: Path) -> None:
    said = in_words(OSError(number, os.strerror(number), str(tmp_path / "no" / "such" / "file")))
    assert said.startswith(f"{tmp_path}/no/such/file: ") and says in said


@pytest.mark.parametrize("what", ["a file", "a link that leads nowhere"])
@pytest.mark.parametrize("deeper", ["vectors.npy", "nano/vectors.npy"])
def test_what_lies_where_a_folder_belongs_is_named(what: str, deeper: str, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.write_text("x") if what == "a file" else clips.symlink_to(tmp_path / "nowhere")
    error = error_of(lambda: write_bytes_atomic(clips / deeper, b"x"))
    said = in_words(error)
    assert f"cannot be written, {clips} lies where a folder belongs and is none; move it away, " in said
    assert said.endswith(AGAIN)


def test_a_folder_that_lies_where_a_file_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "vectors.npy").mkdir()
    said = in_words(error_of(lambda: write_bytes_atomic(tmp_path / "vectors.npy", b"x")))
    assert said.startswith(
        f"{tmp_path}/vectors.npy: cannot be written, a folder lies where this file belongs"
    )


def test_a_disk_without_inodes_is_told_from_a_full_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(f_files=500, f_favail=0, f_frsize=4096, f_bavail=10_000, f_blocks=20_000)
    monkeypatch.setattr(os, "statvfs", lambda _path: found)
    said = in_words(OSError(errno.ENOSPC, "", str(tmp_path / "a")))
    assert "takes no more files (all 500 inodes are in use); remove files" in said
    found.f_favail = 3  # what failed has given back what it had made
    said = in_words(OSError(errno.ENOSPC, "", str(tmp_path / "a")))
    assert "takes no more files (497 of 500 inodes are in use); remove files" in said
    found.f_bavail = 2
    assert "is full (8 kB of" in in_words(OSError(errno.ENOSPC, "", str(tmp_path / "a")))


def test_the_file_is_named_as_the_user_knows_it(tmp_path: Path) -> None:
    def write(within: str) -> None:
        with commit_folder(tmp_path / "epoch=0-step=5_lora") as folder:
            raise OSError(errno.ENOSPC, "", str(folder / within))

    assert in_words(error_of(lambda: write("resume/a.bin"))).startswith(
        f"{tmp_path}/epoch=0-step=5_lora/resume/a.bin: "
    )
    lock = OSError(errno.EROFS, "", str(tmp_path / ".drops.json.lock"))
    assert in_words(lock).startswith(f"{tmp_path}/drops.json: ")


def test_an_error_without_a_name_gets_that_of_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "registry.json"):
            raise OSError(errno.ENOSPC, "No space left on device")

    assert error_of(write).filename == str(tmp_path / "registry.json")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_say_what_they_said(tmp_path: Path) -> None:
    error = error_of((tmp_path / "gone").read_bytes)
    assert in_words(error) == str(error)
    assert in_words(ValueError("no number")) == "no number"


def test_a_file_that_was_given_is_to_blame_itself_and_what_is_written_is_not(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    assert not is_of_the_disk(PermissionError(errno.EACCES, "", str(raw / "a.wav")), inputs=raw)
    assert is_of_the_disk(PermissionError(errno.EACCES, "", str(tmp_path / "processed")), inputs=raw)
    assert is_of_the_disk(OSError(errno.ENOSPC, ""), inputs=raw)
    assert not is_of_the_disk(FileNotFoundError(errno.ENOENT, "", "x"), inputs=raw)


def test_a_folder_that_can_be_written_to_gives_no_trouble_and_keeps_nothing(tmp_path: Path) -> None:
    assert trouble_with(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


WITHOUT_RIGHTS = """
import sys
from pathlib import Path
from lofi_pipeline.storage import in_words, trouble_with, write_bytes_atomic
try:
    write_bytes_atomic(Path(sys.argv[1]) / "registry.json", b"")
except OSError as error:
    print(in_words(error))
print(in_words(trouble_with(Path(sys.argv[1]))))
"""


def test_a_folder_that_may_not_be_written_to_is_said_with_whose_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "metadata"
    folder.mkdir(mode=0o555)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, str(folder)],
        preexec_fn=as_any_user,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{folder}/registry.json: this user (")
    assert f"has not the rights to read and write the folder {folder}, which belongs to " in first
    assert "(mode 555); give this user the rights, or work as one that has them" in first
    assert f"{folder}: this user (" in second and "read and write it" in second


def test_a_file_that_may_not_be_so_large_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:  # the limit is this child's alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_bytes_atomic(tmp_path / "large.bin", bytes(2000))
        except OSError as error:
            os._exit(error.errno or 0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "metadata").write_bytes(b"")

    def lock() -> None:
        with locked(tmp_path / "metadata" / "drops.json"):
            pass

    assert "metadata" in str(error_of(lock))
