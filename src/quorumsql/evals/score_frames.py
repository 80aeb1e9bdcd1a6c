"""Compare results as Defog's SQL-Eval does: several references, alternative columns, subsets.

A gold text may hold several references, one after the other with semicolons, and in braces columns
of which any may be asked for: `SELECT {id, name} FROM t GROUP BY {}`. A prediction is right when it
has the result of one of them, or has it among its columns. Rows that occur twice count once,
columns go by the order of their names, and rows by their order only where the question or its
category asks for one.

Source: Defog's SQL-Eval, https://github.com/defog-ai/sql-eval, its `eval.py`.

Intended differences: NULL equals NULL also in an exact match; columns of the same name are told
apart; what cannot be sorted is sorted by its text instead of ending in an error.

What is not covered: semicolons and braces inside quoted text of a gold, which it does not cover
either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from quorumsql.domain import Row, Rows

__all__ = ["asks_for_order", "references", "same_frame", "subset_frame"]

_ORDERING: Final = re.compile(r"\b(order|sort|arrange)\b", re.IGNORECASE)
_RELATIVE: Final = 1e-5
_ABSOLUTE: Final = 1e-8


def references(gold: str) -> tuple[str, ...]:
    """Return all statements that a gold text stands for.

    A brace gives each of its columns alone first, then two of them, and so on.
    """
    found: list[str] = []
    for statement in filter(None, (part.strip() for part in gold.split(";"))):
        start = statement.find("{")
        end = statement.find("}", start + 1)
        if start < 0 or end < 0:
            found.append(statement)
            continue
        columns = statement[start + 1 : end].split(",")
        left, right = statement[:start], statement[end + 1 :]
        for count in range(1, len(columns) + 1):
            for chosen in combinations(columns, count):
                names = ", ".join(chosen)
                found.append(left + names + right.replace("GROUP BY {}", f"GROUP BY {names}"))
    return tuple(found)


def asks_for_order(question: str, category: str) -> bool:
    """Whether the order of rows counts for a question of this category."""
    return category == "order_by" or _ORDERING.search(question) is not None


def same_frame(gold: Rows, predicted: Rows, *, ordered: bool) -> bool:
    """Return whether the results are the same, columns in the order of their names."""
    one, other = (_Frame(found.columns, found.rows) for found in (gold, predicted))
    if one.shape == other.shape and _same(one.rows, other.rows, _equal):
        return True
    one, other = one.normalised(ordered), other.normalised(ordered)
    return one.shape == other.shape and _same(one.rows, other.rows, _equal)


def subset_frame(gold: Rows, predicted: Rows, *, ordered: bool) -> bool:
    """Return whether the columns of `gold` are among those of `predicted`; nothing is in no rows.

    A column takes the first one left that holds the same values; later ones do not get a say.
    """
    if not gold.rows or not gold.columns or len(gold.rows) != len(predicted.rows):
        return False
    left = list(range(len(predicted.columns)))
    columns = [sorted(column, key=_order) for column in zip(*predicted.rows, strict=True)]
    chosen: list[int] = []
    for column in zip(*gold.rows, strict=True):
        wanted = sorted(column, key=_order)
        match = next((i for i in left if _close_all(wanted, columns[i])), None)
        if match is None:
            return False
        left.remove(match)
        chosen.append(match)
    picked = tuple(tuple(row[i] for i in chosen) for row in predicted.rows)
    one = _Frame(gold.columns, gold.rows).normalised(ordered)
    other = _Frame(gold.columns, picked).normalised(ordered)
    return one.shape == other.shape and _same(one.rows, other.rows, _close)


@dataclass(frozen=True, slots=True)
class _Frame:
    columns: tuple[str, ...]
    rows: Sequence[Row]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)

    def normalised(self, ordered: bool) -> _Frame:
        """Without double rows, columns by name; rows sorted, by sorted columns first if ordered."""
        by_name = sorted(range(len(self.columns)), key=lambda i: self.columns[i])
        unique = {tuple(map(_order, row)): row for row in reversed(self.rows)}
        rows = [tuple(row[i] for i in by_name) for row in reversed(unique.values())]
        keys = [tuple(map(_order, row)) for row in rows]
        first: list[int] = []
        if ordered and rows:
            first = [i for i, column in enumerate(zip(*keys, strict=True)) if _is_sorted(column)]
        if first or not ordered:
            places = [*first, *(i for i in range(len(by_name)) if i not in first)]
            order = sorted(range(len(rows)), key=lambda n: [keys[n][i] for i in places])
            rows = [rows[n] for n in order]
        return _Frame(tuple(self.columns[i] for i in by_name), rows)


def _is_sorted(column: Sequence[tuple[object, ...]]) -> bool:
    return list(column) == sorted(column)


def _order(cell: object) -> tuple[int, str, float | str]:
    """What a cell is sorted by: numbers, then the rest by type and text, NULL last."""
    cell = _plain(cell)
    if cell is None:
        return 2, "", ""
    if isinstance(cell, (int, float)):
        return 0, "", float(cell) if abs(cell) < 2**53 else cell
    return 1, type(cell).__name__, str(cell)


def _plain(cell: object) -> object:
    """Decimals as floats and NaN as NULL, as pandas has them."""
    if isinstance(cell, Decimal):
        cell = float(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _same(
    one: Sequence[Row], other: Sequence[Row], equal: Callable[[object, object], bool]
) -> bool:
    return all(
        equal(a, b)
        for row, row_other in zip(one, other, strict=True)
        for a, b in zip(row, row_other, strict=True)
    )


def _close_all(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(map(_close, one, other))


def _equal(a: object, b: object) -> bool:
    return bool(_plain(a) == _plain(b))


def _close(a: object, b: object) -> bool:
    a, b = _plain(a), _plain(b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and float in {type(a), type(b)}:
        return a == b or abs(a - b) <= _ABSOLUTE + _RELATIVE * abs(b)
    return bool(a == b)
