"""The door that `lofi ui` and `lofi studio` open: its options, and what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from lofi_pipeline.cli.console import sanitize
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.web.door import Door

Host = Annotated[str, typer.Option(help="Where to listen; loopback unless you know what you do.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        help="Port of the webserver; else 3000, or the next that is free.",
        show_default=False,
    ),
]
WithToken = Annotated[
    bool,
    typer.Option(
        "--token/--no-token",
        help="Let in who opened the printed link, or sends its token as `Authorization: Bearer`. Without: any program and "
        "any user of this machine can start runs and delete history.",
    ),
]
ReadOnly = Annotated[
    bool,
    typer.Option(
        "--read-only",
        help="Show everything, and let nobody change or start anything: for auditors. No daemon is started.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="A name that people reach it by, as browsers send it: that of a proxy with TLS. May be given more than once.",
        show_default=False,
    ),
]


def door_for(
    host: str, port: int | None, *, with_token: bool, read_only: bool, allow_host: list[str] | None
) -> Door:
    """The door that was asked for, with new tokens and a free port.

    Raises:
        typer.BadParameter: it would let in whoever is in the network.
        PortTaken: another program listens there.
    """
    from lofi_pipeline.web.door import Door, free_port, new_token

    token, auditor_token = (new_token(), new_token()) if with_token else (None, None)
    names = allow_host or []
    door = Door(host=host, token=token, auditor_token=auditor_token, read_only=read_only, names=names)
    if not (with_token or door.is_loopback):
        raise typer.BadParameter(
            f"with --host {host} everybody in the network could start runs and delete history; leave --no-token out, or "
            "listen on 127.0.0.1",
            param_hint="--no-token",
        )
    return door.model_copy(update={"port": free_port(host, port)})


def announce(root: DataRoot, door: Door, console: Console, *, with_dagster: bool) -> None:
    """The links to open, and what the door leaves open."""
    links = {"Dagster UI": door.link} if with_dagster else {}
    links |= {"Studio": door.studio_link}
    if door.auditor_link:
        links |= {"Studio for an auditor, who changes nothing": door.auditor_link}
    lines = [f"{name}: {escape(link)}" for name, link in links.items()]
    lines.append(f"Data root: {sanitize(root.path)}   stop with Ctrl-C")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    if door.token is None:
        console.print(
            "[yellow]No token[/]: any program and any user of this machine can start runs and delete history here."
        )
    if not door.is_loopback:
        console.print(
            "[yellow]No TLS[/]: whoever sits between a browser and this port reads the token and the music. Put a proxy with "
            "TLS before it that keeps the Host header, listen on loopback alone, and name the proxy with --allow-host."
        )
