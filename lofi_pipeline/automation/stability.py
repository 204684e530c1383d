"""Has a folder stopped changing? What a sensor remembers between its ticks to tell."""

from __future__ import annotations

import json

from lofi_pipeline.entities import Entity


def still_changing(since: float, moment: float, stable_seconds: float) -> bool:
    """Whether what has looked the same since then has not done so for long enough."""
    return moment - since < stable_seconds


class Watch(Entity):
    """Since when each watched folder has looked as it does: {name: (signature, seconds since the epoch)}.

    That is all a tick must remember: what is to be done follows from what storage holds.
    """

    seen: dict[str, tuple[str, float]] = {}

    @classmethod
    def load(cls, cursor: str | None) -> Watch:
        """The watch in a sensor's cursor; a foreign or damaged one counts as empty."""
        try:
            return cls.parse(json.loads(cursor or "{}"), where="sensor cursor")
        except ValueError:
            return cls()

    def since(self, name: str, signature: str, moment: float) -> float:
        """When `name` was first seen with this signature: `moment` if that is now."""
        known = self.seen.get(name)
        return known[1] if known and known[0] == signature else moment

    def settling(self, moment: float, stable_seconds: float) -> bool:
        """Whether anything watched changed less than `stable_seconds` before `moment`: another look is worth it."""
        return any(still_changing(since, moment, stable_seconds) for _, since in self.seen.values())

    def settled(self) -> Watch:
        """The same folders, taken as unchanged since ever."""
        return Watch(seen={name: (signature, 0.0) for name, (signature, _) in self.seen.items()})
