"""Who may come in through a server's door, and how much of it they may use. Frozen values.

A token is shown once, when it is made; what is kept is its SHA-256, so that a configuration file
holds no secret. Tokens are random and long, so that a plain hash is enough.

What is not covered: sessions, passwords and single sign-on; put a proxy that knows them in front.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from quorumsql.errors import ConfigError
from quorumsql.permissions import Names, Permissions

__all__ = ["Token", "WebSettings", "both", "digest", "new_token"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What the bearer of one token may do.

    `sha256` is the token's digest in hexadecimal. Of the server's databases it opens those that
    `databases` names, all when it names none, and of them what `permissions` allow. On the day
    `expires` it no longer holds. With `review` it also sees what anybody proposed as an example
    for these databases, and approves or rejects it.
    """

    sha256: str
    databases: tuple[str, ...] = ()
    permissions: Permissions = field(default_factory=Permissions)
    expires: date | None = None
    review: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be a digest; the value is not repeated, it may be the token."""
        if not _DIGEST.fullmatch(self.sha256):
            raise ConfigError("web.tokens: sha256 must be 64 hexadecimal digits, in small letters.")
        if self.review and self.permissions != Permissions():
            raise ConfigError(
                "web.tokens: what others propose may name what this token must not see: "
                "take away its review, or its permissions."
            )

    def opens(self, database: str) -> bool:
        """Whether it opens this database."""
        return not self.databases or database in self.databases

    def expired(self) -> bool:
        """Whether its day has come."""
        return self.expires is not None and datetime.now(UTC).date() >= self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What `quorum serve` allows.

    `workers` questions are worked on at once; of one user at most `waiting` more wait.
    A user makes at most `per_minute` requests a minute, each of at most `bytes`.
    """

    workers: int = 2
    waiting: int = 100
    per_minute: int = 600
    bytes: int = 1024 * 1024
    tokens: Mapping[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse numbers and names that make no sense."""
        for name in ("workers", "waiting", "per_minute", "bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"web.{name} must be greater than 0.")
        for name in self.tokens:
            if not _NAME.fullmatch(name):
                raise ConfigError(
                    f"web.tokens: {name!r} must be letters, digits, - and _, at most 40."
                )


def new_token() -> str:
    """Return a fresh token; nobody can guess it."""
    return f"quorum_{secrets.token_urlsafe(32)}"


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def both(one: Permissions, other: Permissions) -> Permissions:
    """Return what both permit.

    Raises:
        ConfigError: both name what is allowed, or mask or restrict the same thing.
    """
    if one.allow and other.allow:
        raise ConfigError(
            "permissions.allow stands in the settings and for a token: keep it in one of them."
        )
    for name in ("rows", "masks"):
        if twice := {k.lower() for k in getattr(one, name)} & {
            k.lower() for k in getattr(other, name)
        }:
            raise ConfigError(
                f"permissions.{name} of {min(twice)!r} stand in the settings and for a token: "
                "keep them in one of them."
            )
    return Permissions(
        allow=one.allow or other.allow,
        deny=Names(
            schemas=(*one.deny.schemas, *other.deny.schemas),
            tables=(*one.deny.tables, *other.deny.tables),
            columns=(*one.deny.columns, *other.deny.columns),
        ),
        rows={**one.rows, **other.rows},
        masks={**one.masks, **other.masks},
        views=(*one.views, *other.views),
    )
