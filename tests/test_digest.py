"""Results too long to be kept are compared by their digests."""

from __future__ import annotations

import math
import weakref
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql import results
from quorumsql.db import open_database
from quorumsql.db.budget import collect
from quorumsql.domain import Limits, Row, Rows
from quorumsql.results import Digester, group_results, same_result, size_of
from sqlite_files import make

SHORT = Limits(rows=1, hashed=1_000_000)


def cut(*rows: Row, limits: Limits = SHORT) -> Rows:
    found = collect(tuple(f"c{n}" for n in range(len(rows[0]))), iter(rows), limits)
    assert isinstance(found, Rows)
    return found


def test_rows_are_only_hashed_where_that_was_asked_and_needed() -> None:
    assert cut((1,), (2,), limits=Limits(rows=1)).digest is None
    assert cut((1,), (2,), limits=Limits(rows=2, hashed=9)).digest is None
    found = cut((1,), (2,), (3,))
    assert (found.rows, found.truncated) == (((1,),), True)
    assert found.digest is not None and found.digest.rows == 3


def test_what_is_kept_and_what_is_hashed_is_bounded() -> None:
    found = cut(*((n, "x" * 100) for n in range(900)), limits=Limits(rows=700, bytes=999, hashed=5))
    assert len(found.rows) == 9
    assert found.digest is not None and found.digest.rows == 14


cells = st.sampled_from([0, 1, 2, 2.5, -7, "a", "b", "", None, b"a", math.nan, Decimal("2.5")])


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_digests_agree_with_comparing_all_rows(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 5))
    row = st.tuples(*[cells] * width)
    one = data.draw(st.lists(row, min_size=height, max_size=height))
    order = data.draw(st.permutations(range(width)))
    turned = [tuple(line[i] for i in order) for line in data.draw(st.permutations(one))]
    if data.draw(st.booleans()):
        turned[data.draw(st.integers(0, height - 1))] = data.draw(row)
    names = tuple("xyz"[:width])
    whole = [Rows(columns=names, rows=tuple(table)) for table in (one, turned)]
    for ordered in (False, True):
        expected = same_result(*whole, ordered=ordered)
        assert same_result(cut(*one), cut(*turned), ordered=ordered) == expected


def test_tolerance_and_types_count_as_in_whole_results() -> None:
    third = cut((1 / 3, True), (2, 1))
    assert same_result(third, cut((2.0, 1), (0.33333333333, Decimal(1))))
    assert not same_result(third, cut((2.0, 1), (0.3334, 1)))
    assert same_result(cut((20230101,), (1,)), cut((1,), (20230101,)))
    assert not same_result(cut((20230101,), (1,)), cut((1,), (20230102,)))


def test_long_results_are_grouped_beside_short_ones() -> None:
    results = [
        cut((1,), (2,), (3,)),
        Rows(columns=("n",), rows=((1,),)),
        cut((3,), (2,), (1,)),
        cut((1,), (2,), (4,)),
        Rows(columns=("n",), rows=((1,),), truncated=True),
    ]
    assert group_results(results, [False] * 5) == ((0, 2), (1,), (3,), (4,))
    assert group_results(results, [True] * 5) == ((0,), (1,), (2,), (3,), (4,))
    assert group_results(results, [False, False, True, False, False])[0] == (0,)


COUNTED = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30000) "


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT x, x * 0.1 FROM n", "SELECT (30001 - x) * 0.1, 30001 - x FROM n", True),
        ("SELECT x FROM n", "SELECT x FROM n WHERE x < 30000 UNION ALL SELECT 29999", False),
        ("SELECT x, 'a' FROM n", "SELECT x, 'b' FROM n", False),
        ("SELECT x FROM n", "SELECT x FROM n LIMIT 29999", False),
    ],
)
def test_rows_of_a_database_are_hashed_as_they_come(
    tmp_path: Path, engine: str, one: str, other: str, same: bool
) -> None:
    path = tmp_path / f"shop.{engine}"
    if engine == "sqlite":
        make(path, "CREATE TABLE city (name TEXT);")
    else:
        pytest.importorskip("duckdb").connect(path).close()
    database = open_database(str(path))
    try:
        found = [
            database.execute(COUNTED + sql, limits=Limits(rows=100, hashed=10**9, seconds=60.0))
            for sql in (one, other)
        ]
    finally:
        database.close()
    assert all(isinstance(one, Rows) and len(one.rows) == 100 for one in found)
    assert same_result(found[0], found[1]) is same  # type: ignore[arg-type]


def test_large_rows_do_not_wait_for_others() -> None:
    """A few thousand rows of a megabyte each would be gigabytes."""
    digester = Digester(2)
    alive: list[weakref.ref[_Text]] = []
    for number in range(300):
        text = _Text(f"{number:07}" * 40_000)
        alive.append(weakref.ref(text))
        digester.add((number, text))
        del text
        assert sum(one() is not None for one in alive) < 40
    assert digester.digest().rows == 300


def test_the_size_of_rows_does_not_change_their_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are put together by their number alone, whenever their texts are let go."""
    rows: list[Row] = [(n, "x" * 300 * (n % 5)) for n in range(6_000)]
    found = []
    for most in (10**9, 50_000):
        monkeypatch.setattr(results, "_CHUNK_BYTES", most)
        digester = Digester(2)
        for row in rows:
            digester.add(row)
        found.append(digester.digest())
    assert found[0] == found[1]


def test_cells_that_hold_others_count_with_all_that_they_hold() -> None:
    text = "x" * 1_000
    for cell in ([text], (text,), {"k": text}, {text: 1}, bytearray(1_000), [[[text]]]):
        assert 1_000 <= size_of((cell,)) < 1_100
    assert size_of((Decimal("1" * 100_000),)) > 40_000
    assert size_of((None, 1, 2.5, True, Decimal("1.5"))) == 40


class _Text(str):
    """A text that can be watched."""
