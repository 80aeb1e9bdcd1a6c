"""Examples of a column's values, and its kind as they show it.

One bounded read per table serves all its columns: the first distinct values in the order in
which the engine stores rows, so that the same file always gives the same examples.

What is not covered: representative samples. The first rows may be the oldest, or look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from quorumsql.db.kinds import kind_of
from quorumsql.domain import Column, Row, Table

__all__ = ["SAMPLED_BYTES", "SAMPLED_ROWS", "with_examples"]

SAMPLED_ROWS: Final = 200
SAMPLED_BYTES: Final = 2 * 1024 * 1024
"""Reading stops at either; `with_examples` sees to the bytes."""

_EXAMPLES: Final = 5
_LONGEST: Final = 100
"""Longer texts are no examples: cut, they would be values that the database does not hold."""


def with_examples(table: Table, rows: Iterable[Row]) -> Table:
    """Return `table` with examples and kinds from `rows`, whose cells follow its columns."""
    seen: list[dict[object, None]] = [{} for _ in table.columns]
    size = 0
    for row in rows:
        for values, value in zip(seen, row, strict=True):
            size += len(value) if isinstance(value, str | bytes) else 8
            if value is not None and value != "":
                values[_kept(value)] = None
        if size > SAMPLED_BYTES:
            break
    return replace(
        table,
        columns=tuple(_shown(c, tuple(v)) for c, v in zip(table.columns, seen, strict=True)),
    )


def _kept(value: object) -> object:
    """Return what to remember of a value: long ones would only take room."""
    return value[: _LONGEST + 1] if isinstance(value, str | bytes) else value


def _shown(column: Column, values: Sequence[object]) -> Column:
    fitting = (v for v in values if not isinstance(v, bytes) and _fits(v))
    examples = tuple(value for value, _ in zip(fitting, range(_EXAMPLES), strict=False))
    return replace(column, kind=kind_of(column.type, values), examples=examples)


def _fits(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= _LONGEST
