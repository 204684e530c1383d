"""raw_tracks, processed_audio, tagged_prompts: one step takes a batch of tracks all the way, each with its own truth."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import (
    Facts,
    most_bytes_inline,
    picture,
    rounded,
    shown,
    table,
    tag_value,
    track_page,
)
from lofi_pipeline.assets.partitions import CPU_POOL, OWNERS, TRACKS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.entities import RecordError, TrackRecord, TrackStatus, visible
from lofi_pipeline.history import together
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256

if TYPE_CHECKING:
    from lofi_pipeline.dataset import Eligibility

STAGES = ("raw_tracks", "processed_audio", "tagged_prompts")
NONE_REFUSED = "no_track_is_refused"


def _spec(key: str, description: str, *, deps: list[str], kinds: set[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        deps=deps,
        group_name="tracks",
        kinds=kinds,
        owners=OWNERS,
        code_version="1",
        skippable=True,
    )


@dg.multi_asset(
    name="tracks",
    specs=[
        _spec(
            "raw_tracks",
            "One registered original: where it came from, its SHA-256, licence, declared styles and lyrics.",
            deps=["source_records"],
            kinds={"audio"},
        ),
        _spec(
            "processed_audio",
            "48 kHz stereo MP3 at the loudness target, with quality, tempo, key and fingerprint measured.",
            deps=["raw_tracks"],
            kinds={"audio", "scipy"},
        ),
        _spec(
            "tagged_prompts",
            "Styles, prompt from the controlled vocabulary, and lyrics.",
            deps=["processed_audio", "style_presets", "tag_categories"],
            kinds={"text"},
        ),
    ],
    partitions_def=TRACKS,
    pool=CPU_POOL,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec(
            NONE_REFUSED,
            asset=stage,
            description="No track was refused at this stage; those that were are listed with their reasons.",
        )
        for stage in STAGES
    ],
)
def tracks(
    context: dg.AssetExecutionContext, workspace: Workspace
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Work on each track of the range on all cores. A refusal is data; a fault fails that track alone."""
    from lofi_pipeline.dataset import eligibility_of

    root, keys = workspace.root, list(context.partition_keys)
    eligibility = eligibility_of(root, workspace.config)
    failed: list[TrackRecord] = []
    for number, record in enumerate(_worked(context, workspace, keys), start=1):
        said = f"{number}/{len(keys)} {record.track_id} {record.filename}: {record.reason or record.status}"
        with together(context.instance):
            context.log.info(said)
            for stage in _stages_of(root, record, lambda: eligibility):
                context.log_event(stage.materialization())
        if record.status is TrackStatus.FAILED:
            failed.append(record)
        progress.report("tracks", number, len(keys), f"{record.track_id} {record.filename}")
    yield from _checks(root)
    if failed:
        names = "; ".join(
            f"{record.track_id} ({record.origins[0].path}): {record.reason}" for record in failed
        )
        raise dg.Failure(f"{len(failed)} of {len(keys)} tracks failed: {names}", allow_retries=False)


def _worked(
    context: dg.AssetExecutionContext, workspace: Workspace, keys: list[str]
) -> Iterator[TrackRecord]:
    from lofi_pipeline.ingest import work_batch

    with failing_in_words():
        yield from work_batch(workspace.root, workspace.config, keys, tell=context.log.warning)


def _checks(root: DataRoot) -> Iterator[dg.AssetCheckResult]:
    """One for each stage, over all tracks and not the batch alone: the latest result is what the asset's page shows."""
    from lofi_pipeline.ingest import refused_tracks

    refused = refused_tracks(root)
    for stage in STAGES:
        rows = [
            (record.track_id, record.origins[0].path, record.reason or "")
            for record in refused
            if _refusing_stage(record) == stage
        ]
        yield dg.AssetCheckResult(
            asset_key=stage,
            check_name=NONE_REFUSED,
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=shown(
                {
                    "refused": len(rows),
                    "tracks": table(["track_id", "file", "reason"], rows, all_in="lofi run --json FILE"),
                }
            ),
        )


def _refusing_stage(record: TrackRecord) -> str:
    return record.failed_stage or STAGES[-1]


def standing_tracks(workspace: Workspace) -> Iterator[Standing]:
    """What stands in the records of all tracks that were worked on; with that of the last one, what is refused."""
    from lofi_pipeline.dataset import eligibility_of
    from lofi_pipeline.ingest import load_registry

    root = workspace.root
    eligibility = cache(lambda: eligibility_of(root, workspace.config))
    ids = [track.track_id for track in load_registry(root).tracks]
    for track_id, versions in _versions_on_disk(root, ids):
        # Nearly all are told already, which their versions say: those records are not read
        record = cache(partial(_record, root, track_id))
        stages = _standing(root, track_id, versions, record, eligibility)
        yield from stages if track_id != ids[-1] else _with_checks(root, stages)


def _versions_on_disk(root: DataRoot, track_ids: list[str]) -> list[tuple[str, dict[str, str]]]:
    """By track that was worked on, the data version of each of its stages. Records that did not change are not read again."""
    from lofi_pipeline.ingest.record_index import opened_index
    from lofi_pipeline.storage import file_stamp

    found: list[tuple[str, dict[str, str]]] = []
    with opened_index(root, "stages", "versions", tracks=len(track_ids)) as index:
        for track_id in track_ids:
            stamp = file_stamp(root.track_record(track_id))
            versions = index.find(track_id, stamp, "versions")
            if stamp and versions is None:
                # One that cannot be read: the next work on the track says what is wrong with it
                with suppress(RecordError, OSError):
                    versions = json.dumps(_versions(_record(root, track_id)))
                    index.note(track_id, stamp, versions)
            if versions:
                found.append((track_id, json.loads(versions)))
    return found


def _record(root: DataRoot, track_id: str) -> TrackRecord:
    """The record of a track that was worked on.

    Raises:
        RecordError: there is none any more, or it is damaged.
    """
    from lofi_pipeline.ingest import load_record

    record = load_record(root, track_id)
    if record is None:
        raise RecordError(f"{root.track_record(track_id)}: is gone; `lofi run` makes it again")
    return record


def _with_checks(root: DataRoot, stages: Iterator[Standing]) -> Iterator[Standing]:
    for stage in stages:
        name = stage.asset
        yield replace(
            stage, checks=lambda name=name: [it for it in _checks(root) if it.asset_key == dg.AssetKey(name)]
        )


def _stages_of(
    root: DataRoot, record: TrackRecord, eligibility: "Callable[[], Eligibility]"
) -> Iterator[Standing]:
    """Each stage that has an outcome: done, or refused by policy."""
    return _standing(root, record.track_id, _versions(record), lambda: record, eligibility)


def _versions(record: TrackRecord) -> dict[str, str]:
    """The data version of each stage that has an outcome."""
    if record.status is TrackStatus.PENDING:
        return {}
    versions: dict[str, str] = {}
    for stage in STAGES:
        if record.status is TrackStatus.FAILED and stage == record.failed_stage:
            break
        said = [record.inputs["review"]] if stage == STAGES[-1] and "review" in record.inputs else []
        inputs = record.inputs[stage.split("_")[0]]
        versions[stage] = content_sha256([inputs, _is_refused(record, stage), *said])
    return versions


def _is_refused(record: TrackRecord, stage: str) -> bool:
    refused = record.status is TrackStatus.REJECTED
    return refused and STAGES.index(stage) >= STAGES.index(_refusing_stage(record))


def _standing(
    root: DataRoot,
    track_id: str,
    versions: Mapping[str, str],
    record: Callable[[], TrackRecord],
    eligibility: "Callable[[], Eligibility]",
) -> Iterator[Standing]:
    for stage, version in versions.items():
        yield Standing(
            stage,
            version,
            partial(_facts, root, record, stage, eligibility),
            partition=track_id,
            tags=partial(_tags, record, stage),
        )


def _facts(
    root: DataRoot, read: Callable[[], TrackRecord], stage: str, eligibility: "Callable[[], Eligibility]"
) -> Facts:
    record = read()
    origin, refused = record.origins[0], _is_refused(record, stage)
    facts: Facts = {
        "status": "rejected" if refused else "ok",
        "reason": record.reason if refused else None,
        "studio": track_page(record.track_id),
        "title": visible(origin.title or ""),
        "filename": visible(record.filename),
    }
    facts |= _FACTS[stage](root, record)
    return facts | (_licensing(record, eligibility()) if stage == "raw_tracks" else {})


def _tags(read: Callable[[], TrackRecord], stage: str) -> dict[str, str]:
    """Title, file and outcome, for whoever reads events by a program."""
    record = read()
    said = {
        "lofi/title": record.origins[0].title or "",
        "lofi/file": record.filename,
        "lofi/status": "rejected" if _is_refused(record, stage) else "ok",
    }
    return {name: value for name, text in said.items() if (value := tag_value(text))}


def _raw(root: DataRoot, record: TrackRecord) -> Facts:
    first = record.origins[0]
    return {
        "artist": visible(first.artist or ""),
        "source_id": record.source_id,
        "licence": first.licence,
        "sources": ", ".join(f"{origin.source_id} ({origin.licence})" for origin in record.origins),
        "sha256": record.sha256,
        "path": dg.MetadataValue.path(first.path),
    }


def _licensing(record: TrackRecord, eligibility: "Eligibility") -> Facts:
    """Who provided the track and what proves its licence; of each source, where there are several."""
    ids = [
        source_id
        for source_id in dict.fromkeys(origin.source_id for origin in record.origins)
        if source_id in eligibility.manifests
    ]
    manifests = [eligibility.manifests[source_id] for source_id in ids]
    behind = [eligibility.provenance[source_id] for source_id in ids]
    documents = [f"{item.path} (SHA-256 {item.sha256})" for each in behind for item in each.evidence]
    said = [each.verified_by for each in manifests if each.verified_by]
    return {
        "provider": "; ".join(each.provider for each in manifests),
        "evidence": "; ".join([*documents, *(f"verified by {name}" for name in said)]),
        "obligations": ", ".join(
            dict.fromkeys(
                duty for each in behind for duty in (*each.verdict.obligations, *each.verdict.terms)
            )
        ),
    }


def _processed(root: DataRoot, record: TrackRecord) -> Facts:
    if record.processed is None:
        return {}
    facts, measured = record.processed, record.processed.measurements
    return {
        "waveform": _waveform(root.thumbnail(record.track_id)),
        "quality_score": facts.quality.score,
        "quality": "; ".join(part.sentence for part in facts.quality.parts) or "no penalties",
        "duration": rounded(facts.duration),
        "sample_rate": facts.sample_rate,
        "tempo_bpm": rounded(measured.tempo_bpm),
        "key": f"{measured.key} {measured.mode}",
        "time_signature": measured.time_signature,
        "output_lufs": rounded(facts.output_lufs),
        "true_peak_dbtp": rounded(facts.true_peak_dbtp),
        "audio_path": dg.MetadataValue.path(facts.audio_path),
    }


def _waveform(thumbnail: Path) -> dg.MetadataValue | None:
    from lofi_pipeline.audio.analysis.thumbnail import smaller_png

    with suppress(ValueError, FileNotFoundError):  # damaged, or removed: the track is none the worse
        return picture(smaller_png(thumbnail.read_bytes(), most_bytes_inline()))
    return None


def _tagged(root: DataRoot, record: TrackRecord) -> Facts:
    tagged = record.tagged
    if tagged is None:
        return {}
    return {
        "prompt": tagged.prompt,
        "style_ids": ", ".join(tagged.style_ids),
        "styles_declared": tagged.styles_declared,
        "style_confidence": rounded(tagged.style_confidence),
        "needs_review": tagged.needs_review,
        "human_verified": record.human_verified,
        "verified_by": record.review.verified_by if record.review else None,
        "state": record.state.value,
        "supported_by": table(
            ["tag", "support", "by"], [(tag.tag, tag.support, tag.by) for tag in tagged.tags]
        ),
        "offered": ", ".join(tag.tag for tag in tagged.offered),
        "disputed": "; ".join(tagged.disputed),
        "prompt_path": dg.MetadataValue.path(tagged.prompt_path),
        "lyrics_path": dg.MetadataValue.path(tagged.lyrics_path),
    }


_FACTS = {"raw_tracks": _raw, "processed_audio": _processed, "tagged_prompts": _tagged}
