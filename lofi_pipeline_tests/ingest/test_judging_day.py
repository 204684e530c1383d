"""A clock that was wrong: what it must not end, begin or revive without a word, and how a wrong day is taken back.

The clock is never faked where a command is tried: what is on record is older or later than today instead.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from lofi_pipeline.config import LicensingSettings, load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import Drop, DropStatus, RecordError
from lofi_pipeline.ingest import (
    DayInDoubt,
    Registration,
    changed_drops,
    judging_day,
    load_scan,
    register_sources,
    remember_day,
)
from lofi_pipeline.ingest.day_changes import day_changes_json, load_day_changes, set_judging_day
from lofi_pipeline.licensing import load_withdrawals, withdraw
from lofi_pipeline.licensing.withdrawals import withdrawn_sources
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    file_sha256,
    ledger_path,
    read_ledger,
    write_sealed,
)
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, song, work

TODAY = date.today()
DAY = timedelta(days=1)
MONTHS = 100 * DAY
LATER = TODAY.replace(year=TODAY.year + 5, day=1)
STYLES = set(load_presets())


def granted(
    root: DataRoot, name: str = "label", *, files: dict[str, Path | bytes] | None = None, **validity: date
) -> None:
    """A drop whose licence rests on a grant."""
    grant = {**GRANT, "validity": {word: str(day) for word, day in validity.items()}}
    source = facts(source_id=name, license_type="Royalty Free", grant=grant)
    make_drop(root, name, {**(files or {"a.mp3": name.encode()}), **CONTRACT}, source)


def register(root: DataRoot, day: date | None = None) -> Registration:
    return register_sources(root, load_config(), style_ids=STYLES, day=day)


def status(found: Registration, name: str = "label") -> DropStatus:
    return drop(found, name).status


def drop(found: Registration, name: str = "label") -> Drop:
    (one,) = [drop for drop in found.scan.drops if drop.folder.endswith(f"/{name}")]
    return one


def kept(root: DataRoot) -> bytes:
    return root.drops_json.read_bytes()


# The clock leaps ahead


@pytest.mark.parametrize(
    "validity",
    [{"end": TODAY - 50 * DAY}, {"start": TODAY - 50 * DAY}],
    ids=["a grant ends", "a grant begins"],
)
def test_a_leap_of_the_clock_that_a_grant_depends_on_asks_and_writes_nothing(
    root: DataRoot, validity: dict[str, date]
) -> None:
    granted(root, "label", files=None, **validity)
    register(root, TODAY - MONTHS)
    before = kept(root)
    with pytest.raises(DayInDoubt) as refused:
        register(root)
    (day,) = validity.values()
    for words in (str(TODAY), str(TODAY - MONTHS), "label (", str(day), f"lofi judging-day --set {TODAY}"):
        assert words in str(refused.value)
    with pytest.raises(DayInDoubt):
        build_dataset(root, load_config())
    assert kept(root) == before


def test_a_new_drop_whose_grant_depends_on_the_leap_asks_too(root: DataRoot) -> None:
    make_drop(root, "free", {"b.mp3": b"B"}, facts(source_id="free"))
    register(root, TODAY - MONTHS)
    granted(root, end=TODAY - 50 * DAY)
    with pytest.raises(DayInDoubt, match="label"):
        register(root)


def test_months_without_use_ask_nothing_where_no_grant_depends_on_them(root: DataRoot) -> None:
    granted(root, end=TODAY + MONTHS)
    register(root, TODAY - MONTHS)
    found = register(root)
    assert (status(found), found.scan.day) == (DropStatus.ACCEPTED, TODAY)


def test_a_day_that_nothing_depended_on_still_asks_when_a_grant_comes_to_depend_on_it(root: DataRoot) -> None:
    """Else a wrong clock would be believed the second time that it is looked at."""
    make_drop(root, "free", {"b.mp3": b"B"}, facts(source_id="free"))
    register(root, TODAY - MONTHS)
    register(root)
    granted(root, end=TODAY - 50 * DAY)
    with pytest.raises(DayInDoubt):
        register(root)


def test_small_steps_ask_nothing(root: DataRoot) -> None:
    granted(root, end=TODAY - 3 * DAY)
    assert status(register(root, TODAY - 7 * DAY)) is DropStatus.ACCEPTED
    assert status(register(root)) is DropStatus.FORBIDDEN


def test_days_of_entries_in_the_ledger_bear_a_day_out(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who trains for months without new music has not let the clock leap; one entry far off bears out nothing."""
    granted(root, end=TODAY - 10 * DAY)
    register(root, TODAY - 28 * DAY)
    enter(root, monkeypatch, TODAY - 3 * DAY)
    with pytest.raises(DayInDoubt):
        register(root)
    for days in (21, 14, 8):
        enter(root, monkeypatch, TODAY - days * DAY)
    assert status(register(root)) is DropStatus.FORBIDDEN


def enter(root: DataRoot, monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    with monkeypatch.context() as then:
        then.setattr("lofi_pipeline.storage.ledger.now", lambda: datetime.combine(day, time(12), UTC))
        append_to_ledger(root, {f"entry of {day}": "0" * 64})


# The clock is set back


def test_a_grant_that_ended_stays_ended_and_the_refusal_names_the_remedy(root: DataRoot) -> None:
    granted(root, end=TODAY + 10 * DAY)
    register(root, LATER)
    found = register(root)
    assert status(found) is DropStatus.FORBIDDEN
    assert f"judged for {LATER}" in (drop(found).reason or "") and "lofi judging-day" in (
        drop(found).reason or ""
    )
    assert not register(root).verdict_changes


def test_a_grant_that_has_ended_by_the_clock_too_names_no_remedy(root: DataRoot) -> None:
    granted(root, end=TODAY - DAY)
    register(root, LATER)
    assert "judging-day" not in (drop(register(root)).reason or "")


def test_a_day_that_was_not_borne_out_begins_no_grant_when_the_clock_is_right_again(root: DataRoot) -> None:
    make_drop(root, "free", {"b.mp3": b"B"}, facts(source_id="free"))
    register(root, TODAY)
    remember_day(root, LATER)  # confirmed by nobody:
    scan = load_scan(root)
    assert scan is not None
    write_sealed(root, root.drops_json, scan.model_copy(update={"borne_out": TODAY}))
    granted(root, start=TODAY + MONTHS)
    with pytest.raises(
        DayInDoubt, match=f"{LATER} was judged for here, but this machine's clock says {TODAY}"
    ):
        register(root)


# A wrong day is taken back


def wrong(root: DataRoot) -> None:
    """A data root that was judged for a day years ahead; its grant ended by that."""
    granted(root, end=TODAY + 10 * DAY)
    register(root, TODAY)
    assert status(register(root, LATER)) is DropStatus.FORBIDDEN


def test_a_wrong_day_is_taken_back_on_record_and_the_grant_is_in_force_again(root: DataRoot) -> None:
    wrong(root)
    look = {"style_ids": STYLES, "licensing": LicensingSettings()}
    assert not changed_drops(root, load_scan(root), **look)
    change = set_judging_day(root, reason="the clock stood five years ahead", by="Ada")
    assert change is not None and (change.before, change.after, change.by) == (LATER, TODAY, "Ada")
    assert judging_day(load_scan(root)) == TODAY
    assert changed_drops(root, load_scan(root), **look)
    assert status(register(root)) is DropStatus.ACCEPTED
    path = day_changes_json(root)
    assert load_day_changes(root) == [change]
    assert read_ledger(root).hashes[root.relative(path)] == file_sha256(path)


def test_a_leap_that_is_confirmed_is_judged_for(root: DataRoot) -> None:
    granted(root, end=TODAY - 50 * DAY)
    register(root, TODAY - MONTHS)
    change = set_judging_day(root, reason="we were on tour", by="Ada")
    assert change is not None and not change.taken_back
    assert status(register(root)) is DropStatus.FORBIDDEN
    assert set_judging_day(root, reason="again", by="Ada") is None
    assert load_day_changes(root) == [change]


def test_what_was_withdrawn_by_the_wrong_day_stays_withdrawn(root: DataRoot) -> None:
    wrong(root)
    withdraw(root, "label", reason="the author asked", day=LATER)
    set_judging_day(root, reason="the clock was wrong", by="Ada")
    assert status(register(root)) is DropStatus.FORBIDDEN
    (held,) = withdrawn_sources(load_withdrawals(root), TODAY).values()
    assert (held.day, held.reason) == (TODAY, "the author asked")


def test_a_withdrawal_for_a_day_to_come_is_not_brought_forward(root: DataRoot) -> None:
    wrong(root)
    announced = withdraw(root, "label", reason="it ends by contract", day=LATER + DAY)
    set_judging_day(root, reason="the clock was wrong", by="Ada")
    assert load_withdrawals(root) == [announced]


def test_the_ledger_speaks_for_the_days_that_are_taken_back(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong(root)
    for ahead in (20, 21):
        enter(root, monkeypatch, TODAY + ahead * DAY)
    change = set_judging_day(root, reason="the clock was wrong", by="Ada")
    assert change is not None and change.later == [TODAY + 20 * DAY, TODAY + 21 * DAY]
    assert f"entries of 2 later days, up to {TODAY + 21 * DAY}" in str(change)


def test_no_day_is_set_without_a_reason_before_a_scan_or_on_a_record_that_was_edited(root: DataRoot) -> None:
    with pytest.raises(RecordError, match="nothing was judged here yet"):
        set_judging_day(root, reason="so", by="Ada")
    wrong(root)
    before = kept(root)
    with pytest.raises(RecordError, match="say why"):
        set_judging_day(root, reason="  ", by="Ada")
    set_judging_day(root, reason="the clock was wrong", by="Ada")
    register(root, LATER)
    path = day_changes_json(root)
    path.write_text(path.read_text().replace("Ada", "Eve"))
    with pytest.raises(RecordError, match=r"judging_days.json: is not the list that was sealed"):
        set_judging_day(root, reason="again", by="Ada")
    path.write_text(path.read_text().replace("Eve", "Ada"))
    ledger_path(root).write_bytes(b"{}\n" + ledger_path(root).read_bytes())
    with pytest.raises(RecordError, match=r"seals.jsonl: line 1 does not follow"):
        set_judging_day(root, reason="again", by="Ada")
    assert judging_day(load_scan(root)) == LATER and kept(root) != before


def test_a_version_is_built_with_the_grant_again(root: DataRoot) -> None:
    make_drop(root, "free", {"b.wav": song(1)}, facts(source_id="free"))
    granted(root, files={"a.wav": song(0)}, end=TODAY + 10 * DAY)
    work(root)
    first = build_dataset(root, load_config()).version.dataset.hash
    build = build_dataset(root, load_config(), day=LATER)
    assert [item.reason for item in build.left_out if item.file.endswith("a.wav")]
    left = build_dataset(root, load_config()).left_out
    assert any("take it back: see `lofi judging-day`" in item.reason for item in left)
    set_judging_day(root, reason="the clock was wrong", by="Ada")
    register(root)
    assert build_dataset(root, load_config()).version.dataset.hash == first
