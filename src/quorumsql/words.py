"""A result in a sentence, for people who read before they look at a table.

What is not covered: what the numbers mean; the question and the SQL say that.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from quorumsql.domain import Row

__all__ = ["in_words"]

_LONGEST = 80
_MOST = 4


def in_words(columns: Sequence[str], rows: Sequence[Row], *, truncated: bool = False) -> str:
    """Return a result in one sentence; values are quoted as they are, long ones cut."""
    if not rows:
        return "No row fits."
    if len(columns) == 1 and len(rows) == 1:
        return f"{_value(rows[0][0])}."
    if len(rows) == 1:
        return f"{_row(columns, rows[0])}."
    if len(columns) == 1 and len(rows) <= _MOST:
        return f"{_list([_value(row[0]) for row in rows])}."
    count = f"{'More than ' if truncated else ''}{len(rows):,} rows"
    return f"{count}. The first: {_row(columns, rows[0])}."


def _row(columns: Sequence[str], row: Row) -> str:
    parts = [f"{_short(c)} {_value(v)}" for c, v in zip(columns, row, strict=True)]
    more = f", and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return ", ".join(parts[:_MOST]) + more


def _list(values: Sequence[str]) -> str:
    return f"{', '.join(values[:-1])} and {values[-1]}"


def _value(value: object) -> str:
    match value:
        case None:
            return "nothing (NULL)"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float() | Decimal():
            return _fraction(value)
        case bytes():
            return f"{len(value)} bytes"
        case "":
            return "(empty)"
        case _:
            return _short(str(value))


def _fraction(value: float | Decimal) -> str:
    """A number with two places, a small one with its first digits; 1.50 as 1.5."""
    size = float(value)  # Decimal's NaN refuses to be compared
    text = f"{value:,.2f}" if abs(size) >= 0.01 else f"{size:.4g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
