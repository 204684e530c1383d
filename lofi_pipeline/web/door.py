"""Where the UI listens, by which names it is reached, and who may come in: what `lofi ui` is told, and its guard goes by."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket

import psutil
from pydantic import Field

from lofi_pipeline.entities import Entity
from lofi_pipeline.errors import LofiError
from lofi_pipeline.web.role import STUDIO, Role

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
USUAL_PORT = 80
FIRST_PORT = 3000
PORTS_TRIED = 50


class PortTaken(LofiError):
    """Another program listens on the port that was asked for."""


class Door(Entity):
    """An address to listen on, and the rules for what comes in there."""

    host: str = "127.0.0.1"
    port: int = FIRST_PORT
    token: str | None = Field(
        default=None, repr=False, description="Without one, whoever reaches the port is let in"
    )
    auditor_token: str | None = Field(
        default=None, repr=False, description="Lets in who reads the studio, and changes nothing"
    )
    read_only: bool = False
    names: list[str] = Field(
        default=[], description="Other names that people reach it by, such as that of a proxy"
    )

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """Every Host header that is ours. Any other name was made to lead here by somebody else (DNS rebinding)."""
        own = {
            _with_port(name, self.port) for name in (*LOOPBACK_NAMES, self.host, *_addresses_of(self.host))
        }
        return frozenset(name.lower() for name in own | set(self.names))

    @property
    def link(self) -> str:
        """What to open in a browser."""
        return self._link("/", self.token)

    @property
    def studio_link(self) -> str:
        """The same for the studio."""
        return self._link(f"{STUDIO}/", self.token)

    @property
    def auditor_link(self) -> str | None:
        """The studio for who only reads; None where everybody is let in anyhow."""
        return self._link(f"{STUDIO}/", self.auditor_token) if self.token and self.auditor_token else None

    def role_of(self, token: str) -> Role | None:
        """Whose token it is; None: nobody's."""
        known = ((self.token, Role.OWNER), (self.auditor_token, Role.AUDITOR))
        return next((role for own, role in known if own and _is_same(own, token)), None)

    def _link(self, path: str, token: str | None) -> str:
        name = "127.0.0.1" if _is_any_address(self.host) else self.host
        query = f"?token={token}" if token else ""
        return f"http://{_with_port(name, self.port)}{path}{query}"

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers send those of one port to all ports of a host."""
        return f"lofi-{self.port}"


def free_port(host: str, wanted: int | None) -> int:
    """The port to listen on: the one that is wanted, else the first from 3000 on that nobody listens on.

    Raises:
        PortTaken: the wanted one is not free, or none is.
    """
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if wanted is None else [wanted]
    free = next((port for port in ports if _is_free(host, port)), None)
    if free is None:
        raise PortTaken(
            f"port {wanted or f'{FIRST_PORT} to {ports[-1]}'} of {host} is taken by another program, perhaps by another lofi ui; "
            "end that, or choose another with --port"
        )
    return free


def _is_free(host: str, port: int) -> bool:
    """Whether it can be listened on now; a host that there is none of is found out where it is listened on."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return True
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(address)
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_hex(24)


def _is_same(own: str, given: str) -> bool:
    return secrets.compare_digest(own.encode(), given.encode())


def _with_port(name: str, port: int) -> str:
    """A Host header as browsers write it: IPv6 in brackets, the usual port left out."""
    name = f"[{name}]" if ":" in name else name
    return name if port == USUAL_PORT else f"{name}:{port}"


def _is_any_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _addresses_of(host: str) -> list[str]:
    """What this machine is reached by when it listens everywhere."""
    if not _is_any_address(host):
        return []
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    numbers = [item.address for item in found if item.family in (socket.AF_INET, socket.AF_INET6)]
    return [socket.gethostname(), *numbers]
