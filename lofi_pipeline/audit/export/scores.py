"""The scores of a checkpoint and of its base as the files of an audit show them: with error and number, and called what they are."""

from __future__ import annotations

from typing import NamedTuple

from lofi_pipeline.audit.export.format import count, number
from lofi_pipeline.entities import AuditReport, Precision, QualityMetrics
from lofi_pipeline.evaluation.names import ScoreNames, score_names
from lofi_pipeline.evaluation.weaknesses import memorisation, reference_kind, weaknesses


class ScoreRow(NamedTuple):
    """One model, and its scores in words."""

    model: str
    fad: str
    clap: str


class ScoreTable(NamedTuple):
    """What the numbers are called, the rows, and what is to be known of them."""

    names: ScoreNames
    rows: tuple[ScoreRow, ...]
    sentences: tuple[str, ...]


def score_table(report: AuditReport) -> ScoreTable | None:
    """Of the subject and its base; None where it was not evaluated."""
    metrics, key, precision = report.subject.metrics, report.subject.score_key, report.subject.precision
    if metrics is None:
        return None
    names = score_names(key)
    rows = [_row(report.subject.name, metrics, precision)]
    if report.base_metrics:
        rows.append(_row("base model alone", report.base_metrics, report.base_precision))
    sentences = []
    if key:
        judges = names.text_embedder.partition(" ")[0]
        text = "" if judges == key.embedder else f"; prompts are judged by {names.text_embedder}"
        sentences.append(f"Measured with {key.embedder} ({key.embedder_sha256}){text}.")
    if metrics.human_evaluation:
        sentences.append(f"In a blind listening test, {metrics.human_evaluation.sentence}.")
    repeats = memorisation(report.subject.memorised, report.subject.samples or 0)
    return ScoreTable(names, tuple(rows), (*sentences, *_sizes(precision), repeats, *weaknesses(precision)))


def _row(model: str, metrics: QualityMetrics, precision: Precision | None) -> ScoreRow:
    error = "" if precision is None or precision.fad_se is None else f" ± {number(precision.fad_se)}"
    interval = precision.clap_interval if precision else None
    between = f" ({number(interval[0])} to {number(interval[1])})" if interval else ""
    return ScoreRow(model, f"{number(metrics.fad_score)}{error}", f"{number(metrics.clap_score)}{between}")


def _sizes(precision: Precision | None) -> list[str]:
    """What the scores were measured on, and what else was measured."""
    if precision is None:
        return []
    sizes = f"{count(precision.clips, 'clip')} against {count(precision.reference_tracks, f'{reference_kind(precision)} track')}"
    found = [f"On {sizes}; ± is one standard error, in brackets stands a 95 % interval over clips."]
    if precision.floor:
        low, middle, high = precision.floor
        found.append(
            f"Halves of the {reference_kind(precision)} tracks are {number(middle)} apart ({number(low)} to {number(high)})."
        )
    if precision.fad_infinity is not None:
        found.append(f"For endlessly many clips, the distance would be {number(precision.fad_infinity)}.")
    if precision.kad is not None:
        error = "" if precision.kad_se is None else f" ± {number(precision.kad_se, 4)}"
        found.append(f"The kernel audio distance is {number(precision.kad, 4)}{error}.")
    return found
