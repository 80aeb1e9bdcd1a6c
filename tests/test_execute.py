"""Candidates of unknown origin run once each, within a budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Execution, Failure, Limits, Rows, Schema
from quorumsql.stages.execute import execute_all, statement_key
from sqlite_files import ENDLESS, make

SAME = [
    ("SELECT count(*) FROM city", "select  COUNT ( * )\nfrom City;"),
    ("SELECT a.b FROM a", "SELECT a . b FROM a ; ;"),
    ("SELECT 1.5", "select 1.5"),
    ("SELECT 'It''s'", "Select   'It''s'"),
    ("SELECT n>=1", "SELECT n >= 1"),
]
APART = [
    ("SELECT 'a'", "SELECT 'A'"),
    ("SELECT 'a b'", "SELECT 'a  b'"),
    ('SELECT "Name"', 'SELECT "name"'),
    ("SELECT n <= 1", "SELECT n < = 1"),
    ("SELECT 1 != 2", "SELECT 1 ! = 2"),
    ("SELECT 15", "SELECT 1 5"),
    ("SELECT 1e-5", "SELECT 1e - 5"),
    ("SELECT 1.5", "SELECT 1 . 5"),
    ("SELECT 1 -- a", "SELECT 1"),
    ("SELECT x'ab'", "SELECT x 'ab'"),
    ("SELECT a; SELECT b", "SELECT a SELECT b"),
    ("SELECT $$A b$$", "SELECT $$a b$$"),
    ("SELECT $x$A $$ B$x$", "SELECT $x$A $$ b$x$"),
    ("SELECT a -- b\n", "SELECT a -- b \n"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_layout_and_case_do_not_make_another_statement(one: str, other: str) -> None:
    assert statement_key(one, "sqlite") == statement_key(other, "sqlite")


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_may_mean_something_else_is_another_statement(one: str, other: str) -> None:
    assert statement_key(one, "postgres") != statement_key(other, "postgres")


def test_names_of_mysql_may_differ_in_case_alone() -> None:
    assert statement_key("SELECT 1 FROM City;", "mysql") == "SELECT 1 FROM City"
    assert statement_key("SELECT 1 FROM city", "mysql") == "SELECT 1 FROM city"


class Counting:
    """A database that remembers what it ran."""

    name, dialect = "shop", "sqlite"

    def __init__(self, run: Callable[[str, Limits], Execution]) -> None:
        self.ran: list[str] = []
        self._run = run

    def schema(self) -> Schema:
        return Schema(name=self.name)

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        self.ran.append(sql)
        return self._run(sql, limits or Limits())

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        del table, column, limit
        return ()

    def close(self) -> None:
        pass


def test_each_statement_runs_once_the_shortest_first() -> None:
    database = Counting(lambda sql, _: Rows(columns=(sql,), rows=()))
    found = execute_all(["SELECT 10", "select  1", "SELECT 1", "SELECT 1;", "SELECT 10"], database)
    assert database.ran == ["SELECT 1", "SELECT 10"]
    assert [one.columns for one in found if isinstance(one, Rows)] == [
        *(("SELECT 10",), ("SELECT 1",), ("SELECT 1",), ("SELECT 1",), ("SELECT 10",)),
    ]
    assert execute_all([], database) == ()


def test_a_candidate_that_never_ends_costs_its_deadline_and_the_rest_still_run(
    tmp_path: Path,
) -> None:
    database = open_database(str(make(tmp_path / "shop.sqlite", "CREATE TABLE city (name TEXT);")))
    try:
        pool = [ENDLESS, "SELECT 1", ENDLESS]
        found = execute_all(pool, database, limits=Limits(seconds=0.2))
    finally:
        database.close()
    assert isinstance(found[1], Rows)
    assert isinstance(found[0], Failure) and found[0].kind == "timeout"
    assert found[2] is found[0]


def test_what_no_longer_fits_into_the_budget_says_so() -> None:
    database = Counting(lambda _, limits: Failure(kind="timeout", message=f"{limits.seconds:.1f}"))
    found = execute_all(["SELECT 1", "SELECT 2"], database, seconds=0.0)
    assert database.ran == []
    assert all(isinstance(one, Failure) and one.kind == "timeout" for one in found)
    assert isinstance(found[0], Failure) and "used up" in found[0].message
