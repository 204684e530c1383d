"""The ledger only grows: what is changed, added in between, removed or cut off shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lofi_pipeline.entities import LedgerHead
from lofi_pipeline.storage import DataRoot, append_to_ledger, ledger_path, read_ledger

SHA = [f"{number:064x}" for number in range(9)]


@pytest.fixture
def sealed(root: DataRoot) -> DataRoot:
    """A ledger of four lines."""
    for number in range(4):
        assert append_to_ledger(root, {f"record {number}": SHA[number]}) == [f"record {number}"]
    return root


def lines(root: DataRoot) -> list[bytes]:
    return ledger_path(root).read_bytes().splitlines(keepends=True)


def rewrite(root: DataRoot, changed: list[bytes]) -> None:
    ledger_path(root).write_bytes(b"".join(changed))


def test_what_was_sealed_is_read_and_not_sealed_twice(sealed: DataRoot):
    before = lines(sealed)
    assert append_to_ledger(sealed, {"record 0": SHA[0], "record 1": SHA[1]}) == []
    assert lines(sealed) == before
    assert append_to_ledger(sealed, {"record 0": SHA[8]}) == ["record 0"]
    assert lines(sealed)[:4] == before
    assert read_ledger(sealed).hashes == {
        "record 0": SHA[8],
        **{f"record {n}": SHA[n] for n in range(1, 4)},
    }


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda found: [found[0], found[1].replace(SHA[1].encode(), SHA[7].encode()), *found[2:]], 2),
        (lambda found: [found[0], *found[2:]], 2),
        (lambda found: found[1:], 1),
        (lambda found: [found[1], found[0], *found[2:]], 1),
        (lambda found: [*found, found[-1]], 5),
        (lambda found: [*found[:3], found[3].replace(b'"name"', b' "name"')], 4),
        (lambda found: [*found, b"{}\n"], 5),
        (lambda found: [*found, b"no json\n"], 5),
        (lambda found: [*found, b"[" * 100_000 + b"\n"], 5),
    ],
    ids=[
        "changed",
        "removed",
        "first removed",
        "swapped",
        "repeated",
        "spaced",
        "empty",
        "foreign",
        "nested",
    ],
)
def test_a_line_that_does_not_follow_is_found_and_nothing_is_written_after_it(
    sealed: DataRoot, change: object, broken: int
):
    rewrite(sealed, change(lines(sealed)))  # pyright: ignore[reportCallIssue]
    found = read_ledger(sealed)
    assert found.broken == broken and len(found.heads) == broken - 1
    evidence = ledger_path(sealed).read_bytes()
    assert append_to_ledger(sealed, {"record 9": SHA[8]}) == []
    assert ledger_path(sealed).read_bytes() == evidence


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_that_a_killed_writer_left_unfinished_is_no_tampering_and_goes_with_the_next_entry(
    sealed: DataRoot, kept: int
):
    whole = lines(sealed)
    rewrite(sealed, [*whole[:3], whole[3][:kept]])
    found = read_ledger(sealed)
    assert found.broken is None and set(found.hashes) == {"record 0", "record 1", "record 2"}
    assert append_to_ledger(sealed, {"record 3": SHA[3]}) == ["record 3"]
    after = read_ledger(sealed)
    assert lines(sealed)[:3] == whole[:3] and (after.broken, len(after.heads)) == (None, 4)


FULL = """
import resource, signal, sys
from pathlib import Path
from lofi_pipeline.storage import DataRoot, append_to_ledger, ledger_path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root = DataRoot(Path(sys.argv[1]))
limit = ledger_path(root).stat().st_size + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    append_to_ledger(root, {"record 4": "4" * 64, "record 5": "5" * 64})
except OSError as error:
    print("full:", error)
"""


@pytest.mark.parametrize("room", [0, 10, 300])
def test_a_full_disk_leaves_the_ledger_as_it_was(sealed: DataRoot, room: int):
    before = ledger_path(sealed).read_bytes()
    command = [sys.executable, "-c", FULL, str(sealed.path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("full:")
    assert ledger_path(sealed).read_bytes() == before
    assert append_to_ledger(sealed, {"record 4": SHA[4]}) == ["record 4"]


def test_a_line_bears_its_chain_on(sealed: DataRoot):
    """Two ledgers with the same last records are not the same."""
    chains = [json.loads(line)["chain"] for line in lines(sealed)]
    assert chains == list(read_ledger(sealed).heads) and len(set(chains)) == 4


def test_a_mark_holds_while_the_ledger_grows_and_contradicts_one_that_was_cut_or_written_anew(
    sealed: DataRoot, tmp_path: Path
):
    mark = read_ledger(sealed).mark()
    assert mark is not None and (mark.lines, mark.head) == (4, read_ledger(sealed).head)
    whole = lines(sealed)
    append_to_ledger(sealed, {"later": SHA[5]})
    grown = read_ledger(sealed)
    assert grown.contradiction(mark) is None
    assert grown.mark(mark) == LedgerHead(first=mark.first, lines=5, head=grown.head)

    rewrite(sealed, whole[:3])
    cut = read_ledger(sealed)
    assert cut.broken is None and cut.contradiction(mark) == "has 3 lines only"
    assert cut.mark(mark) == mark  # the witness stays

    append_to_ledger(sealed, {"another": SHA[6]})
    other = read_ledger(sealed)
    assert other.contradiction(mark) == "has another line 4" and other.mark(mark) == mark

    ledger_path(sealed).unlink()
    assert read_ledger(sealed).contradiction(mark) == "has no line any more"
    assert read_ledger(sealed).mark(mark) == mark
    append_to_ledger(sealed, {f"new {number}": SHA[number] for number in range(6)})
    assert read_ledger(sealed).contradiction(mark) == "begins with another line"


def test_no_line_no_mark(root: DataRoot):
    assert read_ledger(root).mark() is None
    assert read_ledger(root).head == "0" * 64
