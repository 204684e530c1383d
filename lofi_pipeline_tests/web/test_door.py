"""`lofi ui` at its own command line: the link, what is refused before anything listens, and what a door left open costs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.console import SafeConsole
from lofi_pipeline.cli.open_door import announce
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.door import Door, new_token


def said(door: Door, root: DataRoot) -> str:
    console = SafeConsole(file=io.StringIO(), width=500)
    announce(root, door, console, with_dagster=True)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lofi.example", "127.0.0.1.example"])
def test_without_a_token_it_listens_to_this_machine_alone(host: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ui", "--data", str(tmp_path / "data"), "--host", host, "--no-token"])
    assert done.exit_code == 2
    assert "everybody in the network" in " ".join(done.output.replace("│", " ").split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_loopback(host: str, root: DataRoot) -> None:
    assert Door(host=host).is_loopback
    assert "TLS" not in said(Door(host=host, token="t"), root)


def test_beyond_this_machine_it_says_that_there_is_no_tls_and_what_to_do(root: DataRoot) -> None:
    told = said(Door(host="0.0.0.0", token="t"), root)
    assert "http://127.0.0.1:3000/?token=t\n" in told
    assert "No TLS" in told and "proxy" in told and "--allow-host" in told


def test_no_token_says_what_it_costs(root: DataRoot) -> None:
    told = said(Door(), root)
    assert "http://127.0.0.1:3000/\n" in told
    assert "any program and any user of this machine" in told
    assert "No token" not in said(Door(token="t"), root)


def test_listening_everywhere_it_is_reached_by_its_addresses_and_by_no_other_name() -> None:
    hosts = Door(host="0.0.0.0").hosts
    assert "127.0.0.1:3000" in hosts and "evil.example:3000" not in hosts


def test_each_start_has_a_token_of_its_own_and_a_door_never_shows_it() -> None:
    one, two = new_token(), new_token()
    assert one != two and len(one) >= 32
    assert one not in repr(Door(token=one))


@pytest.mark.parametrize(
    ("host", "link"), [("::1", "http://[::1]:8080/"), ("localhost", "http://localhost:8080/")]
)
def test_the_link_leads_where_it_listens(host: str, link: str) -> None:
    assert Door(host=host, port=8080).link == link
