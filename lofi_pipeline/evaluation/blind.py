"""A blind comparison: clips of two checkpoints of the same prompt and seed, heard as A and B in a random order.

Which is which stands in no address and no name until the session ends. Votes are counted in checkpoints/votes.py.
"""

from __future__ import annotations

import io
import random
import secrets
from dataclasses import dataclass
from pathlib import Path

import soundfile

from lofi_pipeline.checkpoints.lineages import find_lineage, lineages
from lofi_pipeline.checkpoints.votes import Preference, add_vote, preference, read_votes, session_path
from lofi_pipeline.entities import BlindSession, Side, Vote, now
from lofi_pipeline.errors import LofiError
from lofi_pipeline.evaluation.clip_sound import clip_level, matched_gains, read_clip
from lofi_pipeline.evaluation.lineage_view import base_scores_of, grid_of
from lofi_pipeline.evaluation.sample_grid import Asked, GridClip, GridColumn, model_name
from lofi_pipeline.storage import (
    DataRoot,
    content_sha256,
    locked,
    read_record,
    write_bytes_atomic,
    write_word,
)

MOST_CLIPS = 20
"""Pairs that a session has unless told otherwise: a few minutes of listening."""


class BlindError(LofiError):
    """A blind comparison can't go on. The message says why."""


@dataclass(frozen=True)
class BlindClip:
    """A clip as who compares knows it."""

    token: str
    """The name in its address, which says nothing."""
    key: str
    """The partition key of its checkpoint; not shown before the end."""
    clip: GridClip


@dataclass(frozen=True)
class Trial:
    """Two clips of the same prompt and seed."""

    number: int
    asked: Asked
    a: BlindClip
    b: BlindClip
    vote: Vote | None


@dataclass(frozen=True)
class Comparison:
    """A session, its trials in the order in which they are heard, and the votes so far."""

    session: BlindSession
    trials: tuple[Trial, ...]

    @property
    def next_trial(self) -> Trial | None:
        """The first that has no vote; None: all have one."""
        return next((trial for trial in self.trials if trial.vote is None), None)

    @property
    def votes(self) -> list[Vote]:
        """Those of this session."""
        return [trial.vote for trial in self.trials if trial.vote]

    @property
    def preference(self) -> Preference:
        """What this session's votes come to."""
        return preference(self.votes, self.session.one, self.session.other)

    def clip(self, token: str) -> GridClip | None:
        """The clip of an address."""
        heard = (clip for trial in self.trials for clip in (trial.a, trial.b))
        return next((it.clip for it in heard if it.token == token), None)


def begin(root: DataRoot, one: str, other: str, who: str, clips: int = MOST_CLIPS) -> BlindSession:
    """Begin a session of at most `clips` pairs on two checkpoints, by their partition keys; that of the base has step 0.

    Raises:
        BlindError: both have no clip of the same prompt and seed.
        CheckpointError: there is no such lineage.
        RecordError: no name of who compares, or twice the same checkpoint.
    """
    shared = _shared(_column(root, one), _column(root, other))
    if not shared:
        raise BlindError(
            f"{one} and {other} have no clips of the same prompt and seed; lofi run scores both alike"
        )
    session = BlindSession.parse(
        {
            "session": secrets.token_hex(6),
            "who": " ".join(who.split()),
            "one": one,
            "other": other,
            "started": now(),
            "secret": secrets.token_hex(16),
            "clips": min(max(1, clips), len(shared)),
        },
        where="comparison",
    )
    write_word(root, session_path(root, session.session), session)
    return session


def read_session(root: DataRoot, session: str) -> BlindSession:
    """The session with this id.

    Raises:
        BlindError: there is none.
        RecordError: its record was damaged.
    """
    path = session_path(root, session)
    if not session.isalnum() or not path.is_file():
        raise BlindError(
            f"there is no comparison {session!r}; begin one on a training's page, or by lofi compare"
        )
    return read_record(BlindSession, path, where=root.relative(path))


def comparison(root: DataRoot, session: BlindSession) -> Comparison:
    """The trials of a session: order and sides follow from its secret, and so are the same after a reload.

    Raises:
        BlindError: clips of it are gone.
        CheckpointError: its lineage is gone.
        RecordError: votes or scores were damaged.
    """
    one, other = (_column(root, key) for key in (session.one, session.other))
    rng = random.Random(session.secret)
    shared = _shared(one, other)
    if len(shared) < session.clips:
        raise BlindError("clips of this comparison are gone; begin another")
    order = rng.sample(range(len(shared)), session.clips)
    swapped = [place % 2 == 0 for place in range(len(order))]  # as often A as B
    rng.shuffle(swapped)
    voted = {
        (vote.prompt, vote.seed): vote
        for vote in read_votes(root, session.one, session.other)
        if vote.session == session.session
    }
    trials = []
    for number, (place, swap) in enumerate(zip(order, swapped, strict=True), start=1):
        asked = shared[place]
        a, b = (_blind(session, it, asked) for it in ((other, one) if swap else (one, other)))
        trials.append(Trial(number, asked, a, b, voted.get((asked.prompt, asked.seed))))
    return Comparison(session, tuple(trials))


def write_pair(root: DataRoot, trial: Trial, folder: Path) -> tuple[Path, Path]:
    """Write a pair as NN-A.wav and NN-B.wav, equally loud, for who listens with a player of their own.

    Raises:
        EvaluationError: a clip can't be read as audio.
        OSError: the folder can't be written.
    """
    written = []
    pair = zip((trial.a, trial.b), trial_gains(root, trial), "AB", strict=True)
    for heard, gain, side in pair:
        samples, rate = read_clip(heard.clip.file)
        music = io.BytesIO()
        soundfile.write(music, samples.T * 10 ** (gain / 20), rate, format="WAV", subtype="PCM_16")
        path = folder / f"{trial.number:02d}-{side}.wav"
        write_bytes_atomic(path, music.getvalue())
        written.append(path)
    return written[0], written[1]


def comparable_models(root: DataRoot, lineage: str) -> dict[str, str]:
    """By partition key what can be compared, and its name: the models of a lineage first, then those of others.

    Raises:
        CheckpointError: there is no such lineage.
        RecordError: scores were damaged.
    """
    own = find_lineage(root, lineage)
    others = [it for it in lineages(root) if it.lineage.lineage != own.lineage.lineage]
    columns = [
        it for folder in (own, *others) for it in grid_of(root, folder, base_scores_of(root, folder)).columns
    ]
    return {it.key: name_beside(it.key, own.lineage.partition_key(0)) for it in columns if it.clips}


def name_beside(key: str, other: str) -> str:
    """What a model is called beside another: with its lineage, where that is not the same."""
    name = model_name(key)
    return name if lineage_in(key) == lineage_in(other) else f"{name} of {lineage_in(key)}"


def lineage_in(key: str) -> str:
    """The first digits of the lineage that a partition key is of."""
    return key.partition("-")[0]


def _column(root: DataRoot, key: str) -> GridColumn:
    folder = find_lineage(root, lineage_in(key))
    column = grid_of(root, folder, base_scores_of(root, folder)).column(key)
    if column is None:
        raise BlindError(f"{key}: has no clips here; lofi run makes them when it scores a checkpoint")
    return column


def vote(root: DataRoot, found: Comparison, number: int, side: Side) -> Vote:
    """Write down what was preferred in a trial; who changes their mind before the end votes again.

    Raises:
        BlindError: there is no such trial, or it was said which is which.
    """
    session = found.session
    with locked(session_path(root, session.session)):
        if read_session(root, session.session).ended:
            raise BlindError("this comparison has ended: it was said which is which; begin another")
        trial = next((it for it in found.trials if it.number == number), None)
        if trial is None:
            raise BlindError(f"there is no pair {number}; there are {len(found.trials)}")
        made = Vote(
            session=session.session,
            who=session.who,
            when=now(),
            one=session.one,
            other=session.other,
            prompt=trial.asked.prompt,
            seed=trial.asked.seed,
            heard_as_a=trial.a.key,
            side=side,
        )
        add_vote(root, made)
    return made


def end(root: DataRoot, session: BlindSession) -> BlindSession:
    """End a session, so that it may be said which was which."""
    with locked(session_path(root, session.session)):
        session = read_session(root, session.session)
        if session.ended is None:
            session = session.model_copy(update={"ended": now()})
            write_word(root, session_path(root, session.session), session)
    return session


def open_sessions(root: DataRoot) -> list[BlindSession]:
    """The sessions that have not ended; the latest first.

    Raises:
        RecordError: one was damaged.
    """
    found = [
        read_record(BlindSession, path, where=root.relative(path))
        for path in session_path(root, "any").parent.glob("*.json")
    ]
    return sorted((it for it in found if it.ended is None), key=lambda it: it.started, reverse=True)


def trial_gains(root: DataRoot, trial: Trial) -> tuple[float, float]:
    """The gains of A and B in dB with which both are equally loud.

    Raises:
        EvaluationError: a clip can't be read as audio.
    """
    a, b = matched_gains([clip_level(root, it.clip.file) for it in (trial.a, trial.b)])
    return a, b


def _shared(one: GridColumn, other: GridColumn) -> list[Asked]:
    """What both have a clip of, in an order that does not depend on which is named first."""
    shared = [asked for asked in one.clips if asked in other.clips]
    return sorted(shared, key=lambda it: (it.style_id or "", it.prompt, it.seed))


def _blind(session: BlindSession, column: GridColumn, asked: Asked) -> BlindClip:
    token = content_sha256([session.secret, column.key, list(asked)])[:16]
    return BlindClip(token, column.key, column.clips[asked])
