"""Votes of people who compared two checkpoints blind, and what they prefer: metadata/votes/, a file for each pair.

How a session goes, and which clips are heard, is in evaluation/blind.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.entities import BlindSession, Vote
from lofi_pipeline.storage import DataRoot, add_words, locked, read_lines, read_record


@dataclass(frozen=True)
class Preference:
    """How often one of two checkpoints was preferred. Of a person and a pair of clips, the last vote counts."""

    one: str
    other: str
    """Partition keys; step 0 is the base."""
    for_one: int
    for_other: int
    neither: int
    people: int

    @property
    def decided(self) -> int:
        """Votes that prefer one of both."""
        return self.for_one + self.for_other

    @property
    def share(self) -> float | None:
        """Of the decided votes, those for `one`."""
        return self.for_one / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of that share."""
        return exact_interval(self.for_one, self.decided)

    @property
    def preferred(self) -> str | None:
        """The one that people prefer by more than chance; None: they can't tell, or too few were asked."""
        low, high = self.interval
        return self.one if low > 0.5 else self.other if high < 0.5 else None

    def of(self, key: str) -> Preference:
        """The same, with the checkpoint of this key as `one`."""
        if key == self.one:
            return self
        return Preference(self.other, self.one, self.for_other, self.for_one, self.neither, self.people)

    def __str__(self) -> str:
        low, high = self.interval
        votes = f"{self.for_one} of {self.decided} votes, {low:.0%} to {high:.0%}"
        return votes + (f", {self.neither} for neither" if self.neither else "")


def exact_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share, never too narrow: Clopper and Pearson 1934, 10.1093/biomet/26.4.404."""
    from scipy.special import betaincinv

    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, 0.025)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 0.975)) if failures else 1.0
    return low, high


def votes_folder(root: DataRoot) -> Path:
    """Where votes are kept."""
    return root.votes


def votes_path(root: DataRoot, one: str, other: str) -> Path:
    """The file of two checkpoints, in whatever order they are named."""
    return votes_folder(root) / f"{'--'.join(sorted((one, other)))}.jsonl"


def read_votes(root: DataRoot, one: str, other: str) -> list[Vote]:
    """The votes on two checkpoints, the oldest first.

    Raises:
        UnreadableRecord: a line was damaged.
    """
    path = votes_path(root, one, other)
    return read_lines(Vote, path, where=root.relative(path))


def session_path(root: DataRoot, session: str) -> Path:
    """Where the record of a session belongs."""
    return votes_folder(root) / "sessions" / f"{session}.json"


def counted_preference(root: DataRoot, one: str, other: str) -> Preference:
    """What the votes on two checkpoints come to. Those of a session count when it has ended: until then nobody is to know.

    Raises:
        RecordError: votes, or a session, were damaged.
    """
    votes = read_votes(root, one, other)
    going_on = {session for session in {vote.session for vote in votes} if _goes_on(root, session)}
    return preference((vote for vote in votes if vote.session not in going_on), one, other)


def _goes_on(root: DataRoot, session: str) -> bool:
    path = session_path(root, session)
    if not path.is_file():
        return False  # votes that were copied from elsewhere
    return read_record(BlindSession, path, where=root.relative(path)).ended is None


def add_vote(root: DataRoot, vote: Vote) -> None:
    """Write a vote behind those that are there.

    Raises:
        OSError: the disk is full or cannot be written; the file is as it was.
        RecordError: the votes that are there are not what was sealed.
    """
    path = votes_path(root, vote.one, vote.other)
    with locked(path):
        add_words(root, {path: vote.model_dump_json(exclude_none=True).encode() + b"\n"})


def preference(votes: Iterable[Vote], one: str, other: str) -> Preference:
    """What these votes on `one` and `other` come to."""
    last = {(vote.who, vote.prompt, vote.seed): vote for vote in votes}.values()
    preferred = [vote.preferred for vote in last]
    people = len({vote.who for vote in last})
    return Preference(one, other, preferred.count(one), preferred.count(other), preferred.count(None), people)


def read_preferences(root: DataRoot) -> list[Preference]:
    """Of every pair that was voted on.

    Raises:
        RecordError: votes, or a session, were damaged.
    """
    pairs = [path.stem.partition("--") for path in sorted(votes_folder(root).glob("*--*.jsonl"))]
    found = [counted_preference(root, one, other) for one, _, other in pairs]
    return [item for item in found if item.decided or item.neither]


def preferences_of(key: str, preferences: Sequence[Preference]) -> tuple[Preference, ...]:
    """Those of the checkpoint with this key, itself as `one`."""
    return tuple(item.of(key) for item in preferences if key in (item.one, item.other))
