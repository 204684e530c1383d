"""Seconds, money, numbers and hashes as every file of an audit spells them."""

from __future__ import annotations


def hours(seconds: float) -> str:
    """`3661` is `1:01:01`; hours, minutes, seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def money(dollars: float | None) -> str:
    """US dollars; "not recorded" where nobody said."""
    return "not recorded" if dollars is None else f"{dollars:,.2f} USD"


def number(value: float | None, digits: int = 3) -> str:
    """A score to a few digits; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def short(sha256: str | None) -> str:
    """The first twelve digits of a hash, for tables."""
    return sha256[:12] if sha256 else "–"


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """`1 track`, `2,000 tracks`."""
    return f"{amount:,} {singular if amount == 1 else plural or singular + 's'}"
