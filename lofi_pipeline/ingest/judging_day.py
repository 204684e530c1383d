"""The day that licences are judged for: the clock's, but never before a day that was judged for earlier.

So setting the clock back does not revive a grant that has ended. A clock that once stood far ahead must not end grants for good
either, or begin them. So the scan keeps two days: the latest that was ever judged for, and the latest of these that is borne
out. A day is borne out when the clock reached it in small steps from one that is, or when somebody confirmed it
(ingest/day_changes.py). Where the two lie apart and a grant ends or begins between them, nothing is judged until somebody says
which day is right.

What counts as a step: the days of scans and builds, and of entries in the ledger. Modification times of files do not count: the
clock that is in doubt has written them, or they were copied along with the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from lofi_pipeline.entities import Drop, Grant, Scan, Verdict, few
from lofi_pipeline.ingest.errors import DayInDoubt
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.storage import DataRoot, Ledger, read_ledger

STEP = timedelta(days=7)
"""A clock that moves ahead by no more than this is believed."""
SET_DAY = "lofi judging-day --set {day} --reason ..."


@dataclass(frozen=True)
class Days:
    """The day to judge for, and the latest day that is borne out."""

    judged: date
    borne_out: date

    @property
    def in_doubt(self) -> bool:
        """Whether the day to judge for lies further ahead than one step."""
        return self.judged - self.borne_out > STEP


def clock_day() -> date:
    """Today, by this machine's clock."""
    return date.today()


def judging_day(scan: Scan | None, day: date | None = None) -> date:
    """The day to judge for: `day` (default: today), or the latest day that `scan` was judged for, if that is later."""
    day = day or clock_day()
    return max(day, scan.day) if scan is not None and scan.day is not None else day


def judging_days(scan: Scan | None, ledger: Callable[[], Ledger], day: date | None = None) -> Days:
    """The day to judge for as `judging_day` gives it, and how far it is borne out.

    Args:
        ledger: reads the ledger; called only when the clock moved by more than one step.
        day: a day that the caller vouches for. Without one it is the clock's, which may be wrong.
    """
    clock = day or clock_day()
    judged = judging_day(scan, clock)
    if scan is None or scan.day is None:
        return Days(judged, judged)  # nothing is on record that could speak against the clock
    borne_out = max(scan.borne_out or scan.day, day or date.min)
    if judged - borne_out > STEP:
        borne_out = _in_steps(borne_out, ledger().days)
    return Days(judged, max(borne_out, clock) if clock - borne_out <= STEP else borne_out)


def _in_steps(day: date, others: Iterable[date]) -> date:
    """How far one comes from a day by others, none of which lies further than one step ahead."""
    for other in sorted(others):
        if day < other <= day + STEP:
            day = other
    return day


def doubt(days: Days, drops: Iterable[Drop]) -> str | None:
    """What speaks against judging drops for a day, and what to do; None when no grant depends on it."""
    changing = [
        f"{drop.manifest.source_id} ({_span(grant)})"
        for drop in (drops if days.in_doubt else ())
        for grant in drop.grants()
        if drop.manifest is not None
        and bool(expired(grant, days.borne_out)) != bool(expired(grant, days.judged))
    ]
    if not changing:
        return None
    clock = clock_day()
    if clock >= days.judged:
        said = f"This machine's clock says {days.judged}, but the latest day that is borne out here is {days.borne_out}"
        other = f"confirm it: `{SET_DAY.format(day=clock)}`; else set the clock, and run this again"
    else:
        said = f"{days.judged} was judged for here, but this machine's clock says {clock}, and nothing bears the former out"
        other = f"take the former back: `{SET_DAY.format(day=clock)}`; else set the clock, and run this again"
    return (
        f"{said}. Between {days.borne_out} and {days.judged} a grant begins or ends: {few(list(dict.fromkeys(changing)))}. If the clock "
        f"is right, {other}"
    )


def _span(grant: Grant) -> str:
    found = [
        f"{word} {day}"
        for word, day in (
            ("begins on", grant.validity.start),
            ("ends on", grant.validity.end),
            ("is withdrawn on", grant.withdrawn),
        )
        if day
    ]
    return ", ".join(found)


def require_no_doubt(days: Days, drops: Iterable[Drop]) -> None:
    """Refuse to judge for a day that is in doubt where a grant depends on it.

    Raises:
        DayInDoubt: it names both days, the grants, and what to do.
    """
    if reason := doubt(days, drops):
        raise DayInDoubt(reason)


def days_of(root: DataRoot, scan: Scan | None, day: date | None = None) -> Days:
    """`judging_days` by the ledger of a data root."""
    return judging_days(scan, lambda: read_ledger(root), day)


def with_remedy(verdict: Verdict, grant: Grant | None, *, judged: date, clock: date) -> Verdict:
    """A verdict that says what to do where a grant is not in force on the day judged for, but is by the clock."""
    if verdict.permitted or grant is None or not expired(grant, judged) or expired(grant, clock):
        return verdict
    # Without the clock's day: with it, each day's verdict would be another one
    remedy = (
        f"It was judged for {judged}, which lies ahead of this machine's clock; if that day is wrong, take it back: see "
        "`lofi judging-day`."
    )
    return verdict.model_copy(update={"reason": f"{verdict.reason} {remedy}"})


def with_days(scan: Scan, days: Days) -> Scan:
    """A scan that keeps the days for the next one."""
    behind = days.borne_out < days.judged
    return scan.model_copy(update={"day": days.judged, "borne_out": days.borne_out if behind else None})
