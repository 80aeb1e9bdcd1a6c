"""What every request passes first: size, origin, token, rate; and what every response carries.

One ASGI layer around the application. It writes a log line per request with method, route, status
and time: no question, no SQL, no value, no token.

What is not covered: encryption. On any network a proxy in front of the server speaks TLS.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quorumsql.tokens import WebSettings, digest
from quorumsql.web.pool import LOCAL, Person

__all__ = ["OPEN", "POLICY", "Shield", "log_to", "problem"]

OPEN: Final = ("/", "/health", "/ready", "/openapi.json")
"""Paths that need no token; what lies below /page/ needs none either."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PEOPLE: Final = 10_000


class Shield:
    """The layer. Without tokens it lets everybody of this machine in, and nobody else."""

    def __init__(self, app: ASGIApp, settings: WebSettings, log: logging.Logger) -> None:
        self._app = app
        self._settings = settings
        self._log = log
        self._tokens = {token.sha256: (name, token) for name, token in settings.tokens.items()}
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, headers = time.perf_counter(), _headers(scope)
        status, who = 500, "-"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
                if "cache-control" not in {k.decode().lower() for k, _ in message["headers"]}:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            refused = self._refused(scope, headers)
            person: Person | None = None
            if refused is None and not _is_open(scope["path"]):
                person, refused = self._person(scope, headers)
            if person is not None and refused is None:
                who = person.name
                refused = self._too_often(person.name)
                scope.setdefault("state", {})["person"] = person
            if refused is not None:
                await _refuse(sending, *refused)
                return
            await self._app(scope, _Limited(receive, self._settings.bytes), sending)
        finally:
            self._write(scope, status, who, began)

    def _refused(self, scope: Scope, headers: Mapping[str, str]) -> _Refusal | None:
        """What is wrong with a request whoever sends it."""
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._settings.bytes:
            return self._too_large()
        host = _host(headers.get("host", ""))
        if not self._tokens and host not in _LOCAL:
            # A page elsewhere may point its own name at this machine (DNS rebinding).
            return 403, "forbidden", f"This server answers as localhost, not as {host[:80]!r}.", {}
        origin = headers.get("origin")
        if origin and _place(origin) != headers.get("host", ""):
            return 403, "forbidden", "Pages of other sites may not use this server.", {}
        del scope
        return None

    def _person(
        self, scope: Scope, headers: Mapping[str, str]
    ) -> tuple[Person | None, _Refusal | None]:
        """Who asks, by the token."""
        tab = headers.get("quorum-client", "")[:64]
        if not self._tokens:
            client = scope.get("client") or ("",)
            return Person(name=LOCAL, queue=f"{client[0]} {tab}"), None
        kind, _, given = headers.get("authorization", "").partition(" ")
        ask = {"www-authenticate": "Bearer"}
        if kind.lower() != "bearer" or not given.strip():
            return None, (401, "token_missing", "This server asks for a token: send it.", ask)
        found = self._tokens.get(digest(given.strip()))
        if found is None:
            return None, (401, "token_unknown", "This token is not known here: check it.", ask)
        name, token = found
        if token.expired():
            words = f"The token {name!r} expired on {token.expires}: ask for a new one."
            return None, (401, "token_expired", words, ask)
        return Person(name=name, queue=name, token=token), None

    def _too_often(self, name: str) -> _Refusal | None:
        """A bucket per person that fills with time and is emptied by requests."""
        most, now = float(self._settings.per_minute), time.monotonic()
        left, before = self._rates.pop(name, (most, now))
        left = min(most, left + (now - before) * most / 60)
        self._rates[name] = (max(left - 1, 0.0), now)
        while len(self._rates) > _PEOPLE:
            self._rates.popitem(last=False)
        if left >= 1:
            return None
        wait = {"retry-after": str(max(1, round((1 - left) * 60 / most)))}
        return 429, "too_many_requests", "Too many requests: wait a moment, then go on.", wait

    def _too_large(self) -> _Refusal:
        most = self._settings.bytes
        return 413, "too_large", f"The request is too large: at most {most:,} bytes are read.", {}

    def _write(self, scope: Scope, status: int, who: str, began: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        record = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "event": "request",
            "method": scope["method"] if scope["method"].isalpha() else "?",
            "route": route or "(none)",
            "status": status,
            "ms": round((time.perf_counter() - began) * 1000, 1),
            "who": who,
        }
        self._log.info(json.dumps(record))


_Refusal = tuple[int, str, str, dict[str, str]]


class _Limited:
    """Receives a body up to a number of bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def __call__(self) -> Message:
        """Receive the next part.

        Raises:
            HTTPException: it is too much.
        """
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, "The request is too large.")
        return message


def log_to(stream: Any) -> logging.Logger:
    """Return a logger that writes lines of JSON to `stream`."""
    log = logging.Logger("quorumsql.web", logging.INFO)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    return log


def problem(code: str, message: str) -> dict[str, Any]:
    """Return the body of every response that is an error."""
    return {"error": {"code": code, "message": message}}


async def _refuse(send: Send, status: int, code: str, words: str, more: Mapping[str, str]) -> None:
    body = json.dumps(problem(code, words)).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **more}
    start = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}


def _host(text: str) -> str:
    try:
        return urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return ""


def _place(origin: str) -> str:
    """Host and port of an origin; empty where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/page/")
