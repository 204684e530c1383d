"""The guard before Dagster's webserver, which itself looks neither at who asks nor at where the request comes from.

Any page that a user visits can have the browser send requests to a port of this machine: by an image, a form, a script, a
websocket, or a name that it makes lead here. The guard lets none of them through. What is refused is told why in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from lofi_pipeline.web.door import Door
from lofi_pipeline.web.role import READING, Role, is_open_to_listeners

GRAPHQL = "/graphql"
TOKEN = "token"
ROLE = "lofi.role"
"""Where the apps behind the guard find in a request's scope who asks."""
SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may hold the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """An ASGI app before another: what the door's rules allow goes on to it unchanged."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door, self._hosts = app, door, door.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket from its opening to its end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif (answer := self._answer(HTTPConnection(scope))) is None:
            await self._app(scope, receive, _with_security_headers(send))
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(answer)
        else:
            await answer(scope, receive, _with_security_headers(send))

    def _answer(self, asked: HTTPConnection) -> Response | None:
        """What the guard itself answers; None lets the request through, as one of the role that it has."""
        for reason in (*self._foreign(asked.headers, asked.scope), *self._forbidden(asked)):
            return _refusal(403, reason)
        method, given = asked.scope.get("method", ""), asked.query_params.get(TOKEN, "")
        if method in READING and self._door.role_of(given):
            return self._welcome(asked, given)
        role = self._role(asked)
        if role is None:
            return _refusal(
                401, "the token is missing or wrong: open the link that `lofi ui` printed when it started"
            )
        if reason := role.refusal(method, asked.scope["path"]):
            return _refusal(403, reason)
        asked.scope[ROLE] = role
        return None

    def _role(self, asked: HTTPConnection) -> Role | None:
        """Who asks; None: nobody who is let in."""
        if self._door.token is None:
            return Role.OWNER
        given = (_bearer(asked.headers), asked.cookies.get(self._door.cookie, ""))
        known = next(filter(None, map(self._door.role_of, given)), None)
        return known or (Role.LISTENER if is_open_to_listeners(asked.scope["path"]) else None)

    def _foreign(self, headers: Headers, scope: Scope) -> Iterator[str]:
        """Why the request is one that another site has the browser make.

        A navigation is let on to the token, wherever the link to it stood: the page that leads here does not see the
        answer, has it neither in a frame, and the browser sends no SameSite=Strict cookie along.
        """
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            yield "the Host is none of this server's names: use the printed link, or name it with --allow-host"
            return
        origins = headers.getlist("origin")
        ours = {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}
        if any(origin.lower() not in ours for origin in origins):
            yield "the Origin is another site: its pages may not talk to this server"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _is_navigation(
            headers, scope
        ):
            yield "another site's page made this request (Sec-Fetch-Site): it may not"

    def _forbidden(self, asked: HTTPConnection) -> Iterator[str]:
        """Why a request is not taken although it may come from our own page."""
        headers, path = asked.headers, asked.scope["path"].rstrip("/")
        if asked.scope["type"] == "websocket":
            if not ("origin" in headers or self._has_bearer(headers)):
                yield "a websocket must name its Origin, or send the token as `Authorization: Bearer`"
        elif asked.scope["method"] in READING:
            if path == GRAPHQL:
                yield "GraphQL is taken by POST alone: a GET could be a link or an image"
        else:
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                yield "what changes something is taken as application/json alone, which no form can send"
            if not (self._is_from_our_page(headers) or self._is_script(headers)):
                yield "a script must send the token as `Authorization: Bearer`, and a page its Origin"
            if self._door.read_only and path != GRAPHQL:
                yield "this server is read-only"

    def _is_from_our_page(self, headers: Headers) -> bool:
        """Whether the browser says so; that an Origin is ours was seen before."""
        return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"

    def _is_script(self, headers: Headers) -> bool:
        if "sec-fetch-site" in headers:
            return False
        return self._door.token is None or self._has_bearer(headers)

    def _has_bearer(self, headers: Headers) -> bool:
        return self._door.role_of(_bearer(headers)) is not None

    def _welcome(self, asked: HTTPConnection, token: str) -> Response:
        """To who opened the link: the cookie, and the way to the same page without the token in its address."""
        rest = urlencode([pair for pair in parse_qsl(asked.url.query) if pair[0] != TOKEN])
        # One slash: two would lead to another host.
        target = "/" + quote(asked.scope["path"].lstrip("/\\")) + (f"?{rest}" if rest else "")
        if asked.headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            response = Response(status_code=303, headers={"Location": target})
        else:  # after a redirect the browser would still hold back the cookie: another site began it
            response = Response(status_code=200, headers={"Refresh": f"0; url={target}"})
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(self._door.cookie, token, httponly=True, samesite="strict")
        return response


def _bearer(headers: Headers) -> str:
    kind, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


def _is_navigation(headers: Headers, scope: Scope) -> bool:
    """Whether a person goes to a page here, in the window itself and not in a frame."""
    return (
        scope.get("method") == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _refusal(status: int, reason: str) -> Response:
    return PlainTextResponse(f"Refused: {reason}.\n", status, headers={"Cache-Control": "no-store"})


def _with_security_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            headers.append(
                "Content-Security-Policy", "frame-ancestors 'none'"
            )  # beside Dagster's own: both hold
        await send(message)

    return sending
