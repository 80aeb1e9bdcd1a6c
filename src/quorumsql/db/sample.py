"""Examples of a column's values, and its kind as they show it.

One bounded read per table serves all its columns: the first distinct values in the order in
which the engine stores rows, so that the same file always gives the same examples.

What is not covered: representative samples. The first rows may be the oldest, or look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from quorumsql.db.kinds import kind_of
from quorumsql.domain import Column, Row, Table

__all__ = ["SAMPLED_BYTES", "SAMPLED_ROWS", "with_examples"]

SAMPLED_ROWS: Final = 100
SAMPLED_BYTES: Final = 2 * 1024 * 1024
"""Whoever reads the rows stops at either."""

_EXAMPLES: Final = 5
_LONGEST: Final = 100
"""Longer texts are no examples: cut, they would be values that the database does not hold."""


def with_examples(table: Table, rows: Sequence[Row]) -> Table:
    """Return `table` with examples and kinds from `rows`, whose cells follow its columns."""
    cells = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    columns = (_shown(c, values) for c, values in zip(table.columns, cells, strict=True))
    return replace(table, columns=tuple(columns))


def _shown(column: Column, cells: Iterable[object]) -> Column:
    values = [v for v in dict.fromkeys(cells) if v is not None and v != ""]
    fitting = (v for v in values if _is_example(v))
    examples = tuple(islice(fitting, _EXAMPLES))
    return replace(column, kind=kind_of(column.type, values), examples=examples)


def _is_example(value: object) -> bool:
    return not isinstance(value, bytes) and not (isinstance(value, str) and len(value) > _LONGEST)
