"""A follow-up finds the same rows on every engine: the sample company on real servers.

What SQLite finds is held against hand-written statements in `test_follow`; here its rows are those
that the others must find. On the others the day of an order is a time, not only a date.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import psycopg
import pytest
import sqlglot
from sqlglot import exp

import servers
from quorumsql import connect
from quorumsql.api import Connection
from quorumsql.domain import Execution, Rows
from quorumsql.follow import edited
from quorumsql.results import same_result
from quorumsql.sample import build_sample
from test_follow import CASES, NAMES, ORDERS, TODAY

TABLES = (
    "regions countries departments employees categories products customers orders order_items"
).split()
ENGINES = ("duckdb", "postgresql", "mariadb")
FOLLOW_UPS = [
    *((before, text) for before, text, _ in CASES),
    (NAMES, "the top 90 by weight"),  # of fewer that have one
    (ORDERS, "by day"),
    (ORDERS, "by week"),
    ("SELECT COUNT(*) FROM employees", "by month"),
    ("SELECT AVG(salary) FROM employees", "by year"),
    ("SELECT channel, COUNT(*) FROM orders GROUP BY channel", "only in 2023"),
]


def _script(company: sqlite3.Connection, *, time: str) -> str:
    """The tables in SQL that all engines understand."""
    found = company.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    known = dict(found.fetchall())
    text = ";\n".join(known[name] for name in TABLES)
    text = re.sub(r"\bTEXT\b", "VARCHAR(200)", re.sub(r"\bREAL\b", "DOUBLE PRECISION", text))
    return text.replace("order_date DATE", f"order_date {time}")


def _duckdb(company: sqlite3.Connection, _: pytest.FixtureRequest, folder: Path) -> str:
    path = folder / "company.duckdb"
    with closing(duckdb.connect(str(path))) as target:
        target.execute(_script(company, time="TIMESTAMP"))
        for name in TABLES:
            columns = company.execute(f"SELECT * FROM {name} LIMIT 0").description
            cells = " || ',' || ".join(f"quote({column})" for column, *_ in columns)
            rows = [f"({row})" for (row,) in company.execute(f"SELECT {cells} FROM {name}")]
            # DuckDB looks a key up among the rows of earlier statements only.
            most = 1 if name == "employees" else 2000
            for start in range(0, len(rows), most):
                target.execute(f"INSERT INTO {name} VALUES {', '.join(rows[start : start + most])}")
    return f"duckdb:///{path}"


def _postgresql(company: sqlite3.Connection, request: pytest.FixtureRequest, _: Path) -> str:
    server = request.getfixturevalue("postgresql_server")
    url = servers.make_postgresql(server, "company", _script(company, time="TIMESTAMP"))
    target: psycopg.Connection
    with closing(servers.postgresql_owner(server, "company")) as target, target.cursor() as cursor:
        for name in TABLES:
            with cursor.copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in company.execute(f"SELECT * FROM {name} ORDER BY 1"):
                    copy.write_row(row)
    return url


def _mariadb(company: sqlite3.Connection, request: pytest.FixtureRequest, _: Path) -> str:
    server = request.getfixturevalue("mariadb_server")
    url = servers.make_mariadb(server, "company", _script(company, time="DATETIME"))
    with closing(servers.mariadb_owner(server, "company")) as target, target.cursor() as cursor:
        for name in TABLES:
            rows = company.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    return url


MAKE: Mapping[str, Callable[[sqlite3.Connection, pytest.FixtureRequest, Path], str]] = {
    "duckdb": _duckdb, "postgresql": _postgresql, "mariadb": _mariadb,
}  # fmt: skip


@pytest.fixture(scope="module")
def companies(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Connection]]:
    folder = tmp_path_factory.mktemp("companies")
    path = folder / "company.sqlite"
    build_sample(path)
    with ExitStack() as stack:
        source = stack.enter_context(closing(sqlite3.connect(path)))
        places = {name: make(source, request, folder) for name, make in MAKE.items()}
        places["sqlite"] = str(path)
        yield {name: stack.enter_context(connect(url)) for name, url in places.items()}


def plain(execution: Execution) -> Rows:
    """The result with dates as SQLite keeps them: as text."""
    assert isinstance(execution, Rows), execution
    rows = (tuple(str(v) if isinstance(v, date) else v for v in row) for row in execution.rows)
    return replace(execution, rows=tuple(rows))


def settled(sql: str, dialect: str) -> str:
    """The statement with equal rows sorted by what they show first: no engine promises an order."""
    tree = sqlglot.parse_one(sql, read=dialect)
    if isinstance(tree, exp.Select) and tree.args.get("order"):
        tree = tree.order_by(exp.Literal.number(1))
    return tree.sql(dialect=dialect)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("before", "text"), FOLLOW_UPS)
def test_a_follow_up_finds_the_same_everywhere(
    companies: Mapping[str, Connection], engine: str, before: str, text: str
) -> None:
    found, sql = {}, ""
    hits = companies["sqlite"].mentions(text)
    for name in ("sqlite", engine):
        database = companies[name]
        sql = edited(before, text, database.schema, hits, today=TODAY) or ""
        found[name] = plain(database.sql(settled(sql, database.dialect)))
    same = same_result(found[engine], found["sqlite"], ordered="ORDER BY" in sql)
    assert same, (sql, found[engine].rows[:5])


@pytest.mark.parametrize("engine", ENGINES)
def test_one_follow_up_goes_on_from_another_everywhere(
    companies: Mapping[str, Connection], engine: str
) -> None:
    found = {}
    for name in ("sqlite", engine):
        database, sql = companies[name], ORDERS
        for text in ("and by quarter?", "only in 2023", "more than 20", "largest first"):
            sql = edited(sql, text, database.schema, today=TODAY) or ""
        found[name] = plain(database.sql(sql))
    assert same_result(found[engine], found["sqlite"], ordered=True)
    assert [row[0] for row in found[engine].rows if str(row[0]).startswith("2023-Q")]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_answer_is_gone_on_from_everywhere(
    companies: Mapping[str, Connection], engine: str
) -> None:
    """The way people go: `mentions`, the edited statement and the answer, on the engine itself."""
    from quorumsql.answered import remembered

    answer = companies[engine].follow_up(remembered("orders", ORDERS, 0.9), "only cancelled")
    months = answer.follow_up("and by month?")
    assert len(answer.rows) == 1 and len(months.rows) > 12
    assert sum(int(str(row[1])) for row in months.rows) == answer.rows[0][0]
    cheap = companies[engine].follow_up(remembered("products", NAMES, 0.9), "only those over 300")
    assert cheap.rows and all(float(str(row[1])) > 300 for row in cheap.rows)
