"""source_records: every drop judged against the licence policy, its tracks given ids."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from lofi_pipeline.assets.metadata import table
from lofi_pipeline.assets.partitions import OWNERS, TRACKS
from lofi_pipeline.entities import DISCLAIMER, Drop, DropStatus
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import content_sha256, ledger_path, read_ledger

NOTHING_UNACCOUNTED = "every_accepted_source_permits_training"
NOTHING_EDITED = "no_source_json_was_edited"
NOTHING_CUT = "no_seal_or_withdrawal_was_cut"


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
        dg.AssetCheckSpec(
            NOTHING_EDITED,
            asset="source_records",
            description="Every source.json says what it said when its tracks were ingested, or says what it amends.",
        ),
        dg.AssetCheckSpec(
            NOTHING_CUT,
            asset="source_records",
            description="The ledger of seals, which covers withdrawals too, has only grown since the last scan.",
        ),
    ],
)
def source_records(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Scans data/raw, validates each drop's source.json and licence, and gives track ids that stay for life."""
    from lofi_pipeline.ingest import register_sources
    from lofi_pipeline.styles import load_presets

    config = workspace.config
    found = register_sources(
        workspace.root,
        config,
        style_ids=set(load_presets()),
        progress=lambda drop: context.log.info(f"looking at {drop}"),
    )
    ledger, mark = read_ledger(workspace.root), found.scan.ledger
    cut = ledger.contradiction(mark) if mark else None
    if cut:
        context.log.error(
            f"{ledger_path(workspace.root)} {cut}: take it and withdrawals.json back from a backup"
        )
    known = set(context.instance.get_dynamic_partitions(str(TRACKS.name)))
    missing = [track.track_id for track in found.registry.tracks if track.track_id not in known]
    if missing:
        context.instance.add_dynamic_partitions(str(TRACKS.name), missing)
    drops = found.scan.drops
    not_taken = [drop for drop in drops if drop.status is not DropStatus.ACCEPTED]
    edited = [drop for drop in drops if drop.edited]
    for drop in not_taken:
        context.log.warning(f"{drop.folder}: {drop.status}: {drop.reason}")
    if found.scan.day and found.scan.day > date.today():
        context.log.warning(
            f"judged for {found.scan.day}, a day that was judged for before, although the clock says {date.today()}; if the "
            f"clock was wrong then, move {workspace.root.drops_json} away and run this again"
        )
    for drop in edited:
        context.log.warning(drop.edited or "")
    for change in found.judged_anew:
        context.log.warning(f"{change.folder}: judged anew: was {change.before}; is {change.after}")
    forbidden = [
        drop.folder
        for drop in drops
        if drop.status is DropStatus.ACCEPTED and not (drop.verdict and drop.verdict.permitted)
    ]
    return dg.MaterializeResult(
        metadata={
            "sources": len(found.sources),
            "tracks": len(found.registry.tracks),
            "new_tracks": len(found.new_track_ids),
            "judged_for": str(found.scan.day),
            "seals": f"{mark.lines} lines, ending in {mark.head}" if mark else "none yet",
            "note": DISCLAIMER,
            "table": _drops(drops),
            "judged_anew": table(
                ["source", "before", "after"],
                [(change.source_id, change.before, change.after) for change in found.judged_anew],
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
            dg.AssetCheckResult(
                check_name=NOTHING_EDITED,
                passed=not edited,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"drops": table(["drop", "edit"], [(d.folder, d.edited or "") for d in edited])},
            ),
            dg.AssetCheckResult(
                check_name=NOTHING_CUT, passed=cut is None, metadata={"seals": cut or "have only grown"}
            ),
        ],
    )


def _drops(drops: Sequence[Drop]) -> dg.MetadataValue:
    """One row for each drop: what came of it, what its licence asks for, and what proves it."""
    return table(
        ["drop", "source", "verdict", "licence", "obligations", "evidence", "provider", "files", "reason"],
        [
            (
                drop.folder,
                drop.manifest.source_id if drop.manifest else "",
                drop.status,
                drop.licence or "",
                ", ".join([*drop.verdict.obligations, *drop.verdict.terms]) if drop.verdict else "",
                _evidence(drop),
                drop.manifest.provider if drop.manifest else "",
                len(drop.files),
                drop.reason or drop.edited or (drop.verdict.reason if drop.verdict else ""),
            )
            for drop in drops
        ],
    )


def _evidence(drop: Drop) -> str:
    if drop.evidence:
        return ", ".join(f"{item.evidence.document} (SHA-256 {item.sha256[:12]})" for item in drop.evidence)
    return (
        f"no document; verified by {drop.manifest.verified_by}"
        if drop.manifest and drop.manifest.verified_by
        else ""
    )
