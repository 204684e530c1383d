"""dataset_manifest: final/, validation/, the metadata files and an immutable, hashed version of the data set."""

from collections import defaultdict

import dagster as dg

from lofi_pipeline.assets.metadata import table
from lofi_pipeline.assets.partitions import OWNERS
from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.resources import Workspace


@dg.asset(
    group_name="dataset",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    deps=["source_records", "tagged_prompts"],
)
def dataset_manifest(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Splits the tracks that are ready, publishes them, and hashes the result. Unchanged inputs change nothing."""
    from lofi_pipeline.dataset import NoTracks, build_dataset

    try:
        built = build_dataset(workspace.root, workspace.config, progress=context.log.info)
    except NoTracks as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    version, dataset = built.version, built.version.dataset
    hours: defaultdict[str, float] = defaultdict(float)
    for track in version.tracks:
        hours[track.licence] += track.track.duration / 3600
    return dg.MaterializeResult(
        metadata={
            "dataset_id": dataset.dataset_id,
            "hash": dataset.hash,
            "new_version": built.is_new,
            "tracks": dataset.track_count,
            "train": dataset.train_count,
            "validation": dataset.validation_count,
            "hours": dataset.total_duration,
            "styles": table(["category", "tracks"], sorted(dataset.style_distribution.items())),
            "licences": table(
                ["licence", "hours"], [(name, f"{value:.3f}") for name, value in sorted(hours.items())]
            ),
            "left_out": table(["file", "reason"], [(item.file, item.reason) for item in built.left_out]),
            "path": dg.MetadataValue.path(str(workspace.root.dataset_version(dataset.hash))),
        },
        data_version=dg.DataVersion(dataset.hash),
    )


def _check(name: str, description: str):
    return dg.asset_check(asset="dataset_manifest", name=name, description=description)


def _current(workspace: Workspace) -> DatasetVersion:
    from lofi_pipeline.dataset import load_version

    return load_version(workspace.root)


def _result(offenders: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not offenders, metadata={"offenders": ", ".join(offenders), "count": len(offenders)}
    )


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
    "Each track's sources are on record, with a licence that permits AI training.",
)
def every_licence_permits_training(workspace: Workspace) -> dg.AssetCheckResult:
    """Judge every source of the version once more."""
    from lofi_pipeline.licensing import judge_source

    version = _current(workspace)
    permitted = {
        s.source_id for s in version.sources if judge_source(s, workspace.config.licensing).permitted
    }
    return _result([item.track.track_id for item in version.tracks if not set(item.source_ids) <= permitted])


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
        metadata={"validation": got, "wanted": wanted},
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
    validation_share_is_near_its_target,
    prompts_hold_vocabulary_only,
]
