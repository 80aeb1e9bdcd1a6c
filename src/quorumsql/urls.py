"""Addresses of database servers: read from what people type, shown without the password.

    postgresql://bob:p@ss/w#rd@host:5432/shop?sslmode=require

A password may hold any character, percent-encoded or not: the last `@` before the query ends it.

What is not covered: whether anything answers there, and addresses of files (`db.connect`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode

from quorumsql.errors import UsageError

__all__ = ["ServerUrl", "is_loopback", "read_url"]

_SCHEME = re.compile(r"(?P<engine>[A-Za-z][A-Za-z0-9.\-]*)(\+(?P<driver>[A-Za-z0-9_]+))?://")
_PLACE = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^@:/?#\[\]]*)(:(?P<port>[^/?#]*))?"
    r"(/(?P<database>[^?]*))?(\?(?P<query>.*))?",
    re.DOTALL,
)
_SECRET = re.compile(r"pass|pwd|token|secret|key", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """Where a server is and who asks. Its text has no password."""

    engine: str
    driver: str = ""
    user: str = ""
    password: str | None = field(default=None, repr=False)
    host: str = ""
    port: int | None = None
    database: str = ""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """The address for people and for names of folders: no driver, no secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{self.user}@{host}" if self.user else host
        port = f":{self.port}" if self.port is not None else ""
        query = {k: v for k, v in sorted(self.query.items()) if not _SECRET.search(k)}
        rest = f"?{urlencode(query)}" if query else ""
        return f"{self.engine}://{place}{port}/{self.database}{rest}"

    @property
    def place(self) -> str:
        """The database and its server in words: `shop on host:5432`."""
        where = self.host or self.query.get("host") or self.query.get("unix_socket") or "localhost"
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.database} on {where}{port}" if self.database else f"{where}{port}"


def read_url(text: str) -> ServerUrl:
    """Read `engine[+driver]://[user[:password]@][host][:port][/database][?option=value]`.

    Raises:
        UsageError: it has another form; the message does not repeat it.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise UsageError("A URL begins like postgresql://, followed by user, host and database.")
    engine = scheme["engine"].lower()
    who, rest = _parted(text[scheme.end() :])
    place = _PLACE.fullmatch(rest)
    if place is None:
        raise UsageError(f"This {engine}:// URL cannot be read: {_form(engine)}.")
    user, colon, password = (who or "").partition(":")
    return ServerUrl(
        engine=engine,
        driver=(scheme["driver"] or "").lower(),
        user=unquote(user),
        password=unquote(password) if colon else None,
        host=unquote(place["host"].strip("[]")),
        port=_port(place["port"], engine),
        database=unquote(place["database"] or ""),
        query=dict(parse_qsl(place["query"] or "", keep_blank_values=True)),
    )


def _parted(rest: str) -> tuple[str | None, str]:
    """Part who asks from where: at the last `@`, unless that stands in the value of an option."""
    who, at, where = rest.rpartition("@")
    before, question, query = rest.partition("?")
    if at and question and "=" in query.partition("@")[0] and _is_place(before):
        return None, rest
    if at and "@" in before and question and re.fullmatch(r"[^@?]*=.*", query, re.DOTALL):
        who, at, where = before.rpartition("@")
        return who, f"{where}?{query}"
    return (who, where) if at else (None, rest)


def _is_place(text: str) -> bool:
    place = _PLACE.fullmatch(text)
    return place is not None and (not place["port"] or place["port"].isdigit())


def _port(text: str | None, engine: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        # The text may be the end of a password that holds an unexpected character.
        raise UsageError(
            f"The port in this {engine}:// URL is no number from 1 to 65535: {_form(engine)}."
        )
    return int(text)


def _form(engine: str) -> str:
    return f"write {engine}://USER:PASSWORD@HOST:PORT/DATABASE"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
