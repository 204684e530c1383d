"""Which checkpoint is the best, and why: what scores can tell apart decides, never their noise. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lofi_pipeline.checkpoints.compare import Verdict, clap_difference, fad_difference
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.entities import ScoreKey, Scores
from lofi_pipeline.entities.lineage import step_of
from lofi_pipeline.storage import canonical_json


def rank(scores: Scores) -> tuple[float, int]:
    """What scores of one key are sorted by, the best first: FAD; where that is equal, the earlier step."""
    return scores.metrics.fad_score, scores.step


class Choice(NamedTuple):
    """One of several scores of one key, and the sentence that says why."""

    scores: Scores
    why: str
    among: int
    """So many were compared."""


@dataclass(frozen=True)
class Best:
    """The best checkpoint, and the sentence that says why."""

    found: CheckpointFolder
    why: str
    among: int
    """So many were compared: scored alike, valid, and with weights."""

    @property
    def scores(self) -> Scores:
        """Its scores."""
        assert self.found.scores is not None
        return self.found.scores


def best_checkpoint(found: Sequence[CheckpointFolder]) -> Best | None:
    """The best of those that are valid, have their weights and were scored; None without any.

    Scores of different keys, made by different embedders say, are numbers of different scales. Those of the key that most have
    count, while others are still to be scored again. Among them `choose` decides, unless people prefer another who
    compared both blind, or a person named the best.
    """
    measured = [(item.measured, item) for item in found if _is_usable(item)]
    scored = [(scores, item) for scores, item in measured if scores]
    if not scored:
        return None
    for scores, item in scored:
        if item.pin:
            among = sum(other.key == scores.key for other, _ in scored)
            return Best(item, f"{item.step}: pinned by a person: {item.pin.why}", among)
    key = present_key([scores for scores, _ in scored])
    alike = {scores.step: (scores, item) for scores, item in scored if scores.key == key}
    choice = choose([scores for scores, _ in alike.values()])
    if choice is None:
        return None
    chosen = Best(alike[choice.scores.step][1], choice.why, choice.among)
    return _as_people_prefer(chosen, [item for scores, item in alike.values() if not scores.memorises])


def _as_people_prefer(chosen: Best, candidates: Sequence[CheckpointFolder]) -> Best:
    """The choice of the scores, or the one that people prefer to it, and to that in turn; and what their votes say."""
    by_key = {item.key: item for item in candidates}
    found, why, passed = chosen.found, chosen.why, {chosen.found.key}
    while better := next((it for it in found.preferences if it.preferred in by_key.keys() - passed), None):
        former, found = found.step, by_key[better.other]
        passed.add(found.key)
        why = f"{found.step}: people who compared both blind prefer it to {former} ({better.of(found.key)}); by scores {chosen.why}"
    return Best(found, "; ".join([why, *_said_by_votes(found, passed)]), chosen.among)


def _said_by_votes(found: CheckpointFolder, overruled: Collection[str]) -> Iterator[str]:
    """What votes on the best say beside what made it so."""
    for it in found.preferences:
        if it.other in overruled:
            continue
        step, of_lineage = step_of(it.other), found.key.partition("-")[0] == it.other.partition("-")[0]
        other = "the base without LoRA" if not step else f"{step}" if of_lineage else it.other
        if it.preferred == found.key:
            yield f"people prefer it to {other} ({it})"
        elif it.preferred:
            yield f"people prefer {other} ({it.of(it.other)})"
        else:
            yield f"votes do not tell it from {other} ({it})"


def last_and_best(found: Sequence[CheckpointFolder]) -> list[CheckpointFolder]:
    """The last checkpoint of a lineage and its best, each once; none before training has ended and all that can be were scored."""
    valid = [(item.record, item) for item in found if item.record and item.record.checkpoint.is_valid]
    ended = any(record.is_last for record, _ in valid)
    if not ended or any(item.scores is None and not record.pruned for record, item in valid):
        return []
    last = max((item for _, item in valid), key=lambda item: item.step)
    best = best_checkpoint(found)
    chosen = {item.folder: item for item in (last, best.found if best else last) if _is_usable(item)}
    return list(chosen.values())


def present_key(scores: Sequence[Scores]) -> ScoreKey | None:
    """The key that most scores have: of few that were scored otherwise, one would be the best for want of others. Of keys that as
    many have, that of what was scored last.
    """
    of_key = Counter(canonical_json(item.key) for item in scores)
    chosen = max(
        scores,
        key=lambda item: (of_key[canonical_json(item.key)], item.metrics.evaluation_date, item.step),
        default=None,
    )
    return chosen.key if chosen else None


def choose(scores: Sequence[Scores]) -> Choice | None:
    """Among those not separable from the lowest FAD, the one that follows prompts better; where that is not separable either,
    the earlier step. One that repeats its training tracks is never chosen. The scores have one key; None where none is left.
    """
    honest = [item for item in scores if not item.memorises]
    if not honest:
        return None
    lowest, among = min(honest, key=rank), len(scores)
    near = [item for item in honest if item is lowest or not is_separable(item, lowest, among)]
    follows = max(near, key=lambda item: (item.metrics.clap_score, -item.step))
    alike = [item for item in near if item is follows or not _follows_better(follows, item, among)]
    best = min(alike, key=lambda item: item.step)
    reason = _reason(best, lowest, follows, near, honest, among)
    return Choice(best, f"{best.step}: {reason}{_left_out(scores, honest)}", among)


def is_separable(one: Scores, other: Scores, among: int) -> bool:
    """Whether two FADs, of so many that are compared, are told apart by more than their noise. Without a measured error, every
    difference counts as one.
    """
    difference = fad_difference(one, other, among)
    if difference.verdict is Verdict.UNKNOWN:
        return difference.value != 0
    return difference.verdict is not Verdict.NOT_SEPARABLE


def _follows_better(one: Scores, other: Scores, among: int) -> bool:
    difference = clap_difference(one, other, among)
    return difference is not None and difference.verdict is Verdict.BETTER


def _is_usable(item: CheckpointFolder) -> bool:
    return item.record is not None and item.record.checkpoint.is_valid and not item.record.pruned


def _reason(
    best: Scores,
    lowest: Scores,
    follows: Scores,
    near: Sequence[Scores],
    honest: Sequence[Scores],
    among: int,
) -> str:
    if len(honest) == 1:
        return "the only one to choose from"
    if len(near) == 1:
        return _lowest(best, honest)
    # What it was chosen over: the lowest FAD, else the one that comes nearest to it
    other = lowest if best is not lowest else min((item for item in near if item is not best), key=rank)
    said = f"not separable from {other.step} by FAD ({fad_difference(best, other)})"
    clap = clap_difference(best, other, among)
    if clap is not None and clap.verdict is Verdict.BETTER:
        return f"{said}, follows prompts better ({clap})"
    rival = other if best is follows else follows
    clap = clap_difference(best, rival, among)
    prompts = (
        f"nor from {rival.step} by how it follows prompts ({clap})" if clap else "and no prompts to compare"
    )
    return f"{said}, {prompts}: the earlier step"


def _lowest(best: Scores, honest: Sequence[Scores]) -> str:
    second = min((item for item in honest if item is not best), key=rank)
    between = fad_difference(best, second)
    if between.se is None:
        return f"the lowest FAD, {abs(between.value):.3f} below {second.step}; the error of that was not measured"
    return f"the lowest FAD, separable from all others (next is {second.step}, {between})"


def _left_out(scores: Sequence[Scores], honest: Sequence[Scores]) -> str:
    steps = ", ".join(str(item.step) for item in scores if item not in honest)
    return f"; left out, because samples repeat training tracks: {steps}" if steps else ""
