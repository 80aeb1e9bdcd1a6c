"""What SQLite's errors mean: the statement is at fault, or the database is.

A statement at fault is a `Failure`; a database that is locked, damaged or gone is a
`DatabaseError` in words that say what to do.

What is not covered: extended codes that tell nothing more to a person who asks a question.
"""

from __future__ import annotations

import re
import sqlite3
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from quorumsql.db.budget import Budget, stopped
from quorumsql.domain import Failure, Schema
from quorumsql.errors import DatabaseError

__all__ = ["database_error", "failure", "is_busy", "is_of_database", "is_too_long"]

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DATABASE: Final = _BUSY | {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
}
_MISSING: Final = re.compile(r"no such (column|table): (.+)")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the lock that was needed."""
    return _primary(error) in _BUSY


def is_of_database(error: sqlite3.Error) -> bool:
    """Whether the database, not the statement, is the reason."""
    code = getattr(error, "sqlite_errorcode", None)
    # A plain READONLY answers a statement that writes; its variants mean a journal to replay.
    return _primary(error) in _DATABASE or (
        _primary(error) == sqlite3.SQLITE_READONLY and code != sqlite3.SQLITE_READONLY
    )


def database_error(error: sqlite3.Error, path: Path) -> DatabaseError:
    """Return the exception that tells a person what is wrong with `path` and what to do."""
    match _primary(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = "is locked by another process: wait until it has finished writing; try again"
        case sqlite3.SQLITE_CORRUPT:
            text = (
                f"is damaged ({error}): restore a copy, or save what can be saved with: "
                f'sqlite3 "{path}" ".recover" | sqlite3 recovered.db'
            )
        case sqlite3.SQLITE_NOTADB:
            text = "is not an SQLite database, or it is encrypted: decrypt it first"
        case sqlite3.SQLITE_READONLY:
            text = (
                "was left by a program that crashed while writing, and its journal has to be "
                f'replayed first: back it up, then run sqlite3 "{path}" "PRAGMA user_version"'
            )
        case sqlite3.SQLITE_CANTOPEN:
            text = (
                f"cannot be opened ({error}): check the permissions of the file and its folder; "
                "if the disk is read-only, copy it with its -wal and -journal files elsewhere"
            )
        case _:
            text = f"cannot be read ({error}): check the disk, or copy the file elsewhere"
    return DatabaseError(f"The database {path} {text}.")


def is_too_long(error: sqlite3.Error) -> bool:
    """Whether a value was longer than allowed."""
    return _primary(error) == sqlite3.SQLITE_TOOBIG


def failure(
    error: sqlite3.Error, budget: Budget, refused: str, schema: Schema | None, longest: int = 0
) -> Failure:
    """Return why a statement returned nothing.

    Args:
        error: what SQLite said.
        budget: tells a deadline from a cancellation.
        refused: what the authorizer refused, if it did.
        schema: what exists, if it is known already, for a hint.
        longest: how many bytes a value could have.

    Raises:
        KeyboardInterrupt: Python swallowed one inside a callback of SQLite; here it is again.
    """
    match _primary(error):
        case sqlite3.SQLITE_INTERRUPT if not budget.stopped:
            raise KeyboardInterrupt from None
        case sqlite3.SQLITE_INTERRUPT:
            return stopped(budget)
        case sqlite3.SQLITE_AUTH | sqlite3.SQLITE_ERROR if _unexplained(error, refused):
            raise KeyboardInterrupt from None
        case sqlite3.SQLITE_READONLY:
            return Failure(kind="refused", message="Refused: the database is only read.")
        case sqlite3.SQLITE_TOOBIG if budget.stopped:  # no value may be long when the time is up
            return stopped(budget)
        case sqlite3.SQLITE_TOOBIG:
            return Failure(
                kind="cap",
                message=f"A value is longer than {longest:,} bytes, the most for this statement "
                "within the limit on a result: ask for less of it, for fewer columns or calls of "
                "functions, or raise the limit.",
            )
        case sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_FULL:
            return Failure(kind="cap", message=f"The statement needs too much room: {error}.")
        case _ if refused:
            words = f"Refused: {refused} is not allowed."
            # What was refused when the time was up was only still being compiled.
            return stopped(budget) if budget.stopped else Failure(kind="refused", message=words)
        case None if "one statement at a time" in str(error):
            return Failure(kind="refused", message="Refused: only one statement may run.")
        case _:
            return Failure(kind="error", message=f"{error}{_hint(str(error), schema)}")


def _unexplained(error: sqlite3.Error, refused: str) -> bool:
    """Whether the authorizer refused without saying what: it was interrupted itself."""
    return not refused and "not authorized" in str(error)


def _primary(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _hint(message: str, schema: Schema | None) -> str:
    found = _MISSING.fullmatch(message)
    if schema is None or found is None:
        return ""
    wanted = found[2].rpartition(".")[2].lower()
    if found[1] == "table":
        names = {t.name.lower(): t.name for t in schema.tables}
    else:
        names = {c.name.lower(): c.name for t in schema.tables for c in t.columns}
    close = get_close_matches(wanted, names, n=1)
    return f". Did you mean {names[close[0]]!r}?" if close and close[0] != wanted else ""
