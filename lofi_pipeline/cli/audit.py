"""`lofi audit`: what fed a checkpoint or data set, what a source has fed, what differs, and whose a file is.

Only options and what a terminal shows; the audits themselves are in audit/.
"""

from __future__ import annotations

import errno
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Config, Data, Json, bars, console, errors, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.entities import RecordError, few
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from rich.table import Table

    from lofi_pipeline.audit import Difference, Impact, WrittenAudit
    from lofi_pipeline.audit.impact import AffectedVersion
    from lofi_pipeline.entities import AuditReport, Finding, SourceRow

ONE = "of"
READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
"""What the system says where nothing may be written."""
MOST_TRACKS = 12
"""How many tracks of a source are listed by id."""


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
        bool, typer.Option("--documents", help="Copy the documents of evidence into sources/ too.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            file_okay=False,
            help="Write the audit into this folder, and nothing into the data root: for a backup, or another's data root.",
            show_default=False,
        ),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            exists=True,
            dir_okay=False,
            help="Sign the audit with this private Ed25519 key, such as `lofi audit key` makes: for who is to verify it elsewhere.",
            show_default=False,
        ),
    ] = None,
    json_file: Json = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Audit a checkpoint or a data set version: what `lofi audit ID` does.

    Writes data/audit/ID/: report.json, audit.html, summary-eu.html, tracks.csv, ATTRIBUTION.md, bills of materials, sources/
    with a sheet for each source, and LICENSES/. A data root that
    can't be written to is audited all the same: what was found is shown, and is written where --output says.
    """
    from lofi_pipeline.audit import UnknownSubject

    root = data_root(context, data)
    key = (
        _private_key(sign, root) if sign else None
    )  # first: a wrong key is to be known before hours of hashing
    try:
        report, written = _audit(root, subject, quick=quick, documents=documents, output=output, key=key)
    except UnknownSubject as error:
        _wrong_usage(error, "ID")
    except LofiError as error:
        _broken(error, subject, json_file)
    _show_report(report, written)
    if written is not None and sign:
        _print(f"Signed: `lofi audit verify {sanitize(written.folder)} --key {sanitize(sign)}.pub`")
    if json_file is not None:  # of 50,000 tracks it takes 20 MB
        write_json(json_file, _with_outcome(report, written))
    if sign and written is None:
        errors.print("[bold red]not signed[/] nothing was written: give --output FOLDER", highlight=False)
        raise typer.Exit(1)
    if not report.clean:
        raise typer.Exit(1)


def _private_key(path: Path, root: DataRoot) -> Ed25519PrivateKey:
    from lofi_pipeline.audit.signing import SigningError, read_private_key

    try:
        return read_private_key(
            path, root, password=lambda: typer.prompt(f"Password of {path}", hide_input=True)
        )
    except SigningError as error:
        _wrong_usage(error, "--sign")


def _audit(
    root: DataRoot,
    name: str,
    *,
    quick: bool,
    documents: bool,
    output: Path | None,
    key: Ed25519PrivateKey | None,
) -> tuple[AuditReport, WrittenAudit | None]:
    """The report, and where it was written; nowhere where the data root is read-only and no other place was given."""
    from lofi_pipeline.audit import AuditInputs, build_report, find_subject, write_audit
    from lofi_pipeline.audit.base_model import base_at_hand
    from lofi_pipeline.config import load_config

    inputs, config = AuditInputs(root), load_config()
    subject = find_subject(inputs, name)
    record = subject.checkpoint.record if subject.checkpoint else None
    with bars():
        report = build_report(
            inputs,
            subject,
            config=config,
            base=base_at_hand(record.lineage, config, quick=quick) if record else None,
            quick=quick,
            progress=lambda done, total, what: progress.report("audit", done, total, what),
        )
    try:
        return report, write_audit(
            inputs, subject, report, include_documents=documents, output=output, key=key
        )
    except OSError as error:
        if output is not None or error.errno not in READ_ONLY:
            raise
        return report, None


def _broken(error: Exception, subject: str, json_file: Path | None) -> NoReturn:
    """A record that everything rests on can't be read: a finding too, and the only one there can be."""
    from lofi_pipeline.entities import Finding, FindingCode, Severity

    finding = Finding(
        severity=Severity.ERROR,
        code=FindingCode.RECORD_BROKEN,
        where=subject,
        sentence=str(error) or subject,
    )
    show_findings([finding])
    write_json(json_file, {"clean": False, "subject": None, "findings": [finding]})
    raise typer.Exit(1)


def _with_outcome(report: AuditReport, written: WrittenAudit | None) -> dict[str, object]:
    return {
        "clean": report.clean,
        "folder": str(written.folder) if written else None,
        "files": [path.relative_to(written.folder).as_posix() for path in written.files] if written else [],
        **report.model_dump(mode="json"),
    }


def _print(text: str) -> None:
    """One line of any length, with markup; what strangers wrote is sanitized before."""
    console.print(text, highlight=False, soft_wrap=True)


def _show_report(report: AuditReport, written: WrittenAudit | None) -> None:
    subject, integrity = report.subject, report.integrity
    _print(f"[bold]{sanitize(subject.kind.capitalize())} {sanitize(subject.name)}[/]")
    for verdict in (report.then, report.now):
        colour = "green" if verdict.permitted and verdict.commercial_use else "red"
        _print(f"[{colour}]{sanitize(verdict.sentence)}[/]")
    if report.imported is None:
        console.print(_sources_table(report.sources))
    for row in report.obligations:
        _print(f"{row.obligation}: {row.tracks} tracks. {sanitize(row.sentence)}")
    for row in report.limited:
        _print(f"terms of {sanitize(row.record.source_id)}: {sanitize(' '.join(row.terms))}")
    how = "hashed again" if integrity.checked else "hashed again (records and evidence only: --quick)"
    _print(f"{integrity.files} files, {integrity.bytes / 1e6:.1f} MB {how}")
    show_findings(report.findings)
    if written is not None:
        _print(f"Wrote {sanitize(written.folder)}")
    else:
        _print(
            "[yellow]not written[/] the data root can't be written to: give --output FOLDER to keep this audit"
        )
    _print(f"[dim]{sanitize(report.disclaimer)}[/]")


def _sources_table(sources: list[SourceRow]) -> Table:
    from rich.table import Table

    table = Table("source", "provider", "licence", "tracks", "minutes", "USD", "then", "today")
    for row in sources:
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
    return table


def show_findings(findings: list[Finding]) -> None:
    """A line for each, and a word where none of them is an error."""
    colours = {"error": "bold red", "warning": "yellow", "info": "dim"}
    for finding in findings:
        colour = colours[finding.severity]
        _print(f"[{colour}]{finding.severity} {finding.code}[/] {sanitize(finding.sentence)}")
    if not any(finding.severity == "error" for finding in findings):
        console.print("[green]clean[/]: nothing was found that is an error")


@audit_app.command()
def key(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the private key is to lie: not under the data root.")
    ],
    data: Data = None,
) -> None:
    """Make a key to sign audits with: a private one in FILE, for your eyes only, and FILE.pub for who verifies.

    Whoever has FILE can sign in your name; keep a copy of it where only you get at it. An Ed25519 key of `ssh-keygen -t ed25519` or
    `openssl genpkey -algorithm ed25519` does as well.
    """
    from lofi_pipeline.audit.signing import SigningError, make_key, read_public_key
    from lofi_pipeline.audit.signing.keys import name_of

    try:
        public = make_key(path, data_root(context, data))
    except SigningError as error:
        _wrong_usage(error, "FILE")
    _print(f"Wrote {sanitize(path)} (private) and {sanitize(public)} ({name_of(read_public_key(public))})")


@audit_app.command()
def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The folder of a signed audit."),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            exists=True,
            dir_okay=False,
            help="The public key that its owner gave you. Without it the key beside the files is taken, which proves nothing about who.",
            show_default=False,
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            exists=True,
            dir_okay=False,
            help="metadata/seals.jsonl of the data root as it is now: has it grown from the one that was signed?",
            show_default=False,
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Verify a signed audit from its files alone, on any machine: the signature, every file's hash, the ledger's chain.

    Exit code 0: all of it holds, 1: something does not, each named.
    """
    from lofi_pipeline.audit.signing import SigningError, Verified, verify_audit

    try:
        found = verify_audit(folder, key=key, later=ledger)
    except (SigningError, RecordError) as error:
        found = Verified(faults=[str(error)])
    for sentence in found.holds:
        _print(f"[green]holds[/] {sanitize(sentence)}")
    for sentence in found.notes:
        _print(f"[yellow]note[/] {sanitize(sentence)}")
    for sentence in found.faults:
        _print(f"[bold red]fault[/] {sanitize(sentence)}")
    outcome = {
        "verified": not found.faults,
        "holds": found.holds,
        "notes": found.notes,
        "faults": found.faults,
    }
    write_json(json_file, outcome)
    if found.faults:
        raise typer.Exit(1)


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
    from lofi_pipeline.audit import UnknownSubject

    if bool(reason.strip()) is not withdraw:
        hint = "say why; it is kept on the ledger" if withdraw else "goes with --withdraw"
        raise typer.BadParameter(hint, param_hint="--reason")
    root = data_root(context, data)
    try:
        affected = _trace(root, source_id)
    except UnknownSubject as error:
        _wrong_usage(error, "SRC")
    rebuilt, failures = _withdraw(root, affected, reason) if withdraw else (None, [])
    affected = _trace(root, source_id) if withdraw else affected
    _show_impact(affected)
    if withdraw:
        what = f"data set version {rebuilt[:12]}" if rebuilt else "no data set: no track is left"
        _print(f"Withdrawn. Without it there is now {what}.")
    for failure in failures:
        errors.print(f"[bold red]failed[/] {sanitize(failure)}", highlight=False, soft_wrap=True)
    outcome = {"dataset_hash": rebuilt, "failures": failures} if withdraw else {}
    write_json(json_file, {**affected.model_dump(mode="json"), **outcome})
    if failures or not (withdraw or affected.in_force):
        raise typer.Exit(1)


def _trace(root: DataRoot, source_id: str) -> Impact:
    from lofi_pipeline.audit import AuditInputs, trace
    from lofi_pipeline.config import load_config

    return trace(AuditInputs(root), source_id, load_config().licensing, date.today())


def _withdraw(root: DataRoot, affected: Impact, reason: str) -> tuple[str | None, list[str]]:
    """Withdraw a source, build the next version, and audit its checkpoints again for the UI.

    Registers and builds as `lofi run --to dataset_manifest` does. Returns the hash of the data set now, and what failed.
    """
    from lofi_pipeline.automation.jobs import JobName
    from lofi_pipeline.cli.run import headless
    from lofi_pipeline.dataset import NoTracks, load_version
    from lofi_pipeline.ingest import clock_day, remember_day
    from lofi_pipeline.licensing import withdraw

    # First: should the clock be wrong and be set back, the withdrawal holds none the less
    remember_day(root, in_doubt=True)
    withdraw(
        root,
        affected.source_id,
        reason=reason,
        day=clock_day(),
        provider=affected.provider,
        contents=affected.contents,
    )
    with headless(root) as runner, bars():
        runner.run("dataset_manifest")
        outcome = runner.audit([item.partition_key for item in affected.checkpoints])
    try:
        return load_version(root).dataset.hash, [str(failure) for failure in outcome.failures]
    except NoTracks:
        # With the last source withdrawn there is no data set: that is what was asked for
        return None, [str(each) for each in outcome.failures if each.job is not JobName.BUILD_DATASET]


def _show_impact(affected: Impact) -> None:
    _show_source(affected)
    ids = [track.track_id for track in affected.tracks]
    _print(f"{len(ids)} tracks: {few(ids, most=MOST_TRACKS)}")
    for track in affected.tracks:
        if track.relation:
            named = f"{track.track_id} of {few(track.named_by, most=MOST_TRACKS)}"
            _print(f"[yellow]copy[/] {sanitize(named)}: {sanitize(track.relation)}")
    if affected.versions:
        console.print(_versions_table(affected.versions))
    for item in affected.checkpoints:
        pruned = " (pruned)" if item.pruned else ""
        _print(f"checkpoint {item.partition_key}{pruned}: {sanitize(item.path)}")
    if not affected.in_force:
        _show_to_do(affected)
    for sentence in affected.unreadable:
        _print(f"[yellow]not read[/] {sanitize(sentence)}")


def _show_source(affected: Impact) -> None:
    allowed, forbidden = "[green]may be trained on today[/]", "[bold red]may not be trained on today[/]"
    _print(
        f"[bold]{sanitize(affected.source_id)}[/] ({sanitize(affected.provider)}, {sanitize(affected.license_type)}): "
        f"{allowed if affected.in_force else forbidden}. {sanitize(affected.verdict.reason)}"
    )


def _versions_table(versions: list[AffectedVersion]) -> Table:
    from rich.table import Table

    table = Table("data set version", "made", "tracks of it", "minutes", "")
    for version in versions:
        table.add_row(
            version.hash[:12],
            f"{version.created:%Y-%m-%d %H:%M}",
            str(len(version.tracks)),
            f"{version.seconds / 60:.1f}",
            "the newest" if version.current else "",
        )
    return table


def _show_to_do(affected: Impact) -> None:
    """What is to be done about a source that may not be trained on any more."""
    for retraining in affected.retrain:
        _print(
            f"[yellow]retrain[/] lineage {retraining.lineage[:12]} (preset {sanitize(retraining.preset)} on "
            f"{sanitize(retraining.base)}): {len(retraining.checkpoints)} checkpoints rest on it; `lofi run` trains anew"
        )
    if affected.caches:
        _print(
            f"[yellow]remove[/] {len(affected.caches)} encodings of its tracks under cache/ (--json names them): they are copies "
            "of the music"
        )


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
    from lofi_pipeline.audit import AuditInputs, UnknownSubject, compare

    try:
        found = compare(AuditInputs(data_root(context, data)), a, b)
    except UnknownSubject as error:
        _wrong_usage(error, "A B")
    write_json(json_file, found)
    console.print(_sides_table(found))
    for sign, items in (("-", found.only_in_a), ("+", found.only_in_b)):
        for item in items:
            sources = sanitize(", ".join(item.source_ids))
            _print(f"{sign} {item.track_id} {sanitize(item.title)} ({sanitize(item.licence)}, {sources})")
    for change in found.changed:
        _print(f"~ {change.track_id} {change.fact}: {sanitize(change.before)} -> {sanitize(change.after)}")
    for item in found.sources:
        _print(f"source {sanitize(item.source_id)}: {sanitize(item.change)}")
    if found.nothing:
        console.print("No difference.")


def _sides_table(found: Difference) -> Table:
    from rich.table import Table

    sides = (found.a, found.b)
    table = Table("", *(sanitize(side.name) for side in sides))
    table.add_row("data set", *(side.dataset_hash[:12] for side in sides))
    table.add_row("tracks", *(str(side.tracks) for side in sides))
    table.add_row("hours", *(f"{side.hours:.3f}" for side in sides))
    table.add_row("USD", *(f"{side.cost:.2f}" for side in sides))
    for licence in dict.fromkeys([*found.a.hours_by_licence, *found.b.hours_by_licence]):
        hours = [side.hours_by_licence.get(licence, 0.0) for side in sides]
        table.add_row(f"hours {sanitize(licence)}", *(f"{value:.3f}" for value in hours))
    for name in dict.fromkeys([*found.a.facts, *found.b.facts]):
        table.add_row(name, *(sanitize(side.facts.get(name, "")) for side in sides))
    return table


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
    """Look up whose a file is: a checkpoint's, a sample, a track or a document by its hash, else a track by its sound.

    A track is known again when it was converted, cut, levelled or tagged since, also one that was left out or withdrawn; how sure
    that is, is said. Any file that can be decoded will do.

    Exit code 0: it is one of ours, 1: nothing on record has its hash, and it sounds like no track.
    """
    from lofi_pipeline.audit import AuditInputs, look_up
    from lofi_pipeline.config import load_config

    found = look_up(AuditInputs(data_root(context, data)), path, load_config().audio)
    _print(f"{sanitize(path)}: sha256 {found.sha256}")
    for match in found.matches:
        colour = "yellow" if match.kind == "related music" else "green"
        _print(f"[{colour}]{match.kind}[/] {sanitize(match.sentence)}")
    for sentence in found.unreadable:
        _print(f"[yellow]not searched[/] {sanitize(sentence)}")
    write_json(json_file, found)
    if not found.matches:
        by_sound = (
            f"Its sound could not be compared: {found.not_heard}."
            if found.not_heard
            else "It sounds like no track either."
        )
        _print(f"Not one of ours, byte for byte: nothing on record has this hash. {sanitize(by_sound)}")
        raise typer.Exit(1)
