"""Where the files of listening tests lie, and reading them: each is checked to be the one that the test was made with.

listening/<test>/test.json         what was made, and the rules
listening/<test>/key.json          which clip is which: never served
listening/<test>/served/           what listeners get: test.json, and clips/
listening/<test>/listeners.jsonl   who was invited
listening/<test>/answers/          a file for each listener, which only grows
listening/<test>/result.json       what `lofi listen score` found last
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.entities import visible
from lofi_pipeline.listening.errors import AnswerRefused, ChangedTest, ListeningError
from lofi_pipeline.listening.records import (
    AnswersFile,
    Key,
    Kind,
    ListeningTest,
    RateResult,
    Sheet,
    TellResult,
)
from lofi_pipeline.storage import DataRoot, file_sha256, read_json, read_ledger, read_record

SHEET = "test.json"
CLIPS = "clips"
MOST_BYTES = 1_000_000
"""Of a file with answers."""
_TEST_ID = re.compile(r"[0-9a-f]{8}")
BACKUP = "take it back from a backup, or make a new test"


@dataclass(frozen=True)
class Files:
    """The files of one test."""

    folder: Path

    @property
    def test(self) -> Path:
        return self.folder / "test.json"

    @property
    def key(self) -> Path:
        return self.folder / "key.json"

    @property
    def served(self) -> Path:
        return self.folder / "served"

    @property
    def sheet(self) -> Path:
        return self.served / SHEET

    @property
    def listeners(self) -> Path:
        return self.folder / "listeners.jsonl"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    def clip(self, name: str) -> Path:
        """The file of a clip."""
        return self.served / CLIPS / f"{name}.wav"

    def answers(self, listener: str) -> Path:
        """What one listener answered."""
        return self.folder / "answers" / f"{listener}.jsonl"


def listening_folder(root: DataRoot) -> Path:
    """Where all tests lie."""
    return root.path / "listening"


def known_tests(root: DataRoot) -> list[str]:
    """The tests that there are."""
    return sorted(path.name for path in listening_folder(root).glob("*") if _TEST_ID.fullmatch(path.name))


def find_test(root: DataRoot, test: str) -> Files:
    """The files of a test, by its id or the first digits of it.

    Raises:
        ListeningError: there is none, or more than one.
    """
    known = known_tests(root)
    found = [name for name in known if test and name.startswith(test)]
    if len(found) != 1:
        there = ", ".join(known) or "none yet; `lofi listen new` makes one"
        many = "no listening test" if not found else "more than one listening test"
        raise ListeningError(f"{many} begins with {visible(test)!r:.40}; there are: {there}")
    return Files(listening_folder(root) / found[0])


def read_test(root: DataRoot, files: Files) -> ListeningTest:
    """test.json.

    Raises:
        ChangedTest: it was changed since the test was made.
        RecordError: it can't be read.
    """
    found, name = read_record(ListeningTest, files.test), root.relative(files.test)
    if read_ledger(root).hashes.get(name) != file_sha256(files.test):
        raise ChangedTest(f"{name}: is not what was sealed when the test was made; {BACKUP}")
    return found


def open_sheet(files: Files) -> Sheet:
    """What listeners get, checked against test.json alone: the ledger, which may be long, is not read for each of their requests."""
    return read_sheet(files, read_record(ListeningTest, files.test))


def read_sheet(files: Files, test: ListeningTest) -> Sheet:
    """What listeners get. Raises: ChangedTest, RecordError."""
    _require(files.sheet, test.sheet_sha256)
    return read_record(Sheet, files.sheet)


def read_key(files: Files, test: ListeningTest) -> Key:
    """Which clip is which. Raises: ChangedTest, RecordError."""
    _require(files.key, test.key_sha256)
    return read_record(Key, files.key)


def read_result(files: Files) -> TellResult | RateResult | None:
    """What was found last; None before it was asked for."""
    if not files.result.is_file():
        return None
    kind = TellResult if read_record(ListeningTest, files.test).kind is Kind.TELL else RateResult
    return read_record(kind, files.result)


def read_answers_file(path: Path) -> AnswersFile:
    """What a listener saved from an exported folder, and anybody may have written.

    Raises:
        AnswerRefused: it is far too large.
        RecordError: it is no such file.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise AnswerRefused(
            f"{path}: has {size} bytes, more than any listener's answers: it is not what the page wrote"
        )
    return AnswersFile.parse(read_json(path), where=str(path))


def require_clips(files: Files, test: ListeningTest) -> None:
    """Refuse clips that are missing or changed. Raises: ChangedTest."""
    for name, sha256 in test.clips.items():
        _require(files.clip(name), sha256)


def _require(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise ChangedTest(f"{path}: is missing; {BACKUP}")
    if file_sha256(path) != sha256:
        raise ChangedTest(f"{path}: is not the file that the test was made with; {BACKUP}")
