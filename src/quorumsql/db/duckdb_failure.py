"""What DuckDB's errors mean: the statement is at fault, or the database is.

Messages are cut to the part that says what is wrong: DuckDB repeats the statement, and quotes
values of rows, which belong in no message.

What is not covered: messages of DuckDB that are wrong themselves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from quorumsql.domain import Failure
from quorumsql.errors import DatabaseError

__all__ = ["database_error", "failure", "is_locked", "is_of_database"]

_CAPS: Final = frozenset({"OutOfMemoryException"})
_OF_VALUES: Final = frozenset(
    {"ConversionException", "InvalidInputException", "OutOfRangeException", "TypeMismatchException"}
)
_OWN_WORDS: Final = re.compile(
    r"(Could not|Cannot|Can't|Type|More than one|Lists larger|Overflow|Failed|Required|Invalid|No )"
)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_DAMAGED: Final = re.compile(
    r"Corrupt database|Could not read enough bytes|Failed to deserialize|not a valid DuckDB"
)
_HOLDER: Final = re.compile(r"PID (\d+)")
_VERSION: Final = re.compile(r"version number (\d+)")


def is_locked(text: str) -> bool:
    """Whether another process holds the file open for writing."""
    return "Conflicting lock is held" in text or "Could not set lock" in text


def is_of_database(kind: str, text: str) -> bool:
    """Whether the database, not the statement, is the reason."""
    return kind in {"FatalException", "InternalException"} or bool(_DAMAGED.search(text))


def database_error(text: str, path: Path) -> DatabaseError:
    """Return the exception that tells a person what is wrong with `path` and what to do."""
    if is_locked(text):
        holder = _HOLDER.search(text)
        who = f"another program (process {holder[1]})" if holder else "another program"
        who = "this program" if holder and int(holder[1]) == os.getpid() else who
        what = (
            f"is open for writing in {who}, and DuckDB lets nobody else in: "
            "close it there, then try again"
        )
    elif found := _VERSION.search(text):
        what = (
            f"has storage version {found[1]}, which the installed DuckDB does not read: "
            "run pip install --upgrade duckdb, or export it with the DuckDB that wrote it"
        )
    elif "encrypt" in text.lower():
        what = "is encrypted: decrypt it first, by copying it into a new database"
    elif "permission" in text.lower():
        what = "cannot be read: permission denied. Ask its owner, or run chmod +r on it"
    elif _DAMAGED.search(text):
        what = f"is damaged ({_first_line(text)}): restore it from a copy"
    else:
        what = f"cannot be read ({_first_line(text)}): check the file and its disk"
    return DatabaseError(f"The database {path} {what}.")


def failure(kind: str, text: str) -> Failure:
    """Return why a statement returned nothing.

    Args:
        kind: the class of DuckDB's error.
        text: what it said.
    """
    message = " ".join(re.split(r"\n+LINE \d+:|\n\nPossible solutions", text)[0].split())
    message = re.sub(r"^[A-Z][\w ]*? Error: ", "", message)
    if kind in _CAPS:
        return Failure(kind="cap", message="The statement needs more memory than it may use.")
    if kind == "PermissionException":
        return Failure(kind="refused", message="Refused: files and addresses are out of reach.")
    if kind in _OF_VALUES:
        if "configuration has been locked" in text or "read-only mode" in text:
            return Failure(kind="refused", message="Refused: the database is only read.")
        message = re.sub(r"value \S+", "a value", _QUOTED.sub("'…'", _first_line(text)))
        if not _OWN_WORDS.match(message):  # the text of `error(…)` may be a value
            message = "A value does not fit what the statement does with it."
    return Failure(kind="error", message=message or f"DuckDB failed ({kind}).")


def _first_line(text: str) -> str:
    line = re.sub(r"^[A-Z]\w*(?: \w+)? Error: ", "", text).partition("\n")[0]
    return line.strip().rstrip(".")[:200]
