"""`lofi compare`: two checkpoints side by side, by their scores and by people's ears; and a blind comparison in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field

from lofi_pipeline.cli.console import Config, Data, Json, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.entities import Entity, Side
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.lineages import LineageFolder
    from lofi_pipeline.entities import BlindSession
    from lofi_pipeline.evaluation.blind import Comparison, Trial

BASE = "base"
ANSWERS = {"a": Side.A, "b": Side.B, "n": Side.NEITHER}
STOP = "q"


class Votes(Entity):
    """What people prefer who compared two checkpoints blind."""

    for_one: int
    for_other: int
    neither: int
    people: int
    share: float | None = Field(description="Of the votes for one of both, those for the first")
    interval: tuple[float, float] = Field(description="95 % of that share")
    preferred: str | None = Field(description="Null: chance alone may have done it")


class Compared(Entity):
    """Two checkpoints, by partition key; step 0 is the base."""

    one: str
    other: str
    fad_difference: float | None = Field(description="Of the first less the second; null: not made alike")
    fad_se: float | None
    fad: str | None = Field(description="What that says of the first")
    clap_difference: float | None
    clap_interval: tuple[float, float] | None
    clap: str | None
    votes: Votes


def compare(
    context: typer.Context,
    one: Annotated[
        str,
        typer.Argument(
            help="Step or id of a checkpoint, or: base. One of another lineage by its partition key."
        ),
    ],
    other: Annotated[str, typer.Argument(help="The one to compare it with")],
    blind: Annotated[
        bool,
        typer.Option(
            "--blind",
            help="Hear clips of both as A and B, without knowing which is which, and vote.",
        ),
    ] = False,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            help="Go on with a blind comparison that was begun here or in the studio, by its id.",
            show_default=False,
        ),
    ] = None,
    end: Annotated[
        bool, typer.Option("--end", help="With --session: end it, and hear no more pairs.")
    ] = False,
    who: Annotated[str, typer.Option("--who", help="Your name, which stands with your votes.")] = "",
    clips: Annotated[int, typer.Option("--clips", min=1, help="Pairs to hear.")] = 20,
    out: Annotated[
        Path,
        typer.Option("--out", file_okay=False, help="Where the pairs are written to, for a player of yours."),
    ] = Path("compare"),
    lineage: Annotated[
        str | None,
        typer.Option(
            "--lineage",
            help="First digits of a lineage. Without it: the one trained last.",
            show_default=False,
        ),
    ] = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """What scores and blind votes say of two checkpoints, or of one and the base; --blind compares them by ear.

    The pairs of --blind are of the same prompt and seed, equally loud, in a random order; votes are kept, and decide which
    checkpoint is the best where chance would not do it. The studio (lofi studio) plays them in the browser.
    """
    from lofi_pipeline.checkpoints.lineages import find_lineage

    root = data_root(context, data)
    folder = find_lineage(root, lineage)
    keys = _key(root, folder, one, "ONE"), _key(root, folder, other, "OTHER")
    if keys[0] == keys[1]:
        raise typer.BadParameter("is the same as ONE; name two", param_hint="OTHER")
    if end and not session:
        raise typer.BadParameter("says which comparison only with --session", param_hint="--end")
    if session:
        _ask(root, _session(root, keys, session), out, only_end=end)
    elif blind:
        _ask(root, _begun(root, keys, who, clips), out)
    found = _compared(root, folder, *keys)
    write_json(json_file, found)
    _show(found)
    _show_open(root, keys)


def _key(root: DataRoot, folder: LineageFolder, wanted: str, argument: str) -> str:
    from lofi_pipeline.checkpoints.by_hand import find_checkpoint_named
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.lineages import lineages

    if wanted == BASE:
        return folder.lineage.partition_key(0)
    is_of_any = "-step" in wanted and "=" not in wanted  # a partition key names its lineage as well
    found = [item for it in lineages(root) for item in it.found] if is_of_any else folder.found
    try:
        return find_checkpoint_named(found, wanted).key
    except CheckpointError as error:
        raise typer.BadParameter(str(error), param_hint=argument) from error


def _compared(root: DataRoot, folder: LineageFolder, one: str, other: str) -> Compared:
    from lofi_pipeline.checkpoints.compare import clap_difference, fad_difference
    from lofi_pipeline.checkpoints.lineages import lineages
    from lofi_pipeline.checkpoints.votes import counted_preference
    from lofi_pipeline.evaluation.lineage_view import base_scores_of

    scores = {item.key: item.scores for it in lineages(root) for item in it.found if item.scores}
    if base := base_scores_of(root, folder):
        scores[folder.lineage.partition_key(0)] = base
    ours, theirs = scores.get(one), scores.get(other)
    fad = clap = None
    if ours and theirs and ours.key == theirs.key:
        fad, clap = fad_difference(ours, theirs), clap_difference(ours, theirs)
    votes = counted_preference(root, one, other)
    return Compared(
        one=one,
        other=other,
        fad_difference=fad.value if fad else None,
        fad_se=fad.se if fad else None,
        fad=fad.verdict if fad else None,
        clap_difference=clap.value if clap else None,
        clap_interval=(clap.low, clap.high) if clap else None,
        clap=clap.verdict if clap else None,
        votes=Votes(
            for_one=votes.for_one,
            for_other=votes.for_other,
            neither=votes.neither,
            people=votes.people,
            share=votes.share,
            interval=votes.interval,
            preferred=votes.preferred,
        ),
    )


def _show(found: Compared) -> None:
    said = [f"{found.one} beside {found.other}"]
    if found.fad_difference is None:
        said.append("scores: not made alike, or not there; lofi run scores both")
    else:
        error = "" if found.fad_se is None else f" +- {found.fad_se:.4f}"
        said.append(f"FAD {found.fad_difference:+.4f}{error}: {found.fad}")
    if found.clap_difference is not None and found.clap_interval is not None:
        low, high = found.clap_interval
        said.append(f"follows prompts {found.clap_difference:+.4f} ({low:.4f} to {high:.4f}): {found.clap}")
    votes = found.votes
    if votes.share is None:
        said.append("votes: none for either; lofi compare --blind asks for some")
    else:
        low, high = votes.interval
        verdict = f"people prefer {votes.preferred}" if votes.preferred else "chance alone may have done it"
        said.append(
            f"votes {votes.for_one} : {votes.for_other}, {votes.neither} for neither, by {votes.people}; "
            f"{votes.share:.0%} ({low:.0%} to {high:.0%}): {verdict}"
        )
    for line in said:
        console.print(sanitize(line), highlight=False, soft_wrap=True)


def _begun(root: DataRoot, keys: tuple[str, str], who: str, clips: int) -> BlindSession:
    from lofi_pipeline.evaluation import blind

    if not who.strip():
        raise typer.BadParameter("give your name: it stands with your votes", param_hint="--who")
    return blind.begin(root, *keys, who, clips)


def _session(root: DataRoot, keys: tuple[str, str], wanted: str) -> BlindSession:
    """The session with this id, which is of these two."""
    from lofi_pipeline.evaluation import blind

    try:
        session = blind.read_session(root, wanted)
    except blind.BlindError as error:
        raise typer.BadParameter(sanitize(str(error)), param_hint="--session") from error
    if {session.one, session.other} != {*keys}:
        pair = f"{session.one} and {session.other}"
        raise typer.BadParameter(f"{wanted} compares {pair}; name these", param_hint="--session")
    return session


def _show_open(root: DataRoot, keys: tuple[str, str]) -> None:
    """The comparisons of these two that have not ended: their votes do not count yet."""
    from lofi_pipeline.evaluation import blind

    for it in blind.open_sessions(root):
        if {it.one, it.other} != {*keys}:
            continue
        line = (
            f"not ended: {it.session}, by {it.who}, begun {it.started:%Y-%m-%d %H:%M}; "
            f"--session {it.session} goes on with it, and with --end ends it"
        )
        console.print(sanitize(line), highlight=False, soft_wrap=True)


def _ask(root: DataRoot, session: BlindSession, out: Path, *, only_end: bool = False) -> None:
    """A blind comparison: what is answered is written down at once, and the end says which was which."""
    from lofi_pipeline.evaluation import blind

    found = blind.comparison(root, session)
    left = [trial for trial in found.trials if trial.vote is None and not only_end and not session.ended]
    for trial in left:
        blind.write_pair(root, trial, out)
    if left:
        console.print(f"{len(left)} pairs in {sanitize(out)}: NN-A.wav and NN-B.wav", highlight=False)
    try:
        for trial in left:
            side = _answer(trial, len(found.trials))
            if side is None:
                break
            blind.vote(root, found, trial.number, side)
    finally:
        session = blind.end(root, session)  # also where it is broken off: what was voted counts
    _reveal(blind.comparison(root, session))


def _answer(trial: Trial, count: int) -> Side | None:
    asked = f"Pair {trial.number} of {count}: which is better? a, b, n (neither), q (stop)"
    while True:
        given = str(typer.prompt(asked)).strip().lower()
        if given == STOP:
            return None
        if given in ANSWERS:
            return ANSWERS[given]


def _reveal(found: Comparison) -> None:
    for trial in found.trials:
        preferred = trial.vote.preferred or "neither" if trial.vote else "no vote"
        line = f"{trial.number:02d}: A was {trial.a.key}, B was {trial.b.key}; preferred: {preferred}"
        console.print(line, highlight=False, soft_wrap=True)
