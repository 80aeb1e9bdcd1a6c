"""Every exception quorumsql raises on purpose.

    QuorumError
     ├─ UsageError            the caller can fix it; the command line prints it and exits 2
     │   ├─ ConfigError         unknown key or wrong type: file, key, what was expected
     │   ├─ UnknownName         the name, the closest match, all that exist
     │   ├─ MissingExtra        which feature, the exact install command
     │   └─ DatabaseError       cannot open, connection lost, locked, corrupt
     └─ ModelError            a model failed or cannot be loaded

A statement that the database or the guard refuses is not an exception but a `Failure` value.

What is not covered: exceptions of other libraries. Each adapter maps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "DatabaseError",
    "MissingExtra",
    "ModelError",
    "QuorumError",
    "UnknownName",
    "UsageError",
]


class QuorumError(Exception):
    """Anything quorumsql raises on purpose; its text is one line: what, where, what to do."""


class UsageError(QuorumError):
    """The caller can fix it."""


class ConfigError(UsageError):
    """A setting is unknown or has the wrong type."""


class UnknownName(UsageError):
    """A name that does not exist, with the closest one that does."""

    def __init__(self, what: str, name: str, available: Iterable[str]) -> None:
        """Say which `what` is unknown, and which exist."""
        names = sorted(available)
        close = get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"Unknown {what} {name!r}.{hint} Available: {', '.join(names)}.")


class MissingExtra(UsageError):
    """A feature needs an extra that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        """Name the feature and the command that installs what it needs."""
        super().__init__(f"{feature} needs an extra: run pip install 'quorumsql[{extra}]'.")


class ModelError(QuorumError):
    """A model failed or cannot be loaded."""


class DatabaseError(UsageError):
    """The database cannot be opened or read: which, why, what to do."""
