"""A real S3 server on this machine (moto's), and a proxy before it that does what networks and servers do on bad days."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "label-music"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class Faults:
    """What the proxy does to the requests that come next."""

    answers: list[tuple[str, int, bytes]] = field(default_factory=list)
    """For one request of a method each: a status and a body in place of the server's."""
    cut_after: list[int] = field(default_factory=list)
    """For one GET of an object each: after how many bytes of it the connection ends."""
    not_listed: set[str] = field(default_factory=set)
    """Keys that listings do not have yet."""
    expired: bool = False
    """Whether the credentials have expired."""
    ignores_conditions: bool = False
    """Whether this is a server that knows no If-None-Match."""
    before: Callable[[str, str], None] = lambda method, path: None
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults
    behind: tuple[str, int]

    def _pass(self) -> None:
        faults = self.faults
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        if body is None and self.headers.get("Transfer-Encoding") == "chunked":
            raise AssertionError("files are put with their length")
        faults.seen.append((self.command, self.path))
        faults.before(self.command, self.path)
        if faults.expired:
            return self._answer(400, {}, EXPIRED)
        for place, (method, status, answer) in enumerate(faults.answers):
            if method == self.command:
                del faults.answers[place]
                return self._answer(status, {}, answer)
        server = HTTPConnection(*self.behind)
        ignored = {"expect", *(("if-none-match",) if faults.ignores_conditions else ())}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ignored}
        server.request(self.command, self.path, body, headers)
        found = server.getresponse()
        data = found.read()
        is_list = self.command == "GET" and "list-type=2" in self.path
        for key in faults.not_listed if is_list else ():
            pattern = rf"<Contents>(?:(?!</Contents>).)*<Key>[^<]*{re.escape(key)}</Key>.*?</Contents>"
            data = re.sub(pattern.encode(), b"", data, flags=re.DOTALL)
        passed = {k: v for k, v in found.getheaders() if k.lower() not in ("connection", "transfer-encoding")}
        if is_list:
            passed["Content-Length"] = str(len(data))
        cut = faults.cut_after.pop(0) if self.command == "GET" and not is_list and faults.cut_after else None
        return self._answer(found.status, passed, data, cut)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass

    def _answer(self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None or status >= 400:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def s3_server() -> Iterator[tuple[str, Faults]]:
    """The address of a proxy before a fresh S3 server with one empty bucket, and what the proxy does."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    faults = Faults()
    handler = type("Handler", (_Handler,), {"faults": faults, "behind": server.get_host_and_port()})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}", faults
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.stop()
