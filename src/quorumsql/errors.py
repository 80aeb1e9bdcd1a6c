"""Every exception quorumsql raises on purpose.

    QuorumError
     ├─ UsageError            the caller can fix it; the command line prints it and exits 2
     │   ├─ ConfigError         unknown key or wrong type: file, key, what was expected
     │   ├─ UnknownName         the name, the closest match, all that exist
     │   ├─ MissingExtra        which feature, the exact install command
     │   └─ DatabaseError       cannot open, connection lost, locked, corrupt
     └─ ModelError            a model failed or cannot be loaded
         ├─ ModelUnavailable    no answer in time, after retries: down, busy, too slow
         ├─ ModelRefused        key, name or request refused; also a UsageError
         │   └─ ContextTooLong    the prompt does not fit the model's context
         └─ BudgetSpent         the question's calls, money or time are used up

A statement that the database or the guard refuses is not an exception but a `Failure` value.

What is not covered: exceptions of other libraries. Each adapter maps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BudgetSpent",
    "ConfigError",
    "ContextTooLong",
    "DatabaseError",
    "MissingExtra",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "QuorumError",
    "UnknownName",
    "UsageError",
]


class QuorumError(Exception):
    """Anything quorumsql raises on purpose; its text is one line: what, where, what to do."""

    def __str__(self) -> str:
        """The text on one line, also where it repeats a name that holds a line break."""
        return " ".join(super().__str__().splitlines())


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


class ModelUnavailable(ModelError):
    """A model gave no usable answer in time; asking later may help.

    `sent` counts the requests that a service may have worked on, and charged for, all the same.
    """

    def __init__(self, message: str, *, sent: int = 0) -> None:
        super().__init__(message)
        self.sent = sent


class ModelRefused(UsageError, ModelError):
    """A model service refuses this key, model name or request; asking again does not help."""


class ContextTooLong(ModelRefused):
    """The prompt does not fit the model's context."""


class BudgetSpent(ModelError):
    """What a question may cost in calls, money or time is used up."""


class DatabaseError(UsageError):
    """The database cannot be opened or read: which, why, what to do."""
