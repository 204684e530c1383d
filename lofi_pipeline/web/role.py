"""Who somebody is who comes in by a link, and what the link lets them do."""

from __future__ import annotations

from enum import StrEnum

STUDIO = "/studio"
"""Where the studio lies on the port."""
_OPEN_TO_LISTENERS = (f"{STUDIO}/listen/", f"{STUDIO}/static/")
READING = ("GET", "HEAD")


class Role(StrEnum):
    """Each link is that of one role."""

    OWNER = "owner"
    AUDITOR = "auditor"
    LISTENER = "listener"

    def refusal(self, method: str, path: str) -> str | None:
        """Why this role may not do that; None: it may.

        A listener has no token of the door: the page of a listening test asks for the code that its address holds.
        """
        match self:
            case Role.OWNER:
                return None
            case Role.AUDITOR if not is_in_studio(path):
                return f"this is an auditor's link: it shows what lies under {STUDIO}/ alone"
            case Role.AUDITOR if method not in READING:
                return "this is an auditor's link: it shows everything and changes nothing"
            case Role.LISTENER if not is_open_to_listeners(path):
                return "this is a listener's link: it shows its listening test alone"
        return None


def is_in_studio(path: str) -> bool:
    """Whether a path is the studio's, not Dagster's."""
    return path == STUDIO or path.startswith(f"{STUDIO}/")


def is_open_to_listeners(path: str) -> bool:
    """Whether a path is part of the pages of listening tests, which look at the listener's code themselves."""
    return path.startswith(_OPEN_TO_LISTENERS)
