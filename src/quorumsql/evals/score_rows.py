"""Compare results the way the official scripts do.

Spider: rows as a bag, columns in any order, cells equal where Python says so. Row order counts
when the gold query's text has `order by` in it, wherever. One accident is reproduced: before
anything else the official script sorts the cells of each row by how they are written, so two
results of several columns that differ in writing only (10 and 10.0) may be called different.

BIRD: rows as a set, columns in their order. Soft F1 compares the i-th distinct row of one result
with the i-th distinct row of the other, by how many of their cells occur in the other.

Sources: Zhong, Yu, Klein 2020, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites";
Li et al. 2023, "Can LLM Already Serve as A Database Interface?"; their released evaluations.

What is not covered: running anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from quorumsql.domain import Row
from quorumsql.results import same_rows

__all__ = ["Expected", "distinct", "same_as_spider", "soft_f1"]

_NUMBERS = frozenset({int, float})


@dataclass(frozen=True)
class Expected:
    """The rows of a gold query, with what comparing needs worked out once."""

    rows: list[Row]

    @cached_property
    def bag(self) -> Counter[Row]:
        """How often each row occurs."""
        return Counter(self.rows)

    @cached_property
    def types(self) -> frozenset[type]:
        """The types of all cells."""
        return _types(self.rows)


def same_as_spider(expected: Expected, rows: list[Row], *, ordered: bool) -> bool:
    """Return the verdict of Spider's execution match on the result of a prediction."""
    gold = expected.rows
    if not gold or not rows:
        return not gold and not rows
    if len(gold) != len(rows) or len(gold[0]) != len(rows[0]):
        return False
    if len(rows[0]) == 1:
        return gold == rows if ordered else gold == rows or expected.bag == Counter(rows)
    return _same_columns(expected, rows, ordered) and _same_writing(expected, rows, ordered)


def _same_columns(expected: Expected, rows: list[Row], ordered: bool) -> bool:
    gold = expected.rows
    if gold == rows or (not ordered and expected.bag == Counter(rows)):
        return True
    return same_rows(gold, rows, ordered=ordered)


def _same_writing(expected: Expected, rows: list[Row], ordered: bool) -> bool:
    """Whether equal rows stay equal when their cells are sorted by how they are written.

    Equal cells are written differently only where a fraction comes in: 1 and 1.0, 0.0 and -0.0.
    """
    if float not in (expected.types | _types(rows)):
        return True
    one, other = (list(map(_by_writing, result)) for result in (expected.rows, rows))
    return one == other if ordered else set(one) == set(other)


def _by_writing(row: Row) -> Row:
    return tuple(sorted(row, key=lambda cell: f"{cell}{type(cell)}"))


def _types(rows: Iterable[Row]) -> frozenset[type]:
    return frozenset(type(cell) for row in rows for cell in row)


def distinct(rows: Iterable[Row]) -> dict[Row, None]:
    """Return the different rows in the order in which they came, lists in them as text."""
    found = list(rows)
    try:
        return dict.fromkeys(found)
    except TypeError:  # a cell of a server is a list or an object
        return dict.fromkeys(tuple(map(_hashable, row)) for row in found)


def _hashable(cell: object) -> object:
    return repr(cell) if isinstance(cell, (list, dict)) else cell


def soft_f1(gold: Sequence[Row], predicted: Sequence[Row]) -> float:
    """Return BIRD's soft F1 of two results that have no row twice, in the order they came."""
    if not gold and not predicted:
        return 1.0
    found = missed = extra = 0.0
    for expected, row in zip(gold, predicted, strict=False):
        width = len(expected)
        matches = sum(cell in expected for cell in row)
        found += matches / width
        extra += (len(row) - matches) / width
        missed += sum(cell not in row for cell in expected) / width
    missed += max(0, len(gold) - len(predicted))
    extra += max(0, len(predicted) - len(gold))
    precision = found / (found + extra) if found + extra else 0.0
    recall = found / (found + missed) if found + missed else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
