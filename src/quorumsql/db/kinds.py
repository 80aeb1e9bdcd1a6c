"""What a column means to us: text, number, date or boolean, from its type and its values.

Declared types alone mislead: SQLite accepts any word as a type and any value in any column,
so numbers stored as text and dates stored as text are common. Sampled values overrule the
declaration only when all of them agree.

What is not covered: dates in other orders than year-month-day (they neither sort nor compare
as dates), and units, currencies or thousands separators inside text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, time
from decimal import Decimal

from quorumsql.domain import Kind
from quorumsql.sql import TRUTHS, declared_kind

__all__ = ["declared_kind", "kind_of"]

_ISO_DATE = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"
)
# A leading zero ("02134") makes it a code, as do more digits than a float can tell apart.
_PLAIN_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,14})(\.\d+)?")
_TRUTH = frozenset(word for pair in TRUTHS for word in pair)


def kind_of(declared: str, values: Collection[object]) -> Kind:
    """Return the kind of a column from its declared type and sampled values, neither NULL nor ''.

    Args:
        declared: the type as the database declares it, possibly empty.
        values: some of the column's values; with none, only the declaration counts.
    """
    promised = declared_kind(declared)
    if not values:
        return promised or "text"
    # Dates kept as day numbers or in words are dates still: those declarations are deliberate.
    if promised in {"date", "other"} or (promised == "boolean" and _all_truths(values)):
        return promised
    fallback: Kind = "text" if promised is None or promised == "boolean" else promised
    return _agreed(values, unless=fallback) or fallback


def _agreed(values: Collection[object], *, unless: Kind) -> Kind | None:
    """Return the kind that all of `values` have; None where they differ or one is `unless`."""
    agreed: Kind | None = None
    for value in values:
        kind = _kind_of_value(value)
        if kind == unless or agreed not in {None, kind}:
            return None
        agreed = kind
    return agreed


def _kind_of_value(value: object) -> Kind:
    match value:
        case bool():
            return "boolean"
        case int() | float() | Decimal():
            return "number"
        case date() | time():
            return "date"
        case bytes() | bytearray() | memoryview():
            return "other"
        case str() if _PLAIN_NUMBER.fullmatch(value.strip()):
            return "number"
        case str() if _ISO_DATE.fullmatch(value.strip()):
            return "date"
        case _:
            return "text"


def _all_truths(values: Collection[object]) -> bool:
    return all(str(int(v) if isinstance(v, bool) else v).strip().lower() in _TRUTH for v in values)
