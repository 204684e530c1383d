"""`lofi studio`: the studio of one data root, without Dagster."""

from __future__ import annotations

import typer

from lofi_pipeline.cli.console import Config, Data, console
from lofi_pipeline.cli.open_door import AllowHost, Host, Port, ReadOnly, WithToken, announce, door_for
from lofi_pipeline.cli.root import data_root


def studio(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = None,
    with_token: WithToken = True,
    read_only: ReadOnly = False,
    allow_host: AllowHost = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Review tracks, hear and compare checkpoints, and hold listening tests, in the browser; without Dagster.

    `lofi ui` has the studio beside Dagster's pages. Ends with Ctrl-C or SIGTERM.
    """
    from lofi_pipeline.web.studio import serve_alone

    door = door_for(host, port, with_token=with_token, read_only=read_only, allow_host=allow_host)
    root = data_root(context, data)
    announce(root, door, console, with_dagster=False)
    serve_alone(root, door)
