"""The list of tracks as the pages ask for it: brought up to date beside the server, so that no page waits long for it.

The first time it is made of every record, which takes a minute for 50,000; a new data set version or another day has every line
told anew. Meanwhile pages show the list as it was, or how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, NamedTuple, TypeVar

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import Progress, TrackIndex, ask_index_as_it_is, refresh_index
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot

PATIENCE_SECONDS = 0.7
"""So long a page waits for the list to be up to date."""
_LOOKING = "looking for what changed"
Answer = TypeVar("Answer")


class ListBeingMade(LofiError):
    """The list can't be asked yet."""

    def __init__(self, how_far: str) -> None:
        super().__init__(f"the list of tracks is being made ({how_far}); try again in a moment")
        self.how_far = how_far


class Asked(NamedTuple, Generic[Answer]):
    """What the list said."""

    answer: Answer
    behind: str | None
    """How far it is with what changed since, where it is not up to date."""


class _Work:
    """One time that the list is brought up to date."""

    def __init__(self, root: DataRoot) -> None:
        self.progress: Progress | None = None
        self.error: Exception | None = None
        self._root, self._patience_ends, self.ended = root, time.monotonic() + PATIENCE_SECONDS, Event()
        Thread(target=self._run, name="list of tracks", daemon=True).start()

    def ends_soon(self, patience_ends: float) -> bool:
        """Wait for its end until a moment, but not longer than anybody waits for it."""
        wait = min(patience_ends, self._patience_ends) - time.monotonic()
        return self.ended.wait(max(0.0, wait))

    def _run(self) -> None:
        try:
            refresh_index(self._root, load_config(), self._tell)
        except Exception as error:  # told to whoever asks
            self.error = error
        finally:
            self.ended.set()

    def _tell(self, progress: Progress) -> None:
        self.progress = progress


class TrackList:
    """The list of one data root."""

    def __init__(self, root: DataRoot) -> None:
        self._root, self._lock = root, Lock()
        self._work: _Work | None = None

    def begin(self) -> None:
        """Begin to bring it up to date, for who comes soon."""
        self._begun(None)

    def ask(self, question: Callable[[TrackIndex], Answer], *, up_to_date: bool = False) -> Asked[Answer]:
        """Ask it; where it takes too long to bring it up to date, as it was.

        Args:
            up_to_date: what is asked is not shown but acted on, so that the list as it was will not do.

        Raises:
            ListBeingMade: it was never whole yet, or is not up to date.
            RecordError: a record cannot be read; its sentence names the file.
        """
        for _ in range(2):  # again, where it was found to be damaged
            behind = self._brought_up_to_date()
            answer = None
            if behind is None or not up_to_date:
                answer = ask_index_as_it_is(self._root, lambda index: (question(index),))
            if answer is not None:
                return Asked(answer[0], behind)
            if behind is not None:
                raise ListBeingMade(behind)
        raise ListBeingMade(_LOOKING)

    def _brought_up_to_date(self) -> str | None:
        """Wait for a look at the records that begins now. How far that is, where it takes too long; None: it is done."""
        patience_ends, former = time.monotonic() + PATIENCE_SECONDS, self._work
        if former and not former.ends_soon(patience_ends):
            return _said(former)
        work = self._begun(former)
        if not work.ends_soon(patience_ends):
            return _said(work)
        if work.error:
            raise work.error
        return None

    def _begun(self, former: _Work | None) -> _Work:
        """A look at the records that began after `former`: that of somebody else who waits, or one of our own."""
        with self._lock:
            if self._work is None or self._work is former:
                self._work = _Work(self._root)
            return self._work


def _said(work: _Work) -> str:
    return str(work.progress) if work.progress else _LOOKING
