"""`lofi audit`: what fed a checkpoint or data set, what a source has fed, what differs, and whose a file is."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Config, Data, Json, bars, console, errors, sanitize
from lofi_pipeline.storage import DataRoot, UnreadableRecord, write_json_atomic

if TYPE_CHECKING:
    from lofi_pipeline.audit import Impact, WrittenAudit
    from lofi_pipeline.entities import AuditReport, Finding

ONE = "of"


class _OneOrCommand(TyperGroup):
    """`lofi audit ID` is `lofi audit of ID`: what is no subcommand is something to audit."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [ONE, *args]
        return super().parse_args(ctx, args)


audit_app = typer.Typer(
    cls=_OneOrCommand,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Prove what fed a checkpoint or a data set, and take a source out.\n\n"
    "[bold]lofi audit ID[/] audits a checkpoint (epoch=0-step=500_lora, or 1a2b3c4d-step000500) or a data set version (its "
    "hash, or the first 8 digits of it), and writes data/audit/ID/. A working tool, not legal advice.\n\n"
    "Exit code 0: clean, 1: findings, each named, 2: wrong usage.",
)


def _root(context: typer.Context, data: Path | None) -> DataRoot:
    return DataRoot.find(data or context.obj)


def _wrong_usage(error: Exception, hint: str) -> NoReturn:
    raise typer.BadParameter(sanitize(error), param_hint=hint) from error


@audit_app.command(ONE)
def one(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="Checkpoint id, partition key, or data set hash.")
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not hash music and weights again; records and evidence are.")
    ] = False,
    documents: Annotated[
        bool, typer.Option("--documents", help="Copy the documents of evidence into LICENSES/ too.")
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Audit a checkpoint or a data set version: what `lofi audit ID` does.

    Writes data/audit/ID/: report.json, audit.html, tracks.csv, ATTRIBUTION.md, bills of materials, LICENSES/.
    """
    from lofi_pipeline.audit import (
        UnknownSubject,
        build_report,
        find_subject,
        write_audit,
    )
    from lofi_pipeline.audit.base_model import base_at_hand
    from lofi_pipeline.config import load_config
    from lofi_pipeline.entities import RecordError

    root, config = _root(context, data), load_config()
    try:
        found = find_subject(root, subject)
        record = found.checkpoint.record if found.checkpoint else None
        with bars():
            report = build_report(
                root,
                found,
                config=config,
                base=base_at_hand(record.lineage, config, quick=quick) if record else None,
                quick=quick,
                progress=lambda done, total, what: progress.report("audit", done, total, what),
            )
        written = write_audit(root, found, report, include_documents=documents)
    except UnknownSubject as error:
        _wrong_usage(error, "ID")
    except (RecordError, UnreadableRecord) as error:
        _broken(error, subject, json_file)
    _show_report(report, written)
    if json_file:
        write_json_atomic(json_file, _with_outcome(report, written))
    if not report.clean:
        raise typer.Exit(1)


def _broken(error: Exception, subject: str, json_file: Path | None) -> NoReturn:
    """A record that everything rests on can't be read: a finding too, and the only one there can be."""
    from lofi_pipeline.entities import Finding, Severity

    finding = Finding(
        severity=Severity.ERROR, code="record-broken", where=subject, sentence=str(error) or subject
    )
    _show_findings([finding])
    if json_file:
        write_json_atomic(json_file, {"clean": False, "subject": None, "findings": [finding]})
    raise typer.Exit(1)


def _with_outcome(report: AuditReport, written: WrittenAudit) -> dict[str, object]:
    return {
        "clean": report.clean,
        "folder": str(written.folder),
        "files": [path.relative_to(written.folder).as_posix() for path in written.files],
        **report.model_dump(mode="json"),
    }


def _show_report(report: AuditReport, written: WrittenAudit) -> None:
    from rich.table import Table

    subject = report.subject
    console.print(f"[bold]{sanitize(subject.kind.capitalize())} {sanitize(subject.name)}[/]", highlight=False)
    for verdict in (report.then, report.now):
        colour = "green" if verdict.permitted and verdict.commercial_use else "red"
        console.print(f"[{colour}]{sanitize(verdict.sentence)}[/]", highlight=False, soft_wrap=True)
    table = Table("source", "provider", "licence", "tracks", "minutes", "USD", "then", "today")
    for row in report.sources:
        table.add_row(
            sanitize(row.record.source_id),
            sanitize(row.record.provider),
            sanitize(row.verdict_now.licence),
            str(row.tracks),
            f"{row.seconds / 60:.1f}",
            "?" if row.record.cost is None else f"{row.record.cost:.2f}",
            *("yes" if it.permitted else "[red]no[/]" for it in (row.verdict_then, row.verdict_now)),
        )
    for column in table.columns[:3]:
        column.overflow = "fold"
    console.print(table)
    for row in report.obligations:
        console.print(f"{row.obligation}: {row.tracks} tracks. {sanitize(row.sentence)}", highlight=False)
    for row in report.limited:
        terms = f"terms of {sanitize(row.record.source_id)}: {sanitize(' '.join(row.terms))}"
        console.print(terms, highlight=False, soft_wrap=True)
    integrity = report.integrity
    how = "hashed again" if integrity.checked else "hashed again (records and evidence only: --quick)"
    console.print(f"{integrity.files} files, {integrity.bytes / 1e6:.1f} MB {how}", highlight=False)
    _show_findings(report.findings)
    console.print(f"Wrote {sanitize(written.folder)}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{sanitize(report.disclaimer)}[/]", highlight=False, soft_wrap=True)


def _show_findings(findings: list[Finding]) -> None:
    colours = {"error": "bold red", "warning": "yellow", "info": "dim"}
    for finding in findings:
        colour = colours[finding.severity]
        console.print(
            f"[{colour}]{finding.severity} {finding.code}[/] {sanitize(finding.sentence)}",
            highlight=False,
            soft_wrap=True,
        )
    if not any(finding.severity == "error" for finding in findings):
        console.print("[green]clean[/]: nothing was found that is an error")


@audit_app.command()
def source(
    context: typer.Context,
    source_id: Annotated[str, typer.Argument(metavar="SRC", help="The source_id of a source.json.")],
    withdraw: Annotated[
        bool,
        typer.Option("--withdraw", help="Take the source out for good, and build the next data set version."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it is withdrawn; kept on the ledger.")] = "",
    json_file: Json = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Show which tracks, data set versions and checkpoints a source has fed; or withdraw it.

    Nothing is deleted: versions and checkpoints stay for the audit, the ledger keeps the withdrawal. Withdrawing builds the
    next data set version without the source's tracks, and lists what is to be trained anew.

    Exit code 0: it may be trained on today, or was withdrawn as asked; 1: it may not, or the next version was not built.
    """
    from lofi_pipeline.audit import UnknownSubject, trace
    from lofi_pipeline.config import load_config
    from lofi_pipeline.licensing.withdrawals import withdraw as take_out

    root, config, today = _root(context, data), load_config(), date.today()
    if withdraw and not reason.strip():
        raise typer.BadParameter("say why; it is kept on the ledger", param_hint="--reason")
    if reason.strip() and not withdraw:
        raise typer.BadParameter("goes with --withdraw", param_hint="--reason")
    try:
        affected = trace(root, source_id, config.licensing, today)
    except UnknownSubject as error:
        _wrong_usage(error, "SRC")
    failures: list[str] = []
    rebuilt: str | None = None
    if withdraw:
        take_out(root, source_id, reason=reason, day=today)
        rebuilt, failures = _next_version(root, [item.partition_key for item in affected.checkpoints])
        affected = trace(root, source_id, config.licensing, today)
    _show_impact(affected)
    if withdraw:
        what = f"data set version {rebuilt[:12]}" if rebuilt else "no data set: no track is left"
        console.print(f"Withdrawn. Without it there is now {what}.", highlight=False)
    for failure in failures:
        errors.print(f"[bold red]failed[/] {sanitize(failure)}", highlight=False, soft_wrap=True)
    if json_file:
        outcome = {"dataset_hash": rebuilt, "failures": failures} if withdraw else {}
        write_json_atomic(json_file, {**affected.model_dump(mode="json"), **outcome})
    if failures or not (withdraw or affected.in_force):
        raise typer.Exit(1)


def _next_version(root: DataRoot, affected: list[str]) -> tuple[str | None, list[str]]:
    """Register and build as `lofi run --to dataset_manifest` does, and audit the tainted checkpoints again for the UI.

    Returns the hash of the data set now, and what failed.
    """
    from lofi_pipeline.cli.run import headless
    from lofi_pipeline.dataset import NoTracks, load_version

    with headless(root) as runner, bars():
        runner.run("dataset_manifest")
        outcome = runner.audit(affected)
    try:
        return load_version(root).dataset.hash, outcome.failures
    except NoTracks:
        # With the last source withdrawn there is no data set: that is what was asked for
        return None, [failure for failure in outcome.failures if not failure.startswith("build_dataset")]


def _show_impact(affected: Impact) -> None:
    from rich.table import Table

    verdict = affected.verdict
    state = (
        "[green]may be trained on today[/]"
        if affected.in_force
        else "[bold red]may not be trained on today[/]"
    )
    console.print(
        f"[bold]{sanitize(affected.source_id)}[/] ({sanitize(affected.provider)}, {sanitize(affected.license_type)}): {state}. "
        f"{sanitize(verdict.reason)}",
        highlight=False,
        soft_wrap=True,
    )
    ids = [track.track_id for track in affected.tracks]
    more = f" and {len(ids) - 12} more" if len(ids) > 12 else ""
    console.print(f"{len(ids)} tracks: {', '.join(ids[:12])}{more}", highlight=False, soft_wrap=True)
    versions = Table("data set version", "made", "tracks of it", "minutes", "")
    for version in affected.versions:
        versions.add_row(
            version.hash[:12],
            f"{version.created:%Y-%m-%d %H:%M}",
            str(len(version.tracks)),
            f"{version.seconds / 60:.1f}",
            "the newest" if version.current else "",
        )
    if affected.versions:
        console.print(versions)
    for item in affected.checkpoints:
        pruned = " (pruned)" if item.pruned else ""
        console.print(f"checkpoint {item.partition_key}{pruned}: {sanitize(item.path)}", highlight=False)
    if not affected.in_force:
        for retraining in affected.retrain:
            console.print(
                f"[yellow]retrain[/] lineage {retraining.lineage[:12]} (preset {sanitize(retraining.preset)} on "
                f"{sanitize(retraining.base)}): {len(retraining.checkpoints)} checkpoints rest on it; `lofi run` trains anew",
                highlight=False,
                soft_wrap=True,
            )
    if affected.caches and not affected.in_force:
        console.print(
            f"[yellow]remove[/] {len(affected.caches)} encodings of its tracks under cache/ (--json names them): they are copies "
            "of the music",
            highlight=False,
            soft_wrap=True,
        )
    for sentence in affected.unreadable:
        console.print(f"[yellow]not read[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)


@audit_app.command()
def diff(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="Checkpoint or data set version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    json_file: Json = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Show what differs between two versions or checkpoints: tracks, licences, hours, prompts. A difference exits 0."""
    from rich.table import Table

    from lofi_pipeline.audit import UnknownSubject, compare

    try:
        found = compare(_root(context, data), a, b)
    except UnknownSubject as error:
        _wrong_usage(error, "A B")
    if json_file:
        write_json_atomic(json_file, found)
    sides = Table("", sanitize(found.a.name), sanitize(found.b.name))
    sides.add_row("data set", found.a.dataset_hash[:12], found.b.dataset_hash[:12])
    sides.add_row("tracks", str(found.a.tracks), str(found.b.tracks))
    sides.add_row("hours", f"{found.a.hours:.3f}", f"{found.b.hours:.3f}")
    sides.add_row("USD", f"{found.a.cost:.2f}", f"{found.b.cost:.2f}")
    for licence in dict.fromkeys([*found.a.hours_by_licence, *found.b.hours_by_licence]):
        hours = [side.hours_by_licence.get(licence, 0.0) for side in (found.a, found.b)]
        sides.add_row(f"hours {sanitize(licence)}", *(f"{value:.3f}" for value in hours))
    for name in dict.fromkeys([*found.a.facts, *found.b.facts]):
        sides.add_row(name, *(sanitize(side.facts.get(name, "")) for side in (found.a, found.b)))
    console.print(sides)
    for sign, items in (("-", found.only_in_a), ("+", found.only_in_b)):
        for item in items:
            named = f"{item.track_id} {sanitize(item.title)} ({sanitize(item.licence)}, {sanitize(', '.join(item.source_ids))})"
            console.print(f"{sign} {named}", highlight=False, soft_wrap=True)
    for change in found.changed:
        text = f"~ {change.track_id} {change.fact}: {sanitize(change.before)} -> {sanitize(change.after)}"
        console.print(text, highlight=False, soft_wrap=True)
    for item in found.sources:
        console.print(
            f"source {sanitize(item.source_id)}: {sanitize(item.change)}", highlight=False, soft_wrap=True
        )
    if found.nothing:
        console.print("No difference.")


@audit_app.command()
def file(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="A checkpoint file, sample or track."
        ),
    ],
    json_file: Json = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Look up whose a file is: a checkpoint's, a sample, a track or a document, by its hash.

    Exit code 0: it is one of ours, 1: nothing on record has its hash.
    """
    from lofi_pipeline.audit import look_up

    found = look_up(_root(context, data), path)
    console.print(f"{sanitize(path)}: sha256 {found.sha256}", highlight=False, soft_wrap=True)
    for match in found.matches:
        console.print(f"[green]{match.kind}[/] {sanitize(match.sentence)}", highlight=False, soft_wrap=True)
    for sentence in found.unreadable:
        console.print(f"[yellow]not searched[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)
    if json_file:
        write_json_atomic(json_file, found)
    if not found.matches:
        console.print(
            "Not one of ours, byte for byte: nothing on record has this hash. A file that was converted or tagged since has "
            "another one.",
            highlight=False,
        )
        raise typer.Exit(1)
