"""Statements whose parts repeat each other are refused before a planner multiplies them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db.sqlite import SqliteDatabase
from quorumsql.domain import Failure, Limits, Rows
from quorumsql.guard import check


def chain(first: str, following: str, count: int) -> str:
    """WITH entries of which each reads the one before, where it says @."""
    parts = [f"c{n + 1} AS ({following.replace('@', f'c{n}')})" for n in range(count)]
    return f"WITH c0 AS ({first}), {', '.join(parts)} SELECT * FROM c{count}"


def times(piece: str, count: int, between: str = ", ") -> str:
    return between.join([piece] * count)


LONG = times("a", 900)
TOO_LARGE = {
    "an alias in WHERE": f"SELECT a IN ({LONG}) AS x FROM t WHERE a IN ({times('x', 900)})",
    "a column of a subquery": f"SELECT x IN ({times('x', 900)}) FROM "
    f"(SELECT a IN ({LONG}) AS x FROM t)",
    "a subquery without a name": "SELECT x FROM "
    + "(SELECT x + x AS x FROM " * 20
    + "(SELECT a AS x FROM t)"
    + ")" * 20,
    "a condition on each arm": "SELECT * FROM "
    f"({times('SELECT a FROM t', 400, ' UNION ALL ')}) AS q WHERE a IN ({LONG})",
    "columns for each arm": f"SELECT x IN ({times('x', 900)}) FROM "
    f"({times('SELECT a AS x FROM t', 400, ' UNION ALL ')}) AS q",
    "arms of a join": "SELECT 1 FROM "
    + ", ".join(f"(SELECT a FROM t UNION ALL SELECT a FROM t) AS q{n}" for n in range(20)),
    "arms of a join in brackets": "SELECT 1 FROM ("
    + " CROSS JOIN ".join(f"(SELECT a FROM t UNION ALL SELECT 1) AS q{n}" for n in range(20))
    + ")",
    "a column sorted by its number": f"SELECT a IN ({LONG}) FROM t ORDER BY {times('1', 900)}",
    "a column grouped by its number": f"SELECT a IN ({LONG}) FROM t GROUP BY {times('1', 900)}",
    "a window with a name": f"SELECT {times('sum(a) OVER w', 900, ' + ')} FROM t "
    f"WINDOW w AS (PARTITION BY {times('a + 1', 900)})",
    "many windows": "SELECT "
    + " + ".join(f"sum(a) OVER (ORDER BY a + {n})" for n in range(300))
    + " FROM t",
    "many aggregates": "SELECT " + " + ".join(f"sum(a + {n})" for n in range(1500)) + " FROM t",
    "columns that joins share": f"SELECT a IN ({times('a', 9000)}) FROM t "
    + " ".join(f"FULL JOIN t AS t{n} USING (a)" for n in range(60)),
    "BETWEEN of BETWEEN": "SELECT a" + " BETWEEN 1 AND 2" * 900 + " FROM t",
    "OR beside OR": "SELECT 1 FROM t WHERE "
    + " AND ".join(
        "(" + " OR ".join(f"(a = {n} AND b = {m})" for n in range(25)) + ")" for m in range(99)
    ),
    "stars": chain("SELECT a + a + a + a AS x FROM t", "SELECT *, * FROM @", 30),
    "a later entry": "WITH "
    + ", ".join(f"c{n} AS (SELECT x + x AS x FROM c{n + 1})" for n in range(40))
    + ", c40 AS (SELECT a AS x FROM t) SELECT x FROM c0",
}
HARMLESS = {
    "MATERIALIZED": chain("SELECT a AS x FROM t", "SELECT x + x AS x FROM @", 30).replace(
        "AS (", "AS MATERIALIZED ("
    ),
    "aggregates": chain("SELECT a AS x FROM t", "SELECT max(x) + min(x) AS x FROM @", 30),
    "windows": chain("SELECT a AS x FROM t", "SELECT sum(x) OVER () + 1 AS x FROM @", 9),
    "a long list": f"SELECT a FROM t WHERE a IN ({', '.join(map(str, range(30_000)))})",
    "many rows": f"SELECT * FROM (VALUES {', '.join(f'({n})' for n in range(20_000))}) AS q",
    "many OR": "SELECT a FROM t WHERE " + " OR ".join(f"(a = {n} AND b = 1)" for n in range(900)),
    "many joins": "SELECT 1 FROM t AS t0 "
    + " ".join(f"JOIN t AS t{n} ON t{n}.a = t{n - 1}.a" for n in range(1, 60)),
    "many arms": times("SELECT a, b FROM t WHERE a > 1", 400, " UNION ALL "),
    "recursion": "WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + x + x FROM c "
    "WHERE x < 9) SELECT x + x FROM c",
    "steps of a report": chain(
        "SELECT a AS x, b FROM t",
        "SELECT CASE WHEN x > 1 THEN x ELSE 0 END AS x, coalesce(b, 0) AS b FROM @ WHERE b > 0",
        8,
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_stands_for_too_much_is_refused_soon(name: str) -> None:
    started = time.process_time()
    found = check(TOO_LARGE[name], dialect="sqlite")
    assert found is not None and found.kind == "refused"
    assert "repeat each other" in found.message
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_only_long_may_run(name: str) -> None:
    assert check(HARMLESS[name], dialect="sqlite") is None


def test_estimating_takes_time_with_the_length_alone() -> None:
    wide = ", ".join(f"a AS x{n}" for n in range(3_000))
    sql = chain(f"SELECT {wide} FROM t", "SELECT * FROM @", 4_000)
    started = time.process_time()
    check(sql[:199_000], dialect="sqlite")
    assert check(sql, dialect="sqlite") is not None
    assert time.process_time() - started < 10


def test_postgresql_computes_what_is_read_twice_once() -> None:
    once = chain("SELECT a AS x FROM t", "SELECT p.x FROM @ AS p JOIN @ AS q ON p.x = q.x", 20)
    assert check(once, dialect="postgres") is None
    assert check(once, dialect="mysql") is not None


def test_views_count_as_if_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "views.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("CREATE VIEW v0 AS SELECT a AS x FROM t")
        for n in range(14):
            text = f"CREATE VIEW v{n + 1} AS SELECT x + x AS x FROM v{n}"
            connection.execute(text)
    with closing(SqliteDatabase(path)) as database:
        database.schema()
        assert isinstance(database.execute("SELECT x FROM v3"), Rows)
        found = database.execute("SELECT x FROM V14")
        assert isinstance(found, Failure) and found.kind == "refused"


def test_sqlite_stops_compiling_when_the_program_becomes_very_long(tmp_path: Path) -> None:
    path = tmp_path / "long.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    terms = times("a", 900, "+")
    sql = f"SELECT {terms} FROM t ORDER BY {times('1', 700)}"  # 630,000 additions
    with closing(SqliteDatabase(path)) as database:
        found = database._run(sql, Limits())
        assert isinstance(found, Failure) and found.kind == "cap"
        assert isinstance(database.execute("SELECT count(*) FROM t"), Rows)
