"""dataset_manifest: final/, validation/, the metadata files and an immutable, hashed version of the data set."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import TRACKS_PAGE, Fact, Facts, rounded, shown, table
from lofi_pipeline.assets.partitions import OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.entities import DISCLAIMER, DatasetVersion, Split
from lofi_pipeline.resources import Workspace, base_name

if TYPE_CHECKING:
    from lofi_pipeline.dataset import BuiltDataset


@dg.asset(
    group_name="dataset",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    deps=["source_records", "tagged_prompts"],
    # It is built every night while the UI runs
    freshness_policy=dg.FreshnessPolicy.time_window(
        warn_window=timedelta(days=2), fail_window=timedelta(days=8)
    ),
)
@failing_in_words()
def dataset_manifest(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Splits the tracks that are ready, publishes them, and hashes the result. Unchanged inputs change nothing."""
    from lofi_pipeline.dataset import build_dataset

    def log(message: str) -> None:
        context.log.info(message)
        progress.report("dataset_manifest", 0, 0, message)

    built = build_dataset(workspace.root, workspace.config, progress=log)
    for item in built.left_out:
        context.log.info(f"left out: {item.file}: {item.reason}")
    return _standing(workspace, built.version.dataset.hash, lambda: built).result()


def standing_dataset(workspace: Workspace) -> Iterator[Standing]:
    """The current version, with the checks that a run makes of it."""
    from lofi_pipeline.dataset import current_dataset, current_hash

    if found := current_hash(workspace.root):
        told = _standing(workspace, found, lambda: current_dataset(workspace.root, workspace.config))
        yield replace(told, checks=lambda: _all_checks(workspace))


def _standing(workspace: Workspace, dataset_hash: str, built: "Callable[[], BuiltDataset]") -> Standing:
    return Standing("dataset_manifest", dataset_hash, lambda: _facts(workspace, built()))


def _facts(workspace: Workspace, built: "BuiltDataset") -> Facts:
    version, dataset = built.version, built.version.dataset
    return {
        "dataset_id": dataset.dataset_id,
        "created": dg.MetadataValue.timestamp(dataset.created),
        "hash": dataset.hash,
        "new_version": built.is_new,
        "studio": dg.MetadataValue.url(TRACKS_PAGE),
        "track_count": dataset.track_count,
        "train_count": dataset.train_count,
        "validation_count": dataset.validation_count,
        "total_duration": rounded(dataset.total_duration),
        "style_distribution": table(["category", "tracks"], sorted(dataset.style_distribution.items())),
        **_licences(version),
        "left_out": table(["file", "reason"], [(item.file, item.reason) for item in built.left_out]),
        "path": dg.MetadataValue.path(workspace.root.relative(workspace.root.dataset_version(dataset.hash))),
    }


def _licences(version: DatasetVersion) -> Facts:
    """Hours by licence, what stands behind each source, and the share of the hours that is covered by a permission."""
    permitted = {item.source_id for item in version.provenance if item.verdict.permitted}
    hours: defaultdict[str, float] = defaultdict(float)
    covered = 0.0
    for track in version.tracks:
        hours[track.licence] += track.track.duration / 3600
        covered += track.track.duration / 3600 if set(track.source_ids) <= permitted else 0.0
    sources = {source.source_id: source for source in version.sources}
    return {
        "licences": table(
            ["licence", "hours"], [(name, f"{value:.3f}") for name, value in sorted(hours.items())]
        ),
        "licence_coverage": rounded(covered / total) if (total := sum(hours.values())) else 0.0,
        "sources": table(
            ["source_id", "provider", "tracks", "licence", "obligations", "evidence", "valid until"],
            [
                (
                    item.source_id,
                    sources[item.source_id].provider,
                    len(sources[item.source_id].track_ids),
                    item.verdict.licence,
                    ", ".join([*item.verdict.obligations, *item.verdict.terms]),
                    ", ".join(f"{each.evidence.document} {each.sha256[:12]}" for each in item.evidence)
                    or f"no document; verified by {sources[item.source_id].verified_by or 'nobody'}",
                    (item.grant.validity.end or "open") if item.grant else "open",
                )
                for item in version.provenance
            ],
        ),
        "note": DISCLAIMER,
    }


def _all_checks(workspace: Workspace) -> list[dg.AssetCheckResult]:
    """Every check of the data set, made now."""
    made: list[dg.AssetCheckResult] = []
    for check in dataset_checks:
        (spec,), result = check.check_specs, cast("dg.AssetCheckResult", check(workspace))
        made.append(result._replace(check_name=spec.name))
    return made


def _check(name: str, description: str):
    return dg.asset_check(asset="dataset_manifest", name=name, description=description)


def _current(workspace: Workspace) -> DatasetVersion:
    from lofi_pipeline.dataset import load_version

    return load_version(workspace.root)


def _result(offenders: list[str], facts: Mapping[str, Fact] | None = None) -> dg.AssetCheckResult:
    found = {"count": len(offenders), "offenders": table(["track_id"], [[name] for name in offenders])}
    return dg.AssetCheckResult(passed=not offenders, metadata=shown({**found, **(facts or {})}))


@_check(
    "every_track_has_its_three_files", "MP3, prompt and lyrics of each track lie where the manifest says."
)
def every_track_has_its_three_files(workspace: Workspace) -> dg.AssetCheckResult:
    """Look for each published file."""
    root = workspace.root
    return _result(
        [
            item.track.track_id
            for item in _current(workspace).tracks
            if not all(
                root.inside(path).is_file()
                for path in (item.track.audio_path, item.track.prompt_path, item.track.lyrics_path)
            )
        ]
    )


@_check(
    "every_licence_permits_training",
    "Each track's sources are on record, with a licence that permits AI training and is in force today.",
)
def every_licence_permits_training(workspace: Workspace) -> dg.AssetCheckResult:
    """Judge every source of the version once more, for today, with the grant and the evidence that it keeps."""
    from lofi_pipeline.ingest import judging_day, load_scan
    from lofi_pipeline.ingest.tag_statements import accepted_of
    from lofi_pipeline.licensing import judge_source

    version, config = _current(workspace), workspace.config
    scan = load_scan(workspace.root)
    day, accepted = judging_day(scan), accepted_of(scan)
    behind = {item.source_id: item for item in version.provenance}
    against: dict[str, str] = {}
    for source in version.sources:
        kept = behind.get(source.source_id)
        verdict = judge_source(
            source,
            config.licensing,
            grant=kept.grant if kept else None,
            evidence=kept.evidence if kept else (),
            accepted=accepted.get(source.source_id, ()),
            day=day,
            base=base_name(config),
        )
        if not verdict.permitted:
            against[source.source_id] = verdict.reason
    known = {source.source_id for source in version.sources}
    offenders = [
        item.track.track_id for item in version.tracks if not set(item.source_ids) <= known - set(against)
    ]
    sources = table(["source_id", "reason"], sorted(against.items()))
    return _result(offenders, {"day": str(day), "sources": sources})


@_check(
    "evidence_is_intact",
    "Every document of evidence lies where the version says, byte for byte.",
)
def evidence_is_intact(workspace: Workspace) -> dg.AssetCheckResult:
    """Hash each document once more."""
    from lofi_pipeline.storage import file_sha256

    offenders: list[tuple[str, str]] = []
    for item in _current(workspace).provenance:
        for document in item.evidence:
            try:
                now = file_sha256(workspace.root.inside(document.path))
            except (OSError, ValueError) as error:
                offenders.append((document.path, f"is not there: {error}; put it back"))
                continue
            if now != document.sha256:
                offenders.append((document.path, f"was {document.sha256}, is {now}; put the former back"))
    return dg.AssetCheckResult(
        passed=not offenders,
        metadata=shown(
            {"count": len(offenders), "documents": table(["document", "what is wrong"], offenders)}
        ),
    )


@_check(
    "no_withdrawn_source_in_the_newest_version",
    "Neither a withdrawn source, nor the bytes of its tracks, nor a copy of one are in the newest version.",
)
def no_withdrawn_source_in_the_newest_version(workspace: Workspace) -> dg.AssetCheckResult:
    """Look each source, each original and whatever is the same recording up in the ledger of withdrawals."""
    from lofi_pipeline.dataset import withdrawn_recordings
    from lofi_pipeline.ingest import judging_day, load_scan
    from lofi_pipeline.licensing import load_withdrawals, withdrawn_contents, withdrawn_sources

    root = workspace.root
    day, withdrawals = judging_day(load_scan(root)), load_withdrawals(root)
    sources, contents = withdrawn_sources(withdrawals, day), withdrawn_contents(withdrawals, day)
    copies = withdrawn_recordings(root, contents)
    return _result(
        [
            item.track.track_id
            for item in _current(workspace).tracks
            if item.sha256 in contents
            or item.track.track_id in copies
            or not sources.keys().isdisjoint(item.source_ids)
        ]
    )


@_check(
    "validation_share_is_near_its_target",
    "The share of validation tracks is within one track a category of its target.",
)
def validation_share_is_near_its_target(workspace: Workspace) -> dg.AssetCheckResult:
    """Compare the split with the configured ratio."""
    version = _current(workspace)
    wanted = workspace.config.dataset.validation_ratio * len(version.tracks)
    got = len(version.side(Split.VALIDATION))
    slack = max(1, len(version.dataset.style_distribution))
    return dg.AssetCheckResult(
        passed=got > 0 and abs(got - wanted) <= slack,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"validation_count": got, "wanted": rounded(wanted)},
    )


@_check("prompts_hold_vocabulary_only", "Every tag of every prompt is in the controlled vocabulary.")
def prompts_hold_vocabulary_only(workspace: Workspace) -> dg.AssetCheckResult:
    """Look every tag up."""
    from lofi_pipeline.styles import load_vocabulary

    vocabulary = load_vocabulary()
    return _result(
        [
            item.track.track_id
            for item in _current(workspace).tracks
            if not all(tag in vocabulary for tag in item.prompt.split(", "))
        ]
    )


dataset_checks = [
    every_track_has_its_three_files,
    every_licence_permits_training,
    evidence_is_intact,
    no_withdrawn_source_in_the_newest_version,
    validation_share_is_near_its_target,
    prompts_hold_vocabulary_only,
]
