"""source_records: the asset that scans data/raw, judges every drop against the licence policy, and gives track ids.

What it does is in ingest/; here is only what people see of it: partitions, log, metadata and checks.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import TRACKS_PAGE, Facts, shown, table
from lofi_pipeline.assets.partitions import OWNERS, TRACKS, add_partitions
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.entities import DISCLAIMER, Drop, DropStatus, Scan, visible
from lofi_pipeline.entities.base import MOST_LISTED
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256, ledger_path, read_ledger

if TYPE_CHECKING:
    from lofi_pipeline.ingest import Registration

LOG_SECONDS = 10.0
LICENCES = "every_accepted_source_permits_training"
COMPLETE = "no_drop_waits_or_is_refused"
EVERY_FILE = "every_file_is_taken_or_known"
NOT_EDITED = "no_source_json_was_edited"
LEDGER_INTACT = "no_seal_or_withdrawal_was_cut"
CHECKS = {
    LICENCES: "No source that gives tracks has a licence which does not permit AI training.",
    COMPLETE: "Every drop is complete and valid; those that are not are listed with their reasons.",
    EVERY_FILE: "Every file below data/raw is taken or goes with audio; what is neither is listed with the reason.",
    NOT_EDITED: "Every source.json says what it said when its tracks were ingested, or says what it amends.",
    LEDGER_INTACT: "The ledger of seals, which covers withdrawals too, has only grown since the last scan.",
}


@dg.asset(
    group_name="sources",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    deps=["style_presets"],
    check_specs=[
        dg.AssetCheckSpec(name, asset="source_records", description=description)
        for name, description in CHECKS.items()
    ],
)
@failing_in_words()
def source_records(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Scans data/raw, validates each drop's source.json and licence, and gives track ids that stay for life."""
    from lofi_pipeline.ingest import listen_to_refused, register_sources
    from lofi_pipeline.styles import load_presets

    found = register_sources(
        workspace.root,
        workspace.config,
        style_ids=set(load_presets()),
        progress=_telling(context),
    )
    listen_to_refused(workspace.root, workspace.config, context.log.info)
    damage = _ledger_damage(workspace.root, found.scan)
    add_partitions(context.instance, TRACKS.name, (track.track_id for track in found.registry.tracks))
    _log(context, workspace.root, found, damage)
    return _standing(found, damage).result()


def standing_sources(workspace: Workspace) -> Iterator[Standing]:
    """The last scan, if what was written of it is whole."""
    from lofi_pipeline.ingest import load_registration

    if found := load_registration(workspace.root):
        yield _standing(found, _ledger_damage(workspace.root, found.scan))


def _standing(found: "Registration", damage: str | None) -> Standing:
    return Standing(
        "source_records",
        content_sha256(found.sources),
        facts=lambda: _metadata(found),
        checks=lambda: _checks(found.scan, damage),
    )


def _telling(context: dg.AssetExecutionContext) -> Callable[[int, int, str], None]:
    """Tells the bars of every step, and the log now and then: each of its lines is a transaction in the event database."""
    told = time.monotonic()

    def tell(done: int, total: int, what: str) -> None:
        nonlocal told
        progress.report("source_records", done, total, what)
        if time.monotonic() - told >= LOG_SECONDS:
            told = time.monotonic()
            context.log.info(f"{done} of {total} {what}")

    return tell


def _ledger_damage(root: DataRoot, scan: Scan) -> str | None:
    """What is missing from the ledger since the scan, if anything."""
    return read_ledger(root).contradiction(scan.ledger) if scan.ledger else None


def _log(
    context: dg.AssetExecutionContext, root: DataRoot, found: "Registration", damage: str | None
) -> None:
    from lofi_pipeline.ingest import clock_day

    scan = found.scan
    for name in found.newly_sealed:
        context.log.info(f"{name}: was not sealed yet, as in an earlier version; sealed as it stands")
    if damage:
        context.log.error(f"{ledger_path(root)} {damage}: take it and withdrawals.json back from a backup")
    not_taken = [drop for drop in scan.drops if drop.status is not DropStatus.ACCEPTED]
    _warn(context, root, [f"{drop.folder}: {drop.status}: {drop.reason}" for drop in not_taken])
    if scan.day and scan.day > clock_day():
        context.log.warning(
            f"judged for {scan.day}, a day that was judged for before, although the clock says {clock_day()}; if the clock was wrong "
            "then, take that day back: see `lofi judging-day`"
        )
    elif scan.borne_out:
        context.log.warning(
            f"the clock has leapt to {scan.day}; no grant depends on it. If it is right, nothing is to be done; else set the clock, "
            "and take that day back: see `lofi judging-day`"
        )
    _warn(context, root, [file.refusal for drop in scan.drops for file in drop.files if file.refusal])
    _warn(context, root, [drop.edited for drop in scan.drops if drop.edited])
    _warn(context, root, [f"{drop.folder}: {known}" for drop in scan.drops if (known := _to_know(drop))])
    changes = [
        f"{change.folder}: judged anew: was {change.before}; is {change.after}"
        for change in found.verdict_changes
    ]
    _warn(context, root, changes)
    gone = [f"{it.track_id} left: {it.why}: {it.file}" for it in found.left]
    _warn(context, root, gone)


def _warn(context: dg.AssetExecutionContext, root: DataRoot, lines: Sequence[str]) -> None:
    """A warning for each line, of the first ones; a thousand would take a minute to write, and nobody reads them."""
    for line in lines[:MOST_LISTED]:
        context.log.warning(visible(line))
    if len(lines) > MOST_LISTED:
        context.log.warning(f"and {len(lines) - MOST_LISTED} more like these; {root.drops_json} has them all")


def _metadata(found: "Registration") -> Facts:
    head = found.scan.ledger
    return {
        "sources": len(found.sources),
        "tracks": len(found.registry.tracks),
        "new_tracks": len(found.new_track_ids),
        "studio": dg.MetadataValue.url(TRACKS_PAGE),
        "files_with_audio": _counted(found.scan.companions()),
        "left_tracks": table(
            ["track_id", "file", "why"], [(it.track_id, it.file, it.why) for it in found.left]
        ),
        "judged_for": str(found.scan.day),
        "seals": f"{head.lines} lines, ending in {head.head}" if head else "none yet",
        "note": DISCLAIMER,
        "table": _drops(found.scan.drops),
        "verdict_changes": table(
            ["source_id", "before", "after"],
            [(change.source_id, change.before, change.after) for change in found.verdict_changes],
        ),
    }


def _checks(scan: Scan, damage: str | None) -> list[dg.AssetCheckResult]:
    drops = scan.drops
    accepted = [drop for drop in drops if drop.status is DropStatus.ACCEPTED]
    forbidden = [drop.folder for drop in accepted if not (drop.verdict and drop.verdict.permitted)]
    others = [(drop.folder, drop.reason or "") for drop in drops if drop.status is not DropStatus.ACCEPTED]
    edited = [(drop.folder, drop.edited) for drop in drops if drop.edited]
    refused = [(file.path, file.refusal) for drop in drops for file in drop.files if file.refusal]
    warn = dg.AssetCheckSeverity.WARN
    return [
        _check(LICENCES, not forbidden, {"forbidden": _listed(["drop"], [[name] for name in forbidden])}),
        _check(COMPLETE, not others, {"drops": _listed(["drop", "reason"], others)}, warn),
        _check(
            EVERY_FILE,
            not refused,
            {
                "refused": _listed(["file", "reason"], refused),
                "go_with_audio": _counted(scan.companions()),
            },
            warn,
        ),
        _check(NOT_EDITED, not edited, {"drops": _listed(["drop", "edit"], edited)}, warn),
        _check(LEDGER_INTACT, damage is None, {"seals": damage or "have only grown"}),
    ]


def _check(
    name: str,
    passed: bool,
    facts: Facts,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=severity, metadata=shown(facts))


def _listed(header: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.TableMetadataValue:
    return table(header, rows, all_in="drops.json")


def _drops(drops: Sequence[Drop]) -> dg.MetadataValue:
    """One row for each drop: what came of it, what its licence asks for, and what proves it."""
    return _listed(
        [
            "drop",
            "source_id",
            "status",
            "licence",
            "obligations",
            "to know",
            "evidence",
            "provider",
            "files",
            "refused files",
            "with them",
            "reason",
        ],
        [
            (
                drop.folder,
                drop.manifest.source_id if drop.manifest else "",
                drop.status,
                drop.licence or "",
                ", ".join([*drop.verdict.obligations, *drop.verdict.terms]) if drop.verdict else "",
                _to_know(drop),
                _evidence(drop),
                drop.manifest.provider if drop.manifest else "",
                sum(not file.refusal for file in drop.files),
                sum(bool(file.refusal) for file in drop.files),
                _counted({kind: len(names) for kind, names in drop.companions.items()}),
                drop.reason or drop.edited or (drop.verdict.reason if drop.verdict else ""),
            )
            for drop in drops
        ],
    )


def _to_know(drop: Drop) -> str:
    """Terms that nobody has accepted, and what was found beside the licence."""
    if drop.verdict is None:
        return ""
    terms = [f"to accept: {term.sentence}" for term in drop.verdict.to_accept]
    return " ".join([*terms, *(remark.sentence for remark in drop.verdict.remarks)])


def _counted(companions: Mapping[str, int]) -> str:
    """Such as "3 lyrics, 1 picture"."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(companions.items()))


def _evidence(drop: Drop) -> str:
    if drop.evidence:
        return ", ".join(f"{item.evidence.document} (SHA-256 {item.sha256[:12]})" for item in drop.evidence)
    return (
        f"no document; verified by {drop.manifest.verified_by}"
        if drop.manifest and drop.manifest.verified_by
        else ""
    )
