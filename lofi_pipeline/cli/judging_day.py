"""`lofi judging-day`: which day licences are judged for, and a wrong one taken back.

What a day rests on is in ingest/judging_day.py, the record of who set one in ingest/day_changes.py.
"""

from __future__ import annotations

from datetime import date

import typer
from rich.console import Console

from lofi_pipeline.cli.console import login_name, sanitize
from lofi_pipeline.ingest import clock_day, load_scan
from lofi_pipeline.ingest.day_changes import load_day_changes, set_judging_day
from lofi_pipeline.ingest.judging_day import SET_DAY, days_of, doubt
from lofi_pipeline.storage import DataRoot


def show_days(root: DataRoot, console: Console) -> dict[str, object]:
    """The day judged for beside the clock's, what is in doubt, and every day that was set; the same for a program."""
    scan, clock = load_scan(root), clock_day()
    days = days_of(root, scan)
    lines = [f"Licences are judged for {days.judged}; this machine's clock says {clock}."]
    if days.judged > clock:
        lines.append(
            f"The former was judged for before. If it is wrong and the clock is right now: {SET_DAY.format(day=clock)}"
        )
    elif reason := doubt(days, scan.drops if scan else []):
        lines.append(reason)
    changes = load_day_changes(root)
    for line in [*lines, *map(str, changes)]:
        console.print(sanitize(line), highlight=False, soft_wrap=True)
    return {"judged_for": days.judged, "clock": clock, "sentences": lines, "changes": changes}


def require_clock(text: str) -> None:
    """What somebody names must be the day that the clock has: two witnesses are better than one."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day such as {clock_day()}", param_hint="--set") from error
    if day != clock_day():
        raise typer.BadParameter(
            f"this machine's clock says {clock_day()}, not {day}; set the clock right first",
            param_hint="--set",
        )


def set_day(root: DataRoot, console: Console, *, reason: str, by: str | None) -> None:
    """Set the day, and say what that does."""
    change = set_judging_day(root, reason=reason, by=by or login_name())
    said = (
        f"{change} It is on record. The next `lofi run` judges every grant for {change.after}."
        if change
        else f"Nothing is in doubt: licences are judged for {clock_day()}."
    )
    console.print(sanitize(said), highlight=False, soft_wrap=True)
