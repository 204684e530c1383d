"""Has a folder stopped changing? What a sensor remembers between its ticks to tell."""

from __future__ import annotations

import json

from lofi_pipeline.entities import Entity

LOOK_AGAIN_SECONDS = 600.0
"""Then everything is looked at all the same: a file that was written over in place leaves its folder's time as it is."""


def still_changing(since: float, moment: float, stable_seconds: float) -> bool:
    """Whether what has looked the same since then has not done so for long enough."""
    return moment - since < stable_seconds


class Watch(Entity):
    """Since when each watched folder has looked as it does: {name: (signature, seconds since the epoch)}.

    That is all a tick must remember: what is to be done follows from what storage holds. What it remembers besides spares it a look.
    """

    seen: dict[str, tuple[str, float]] = {}
    quiet: tuple[str, float] | None = None
    """How everything looked, and when, as there was nothing to do."""

    @classmethod
    def load(cls, cursor: str | None) -> Watch:
        """The watch in a sensor's cursor; a foreign or damaged one counts as empty."""
        try:
            return cls.parse(json.loads(cursor or "{}"), where="sensor cursor")
        except (ValueError, RecursionError):
            return cls()

    def since(self, name: str, signature: str, moment: float) -> float:
        """When `name` was first seen with this signature: `moment` if that is now."""
        known = self.seen.get(name)
        return known[1] if known and known[0] == signature else moment

    def is_quiet(self, look: str | None, moment: float) -> bool:
        """Whether everything looks as it did not long ago, as there was nothing to do."""
        if self.quiet is None:
            return False
        known, since = self.quiet
        return look == known and 0 <= moment - since < LOOK_AGAIN_SECONDS

    def with_quiet(self, look: str | None, moment: float) -> Watch:
        """The same, and how everything looked as there was nothing to do; None: there was, or it is not known how it looked."""
        return self.model_copy(update={"quiet": (look, moment) if look else None})

    def settling(self, moment: float, stable_seconds: float) -> bool:
        """Whether anything watched changed less than `stable_seconds` before `moment`: another look is worth it."""
        return any(still_changing(since, moment, stable_seconds) for _, since in self.seen.values())

    def settled(self) -> Watch:
        """The same folders, taken as unchanged since ever."""
        return Watch(seen={name: (signature, 0.0) for name, (signature, _) in self.seen.items()})
