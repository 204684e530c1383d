"""`lofi store`: an object store beside the data root; what is there, putting, bringing back, making room here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Config, Data, Json, bars, console, folding, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import few
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.offsite import Bucket

_MOST_SHOWN = 10
store_app = typer.Typer(
    invoke_without_command=True, rich_markup_mode="rich", help="An object store beside the data root."
)

Groups = Annotated[
    list[str] | None,
    typer.Argument(metavar="[GROUP]...", help="music, latents, checkpoints, archive.", show_default=False),
]


@store_app.callback()
def store(context: typer.Context, json_file: Json = None, data: Data = None, config: Config = None) -> None:
    """Show what lies in the object store (storage.object_store), what waits to go there, and what lies only there.

    Music, latents and checkpoints go there; records, locks and the ledger stay in the data root. This command asks nothing over
    the network.
    """
    context.obj = data or context.obj
    if context.invoked_subcommand is not None:
        return
    from lofi_pipeline.offsite import GROUPS, overview

    root = data_root(context, data)
    url = _url()
    found = overview(root, url)
    table = folding("group", "in the store", "waiting", "only there", "removed here")
    rows: dict[str, list[Iterable[str]]] = {}
    for group in ("music", "latents", "checkpoints"):
        of_group = tuple(f"{folder}/" for folder in GROUPS[group])
        parts: list[Iterable[str]] = [found.stored, found.waiting, found.away, found.gone]
        rows[group] = [[path for path in part if path.startswith(of_group)] for part in parts]
        table.add_row(group, *(str(len(list(part))) for part in rows[group]))
    console.print(f"{sanitize(url)}", highlight=False, soft_wrap=True)
    console.print(table)
    if found.waiting:
        console.print("Next: lofi store push", highlight=False)
    if found.gone:
        console.print("lofi store push --delete removes there what was removed here", highlight=False)
    names = ("stored", "waiting", "away", "gone")
    write_json(
        json_file,
        {"store": url, **{group: dict(zip(names, map(list, parts))) for group, parts in rows.items()}},
    )


@store_app.command()
def push(
    context: typer.Context,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove there what was removed here, as by `lofi gc --remove`.")
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Put into the object store what is new or was changed here: music of accepted drops, what was made of it, latents, checkpoints.

    Each file appears there whole or not at all, with its hash. Weights and shards are never replaced by other bytes.
    """
    root = data_root(context, data)
    write_json(json_file, push_to(root, _bucket(), delete=delete))


@store_app.command()
def pull(
    context: typer.Context,
    groups: Groups = None,
    missing: Annotated[
        bool,
        typer.Option(
            "--missing",
            help="Also what is not here for whatever reason, as in a new folder with metadata/ alone.",
        ),
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Bring back what was evicted (of some groups, or all), and bring in drops that somebody put below raw/ in the store.

    Each file appears whole, with the hash that is on record, or not at all.
    """
    from lofi_pipeline.offsite import GROUPS

    if strange := [group for group in groups or () if group not in GROUPS]:
        raise typer.BadParameter(f"{strange[0]!r} is no group; there are: {', '.join(GROUPS)}")
    root = data_root(context, data)
    write_json(json_file, pull_from(root, _bucket(), tuple(groups or GROUPS), missing=missing))


@store_app.command()
def evict(
    context: typer.Context,
    groups: Annotated[list[str], typer.Argument(metavar="GROUP...", help="music, latents, archive.")],
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove here what lies in the object store: latents, the weights of former lineages (archive), or all music.

    The store is asked for each file first. While music lies only there, nothing is scanned, worked on or built; `lofi run` and
    `lofi store pull` bring it back. Audits go on: they say what was not read.
    """
    from lofi_pipeline.offsite import evict as evict_from

    root = data_root(context, data)
    with bars():
        gone = evict_from(
            root,
            _bucket(),
            groups,
            progress=lambda done, total, what: progress.report("evict", done, total, what),
        )
    size = sum(file.size for file in gone.values())
    console.print(
        f"Removed here {len(gone)} files, {size / 1e6:.1f} MB: they lie in the store", highlight=False
    )
    write_json(json_file, {"files": list(gone), "bytes": size})


def store_of_run() -> Bucket | None:
    """The store that a run begins and ends with; None where none is set."""
    return _bucket() if load_config().storage.object_store else None


def pull_from(root: DataRoot, bucket: Bucket, groups: tuple[str, ...], *, missing: bool = False) -> object:
    """Bring back, and say so."""
    from lofi_pipeline.offsite import pull as pull_groups

    with bars():
        done = pull_groups(
            root,
            bucket,
            groups,
            missing=missing,
            progress=lambda done, total, what: progress.report("pull", done, total, what),
        )
    _print_each("not brought in", done.refused)
    drops = f"; drops: {sanitize(few(done.drops))}" if done.drops else ""
    console.print(
        f"From {sanitize(bucket.url)}: {done.files} files, {done.bytes / 1e6:.1f} MB{drops}",
        highlight=False,
        soft_wrap=True,
    )
    return vars(done)


def push_to(root: DataRoot, bucket: Bucket, *, delete: bool = False) -> object:
    """Put, and say so."""
    from lofi_pipeline.offsite import push as push_files

    with bars():
        done = push_files(
            root,
            bucket,
            delete=delete,
            progress=lambda done, total, what: progress.report("push", done, total, what),
        )
    _print_each("not put", done.skipped)
    removed = f"; removed there: {done.removed}" if done.removed else ""
    console.print(
        f"To {sanitize(bucket.url)}: {done.files} files, {done.bytes / 1e6:.1f} MB{removed}",
        highlight=False,
        soft_wrap=True,
    )
    return vars(done)


def _print_each(what: str, reasons: Mapping[str, str]) -> None:
    for name, why in list(reasons.items())[:_MOST_SHOWN]:
        console.print(f"[yellow]{what}[/] {sanitize(name)}: {sanitize(why)}", highlight=False, soft_wrap=True)
    if (more := len(reasons) - _MOST_SHOWN) > 0:
        console.print(f"[yellow]{what}[/] {more} more", highlight=False)


def _url() -> str:
    from lofi_pipeline.offsite import StoreError

    url = load_config().storage.object_store
    if url is None:
        raise StoreError("storage.object_store is not set: write s3://BUCKET/PREFIX into pipeline.yaml")
    return url.rstrip("/")


def _bucket() -> Bucket:
    from lofi_pipeline.offsite import Bucket

    return Bucket(_url())
