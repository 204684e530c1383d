"""Who said which day is right, and why: metadata/judging_days.json, which only grows and is entered into the ledger.

What a day that is in doubt means is in judging_day.py. Taking a day back brings ended grants into force again at the next run;
it never brings back what was withdrawn.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field

from lofi_pipeline.entities import Entity, RecordError, Scan, now
from lofi_pipeline.entities.base import Name, Timestamp
from lofi_pipeline.ingest.judging_day import Days, clock_day, days_of, with_days
from lofi_pipeline.ingest.registry import load_scan
from lofi_pipeline.licensing import load_withdrawals, withdraw
from lofi_pipeline.storage import (
    DataRoot,
    locked,
    read_json,
    read_ledger,
    require_own,
    write_sealed,
)


class DayChange(Entity):
    """One day that somebody confirmed, or to which somebody took the judging back."""

    when: Timestamp
    by: Name
    reason: str = Field(min_length=1, max_length=5_000)
    before: date = Field(description="The latest day that was judged for until then")
    after: date = Field(description="The day that is right")
    borne_out: date = Field(description="The latest day that was borne out until then")
    later: list[date] = Field(
        default_factory=list, description="Days of entries in the ledger after the right one, sorted"
    )

    @property
    def taken_back(self) -> bool:
        """Whether grants may be in force again by it."""
        return self.after < self.before

    def __str__(self) -> str:
        what = (
            f"The day that licences are judged for was taken back from {self.before} to {self.after}"
            if self.taken_back
            else f"The leap of the clock from {self.borne_out} to {self.after} was confirmed"
        )
        against = (
            f" The ledger has entries of {len(self.later)} later days, up to {self.later[-1]}."
            if self.later
            else ""
        )
        return f"{what} by {self.by} on {self.when:%Y-%m-%d %H:%M} UTC: {self.reason.rstrip('.')}.{against}"


class _DayChanges(Entity):
    changes: list[DayChange] = Field(default_factory=list)


def day_changes_json(root: DataRoot) -> Path:
    """The path of the record."""
    return root.metadata / "judging_days.json"


def load_day_changes(root: DataRoot) -> list[DayChange]:
    """All of them, in the order they were made.

    Raises:
        RecordError: the record is damaged.
    """
    path = day_changes_json(root)
    return list(_DayChanges.parse(read_json(path), where=str(path)).changes) if path.is_file() else []


def set_judging_day(root: DataRoot, *, reason: str, by: str) -> DayChange | None:
    """Say that the clock's day is the right one: take a later day back, or confirm a leap. None: nothing is in doubt.

    The next scan and build judge every grant for it. Sources that were withdrawn by a day that is taken back stay withdrawn.

    Raises:
        RecordError: nothing was judged yet, no reason was given, or the record or the ledger were changed by hand.
    """
    if not reason.strip():
        raise RecordError("lofi judging-day: say why (a reason is kept on record)")
    path, day = day_changes_json(root), clock_day()
    with locked(path), locked(root.registry_json):
        scan = load_scan(root)
        if scan is None or scan.day is None:
            raise RecordError(f"{root.drops_json}: nothing was judged here yet, so no day is to be set")
        days = days_of(root, scan)
        if days == Days(day, day):
            return None
        require_own(root, path)
        change = DayChange(
            when=now(),
            by=by,
            reason=reason.strip(),
            before=scan.day,
            after=day,
            borne_out=days.borne_out,
            later=sorted(each for each in read_ledger(root).days if each > day),
        )
        # First what protects: whoever is killed here has taken nothing back.
        _keep_withdrawn(root, scan, day)
        write_sealed(root, path, _DayChanges(changes=[*load_day_changes(root), change]))
        write_sealed(root, root.drops_json, with_days(scan, Days(day, day)))
    return change


def _keep_withdrawn(root: DataRoot, scan: Scan, day: date) -> None:
    """Withdraw once more, for an earlier day, what was withdrawn by the day that is taken back."""
    for item in load_withdrawals(root):
        if scan.day is not None and day < item.day <= scan.day:
            withdraw(root, item.source_id, reason=item.reason, day=day)
