"""What is added to an answer means the same on every engine: times, gaps and flags of real types.

The names are written in CamelCase, so that each has to be quoted where that matters; what was
ordered last in a month was ordered half an hour before it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import sqlglot

import servers
from quorumsql.db import open_database
from quorumsql.domain import Question
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

ENGINES = ("duckdb", "postgresql", "mariadb", "sqlite")
NOW = datetime.now().replace(microsecond=0)  # noqa: DTZ005
SCRIPT = f"""
CREATE TABLE "Client" ("ClientID" INTEGER PRIMARY KEY, "FullName" VARCHAR(40), "Phone" VARCHAR(20),
 "DateOfBirth" DATE, "SignedUp" DATE, "IsActive" BOOLEAN NOT NULL, "Discount" NUMERIC(4, 2));
CREATE TABLE "SalesOrder" ("OrderID" INTEGER PRIMARY KEY,
 "ClientID" INTEGER REFERENCES "Client" ("ClientID"), "OrderedAt" TIMESTAMP NULL,
 "PaidDate" DATE, "Status" ENUM, "Amount" NUMERIC(10, 2));
INSERT INTO "Client" VALUES
 (1, 'Ann', '1', '1940-01-01', '2024-01-31', TRUE, 0.10),
 (2, 'Bob', NULL, '1990-05-31', '2024-02-01', FALSE, NULL),
 (3, 'Cid', '', '2021-01-01', '2024-02-29', TRUE, NULL);
INSERT INTO "SalesOrder" VALUES
 (1, 1, '2024-01-31 23:30:00', '2024-02-01', 'paid', 10.50),
 (2, 1, '2024-02-01 00:00:00', NULL, 'open', 20.25),
 (3, 2, '2024-02-29 23:59:59', NULL, 'open', 40),
 (4, 2, '2024-04-01 00:00:00', '2024-05-01', 'paid', 80),
 (5, 3, '{NOW - timedelta(days=3)}', NULL, 'open', 160);
"""
COUNT = 'SELECT COUNT(*) FROM "SalesOrder"'
CLIENTS = 'SELECT "FullName" FROM "Client"'
BIRTHS = (date(1940, 1, 1), date(1990, 5, 31), date(2021, 1, 1))
AVERAGE_AGE = pytest.approx(
    sum(
        NOW.year - day.year - ((NOW.month, NOW.day) < (day.month, day.day)) for day in BIRTHS
    ) / len(BIRTHS), rel=1e-4,
)  # fmt: skip


def _duckdb(script: str, _: pytest.FixtureRequest, folder: Path) -> str:
    path = folder / "sales.duckdb"
    with closing(duckdb.connect(str(path))) as target:
        target.execute("CREATE TYPE state AS ENUM ('open', 'paid')")
        target.execute(script.replace("ENUM", "state"))
    return f"duckdb:///{path}"


def _postgresql(script: str, request: pytest.FixtureRequest, _: Path) -> str:
    script = f"CREATE TYPE state AS ENUM ('open', 'paid'); {script.replace('ENUM', 'state')}"
    return servers.make_postgresql(request.getfixturevalue("postgresql_server"), "sales", script)


def _mariadb(script: str, request: pytest.FixtureRequest, _: Path) -> str:
    script = script.replace("ENUM", "ENUM ('open', 'paid')")
    return servers.make_mariadb(request.getfixturevalue("mariadb_server"), "sales", script)


def _sqlite(script: str, _: pytest.FixtureRequest, folder: Path) -> str:
    import sqlite3

    path = folder / "sales.sqlite"
    with closing(sqlite3.connect(path)) as target:
        target.executescript(script.replace("ENUM", "TEXT"))
    return str(path)


MAKE: Mapping[str, Callable[[str, pytest.FixtureRequest, Path], str]] = {
    "duckdb": _duckdb, "postgresql": _postgresql, "mariadb": _mariadb, "sqlite": _sqlite,
}  # fmt: skip


@pytest.fixture(scope="module")
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Database]]:
    folder = tmp_path_factory.mktemp("sales")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(closing(open_database(make(SCRIPT, request, folder))))
            for name, make in MAKE.items()
        }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("question", "sql", "wanted"),
    [
        ("How many orders in January 2024?", COUNT, [(1,)]),
        ("How many orders in February 2024?", COUNT, [(2,)]),
        ("How many orders on February 29th, 2024?", COUNT, [(1,)]),
        ("How many orders in Q1 2024?", COUNT, [(3,)]),
        ("How many orders in the last 7 days?", COUNT, [(1,)]),
        ("How many orders until March 2024?", COUNT, [(3,)]),
        ("How many orders were paid in February 2024?", COUNT, [(1,)]),
        ("How many orders in 2024?", COUNT, [(4,)]),
        ("How many orders until 2024?", COUNT, [(4,)]),
        ("How many orders were paid in February?", COUNT, [(1,)]),
        ("How many orders were paid on Thursdays?", COUNT, [(1,)]),
        ("How many clients signed up on Thursdays?", 'SELECT COUNT(*) FROM "Client"', [(2,)]),
        ("How many orders were paid on weekdays?", COUNT, [(2,)]),
        ("How many orders were paid on weekends?", COUNT, [(0,)]),
        ("Clients without a phone number or a discount", CLIENTS, [("Bob",), ("Cid",)]),
        ("Clients with a phone number but no discount", CLIENTS, []),
        ("How many orders per month until April 2024?", COUNT,
         [("2024-01", 1), ("2024-02", 2), ("2024-04", 1)]),
        ("How many orders per quarter until April 2024?", COUNT, [("2024-Q1", 3), ("2024-Q2", 1)]),
        ("How many unpaid orders in February 2024?", COUNT, [(2,)]),
        ("Orders that have not been paid", 'SELECT "OrderID" FROM "SalesOrder"',
         [(2,), (3,), (5,)]),
        ("Clients without a phone number", CLIENTS, [("Bob",), ("Cid",)]),
        ("Clients with no discount", CLIENTS, [("Bob",), ("Cid",)]),
        ("Active clients", CLIENTS, [("Ann",), ("Cid",)]),
        ("Which clients are inactive?", 'SELECT DISTINCT "IsActive" FROM "Client"', [("Bob",)]),
        ("Active clients without a phone number", CLIENTS, [("Cid",)]),
        ("Clients who signed up since February 2024", 'SELECT "SignedUp" FROM "Client"',
         [("Bob",), ("Cid",)]),
        ("Clients older than 65", CLIENTS, [("Ann",)]),
        ("Who is the oldest client?", CLIENTS + ' ORDER BY "DateOfBirth" DESC LIMIT 1', [("Ann",)]),
        ("Who is the youngest client?", CLIENTS + ' ORDER BY "DateOfBirth" LIMIT 1', [("Cid",)]),
        ("When was the youngest client born?", 'SELECT MIN("DateOfBirth") > \'2020-06-06\' FROM '
         '"Client"', [(True,)]),
        ("What percentage of orders are open?", f"""{COUNT} WHERE "Status" = 'open'""", [(60.0,)]),
        ("Share of orders per status",
         'SELECT "Status", COUNT(*) FROM "SalesOrder" GROUP BY "Status"',
         [("open", 60.0), ("paid", 40.0)]),
        ("Average age of clients", 'SELECT AVG("ClientID") FROM "Client"', [(AVERAGE_AGE,)]),
    ],
)  # fmt: skip
def test_what_is_added_means_the_same_everywhere(
    databases: Mapping[str, Database], engine: str, question: str, sql: str, wanted: list[object]
) -> None:
    database = databases[engine]
    schema = database.schema()
    written = sqlglot.transpile(sql, read="sqlite", write=schema.dialect)[0]
    index = MemoryValueIndex.build(database, schema)
    asking = Pipeline(database=database, generators=(Scripted("a", written),), index=index)
    answer = asking.answer(Question(text=question))
    found = [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in answer.rows]
    assert sorted(found) == sorted(wanted), answer.sql  # type: ignore[type-var]
    assert not any("could not be added" in text for text in answer.warnings)
