from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import Rows
from quorumsql.errors import UnknownName
from quorumsql.results import group_results, same_result

Table: TypeAlias = list[tuple[Any, ...]]


def rows(table: Sequence[Sequence[object]], width: int | None = None) -> Rows:
    width = len(table[0]) if table else width or 1
    return Rows(columns=tuple(f"c{i}" for i in range(width)), rows=tuple(map(tuple, table)))


def same(a: Table, b: Table, *, ordered: bool = False) -> bool:
    return same_result(rows(a), rows(b), ordered=ordered)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (2, Decimal(2)),
        (Decimal("2.50"), 2.5),
        (1 / 3, 0.333333333),
        (1 / 3, Decimal("0.3333333")),
        (1e20, 1e20 + 1e5),
        (10**18, 1e18),
        (1_000_000, 1_000_000.5),
        (None, None),
        (math.nan, float("nan")),
        (Decimal("NaN"), float("nan")),
        (math.inf, Decimal("Infinity")),
        (-0.0, 0),
        (b"ab", bytearray(b"ab")),
        ([1, 2.0], (1, 2)),
        ({"a": 1}, {"a": True}),
        (date(2024, 1, 1), date(2024, 1, 1)),
    ],
)
def test_equal_cells(a: object, b: object) -> None:
    assert same([(a,)], [(b,)])
    assert same([("x", a)], [(b, "x")])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (None, ""),
        (None, 0),
        (None, math.nan),
        ("a", "A"),
        ("a", "a "),
        ("a", b"a"),
        (1.0, 1.00001),
        (0, 1e-12),
        (20230101, 20230102),
        (5_000_001.0, 5_000_002),
        (math.inf, -math.inf),
        ([1, 2], [2, 1]),
        (date(2024, 1, 1), "2024-01-01"),
        (Decimal("1e400"), Decimal("1e401")),
    ],
)
def test_different_cells(a: object, b: object) -> None:
    assert not same([(a,)], [(b,)])


def test_rows_are_a_bag() -> None:
    assert same([(1,), (2,), (2,)], [(2,), (1,), (2,)])
    assert not same([(1,), (2,), (2,)], [(1,), (1,), (2,)])
    assert not same([(1,)], [(1,), (1,)])


def test_row_order_counts_only_when_ordered() -> None:
    a: Table = [(1, "x"), (2, "y")]
    assert not same(a, a[::-1], ordered=True)
    assert same(a, [("x", 1), ("y", 2)], ordered=True)
    assert not same([(1, 2), (2, 1)], [(1, 1), (2, 2)], ordered=True)


def test_columns_keep_together_what_belongs_to_a_row() -> None:
    a: Table = [(1, "x"), (2, "y")]
    assert same(a, [("y", 2), ("x", 1)])
    assert not same(a, [(1, "y"), (2, "x")])


def test_columns_with_the_same_values_are_told_apart_by_their_rows() -> None:
    a: Table = [(1, 2, "x"), (2, 1, "y"), (1, 2, "y")]
    swapped: Table = [(y, x, t) for x, y, t in a]
    assert same(a, swapped)
    assert not same(a, [(1, 2, "x"), (2, 1, "x"), (2, 1, "y")])
    parity: Table = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1) if (x + y + z) % 2]
    even: Table = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1) if not (x + y + z) % 2]
    assert not same(parity, even)


def test_no_rows_are_no_rows_whatever_the_columns() -> None:
    assert same_result(rows([], 1), rows([], 3))
    assert not same_result(rows([], 1), rows([(None,)]))


def test_another_number_of_columns_is_another_result() -> None:
    assert not same([(1,)], [(1, 1)])
    assert not same([(1, 2, 2)], [(1, 1, 2)])


def test_a_result_that_was_cut_is_not_a_whole_one() -> None:
    cut = Rows(columns=("a",), rows=((1,),), truncated=True)
    assert not same_result(cut, rows([(1,)]))
    assert same_result(cut, cut)


def test_a_dense_column_does_not_melt_into_one_number() -> None:
    # Neighbours are closer than the tolerance, so a chain of them joins the two ends.
    places: Table = [(40 + i * 1e-5, str(i)) for i in range(1000)]
    moved: Table = [(x + 0.005, name) for x, name in places]
    noisy: Table = [(x * (1 + 1e-13), name) for x, name in reversed(places)]
    assert same(places, noisy)
    assert not same(places, moved)


def test_an_unknown_mode_names_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="strict"):
        same_result(rows([(1,)]), rows([(1,)]), mode="strickt")  # type: ignore[arg-type]


def test_groups_keep_the_order_of_appearance() -> None:
    results = [rows([(1,), (2,)]), rows([(3,)]), rows([(2,), (1,)]), rows([(3.0,)]), rows([])]
    assert group_results(results, [False] * 5) == ((0, 2), (1, 3), (4,))
    assert group_results([], []) == ()


def test_groups_part_those_that_order_from_those_that_do_not() -> None:
    up, down, one = rows([(1,), (2,)]), rows([(2,), (1,)]), rows([(7,)])
    flags = [True, True, False, False]
    assert group_results([up, down, up, down], flags) == ((0,), (1,), (2, 3))
    assert group_results([one, one], [True, False]) == ((0, 1),)


def test_groups_of_many_shuffled_results() -> None:
    shuffle = random.Random(0)
    base: Table = [(f"n{i % 97}", i * 1.37, i % 5, None if i % 7 else i) for i in range(1000)]
    other: Table = [(*row[:2], row[2] + (i == 500), row[3]) for i, row in enumerate(base)]
    results = []
    for turn in range(26):
        table = [
            tuple(x * (1 + 1e-12 * shuffle.random()) if isinstance(x, float) else x for x in row)
            for row in (other if turn % 3 == 0 else base)
        ]
        shuffle.shuffle(table)
        order = shuffle.sample(range(4), 4)
        results.append(rows([tuple(row[i] for i in order) for row in table]))
    expected = (tuple(range(0, 26, 3)), tuple(i for i in range(26) if i % 3))
    assert group_results(results, [False] * 26) == expected


# The slow definition, word for word: some order of columns and of rows makes all cells equal.


def equal_cells(a: object, b: object) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        if a == b:
            return True
        whole = all(float(x).is_integer() for x in (a, b))
        return not whole and abs(a - b) <= 1e-6 * max(abs(a), abs(b))
    return type(a) is type(b) and a == b


def equal_bags(a: Table, b: Table) -> bool:
    left = list(b)
    for row in a:
        match = next((o for o in left if all(map(equal_cells, row, o))), None)
        if match is None:
            return False
        left.remove(match)
    return True


def equal_by_permutation(a: Table, b: Table, *, ordered: bool) -> bool:
    if len(a) != len(b):
        return False
    if not a:
        return True
    if len(a[0]) != len(b[0]):
        return False
    for order in itertools.permutations(range(len(b[0]))):
        turned: Table = [tuple(row[i] for i in order) for row in b]
        if ordered and all(all(map(equal_cells, x, y)) for x, y in zip(a, turned, strict=True)):
            return True
        if not ordered and equal_bags(a, turned):
            return True
    return False


# Few values, so that columns and rows tie often; every pair is clearly equal or clearly not.
ALL_CELLS: tuple[object, ...] = (
    *(0, 1, 1.0, True, 2, 2.5, 2.5000001, 1 / 3, 0.33333333),
    *("a", "b", "1", b"a", None, math.nan),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Table, Table]:
    """Two tables: unrelated, or one a shuffle of the other with perhaps a cell changed."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    few = draw(st.sampled_from([ALL_CELLS, (0, 1), (0, 1, None)]))
    row: st.SearchStrategy[tuple[object, ...]] = st.tuples(*[st.sampled_from(few)] * width)
    a = draw(st.lists(row, min_size=height, max_size=height))
    unrelated: bool = draw(st.booleans())
    if unrelated:
        return a, draw(st.lists(row, min_size=height, max_size=height))
    order = draw(st.permutations(range(width)))
    b = [tuple(line[i] for i in order) for line in draw(st.permutations(a))]
    change: bool = draw(st.booleans())
    if b and change:
        changed = draw(st.integers(0, height - 1))
        b[changed] = draw(row)
    return a, b


@settings(max_examples=400, deadline=None)
@given(pairs(), st.booleans())
def test_it_agrees_with_trying_every_permutation(pair: tuple[Table, Table], ordered: bool) -> None:
    a, b = pair
    expected = equal_by_permutation(a, b, ordered=ordered)
    assert same(a, b, ordered=ordered) == expected
    assert same(b, a, ordered=ordered) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(pairs(), min_size=1, max_size=3))
def test_groups_agree_with_pairs(tables: list[tuple[Table, Table]]) -> None:
    results = [rows(table) for pair in tables for table in pair]
    groups = group_results(results, [False] * len(results))
    home = {i: number for number, group in enumerate(groups) for i in group}
    assert sorted(home) == list(range(len(results)))
    for i, j in itertools.combinations(range(len(results)), 2):
        assert (home[i] == home[j]) == same_result(results[i], results[j])
