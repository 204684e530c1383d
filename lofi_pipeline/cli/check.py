"""`lofi check DROP`: what the next run would say of a drop, before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Config, Data, Json, bars, console, folding, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.ingest.check_drop import CheckedDrop, CheckedFile


def check(
    context: typer.Context,
    drop: Annotated[
        Path,
        typer.Argument(
            metavar="DROP",
            help="A folder with a source.json; or its place in data/raw, such as creative-commons/night.",
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not listen: only source.json, the licence, names and bytes.")
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Say what would become of a drop, in data/raw or not yet there: licence, files, quality, styles. Nothing is kept.

    The same scan and the same work on each file as in `lofi run`, in a folder that is thrown away.
    Exit code 0: all of its files would be taken, 1: some would not, each with the reason, 2: wrong usage.
    """
    from lofi_pipeline.config import load_config
    from lofi_pipeline.entities import DropStatus
    from lofi_pipeline.ingest.check_drop import check_drop
    from lofi_pipeline.styles import STYLE_IDS

    root = data_root(context, data, may_be_new=True)
    with bars():
        found = check_drop(
            root,
            load_config(),
            _folder(root, drop),
            style_ids=set(STYLE_IDS),
            listen=not quick,
            progress=lambda done, total, what: progress.report("check", done, total, what),
        )
    write_json(json_file, found)
    _show(found)
    if (
        found.drop.status is not DropStatus.ACCEPTED
        or not all(item.taken for item in found.files)
        or not found.files
    ):
        raise typer.Exit(1)


def _folder(root: DataRoot, drop: Path) -> Path:
    """As given, or below data/raw; a drop's own name alone will do."""
    places = [drop, root.raw / drop, *(root.raw.glob(f"*/{drop.name}") if drop.name == str(drop) else [])]
    return next((place for place in places if place.is_dir()), drop)


def _show(found: CheckedDrop) -> None:
    drop = found.drop
    colour = "green" if drop.status == "accepted" else "bold red"
    sentences = [drop.reason, drop.edited, drop.verdict.reason if drop.verdict and not drop.reason else None]
    console.print(
        f"[bold]{sanitize(drop.folder)}[/]: [{colour}]{drop.status}[/]", highlight=False, soft_wrap=True
    )
    for sentence in filter(None, sentences):
        console.print(sanitize(sentence), highlight=False, soft_wrap=True)
    if drop.verdict:
        asks = ", ".join(drop.verdict.obligations) or "nothing"
        console.print(
            f"licence {sanitize(drop.verdict.licence)}, asks for {asks}", highlight=False, soft_wrap=True
        )
        for term in drop.verdict.terms:
            console.print(f"[yellow]limited[/] {sanitize(term)}", highlight=False, soft_wrap=True)
    table = folding("file", "taken", "quality", "styles", "what is to be said")
    for item in found.files:
        table.add_row(
            sanitize(item.file),
            "[yellow]waits[/]" if item.waits else "[green]yes[/]" if item.taken else "[red]no[/]",
            *_heard(item),
            sanitize(_said(item)),
        )
    console.print(table if found.files else "No audio file is in it.")


def _heard(item: CheckedFile) -> tuple[str, str]:
    record = item.record
    quality = str(record.processed.quality.score) if record and record.processed else ""
    tagged = record.tagged if record else None
    styles = ", ".join(tagged.style_ids) + ("?" if tagged.needs_review else "") if tagged else ""
    return quality, styles


def _said(item: CheckedFile) -> str:
    sentences = [item.reason or ""]
    if item.same_bytes_as:
        sentences.append(f"the same bytes as {item.same_bytes_as}")
    if item.record and item.record.processed:
        sentences += [part.sentence for part in item.record.processed.quality.parts]
    return "; ".join(filter(None, sentences))
