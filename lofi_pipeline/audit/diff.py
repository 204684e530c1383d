"""What differs between two data set versions, or between two checkpoints and what they were trained on.

Whether the records are intact is not asked here: see audit/integrity/.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pydantic import Field

from lofi_pipeline.audit.imported import UNKNOWN_DATASET, version_behind
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.subject import Subject, find_subject
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.entities import DatasetVersion, Entity, SubjectKind, VersionTrack
from lofi_pipeline.entities.base import Sha256, TrackId
from lofi_pipeline.evaluation.names import score_names

FACTS = (
    "licence",
    "source_ids",
    "title",
    "artist",
    "prompt",
    "lyrics",
    "bpm",
    "keyscale",
    "language",
    "audio_sha256",
)


class Compared(Entity):
    """One side of a comparison."""

    kind: SubjectKind
    name: str
    dataset_hash: Sha256
    tracks: int
    hours: float
    hours_by_licence: dict[str, float]
    cost: float = Field(description="USD, where a cost is known")
    facts: dict[str, str] = Field(
        default_factory=dict, description="Of a checkpoint: step, base, settings, scores"
    )


class TrackChange(Entity):
    """One fact of a track that is in both, but otherwise."""

    track_id: TrackId
    fact: str
    before: str
    after: str


class TrackSide(Entity):
    """A track that is on one side only."""

    track_id: TrackId
    title: str | None
    source_ids: list[str]
    licence: str
    seconds: float


class SourceChange(Entity):
    """A source that came, went, or whose record says otherwise."""

    source_id: str
    change: str


class Difference(Entity):
    """All that differs between `a` and `b`."""

    a: Compared
    b: Compared
    only_in_a: list[TrackSide]
    only_in_b: list[TrackSide]
    changed: list[TrackChange]
    sources: list[SourceChange]
    facts: list[str] = Field(description="Facts of the checkpoints that differ, in words")

    @property
    def nothing(self) -> bool:
        """Whether the two hold the same."""
        return not (self.only_in_a or self.only_in_b or self.changed or self.sources or self.facts)


def compare(inputs: AuditInputs, a: str, b: str) -> Difference:
    """Compare two checkpoints or data set versions; each named as `find_subject` takes it.

    Raises:
        UnknownSubject, BrokenRecord: see `build_report`.
    """
    one, other = find_subject(inputs, a), find_subject(inputs, b)
    before = after = version_behind(inputs, one).version
    if (other.dataset_hash, other.before) != (one.dataset_hash, one.before):
        after = version_behind(inputs, other).version
    left, right = _compared(one, before), _compared(other, after)
    old, new = ({item.track.track_id: item for item in version.tracks} for version in (before, after))
    return Difference(
        a=left,
        b=right,
        only_in_a=[_side(item) for name, item in old.items() if name not in new],
        only_in_b=[_side(item) for name, item in new.items() if name not in old],
        changed=[change for name in old if name in new for change in _changes(old[name], new[name])],
        sources=list(_sources(before, after)),
        facts=[
            f"{name}: {left.facts.get(name, 'none')} / {right.facts.get(name, 'none')}"
            for name in dict.fromkeys([*left.facts, *right.facts])
            if left.facts.get(name) != right.facts.get(name)
        ],
    )


def _compared(subject: Subject, version: DatasetVersion) -> Compared:
    hours: defaultdict[str, float] = defaultdict(float)
    for item in version.tracks:
        hours[item.licence] += item.track.duration / 3600
    checkpoint = subject.checkpoint
    return Compared(
        kind=SubjectKind.CHECKPOINT if checkpoint else SubjectKind.DATASET,
        name=checkpoint.key if checkpoint else version.dataset.dataset_id,
        dataset_hash=version.dataset.hash,
        tracks=len(version.tracks),
        hours=sum(hours.values()),
        hours_by_licence=dict(sorted(hours.items())),
        cost=sum(record.cost or 0.0 for record in version.sources),
        facts=_facts(checkpoint) if checkpoint else {},
    )


def _facts(checkpoint: CheckpointFolder) -> dict[str, str]:
    if checkpoint.record is None:
        return {}
    lineage = checkpoint.record.lineage
    facts = {
        "step": str(checkpoint.record.checkpoint.step),
        "base": f"{lineage.base.name} ({lineage.base.sha256[:12]})",
        "preset": lineage.preset,
        "configuration": lineage.config_hash[:12],
        "data set": UNKNOWN_DATASET if lineage.imported else lineage.dataset_hash[:12],
    }
    if lineage.started_from:
        facts["started from"] = lineage.started_from.partition_key
    if checkpoint.scores:
        metrics, names = checkpoint.scores.metrics, score_names(checkpoint.scores.key)
        error = checkpoint.scores.precision.fad_se if checkpoint.scores.precision else None
        facts[names.fad] = f"{metrics.fad_score:.4f}" + ("" if error is None else f" +- {error:.4f}")
        facts[names.clap] = f"{metrics.clap_score:.4f}"
    return facts


def _side(item: VersionTrack) -> TrackSide:
    return TrackSide(
        track_id=item.track.track_id,
        title=item.credited_title or item.track.filename,
        source_ids=item.source_ids,
        licence=item.licence,
        seconds=item.track.duration,
    )


def _changes(before: VersionTrack, after: VersionTrack) -> Iterator[TrackChange]:
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in FACTS]
    pairs += [
        (name, getattr(before.track, name), getattr(after.track, name))
        for name in ("split", "style_ids", "duration", "human_verified")
    ]
    for name, old, new in pairs:
        if old != new:
            yield TrackChange(track_id=before.track.track_id, fact=name, before=_text(old), after=_text(new))


def _text(value: object) -> str:
    return (
        ", ".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "none")
    )


def _sources(before: DatasetVersion, after: DatasetVersion) -> Iterator[SourceChange]:
    old = {record.source_id: record for record in before.sources}
    new = {record.source_id: record for record in after.sources}
    for source_id in sorted({*old, *new}):
        if source_id not in new:
            yield SourceChange(source_id=source_id, change="only in the first")
        elif source_id not in old:
            yield SourceChange(source_id=source_id, change="only in the second")
        else:
            left, right = (
                record.model_dump(exclude={"track_ids"}) for record in (old[source_id], new[source_id])
            )
            changed = [f"{name}: {left[name]} / {right[name]}" for name in left if left[name] != right[name]]
            if changed:
                yield SourceChange(source_id=source_id, change="; ".join(changed))
