"""What sqlglot knows of an engine's SQL.

What is not covered: what engines know beyond it.
"""

from __future__ import annotations

from sqlglot.dialects.dialect import Dialect

__all__ = ["known_dialect"]


def known_dialect(dialect: str) -> str:
    """Return `dialect` where sqlglot knows it, otherwise "": standard SQL."""
    return dialect if Dialect.get(dialect) else ""
