"""source_records: every drop judged against the licence policy, its tracks given ids."""

import dagster as dg

from lofi_pipeline.assets.metadata import table
from lofi_pipeline.assets.partitions import OWNERS, TRACKS
from lofi_pipeline.entities import DropStatus
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import content_sha256

NOTHING_UNACCOUNTED = "every_accepted_source_permits_training"


@dg.asset(
    group_name="sources",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    deps=["style_presets"],
    check_specs=[
        dg.AssetCheckSpec(
            NOTHING_UNACCOUNTED,
            asset="source_records",
            description="No source that gives tracks has a licence which does not permit AI training.",
        ),
        dg.AssetCheckSpec(
            "no_drop_waits_or_is_refused",
            asset="source_records",
            description="Every drop is complete and valid; those that are not are listed with their reasons.",
        ),
    ],
)
def source_records(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Scans data/raw, validates each drop's source.json and licence, and gives track ids that stay for life."""
    from lofi_pipeline.dataset import register_sources
    from lofi_pipeline.licensing import judge_source
    from lofi_pipeline.styles import load_presets

    config = workspace.config
    found = register_sources(
        workspace.root,
        config,
        style_ids=set(load_presets()),
        progress=lambda drop: context.log.info(f"looking at {drop}"),
    )
    known = set(context.instance.get_dynamic_partitions(str(TRACKS.name)))
    missing = [track.track_id for track in found.registry.tracks if track.track_id not in known]
    if missing:
        context.instance.add_dynamic_partitions(str(TRACKS.name), missing)
    not_taken = [drop for drop in found.scan.drops if drop.status is not DropStatus.ACCEPTED]
    for drop in not_taken:
        context.log.warning(f"{drop.folder}: {drop.status}: {drop.reason}")
    forbidden = [s.source_id for s in found.sources if not judge_source(s, config.licensing).permitted]
    return dg.MaterializeResult(
        metadata={
            "sources": len(found.sources),
            "tracks": len(found.registry.tracks),
            "new_tracks": len(found.new_track_ids),
            "table": table(
                ["drop", "verdict", "licence", "provider", "files", "reason"],
                [
                    (
                        drop.folder,
                        drop.status,
                        drop.licence or "",
                        drop.manifest.provider if drop.manifest else "",
                        len(drop.files),
                        drop.reason or "",
                    )
                    for drop in found.scan.drops
                ],
            ),
        },
        data_version=dg.DataVersion(content_sha256(found.sources)),
        check_results=[
            dg.AssetCheckResult(
                check_name=NOTHING_UNACCOUNTED,
                passed=not forbidden,
                metadata={"forbidden": ", ".join(forbidden)},
            ),
            dg.AssetCheckResult(
                check_name="no_drop_waits_or_is_refused",
                passed=not not_taken,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "drops": table(["drop", "reason"], [(d.folder, d.reason or "") for d in not_taken])
                },
            ),
        ],
    )
