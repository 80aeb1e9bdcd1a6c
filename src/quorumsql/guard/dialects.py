"""What sqlglot knows of an engine's SQL.

What is not covered: the rest of the program asks `sql.known_dialect`, which stands in the same
layer as the guard, so that neither may import the other.
"""

from __future__ import annotations

from sqlglot.dialects.dialect import Dialect

__all__ = ["known_dialect"]


def known_dialect(dialect: str) -> str:
    """Return `dialect` where sqlglot knows it, otherwise "": standard SQL."""
    return dialect if Dialect.get(dialect) else ""
