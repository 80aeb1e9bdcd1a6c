"""Totals become one line per something where the question says so, on the real shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Question, Rows
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

ORDERS = 'SELECT COUNT(*) FROM "order"'


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def finished(database: Database, sql: str, question: str) -> str:
    """The statement that stands where a member wrote `sql`."""
    index = MemoryValueIndex.build(database, database.schema())
    asking = Pipeline(database=database, generators=(Scripted("a", sql),), index=index)
    answer = asking.answer(Question(text=question))
    assert answer.sql is not None
    return answer.sql


def test_the_last_words_of_the_question_are_heard(database: Database) -> None:
    index = MemoryValueIndex.build(database, database.schema())
    members = (Scripted("a", ORDERS), Scripted("b", 'SELECT COUNT(id) FROM "order"'))
    asking = Pipeline(database=database, generators=members, index=index)
    answer = asking.answer(Question(text="How many orders were placed per month?"))
    found = database.execute(
        'SELECT substr(placed_on, 1, 7), count(*) FROM "order" GROUP BY 1 ORDER BY 1'
    )
    assert isinstance(found, Rows)
    assert answer.rows == found.rows
    assert (answer.choice.rule, answer.confidence) == ("unanimous", 1.0)
    assert [len(one.attempts) for one in answer.candidates] == [2, 2]
    assert [group.members for group in answer.choice.groups] == [(0, 1)]
    assert asking.answer(Question(text="How many orders are there?")).sql == ORDERS


@pytest.mark.parametrize(
    ("question", "grouped_by"),
    [
        ("number of orders by status", "status"),
        ("How many orders are there for each customer?", "customer"),
        ("Number of orders per year.", "placed_on"),
        ("How many orders are there, grouped by status?", "status"),
        ("the orders in each STATUS", "status"),
    ],
)
def test_columns_tables_and_parts_of_dates(
    database: Database, question: str, grouped_by: str
) -> None:
    _, _, by = finished(database, ORDERS, question).partition(" GROUP BY ")
    assert grouped_by in by


def test_who_reached_the_same_by_another_way_is_parted(database: Database) -> None:
    """There are as many products as customers, by chance."""
    index = MemoryValueIndex.build(database, database.schema())
    other = "SELECT COUNT(*) FROM product WHERE edition > 0"
    members = (Scripted("a", "SELECT COUNT(*) FROM customer"), Scripted("b", other))
    asking = Pipeline(database=database, generators=members, index=index)
    answer = asking.answer(Question(text="How many customers are there per name?"))
    first, rest = answer.choice.groups
    assert answer.sql is not None and "GROUP BY customer.name" in answer.sql
    assert (first.members, rest.members, rest.votes) == ((0,), (1,), 0.0)
    assert [one.sql for one in answer.candidates] == [answer.sql, other]


def test_rows_that_nothing_tells_apart_are_named(database: Database) -> None:
    bare = 'SELECT COUNT(*) FROM "order" GROUP BY status'
    named = finished(database, bare, "number of orders by status")
    assert named == finished(database, ORDERS, "number of orders by status")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT name FROM customer WHERE id NOT IN (SELECT referred_by FROM customer)", 4),
        ("SELECT COUNT(*) FROM customer WHERE NOT id IN (SELECT referred_by FROM customer)", 1),
        ("SELECT id FROM city WHERE id NOT IN (SELECT DISTINCT work_city FROM customer)", 2),
    ],
)
def test_not_in_finds_what_is_missing_beside_unknown_values(
    database: Database, sql: str, rows: int
) -> None:
    found = database.execute(sql)
    assert isinstance(found, Rows) and (not found.rows or found.rows == ((0,),))
    better = finished(database, sql, "Which customers referred nobody?")
    assert "IS NULL" in better
    ran = database.execute(better)
    assert isinstance(ran, Rows) and len(ran.rows) == rows and ran.rows != ((0,),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM city WHERE id NOT IN (SELECT id FROM city)",  # nothing is missing
        "SELECT name FROM city WHERE id NOT IN (1, 2, 3, 4, 5)",
        "SELECT name FROM city WHERE id NOT IN (SELECT max(id) FROM city) AND id < 0",
        "SELECT name FROM customer WHERE id IN (SELECT referred_by FROM customer)",
    ],
)
def test_nothing_else_is_changed_for_nulls(database: Database, sql: str) -> None:
    assert finished(database, sql, "Which are missing?") == sql


@pytest.mark.parametrize(
    ("sql", "question", "wanted"),
    [
        ('SELECT status FROM "order"', "orders per status",
         'SELECT "order".status, COUNT(*) FROM "order" GROUP BY "order".status'),
        ('SELECT DISTINCT status FROM "order"', "Orders by status",
         'SELECT "order".status, COUNT(*) FROM "order" GROUP BY "order".status'),
        ('SELECT status FROM "order"', "statuses per status", None),
        ('SELECT status, id FROM "order"', "orders per status", None),
        ("SELECT status, COUNT(*) FROM \"order\" WHERE status = 'paid' GROUP BY status",
         "number of orders by status", 'SELECT status, COUNT(*) FROM "order" GROUP BY status'),
        ("SELECT status, COUNT(*) FROM \"order\" WHERE id > 3 AND status = 'paid' GROUP BY status",
         "orders over 3 by status",
         'SELECT status, COUNT(*) FROM "order" WHERE id > 3 GROUP BY status'),
        ("SELECT status, COUNT(*) FROM \"order\" WHERE status = 'paid' GROUP BY status",
         "number of paid orders by status", None),
    ],
)  # fmt: skip
def test_a_line_per_thing_counts_and_leaves_none_out(
    database: Database, sql: str, question: str, wanted: str | None
) -> None:
    assert finished(database, sql, question) == (wanted or sql)


def test_days_become_months(database: Database) -> None:
    daily = 'SELECT COUNT(*), placed_on FROM "order" GROUP BY placed_on'
    monthly = finished(database, daily, "number of orders per month")
    assert monthly == finished(database, ORDERS, "number of orders per month")
    assert finished(database, daily, "number of orders by placed on") == daily
    by_status = 'SELECT COUNT(*), status FROM "order" GROUP BY status'
    assert finished(database, by_status, "status of orders per month") == by_status


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        (ORDERS, "How many orders were placed by Ana Sousa?"),
        (ORDERS, "How many orders were placed by customers?"),
        (ORDERS, "How many orders were placed by the end of 2023?"),
        (ORDERS, "By status, how many orders are there?"),
        ('SELECT COUNT(*) FROM "order" WHERE id < 0', "orders by status"),
        ('SELECT status, COUNT(*) FROM "order" GROUP BY status', "orders by month"),
        ('SELECT id FROM "order"', "list the orders by status"),
        ('SELECT COUNT(*) FROM "order" LIMIT 1', "orders by status"),
        ("SELECT 1 UNION SELECT COUNT(*) FROM city", "cities by country"),
    ],
)
def test_what_is_no_total_or_names_no_column_stays(
    database: Database, sql: str, question: str
) -> None:
    assert finished(database, sql, question) == sql
