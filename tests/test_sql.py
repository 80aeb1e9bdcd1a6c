from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import ColumnRef
from quorumsql.sql import (
    RESERVED,
    SHORT,
    SQLITE_RESERVED,
    is_ordered,
    names_in,
    normalise,
    parsed,
    quote,
    tables_of,
    tree_of,
)


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t order by a limit 1;", True),
        ("(SELECT a FROM t ORDER BY a)", True),
        ("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1", True),
        ("WITH x AS (SELECT 1 AS a) SELECT a FROM x ORDER BY a", True),
        ("SELECT a FROM t LIMIT 3 -- ORDER BY a", False),
        ("SELECT * FROM (SELECT a FROM t ORDER BY a)", False),
        ("WITH x AS (SELECT a FROM t ORDER BY a) SELECT * FROM x", False),
        ("SELECT sum(a) OVER (ORDER BY b) FROM t", False),
        ("SELECT 'order by' FROM t", False),
        ("this is no SQL ORDER BY a", False),
        ("SELECT 1 ORDER BY 1; SELECT 2 ORDER BY 1", False),
        ("", False),
    ],
)
def test_is_ordered(sql: str, ordered: bool) -> None:
    assert is_ordered(sql, "sqlite") == ordered


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SELECT a FROM t", "select  A\nfrom T ;"),
        ("SELECT a FROM t", "SELECT /* why */ a FROM t -- so"),
        ("SELECT a FROM t WHERE b = 'x'", "select a from t where b='x'"),
        ("not sql at all ;", "not  sql\nat all"),
    ],
)
def test_normalise_forgets_layout(a: str, b: str) -> None:
    assert normalise(a, "sqlite") == normalise(b, "sqlite")


@pytest.mark.parametrize(
    ("a", "b", "dialect"),
    [
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'X'", "sqlite"),
        ("SELECT a, b FROM t", "SELECT b, a FROM t", "sqlite"),
        ('SELECT "A" FROM t', 'SELECT "a" FROM t', "postgres"),
        ("SELECT a FROM T", "SELECT a FROM t", "mysql"),
    ],
)
def test_normalise_keeps_what_matters(a: str, b: str, dialect: str) -> None:
    assert normalise(a, dialect) != normalise(b, dialect)


def test_tables_of() -> None:
    sql = """
        WITH x AS (SELECT * FROM a JOIN b ON a.i = b.i)
        SELECT * FROM x, C AS k WHERE k.i IN (SELECT i FROM "d e") AND 1 = (SELECT 1 FROM a)
    """
    assert sorted(tables_of(sql, "sqlite")) == ["C", "a", "b", "d e"]
    assert tables_of("no SQL (", "sqlite") == ()


def test_names_in() -> None:
    sql = "SELECT t.a, b FROM tt AS t WHERE c IN (SELECT d FROM e, f) AND t.a > 1"
    tables, columns = names_in(sql, "sqlite")
    assert sorted(tables) == ["e", "f", "tt"]
    assert columns == (
        ColumnRef(table="tt", column="a"),
        ColumnRef(table="tt", column="b"),
        ColumnRef(table="tt", column="c"),
        ColumnRef(table="", column="d"),
    )
    assert names_in("no SQL (", "sqlite") == ((), ())


@pytest.mark.parametrize(
    ("name", "dialect", "written"),
    [
        ("name", "sqlite", "name"),
        ("Name", "sqlite", "Name"),
        ("Name", "postgres", '"Name"'),
        ("Name", "duckdb", "Name"),
        ("NAME", "oracle", "NAME"),
        ("name", "oracle", '"name"'),
        ("order", "sqlite", '"order"'),
        ("Order", "mysql", "`Order`"),
        ("rank", "sqlite", "rank"),
        ("rank", "mysql", "`rank`"),
        ("two words", "sqlite", '"two words"'),
        ("two words", "tsql", "[two words]"),
        ("a]b", "tsql", "[a]]b]"),
        ('say "x"', "sqlite", '"say ""x"""'),
        ("a`b", "mysql", "`a``b`"),
        ("1st", "sqlite", '"1st"'),
        ("", "sqlite", '""'),
        ("評価", "sqlite", '"評価"'),
        ("a.b", "sqlite", '"a.b"'),
        ("x'y; --", "sqlite", '"x\'y; --"'),
        ("Name", "no such dialect", '"Name"'),
    ],
)
def test_quote(name: str, dialect: str, written: str) -> None:
    assert quote(name, dialect) == written


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1).filter(lambda name: "\0" not in name and name.isprintable()))
def test_a_quoted_name_is_that_name_in_sqlite(name: str) -> None:
    table = column = quote(name, "sqlite")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {table} ({column} INTEGER)")
        connection.execute(f"INSERT INTO {table} VALUES (7)")
        cursor = connection.execute(f"SELECT t.{column} FROM {table} AS t WHERE {column} = 7")
        assert cursor.description[0][0] == name
        assert cursor.fetchall() == [(7,)]


@pytest.mark.parametrize("word", sorted(RESERVED | SQLITE_RESERVED))
def test_reserved_words_are_usable_names_in_sqlite(word: str) -> None:
    """Also for sqlglot, which must read what the guard lets through."""
    name = quote(word, "sqlite")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f'CREATE TABLE "{word}" ("{word}" INTEGER)')
        sql = (
            f"SELECT t.{name}, count(t.{name}) FROM {name} AS t JOIN {name} AS u "
            f"ON t.{name} = u.{name} WHERE t.{name} > 1 GROUP BY t.{name} ORDER BY t.{name} DESC"
        )
        connection.execute(sql)
        connection.execute(sqlglot.parse_one(sql, read="sqlite").sql("sqlite"))


def test_a_tree_that_was_changed_is_nobody_elses() -> None:
    sql = "SELECT name FROM owner WHERE id = 1"
    mine = parsed(sql, "sqlite")
    assert mine is not None
    mine.set("where", None)
    shared = tree_of(sql, "sqlite")
    assert shared is not None and shared.sql() == sql
    assert normalise("SELECT  Name FROM owner", "sqlite") == "SELECT name FROM owner"
    assert normalise("SELECT  Name FROM owner", "sqlite") == "SELECT name FROM owner"
    spaced = tree_of("SELECT  Name FROM owner", "sqlite")
    assert spaced is not None and spaced.sql() == "SELECT Name FROM owner"


def test_trees_of_long_statements_are_not_kept() -> None:
    long = f"SELECT {', '.join(f'c{n}' for n in range(SHORT))} FROM t"
    assert tree_of(long, "sqlite") is not tree_of(long, "sqlite")
    assert tree_of(long, "sqlite") == tree_of(long, "sqlite")
