"""`lofi source new`: asks what a source.json must say, and writes one that is valid."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lofi_pipeline.cli.console import Config, Data, Json, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.entities import RAW_FOLDER, SOURCE_TYPE_OF_FOLDER, DropManifest, RecordError, SourceType
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.storage import DataRoot, write_json_atomic

if TYPE_CHECKING:
    from lofi_pipeline.entities import Verdict

source_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Describe where music comes from."
)
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")
_KINDS = {str(kind): kind for kind in SourceType}


@source_app.callback()
def source() -> None:
    """Describe where music comes from: the source.json of a drop."""


@source_app.command()
def new(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="The folder that holds the music; a new name makes one in data/raw."
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option("--type", help=f"One of {', '.join(_KINDS)}.", show_default=False),
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Platform or artist name.", show_default=False)] = None,
    license_type: Annotated[
        str | None, typer.Option("--license", help='The licence, such as "CC BY 4.0".', show_default=False)
    ] = None,
    source_id: Annotated[
        str | None,
        typer.Option(help="Unique identifier; else made of the folder's name.", show_default=False),
    ] = None,
    acquired: Annotated[
        str | None,
        typer.Option("--date", metavar="DAY", help="When it was acquired; else today.", show_default=False),
    ] = None,
    cost: Annotated[
        float | None, typer.Option(min=0, help="In USD; asked for commissioned music.", show_default=False)
    ] = None,
    url: Annotated[str | None, typer.Option(help="Where the music can be found.", show_default=False)] = None,
    artist: Annotated[str | None, typer.Option(help="Of all files.", show_default=False)] = None,
    style: Annotated[
        list[str] | None,
        typer.Option("--style", metavar="ID", help="Of all files; see lofi styles.", show_default=False),
    ] = None,
    document: Annotated[
        str | None,
        typer.Option(
            help="A file in the folder that grants AI training, such as contract.pdf.", show_default=False
        ),
    ] = None,
    verified_by: Annotated[
        str | None, typer.Option(help="Who verified the licence.", show_default=False)
    ] = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the source.json of a drop: asks for what no option says, checks it, and says what the licence comes to.

    Exit code 0: it is written, and its licence permits training; 1: it is written, and does not; 2: wrong usage.
    """
    root = data_root(context, data, may_be_new=True)
    known_kind = SOURCE_TYPE_OF_FOLDER.get(folder.resolve().parent.name) if folder.exists() else None
    chosen = _kind(kind, known_kind)
    place = _place(root, folder, chosen)
    if (place / SOURCE_JSON).exists():
        raise typer.BadParameter(
            f"{sanitize(place / SOURCE_JSON)} is there already; edit it, and see what comes of it with lofi check",
            param_hint="FOLDER",
        )
    fields: dict[str, Any] = {
        "source_id": source_id or _NOT_IN_IDS.sub("-", place.name.lower()).strip("-") or "source",
        "source_type": str(chosen),
        "provider": provider or typer.prompt("Provider: platform or artist"),
        "license_type": license_type or typer.prompt('Licence, such as "CC BY 4.0"'),
        "date_acquired": acquired or date.today().isoformat(),
        "cost": typer.prompt("Cost in USD", type=float)
        if cost is None and chosen is SourceType.COMMISSIONED
        else cost,
        "url": url,
        "verified_by": verified_by,
        "defaults": {"artist": artist, "style_ids": style or None},
    }
    manifest, verdict = _judged(root, place, fields, document)
    place.mkdir(parents=True, exist_ok=True)
    said = manifest.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    write_json_atomic(place / SOURCE_JSON, said)
    write_json(json_file, {"file": str(place / SOURCE_JSON), "source": said, "verdict": verdict})
    _show(place, verdict)
    if not verdict.permitted:
        raise typer.Exit(1)


def _kind(said: str | None, of_folder: SourceType | None) -> SourceType:
    if of_folder is not None and said in (None, str(of_folder)):
        return of_folder
    if of_folder is not None:
        raise typer.BadParameter(
            f"the folder lies in {RAW_FOLDER[of_folder]}/, which is for {of_folder}", param_hint="--type"
        )
    while said is None or said not in _KINDS:
        if said is not None:
            raise typer.BadParameter(f"{said!r} is none of {', '.join(_KINDS)}", param_hint="--type")
        said = typer.prompt(f"Kind of source ({', '.join(_KINDS)})", default=str(SourceType.CREATIVE_COMMONS))
    return _KINDS[said]


def _place(root: DataRoot, folder: Path, kind: SourceType) -> Path:
    """The folder itself where there is one; else a new drop of that name."""
    if folder.is_dir() or folder.is_absolute() or len(folder.parts) > 1:
        return folder
    return root.raw / RAW_FOLDER[kind] / folder.name


def _judged(
    root: DataRoot, place: Path, fields: dict[str, Any], document: str | None
) -> tuple[DropManifest, Verdict]:
    """The source.json and its verdict; asks for the document where only that would help."""
    from lofi_pipeline.styles import STYLE_IDS

    def read(document: str | None) -> tuple[DropManifest, Verdict]:
        grant = (
            {"uses": {"train": "allowed", "commercial": "allowed"}, "evidence": [{"document": document}]}
            if document
            else None
        )
        found = DropManifest.parse(
            {**fields, "grant": grant}, where=SOURCE_JSON, context={"style_ids": set(STYLE_IDS)}
        )
        return found, _verdict(place, found)

    try:
        manifest, verdict = read(document)
        if not verdict.permitted and document is None and _would_help(manifest):
            console.print(sanitize(verdict.reason), highlight=False, soft_wrap=True)
            document = typer.prompt(
                "A document in the folder that grants AI training (none: leave empty)",
                default="",
                show_default=False,
            )
            manifest, verdict = read(document or None)
    except RecordError as error:
        raise typer.BadParameter(sanitize(error), param_hint="source.json") from error
    return manifest, verdict


def _verdict(place: Path, manifest: DropManifest) -> Verdict:
    from lofi_pipeline.config import load_config
    from lofi_pipeline.ingest.evidence import documents_of
    from lofi_pipeline.licensing import judge_source

    config = load_config()
    evidence = documents_of(DataRoot(place), place, manifest.grant, where=SOURCE_JSON)
    return judge_source(manifest, config.licensing, evidence=evidence, base=config.training.base)


def _would_help(manifest: DropManifest) -> bool:
    """Whether a proved grant of training would make the licence one that may be trained on."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.licensing import judge

    settings = load_config().licensing
    verdict = judge(
        manifest.license_type,
        manifest.source_type,
        profile=settings.profile,
        commercial=settings.commercial,
        grant=True,
        commercial_grant=True,
        evidenced=True,
    )
    return verdict.permitted


def _show(place: Path, verdict: Verdict) -> None:
    allowed = "[green]may be trained on[/]" if verdict.permitted else "[bold red]may not be trained on[/]"
    for line in (
        f"Wrote {sanitize(place / SOURCE_JSON)}",
        f"{sanitize(verdict.licence)}: {allowed}. {sanitize(verdict.reason)}",
        f"Put the music beside it, then see what would come of it: lofi check {sanitize(place)}",
    ):
        console.print(line, highlight=False, soft_wrap=True)
