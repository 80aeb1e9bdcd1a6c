"""The one definition of "same result", for votes and for our own metric alike.

Two results are the same when one is the other with its columns, and where no order was asked for
its rows, in another order. Cells are compared by value:

- NULL equals NULL, NaN equals NaN; text, bytes and dates are equal when identical.
- A number is a number whatever its type: `1`, `1.0`, `True` and `Decimal(1)` are equal. Numbers
  with a fraction are equal to 1e-6 relative. Whole numbers are equal when identical: 20230101 and
  20230102 are two days, although they differ by only 5e-8 of their value.
- No rows equal no rows, whatever the columns would have been.

Being close is not transitive (a ≈ b ≈ c, yet a ≉ c), and a vote needs groups. So the numbers of all
results that are compared are first put into clusters, nearest neighbours first, in which any two
are close; then cells are equal or not, and everything else is exact. Columns are matched without
trying permutations, except among columns that hold the same bag of values.

Results too long to be kept are compared by `Digest`, which a `Digester` makes of rows as they come:
sums of hashes of rows and columns, numbers with a fraction cut to six digits.

What is not covered: tolerance inside arrays and structures, the official metrics' own ideas of
equality (they are modes to come), and results that a cap cut short, which are compared as they are
unless they have a digest. Numbers that are close but fall to two sides of a sixth digit are
different in a digest.
Comparing many results at once may put a number that is close to two others with one of them, where
comparing two results would put it with the other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import accumulate, pairwise
from typing import Literal, TypeAlias, TypeGuard

from quorumsql.domain import Digest, Row, Rows
from quorumsql.errors import UnknownName

__all__ = [
    *("MODES", "Digester", "Mode", "group_results", "same_result", "same_rows", "size_of"),
]

Mode: TypeAlias = Literal["strict"]
_Cell: TypeAlias = Hashable
_Column: TypeAlias = tuple[_Cell, ...]
_Columns: TypeAlias = list[_Column]
_Number: TypeAlias = int | float

TOLERANCE = 1e-6


def same_result(a: Rows, b: Rows, *, ordered: bool = False, mode: Mode = "strict") -> bool:
    """Return whether `a` and `b` are the same result; rows in order only when `ordered`.

    Raises:
        UnknownName: there is no such mode.
    """
    if mode not in MODES:
        raise UnknownName("mode of comparison", mode, MODES)
    return MODES[mode](a, b, ordered)


def same_rows(a: Sequence[Row], b: Sequence[Row], *, ordered: bool) -> bool:
    """Return whether columns of `b` can be put in an order in which it has the rows of `a`.

    Cells are equal where Python says so: no tolerance, NULL equal to NULL, 1 equal to 1.0. Both
    results have rows, all of the same length; rows come in order only when `ordered`.
    """
    one, other = (_Table.of_rows(rows, ordered) for rows in (a, b))
    return one.signature == other.signature and _match(one, other)


def group_results(results: Sequence[Rows], ordered: Sequence[bool]) -> tuple[tuple[int, ...], ...]:
    """Put the positions of equal results together, groups and members by first appearance.

    `ordered[i]` says whether the query of `results[i]` asks for an order. Two results of more
    than one row are only equal when both queries do, or neither does.
    """
    flags = [
        flag and (len(rows.rows) > 1 or rows.digest is not None)
        for rows, flag in zip(results, ordered, strict=True)
    ]
    firsts = _first_identical(results, flags)
    distinct = sorted(set(firsts))
    kept = [i for i in distinct if results[i].digest is None]
    columns = dict(zip(kept, _comparable_columns([results[i] for i in kept]), strict=True))
    tables = {
        i: _Table.of(results[i], columns[i], flags[i])
        if i in columns
        else _Table.digested(results[i], flags[i])
        for i in distinct
    }
    buckets: dict[Hashable, list[int]] = {}
    home: dict[int, int] = {}
    for i in distinct:
        bucket = buckets.setdefault(tables[i].signature, [])
        home[i] = next((j for j in bucket if _match(tables[i], tables[j])), i)
        if home[i] == i:
            bucket.append(i)
    groups: dict[int, list[int]] = {}
    for i, first in enumerate(firsts):
        groups.setdefault(home[first], []).append(i)
    return tuple(tuple(group) for group in groups.values())


def _strict(a: Rows, b: Rows, ordered: bool) -> bool:
    return len(group_results((a, b), (ordered, ordered))) == 1


MODES: dict[Mode, Callable[[Rows, Rows, bool], bool]] = {"strict": _strict}


def _first_identical(results: Sequence[Rows], flags: Sequence[bool]) -> list[int]:
    """For each result, the first that is the same cell by cell: cheap, and the usual case."""
    firsts: list[int] = []
    kept: dict[Hashable, list[int]] = {}
    for i, rows in enumerate(results):
        shape = (flags[i], rows.truncated, rows.digest, len(rows.rows), len(rows.columns))
        bucket = kept.setdefault(shape, [])
        first = next((j for j in bucket if results[j].rows == rows.rows), i)
        if first == i:
            bucket.append(i)
        firsts.append(first)
    return firsts


def _comparable_columns(results: Sequence[Rows]) -> list[_Columns]:
    """The columns of each result, cells replaced so that equal ones are `==` and hash alike."""
    tables = [[_comparable(column) for column in zip(*rows.rows, strict=True)] for rows in results]
    inexact = any(map(_is_inexact, (x for table in tables for c in table for x in _floats(c))))
    if not inexact:
        return tables
    numbers = {x for table in tables for column in table for x in column if _is_number(x)}
    same = _cluster(x for x in numbers if abs(x) < 1e300)
    if not same:
        return tables
    return [[tuple(same.get(x, x) for x in column) for column in table] for table in tables]


_AS_THEY_ARE = frozenset({type(None), str, bytes, int, bool, date, datetime, time, timedelta})


def _comparable(column: tuple[object, ...]) -> _Column:
    types = set(map(type, column))
    if types <= _AS_THEY_ARE:
        return column
    return tuple(_cell(value) for value in column)


class _Odd(Enum):
    """What sets cells apart that no other cell may equal."""

    NAN = 1
    LIST = 2
    MAP = 3
    SET = 4
    OTHER = 5
    BYTES = 6
    NO_TEXT = 7


def _cell(value: object) -> _Cell:
    match value:
        case float():
            return _Odd.NAN if math.isnan(value) else value
        case Decimal():
            return _decimal(value)
        case bytearray() | memoryview():
            return bytes(value)
        case list() | tuple():
            return (_Odd.LIST, *map(_cell, value))
        case dict():
            return (_Odd.MAP, frozenset((_cell(k), _cell(v)) for k, v in value.items()))
        case set() | frozenset():
            return (_Odd.SET, frozenset(map(_cell, value)))
        case Hashable():
            return value
        case _:
            return (_Odd.OTHER, repr(value))


def _decimal(value: Decimal) -> _Cell:
    if value.is_nan():
        return _Odd.NAN
    if value.is_infinite() or value.adjusted() > 300:
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def _is_number(value: object) -> TypeGuard[_Number]:
    return isinstance(value, (int, float))


def _floats(column: _Column) -> Iterable[float]:
    return (x for x in column if type(x) is float)


def _is_inexact(value: _Number) -> bool:
    """Whether the number has a fraction, or is a float too large to have shown one."""
    if isinstance(value, int) or math.isinf(value):
        return False
    return not value.is_integer() or abs(value) >= 2**53


def _close(low: _Number, high: _Number) -> bool:
    return high - low <= TOLERANCE * max(abs(low), abs(high))


def _cluster(numbers: Iterable[_Number]) -> dict[_Cell, _Cell]:
    """Map numbers to the lowest of their cluster, where that is another number.

    Neighbours are joined nearest first, as long as the ends of what results are close and it
    holds at most one whole number. So noise in the last digits never comes between twins.
    """
    values = sorted(numbers)
    inexact = [_is_inexact(value) for value in values]
    whole = list(accumulate((not flag for flag in inexact), initial=0))
    gaps = [
        ((high - low) / max(abs(low), abs(high)), i)
        for i, (low, high) in enumerate(pairwise(values))
        if _close(low, high) and (inexact[i] or inexact[i + 1])
    ]
    begin = list(range(len(values)))  # where the cluster that ends here begins
    end = list(range(len(values)))  # where the cluster that begins here ends
    for _, i in sorted(gaps):
        first, last = begin[i], end[i + 1]
        if whole[last + 1] - whole[first] <= 1 and _close(values[first], values[last]):
            begin[last], end[first] = first, last
    lowest: dict[_Cell, _Cell] = {}
    first = 0
    while first < len(values):
        for i in range(first + 1, end[first] + 1):
            lowest[values[i]] = values[first]
        first = end[first] + 1
    return lowest


@dataclass(frozen=True, slots=True)
class _Table:
    """A result ready to be compared. `bags[i]` is the bag of values of `columns[i]`.

    Where the order of rows counts, a column is its own bag.
    """

    shape: Hashable
    columns: _Columns
    bags: list[Hashable]
    ordered: bool

    @classmethod
    def of(cls, rows: Rows, columns: _Columns, ordered: bool) -> _Table:
        shape = (ordered, rows.truncated, len(rows.rows))
        bags: list[Hashable] = [*columns] if ordered else [_bag(column) for column in columns]
        return cls(shape, columns, bags, ordered)

    @classmethod
    def digested(cls, rows: Rows, ordered: bool) -> _Table:
        """A result of which the rows were not kept: what it is equal to, its digest says."""
        found = rows.digest
        assert found is not None
        parts = found.column_sequences if ordered else found.column_bags
        whole = found.sequence if ordered else found.bag
        return cls((ordered, found.rows, whole, tuple(sorted(parts))), [], [], True)

    @classmethod
    def of_rows(cls, rows: Sequence[Row], ordered: bool) -> _Table:
        whole = Rows(columns=(), rows=tuple(rows))
        return cls.of(whole, list(zip(*rows, strict=True)), ordered)

    @property
    def signature(self) -> Hashable:
        """What equal results have in common; different results rarely do."""
        return self.shape, _bag(self.bags)


def _bag(items: Iterable[Hashable]) -> frozenset[tuple[Hashable, int]]:
    return frozenset(Counter(items).items())


def _match(a: _Table, b: _Table) -> bool:
    """Whether tables with the same signature are equal."""
    if a.ordered or len(a.columns) < 2:
        return True
    if len(set(a.bags)) == len(a.bags):  # every column has one partner only
        partner = dict(zip(b.bags, b.columns, strict=True))
        columns = [partner[bag] for bag in a.bags]
        return Counter(zip(*a.columns, strict=True)) == Counter(zip(*columns, strict=True))
    # Columns that are identical row by row must be matched by columns that are so too.
    classes: dict[Hashable, tuple[_Columns, _Columns]] = {}
    for side, table in enumerate((a, b)):
        bags = dict(zip(table.columns, table.bags, strict=True))
        for column, times in Counter(table.columns).items():
            classes.setdefault((times, bags[column]), ([], []))[side].append(column)
    if any(len(left) != len(right) for left, right in classes.values()):
        return False
    start: _Column = (0,) * len(a.columns[0])
    return _match_classes(sorted(classes.values(), key=lambda pair: len(pair[0])), start, start)


def _match_classes(
    classes: Sequence[tuple[_Columns, _Columns]], seen_a: _Column, seen_b: _Column
) -> bool:
    """Match the columns left over, given what the rows of the matched ones hold.

    `seen_a` and `seen_b` number the rows of both sides by the cells matched so far, the same
    number for the same cells, and are equal as bags.
    """
    while classes:
        (ours, theirs), *rest = classes
        column, *others = ours
        candidates = [(*_extend(seen_a, column, seen_b, other), other) for other in theirs]
        fitting = [(x, y, other) for x, y, other in candidates if Counter(x) == Counter(y)]
        if not fitting:
            return False
        if len(fitting) > 1:
            return any(
                _match_classes(_without(others, theirs, other, rest), x, y)
                for x, y, other in fitting
            )
        seen_a, seen_b, chosen = fitting[0]
        classes = _without(others, theirs, chosen, rest)
    return True


def _without(
    ours: _Columns, theirs: _Columns, chosen: _Column, rest: Sequence[tuple[_Columns, _Columns]]
) -> list[tuple[_Columns, _Columns]]:
    left = [column for column in theirs if column is not chosen]
    return [(ours, left), *rest] if ours else list(rest)


def _extend(seen_a: _Column, a: _Column, seen_b: _Column, b: _Column) -> tuple[_Column, _Column]:
    """Number rows anew by what was seen and one more cell each."""
    numbers: dict[Hashable, int] = {}
    return (
        tuple(numbers.setdefault(row, len(numbers)) for row in zip(seen_a, a, strict=True)),
        tuple(numbers.setdefault(row, len(numbers)) for row in zip(seen_b, b, strict=True)),
    )


_AS_NUMBERS = frozenset({type(None), int, float, bool, date, datetime, time, timedelta})


def size_of(row: Iterable[object]) -> int:
    """Return about how many bytes a row takes, with what its cells hold."""
    # A list: it is made in half the time of a generator.
    return sum([8 if type(v) in _AS_NUMBERS else _inside(v) for v in row])


def _inside(value: object) -> int:
    """The bytes of a cell that is no plain number."""
    match value:
        case str() | bytes() | bytearray() | memoryview():
            return len(value)
        case list() | tuple() | set() | frozenset():
            return size_of(value)
        case dict():
            return size_of(value) + size_of(value.values())
        case Decimal():  # servers have numbers of a hundred thousand digits
            return max(8, value.__sizeof__() - _EMPTY_DECIMAL)
        case _:
            return 8


_EMPTY_DECIMAL = Decimal(0).__sizeof__()
_CHUNK = 4096
_CHUNK_BYTES = 4 * 1024 * 1024
_BITS = (1 << 64) - 1


class Digester:
    """Makes a `Digest` of rows that come; it holds few of them, by number and by bytes."""

    def __init__(self, width: int) -> None:
        """Begin with no rows of `width` columns."""
        self._waiting: list[Row] = []
        self._bytes = 0
        self._hashes: list[list[int]] = [[] for _ in range(width)]
        self._hashed = 0
        self._count = self._bag = self._sequence = 0
        self._bags, self._sequences = [0] * width, [0] * width

    def add(self, row: Row) -> None:
        """Take one more row."""
        self._waiting.append(row)
        self._bytes += size_of(row)
        if len(self._waiting) + self._hashed == _CHUNK:
            self._take()
        elif self._bytes > _CHUNK_BYTES:
            self._hash()

    def digest(self) -> Digest:
        """Return what stands for all rows so far; the last call."""
        if self._waiting or self._hashed:
            self._take()
        return Digest(
            rows=self._count,
            bag=self._bag,
            sequence=self._sequence,
            column_bags=tuple(self._bags),
            column_sequences=tuple(self._sequences),
        )

    def _hash(self) -> None:
        """Let hashes stand for the rows that wait."""
        columns = [_blurred(column) for column in zip(*self._waiting, strict=True)]
        for hashes, column in zip(self._hashes, columns, strict=True):
            # A tuple's hash mixes well; that of a whole number is the number.
            hashes += map(hash, zip(column, strict=True))
        self._hashed += len(self._waiting)
        self._waiting, self._bytes = [], 0

    def _take(self) -> None:
        """Column by column, which leaves the loops to the interpreter's own functions.

        Always after as many rows, however large they are: equal rows have to give one digest.
        """
        if self._waiting:
            self._hash()
        hashes = self._hashes
        for place, found in enumerate(hashes):
            self._bags[place] = (self._bags[place] + sum(found)) & _BITS
            self._sequences[place] = hash((self._sequences[place], *found))
        rows = list(map(hash, zip(map(sum, zip(*hashes, strict=True)), strict=True)))
        self._bag = (self._bag + sum(rows)) & _BITS
        self._sequence = hash((self._sequence, *rows))
        self._count += self._hashed
        self._hashes, self._hashed = [[] for _ in hashes], 0


def _blurred(column: tuple[object, ...]) -> _Column:
    """The cells so that those that should be equal have one hash, and others another."""
    cells = _comparable(column)
    types = set(map(type, cells))
    if float in types:
        cells = tuple(
            float(f"{x:.6g}") if type(x) is float and _is_inexact(x) else x for x in cells
        )
    if bytes in types:  # they hash like text
        cells = tuple((_Odd.BYTES, x) if type(x) is bytes else x for x in cells)
    if str in types and "" in cells:  # it hashes like 0
        cells = tuple(_Odd.NO_TEXT if x == "" else x for x in cells)
    return cells
