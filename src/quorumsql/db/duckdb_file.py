"""Whether a file is a DuckDB database, before DuckDB opens it.

What is not covered: damage beyond the header, which only reading finds.
"""

from __future__ import annotations

from pathlib import Path

from quorumsql.db.look import DUCKDB, first_bytes, what_it_is
from quorumsql.errors import DatabaseError

__all__ = ["examine", "is_duckdb"]


def is_duckdb(header: bytes) -> bool:
    """Whether a file that begins so is a DuckDB database."""
    sign, place = DUCKDB
    return header[place:].startswith(sign)


def examine(path: Path) -> None:
    """Check that `path` is a DuckDB database that may be read.

    Raises:
        DatabaseError: it is not: what, where, what to do.
    """
    header = first_bytes(path, engine="a DuckDB")[1]
    if not is_duckdb(header):
        raise DatabaseError(f"{path} is not a DuckDB database: {what_it_is(header)}.")
