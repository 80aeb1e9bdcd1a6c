"""What every `Database` must do, whatever the engine. A new engine is one more of `ENGINES`.

The scripts are SQL that all engines share; an engine's `create` makes them into a database and
returns its URL.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

import servers
from punctual import in_time
from quorumsql.db import open_database
from quorumsql.domain import Failure, ForeignKey, Limits, Rows, Schema
from quorumsql.errors import DatabaseError, UnknownName
from quorumsql.ports import Database

SCRIPT = """
CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, people INTEGER);
CREATE TABLE stay (
    guest VARCHAR(20) NOT NULL, night DATE NOT NULL, city_id INTEGER NOT NULL, price NUMERIC(8, 2),
    PRIMARY KEY (guest, night), FOREIGN KEY (city_id) REFERENCES city (id)
);
CREATE TABLE bill (
    id INTEGER PRIMARY KEY, guest VARCHAR(20), night DATE, "total due" NUMERIC(8, 2),
    FOREIGN KEY (guest, night) REFERENCES stay (guest, night)
);
CREATE TABLE review (id INTEGER PRIMARY KEY, bill_id INTEGER, "select" VARCHAR(10));
CREATE TABLE hollow (a INTEGER);
CREATE VIEW big_city AS SELECT name, people FROM city WHERE people > 1000000;
INSERT INTO city VALUES (1, 'Lisbon', 545000);
INSERT INTO city VALUES (2, '東京', 13960000);
INSERT INTO city VALUES (3, 'O''Fallon', NULL);
INSERT INTO city VALUES (4, 'Lisbon', 11000);
INSERT INTO stay VALUES ('ana', '2024-01-02', 1, 80.50);
INSERT INTO stay VALUES ('ana', '2024-01-03', 2, NULL);
INSERT INTO bill VALUES (1, 'ana', '2024-01-02', 80.50);
INSERT INTO review VALUES (1, 1, 'good');
"""

ENDLESS = (
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 500) "
    "SELECT COUNT(*) FROM r a, r b, r c, r d, r e, r f"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How to make a database of one engine in a folder, from a script; returns its URL."""

    name: str
    create: Callable[[pytest.FixtureRequest, Path, str], str]


def _sqlite(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    path = folder / "hotel.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(script)
    return f"sqlite:///{path}"


def _postgresql(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    return servers.make_postgresql(request.getfixturevalue("postgresql_server"), "hotel", script)


def _duckdb(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    path = folder / "hotel.duckdb"
    with closing(duckdb.connect(path)) as connection:
        connection.execute(script)
    return f"duckdb:///{path}"


def _mariadb(request: pytest.FixtureRequest, folder: Path, script: str) -> str:
    return servers.make_mariadb(request.getfixturevalue("mariadb_server"), "hotel", script)


ENGINES = (
    Engine(name="sqlite", create=_sqlite),
    Engine(name="duckdb", create=_duckdb),
    Engine(name="postgresql", create=_postgresql),
    Engine(name="mariadb", create=_mariadb),
)


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.name)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine: Engine = request.param
    made = tmp_path_factory.mktemp(engine.name)
    url = engine.create(request, made, SCRIPT)
    (made / "url").write_text(url, encoding="utf-8")
    return made


@pytest.fixture
def url(folder: Path) -> str:
    """Only read by all the tests, so made once."""
    return (folder / "url").read_text(encoding="utf-8")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as opened:
        yield opened


@pytest.fixture
def schema(database: Database) -> Schema:
    return database.schema()


def test_it_names_itself(database: Database) -> None:
    assert database.name == "hotel"
    assert database.dialect
    assert database.schema().dialect == database.dialect
    assert database.schema().name == database.name


def test_tables_and_views(schema: Schema) -> None:
    found = {t.name: t.is_view for t in schema.tables}
    assert found == {
        "city": False,
        "stay": False,
        "bill": False,
        "review": False,
        "hollow": False,
        "big_city": True,
    }


def test_columns_in_order_with_kind_and_key(schema: Schema) -> None:
    stay, bill = schema.table("stay"), schema.table("bill")
    assert stay is not None and bill is not None
    assert [(c.name, c.kind, c.primary_key, c.nullable) for c in stay.columns] == [
        ("guest", "text", True, False),
        ("night", "date", True, False),
        ("city_id", "number", False, False),
        ("price", "number", False, True),
    ]
    assert [c.name for c in bill.columns] == ["id", "guest", "night", "total due"]
    # DuckDB takes lengths of texts and forgets them.
    length = "" if schema.dialect == "duckdb" else "(20)"
    assert stay.columns[0].type == f"VARCHAR{length}"


def test_declared_and_implied_keys(schema: Schema) -> None:
    city = ForeignKey(
        table="stay", columns=("city_id",), referred_table="city", referred_columns=("id",)
    )
    stay = ForeignKey(
        table="bill",
        columns=("guest", "night"),
        referred_table="stay",
        referred_columns=("guest", "night"),
    )
    bill = ForeignKey(
        table="review",
        columns=("bill_id",),
        referred_table="bill",
        referred_columns=("id",),
        declared=False,
    )
    assert sorted(schema.foreign_keys, key=lambda k: k.table) == [stay, bill, city]


def test_examples_are_some_values_without_null(schema: Schema) -> None:
    city, hollow = schema.table("city"), schema.table("hollow")
    assert city is not None and hollow is not None
    assert city.columns[1].examples == ("Lisbon", "東京", "O'Fallon")
    assert city.columns[2].examples == (545000, 13960000, 11000)
    assert hollow.columns[0].examples == ()


def test_describing_twice_gives_the_same(database: Database, url: str) -> None:
    with closing(open_database(url)) as other:
        assert database.schema() == database.schema() == other.schema()


def test_a_query_gives_columns_and_rows(database: Database) -> None:
    found = database.execute("SELECT id, name AS n, people FROM city ORDER BY id")
    assert found == Rows(
        columns=("id", "n", "people"),
        rows=(
            (1, "Lisbon", 545000),
            (2, "東京", 13960000),
            (3, "O'Fallon", None),
            (4, "Lisbon", 11000),
        ),
    )


def test_no_rows_are_rows_too(database: Database) -> None:
    assert database.execute("SELECT a FROM hollow") == Rows(columns=("a",), rows=())


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT missing FROM city", "error"),
        ("SELECT * FROM missing", "error"),
        ("SELECT FROM WHERE", "error"),
        ("", "error"),
        ("What is the largest city?", "error"),
        ("DELETE FROM city", "refused"),
        ("DROP TABLE city", "refused"),
        ("INSERT INTO hollow VALUES (1)", "refused"),
        ("CREATE TABLE other (a INTEGER)", "refused"),
        ("SELECT 1; SELECT 2", "refused"),
    ],
)
def test_what_goes_wrong_is_a_value(database: Database, sql: str, kind: str) -> None:
    found = database.execute(sql)
    assert isinstance(found, Failure)
    assert found.kind == kind, found
    assert found.message and "\n" not in found.message
    assert database.execute("SELECT COUNT(*) AS n FROM city") == Rows(columns=("n",), rows=((4,),))


def test_a_deadline_stops_an_endless_statement(database: Database) -> None:
    def stopped() -> float:
        start = time.monotonic()
        found = database.execute(ENDLESS, limits=Limits(seconds=0.5))
        took = time.monotonic() - start
        assert isinstance(found, Failure)
        assert found.kind == "timeout"
        return took

    in_time(0.5 + 0.5, stopped)


def test_caps_cut_the_rows_and_say_so(database: Database) -> None:
    few = database.execute("SELECT id FROM city ORDER BY id", limits=Limits(rows=2))
    assert few == Rows(columns=("id",), rows=((1,), (2,)), truncated=True)
    small = database.execute(
        "SELECT a.name FROM city a, city b, city c, city d", limits=Limits(bytes=200)
    )
    assert isinstance(small, Rows)
    assert small.truncated
    assert 0 < len(small.rows) < 256


def test_values_are_distinct_and_never_null(database: Database) -> None:
    assert database.values("city", "name", limit=10) == ("Lisbon", "東京", "O'Fallon")
    assert database.values("city", "people", limit=2) == (545000, 13960000)
    assert database.values("bill", "total due", limit=2) == (80.5,)
    assert database.values("hollow", "a", limit=10) == ()
    with pytest.raises(UnknownName):
        database.values("city", "missing", limit=10)


def test_several_threads_may_ask_at_once(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(database.execute, [f"SELECT {n} AS n" for n in range(20)]))
    assert found == [Rows(columns=("n",), rows=((n,),)) for n in range(20)]


def test_closing_twice_is_fine_and_asking_afterwards_is_not(url: str) -> None:
    database = open_database(url)
    database.close()
    database.close()
    with pytest.raises(DatabaseError):
        database.execute("SELECT 1")


def test_reading_leaves_nothing_behind(url: str, folder: Path) -> None:
    before = {e.name: (e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(folder)}
    with closing(open_database(url)) as database:
        database.schema()
        database.execute("SELECT * FROM city")
        database.execute("DELETE FROM city")
        database.values("city", "name", limit=5)
    after = {e.name: (e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(folder)}
    assert after == before
