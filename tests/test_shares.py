"""Shares: what a count is divided by, on a real database, and what is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Question, Rows
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stages.shares import divided
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

SHIPPED = "SELECT COUNT(*) FROM \"order\" WHERE status = 'shipped'"


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def rows(database: Database, sql: str) -> tuple[tuple[object, ...], ...]:
    found = database.execute(sql)
    assert isinstance(found, Rows)
    return found.rows


def test_a_count_is_divided_by_that_of_all(database: Database) -> None:
    index = MemoryValueIndex.build(database, database.schema())
    asking = Pipeline(database=database, generators=(Scripted("a", SHIPPED),), index=index)
    answer = asking.answer(Question(text="What percentage of orders were shipped?"))
    ((shipped,),) = rows(database, SHIPPED)
    ((every,),) = rows(database, 'SELECT COUNT(*) FROM "order"')
    assert isinstance(shipped, int) and isinstance(every, int) and 0 < shipped < every
    assert answer.rows == ((pytest.approx(100 * shipped / every),),)
    assert not any("does not divide" in text for text in answer.warnings)


def test_shares_per_thing_are_of_the_whole(database: Database) -> None:
    sql = divided('SELECT status, COUNT(*) FROM "order" GROUP BY status',
                  "share of orders per status", database.schema())  # fmt: skip
    assert sql is not None
    assert sum(float(str(share)) for _, share in rows(database, sql)) == pytest.approx(100)


def test_what_says_which_time_stays(database: Database) -> None:
    sql = divided(f"{SHIPPED} AND placed_on >= '2024-01-01'",
                  "What fraction of orders in 2024 were shipped?", database.schema())  # fmt: skip
    assert sql is not None and sql.endswith("WHERE placed_on >= '2024-01-01'")
    assert "1.0 * COUNT(CASE WHEN status = 'shipped' THEN 1 END) / COUNT(*) AS share" in sql


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        (SHIPPED, "How many orders were shipped?"),
        ('SELECT COUNT(*) FROM "order"', "What percentage of orders were shipped?"),
        (f"{SHIPPED} AND id > 2", "What percentage of orders over 2 were shipped?"),
        ('SELECT status FROM "order"', "the share of orders per status"),
        ('SELECT status, COUNT(*) FROM "order" GROUP BY status ORDER BY 2 DESC LIMIT 1',
         "Which status has the largest share of orders?"),
        ("SELECT (", "the share of orders"),
    ],
)  # fmt: skip
def test_what_is_not_clear_stays(database: Database, sql: str, question: str) -> None:
    assert divided(sql, question, database.schema()) is None


def test_a_share_that_is_not_worked_out_is_told(database: Database) -> None:
    index = MemoryValueIndex.build(database, database.schema())
    member = Scripted("a", 'SELECT status FROM "order"')
    asking = Pipeline(database=database, generators=(member,), index=index)
    answer = asking.answer(Question(text="What is the percentage of shipped orders?"))
    assert "The question asks for a share, but the SQL does not divide." in answer.warnings
