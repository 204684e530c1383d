"""Taking a source out: what is kept on the ledger, and that it only grows."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from lofi_pipeline.entities import RecordError
from lofi_pipeline.licensing import load_withdrawals, withdraw
from lofi_pipeline.licensing.withdrawals import withdrawals_json, withdrawn_contents, withdrawn_sources
from lofi_pipeline.storage import (
    BrokenSeal,
    DataRoot,
    file_sha256,
    ledger_path,
    read_ledger,
    write_json_atomic,
)
from lofi_pipeline_tests.drops import facts, make_drop, register

DAY = date(2026, 3, 1)


def register_two(root: DataRoot) -> None:
    """Two sources of one file each, registered."""
    for name in ("one", "two"):
        make_drop(root, name, {f"{name}.mp3": name.encode()}, facts(source_id=name))
    register(root)


def test_a_withdrawal_keeps_who_when_why_and_the_bytes(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"A", "b.mp3": b"B"}, facts(source_id="one"))
    make_drop(root, "two", {"c.mp3": b"C"}, facts(source_id="two"))
    register(root)
    withdrawal = withdraw(root, "one", reason="the author asked", day=DAY)
    assert (withdrawal.provider, withdrawal.day, withdrawal.reason) == ("tests", DAY, "the author asked")
    assert withdrawal.sha256s == sorted(file_sha256(folder / name) for name in ("a.mp3", "b.mp3"))
    assert load_withdrawals(root) == [withdrawal]
    assert withdraw(root, "one", reason="again", day=DAY) == withdrawal
    assert load_withdrawals(root) == [withdrawal]


def test_the_ledger_only_grows(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one"))
    register(root)
    first = withdraw(root, "one", reason="the author asked", day=DAY)
    shutil.rmtree(folder)
    register(root)
    earlier = withdraw(root, "one", reason="it held before", day=date(2026, 1, 1))
    assert load_withdrawals(root) == [first, earlier]
    assert earlier.sha256s == first.sha256s
    assert withdrawn_sources(load_withdrawals(root), date(2026, 2, 1)) == {"one": earlier}
    assert not withdrawn_contents(load_withdrawals(root), date(2025, 12, 31))
    assert set(withdrawn_contents(load_withdrawals(root), DAY)) == set(first.sha256s)


def test_only_a_source_that_was_seen_can_be_withdrawn_and_only_with_a_reason(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one"))
    register(root)
    with pytest.raises(RecordError, match="no such source"):
        withdraw(root, "nobody", reason="x", day=DAY)
    with pytest.raises(RecordError, match="say why"):
        withdraw(root, "one", reason="  ", day=DAY)
    assert not withdrawals_json(root).exists()
    withdrawals_json(root).write_text("[]")
    with pytest.raises(
        RecordError,
        match=r"withdrawals.json: Withdrawals.record: must be fields with their values, .* \(got \[\]\)",
    ):
        load_withdrawals(root)
    withdrawals_json(root).write_text('{"withdrawals": [{"source_id": "one"}]}')
    with pytest.raises(RecordError, match="withdrawals.json"):
        load_withdrawals(root)


def test_a_damaged_version_of_the_source_stops_its_withdrawal_and_another_one_does_not(
    root: DataRoot,
) -> None:
    """All bytes of a source must be known when it is withdrawn."""
    make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one"))
    register(root)
    version = root.dataset_version("0" * 64)
    write_json_atomic(version, {"sources": [{"source_id": "one"}]})
    with pytest.raises(RecordError, match=version.name):
        withdraw(root, "one", reason="the author asked", day=DAY)
    write_json_atomic(version, {"sources": [{"source_id": "two"}]})
    assert withdraw(root, "one", reason="the author asked", day=DAY).sha256s


def test_a_ledger_that_was_edited_by_hand_is_not_written_to(root: DataRoot) -> None:
    register_two(root)
    withdraw(root, "one", reason="the author asked", day=DAY)
    path = withdrawals_json(root)
    sealed = path.read_bytes()
    for edited in (sealed.replace(b"the author asked", b"a misunderstanding"), b'{"withdrawals": []}'):
        path.write_bytes(edited)
        with pytest.raises(RecordError, match="not the list that was sealed"):
            withdraw(root, "two", reason="it ended", day=DAY)
        assert path.read_bytes() == edited
    path.unlink()
    with pytest.raises(RecordError, match="not the list that was sealed"):
        withdraw(root, "two", reason="it ended", day=DAY)
    path.write_bytes(sealed)
    assert withdraw(root, "two", reason="it ended", day=DAY).source_id == "two"


@pytest.mark.parametrize("next_one", ["scan", "withdraw"])
def test_a_withdrawal_that_was_killed_before_its_seal_is_sealed_by_the_next(
    root: DataRoot, next_one: str
) -> None:
    register_two(root)
    withdraw(root, "one", reason="the author asked", day=DAY)
    withdraw(root, "two", reason="the author asked", day=DAY)
    where, sealed = root.relative(withdrawals_json(root)), file_sha256(withdrawals_json(root))
    *lines, _ = ledger_path(root).read_bytes().splitlines(keepends=True)
    ledger_path(root).write_bytes(b"".join(lines))  # as a kill between the two writes leaves it
    assert read_ledger(root).hashes[where] != sealed

    if next_one == "scan":
        register(root)
    else:
        withdraw(root, "one", reason="the author asked", day=DAY)
    assert read_ledger(root).hashes[where] == sealed == file_sha256(withdrawals_json(root))


def test_a_list_of_withdrawals_that_lost_an_entry_is_not_entered(root: DataRoot) -> None:
    register_two(root)
    withdraw(root, "one", reason="the author asked", day=DAY)
    only_one = withdrawals_json(root).read_bytes()
    withdraw(root, "two", reason="the author asked", day=DAY)
    withdrawals_json(root).write_bytes(only_one)
    before = ledger_path(root).read_bytes()
    with pytest.raises(BrokenSeal, match=r"withdrawals\.json: is an older state of itself.*backup"):
        register(root)
    assert ledger_path(root).read_bytes() == before


def test_a_withdrawal_holds_from_its_day_on_and_not_before(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, facts(source_id="one"))
    register(root)
    made = [withdraw(root, "one", reason="the author asked", day=DAY)]
    assert withdrawn_sources(made, DAY) == {"one": made[0]}
    assert set(withdrawn_contents(made, DAY)) == set(made[0].sha256s)
    day_before = DAY.replace(month=2, day=28)
    assert withdrawn_sources(made, day_before) == withdrawn_contents(made, day_before) == {}
