"""What an engine has beyond tables and keys: comments, namespaces, enumerations, JSON, times.

`DIFFERENCES` is the one table of what an engine does otherwise, each with its reason; a test
asks it, and fails when a difference has gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import servers
from quorumsql.db import open_database
from quorumsql.domain import Column, ForeignKey, Rows, Schema, Table
from quorumsql.ports import Database
from quorumsql.render import render

DIFFERENCES: Mapping[tuple[str, str], str] = {
    ("sqlite", "comments"): "SQLite keeps no comments",
    ("sqlite", "namespaces"): "a file has one namespace; ATTACH is refused",
    ("mariadb", "namespaces"): "its schemas are databases, and a URL names one of them",
    ("sqlite", "enumerations"): "there are none; a CHECK is not read",
    ("sqlite", "arrays"): "there are none",
    ("mariadb", "arrays"): "there are none",
    ("sqlite", "booleans"): "they are numbers",
    ("mariadb", "booleans"): "BOOLEAN is TINYINT(1), so they are numbers",
    ("sqlite", "dates"): "they are text",
    ("sqlite", "decimals"): "they are floats",
}

COMMON = """
CREATE TABLE thing (
    id INTEGER PRIMARY KEY, label VARCHAR(20) NOT NULL, price NUMERIC(8, 2), made DATE,
    seen TIMESTAMP, open BOOLEAN, body TEXT, extra {json}{more}
);
INSERT INTO thing VALUES (
    1, 'one', 1.50, '2024-02-29', '2024-02-29 12:34:56', TRUE, '{long}', '{{"a": [1, 2]}}'{values}
);
"""
LONG = "x" * 5000
SALES = """
CREATE SCHEMA sales;
CREATE TABLE sales.bill (id INTEGER PRIMARY KEY, thing_id INTEGER, total INTEGER);
INSERT INTO sales.bill VALUES (1, 1, 5);
"""
SCRIPTS = {
    "sqlite": COMMON.format(json="TEXT", more="", values="", long=LONG),
    "duckdb": "CREATE TYPE mood AS ENUM ('calm', 'wild');"
    + COMMON.format(
        json="JSON", more=", mood mood, sizes INTEGER[]", values=", 'wild', [1, 2]", long=LONG
    )
    + SALES
    + "COMMENT ON TABLE thing IS 'What we sell'; COMMENT ON COLUMN thing.label IS 'Its name';",
    "postgresql": "CREATE TYPE mood AS ENUM ('calm', 'wild');"
    + COMMON.format(
        json="JSONB", more=", mood mood, sizes INTEGER[]", values=", 'wild', '{1,2}'", long=LONG
    )
    + SALES
    + "ALTER TABLE sales.bill ADD FOREIGN KEY (thing_id) REFERENCES thing (id);"
    "COMMENT ON TABLE thing IS 'What we sell'; COMMENT ON COLUMN thing.label IS 'Its name';",
    "mariadb": COMMON.format(
        json="JSON", more=", mood ENUM('calm', 'wild')", values=", 'wild'", long=LONG
    )
    + "ALTER TABLE thing COMMENT 'What we sell';"
    "ALTER TABLE thing MODIFY label VARCHAR(20) NOT NULL COMMENT 'Its name';",
}


@pytest.fixture(scope="module", params=SCRIPTS)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def url(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    folder, script = tmp_path_factory.mktemp(engine), SCRIPTS[engine]
    match engine:
        case "sqlite":
            with closing(sqlite3.connect(folder / "things.db")) as connection:
                connection.executescript(script)
            return str(folder / "things.db")
        case "duckdb":
            with closing(duckdb.connect(str(folder / "things.duckdb"))) as other:
                other.execute(script)
            return str(folder / "things.duckdb")
        case "postgresql":
            server = request.getfixturevalue("postgresql_server")
            return servers.make_postgresql(server, "things", script)
        case _:
            server = request.getfixturevalue("mariadb_server")
            return servers.make_mariadb(server, "things", script)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as opened:
        yield opened


@pytest.fixture
def schema(database: Database) -> Schema:
    return database.schema()


def differs(engine: str, feature: str) -> bool:
    return (engine, feature) in DIFFERENCES


def thing(schema: Schema) -> Table:
    table = schema.table("thing")
    assert table is not None
    return table


def column(schema: Schema, name: str) -> Column:
    found = thing(schema).column(name)
    assert found is not None, name
    return found


def test_comments(engine: str, schema: Schema) -> None:
    found = (thing(schema).comment, column(schema, "label").comment)
    assert found == (("", "") if differs(engine, "comments") else ("What we sell", "Its name"))


def test_namespaces(engine: str, database: Database, schema: Schema) -> None:
    table = schema.table("sales.bill")
    assert (table is None) == differs(engine, "namespaces")
    if table is None:
        return
    assert (table.schema, table.bare_name) == ("sales", "bill")
    assert thing(schema).schema is None
    keys = [k for k in schema.foreign_keys if k.table == "sales.bill"]
    expected = ForeignKey(
        table="sales.bill", columns=("thing_id",), referred_table="thing", referred_columns=("id",)
    )
    assert [(k.table, k.columns, k.referred_table, k.referred_columns) for k in keys] == [
        (expected.table, expected.columns, expected.referred_table, expected.referred_columns)
    ]
    assert database.values("sales.bill", "total", limit=5) == (5,)
    assert "# Table: sales.bill" in render(schema)
    assert "sales.bill.thing_id=thing.id" in render(schema)
    found = database.execute(
        "SELECT thing.label, b.total FROM sales.bill b JOIN thing ON b.thing_id = thing.id"
    )
    assert isinstance(found, Rows) and found.rows == (("one", 5),)


def test_enumerations(engine: str, schema: Schema) -> None:
    if differs(engine, "enumerations"):
        assert thing(schema).column("mood") is None
        return
    mood = column(schema, "mood")
    assert mood.kind == "text"
    assert "'calm'" in mood.type and "'wild'" in mood.type
    assert "wild" in mood.examples


def test_arrays(engine: str, database: Database, schema: Schema) -> None:
    if differs(engine, "arrays"):
        assert thing(schema).column("sizes") is None
        return
    assert column(schema, "sizes").kind == "other"
    found = database.execute("SELECT sizes FROM thing")
    assert isinstance(found, Rows)
    assert [list(cell) for (cell,) in found.rows if isinstance(cell, (list, tuple))] == [[1, 2]]


def test_json_is_text(database: Database, schema: Schema) -> None:
    assert column(schema, "extra").kind == "text"
    assert column(schema, "extra").examples == ('{"a": [1, 2]}',)
    assert database.values("thing", "extra", limit=3) == ('{"a": [1, 2]}',)


def test_types_and_kinds(engine: str, database: Database, schema: Schema) -> None:
    kinds = {name: column(schema, name).kind for name in ("id", "price", "made", "seen", "body")}
    assert kinds == {
        "id": "number",
        "price": "number",
        "made": "date",
        "seen": "date",
        "body": "text",
    }
    found = database.execute("SELECT price, made, seen, open FROM thing")
    assert isinstance(found, Rows)
    price, made, seen, opened = found.rows[0]
    assert price == 1.5 and isinstance(price, Decimal) != differs(engine, "decimals")
    dates = ("2024-02-29", "2024-02-29 12:34:56")
    times = (date(2024, 2, 29), datetime(2024, 2, 29, 12, 34, 56))  # noqa: DTZ001 - has no zone
    assert (made, seen) == (dates if differs(engine, "dates") else times)
    assert opened == 1 and isinstance(opened, bool) != differs(engine, "booleans")


def test_long_texts_are_no_examples(schema: Schema) -> None:
    assert column(schema, "body").examples == ()


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_a_schema_is_kept_until_the_catalogue_changes(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    script = "CREATE TABLE t (a INTEGER, d DATE, n NUMERIC(5, 1));"
    script += "INSERT INTO t VALUES (1, '2024-01-01', 0.5);"
    running = request.getfixturevalue(f"{server}_server")
    make = servers.make_postgresql if server == "postgresql" else servers.make_mariadb
    url = make(running, "kept", script)

    def described() -> Schema:
        with closing(open_database(url, home=tmp_path)) as opened:
            return opened.schema()

    first = described()
    kept = tmp_path / "schema.json"
    assert kept.stat().st_mode & 0o077 == 0
    written = kept.stat().st_mtime_ns
    assert described() == first
    assert kept.stat().st_mtime_ns == written
    for change in (
        "ALTER TABLE t ADD COLUMN b INTEGER",
        "CREATE VIEW v AS SELECT a FROM t",
        "COMMENT ON COLUMN t.a IS 'x'"
        if server == "postgresql"
        else "ALTER TABLE t MODIFY a INTEGER COMMENT 'x'",
        "CREATE TABLE u (a INTEGER PRIMARY KEY)",
        "DROP VIEW v",
    ):
        before = described()
        _change(server, running, change)
        after = described()
        assert after != before, change
    kept.write_text("{ damaged", encoding="utf-8")
    assert described() == after


def _change(server: str, running: servers.Server, sql: str) -> None:
    if server == "postgresql":
        with closing(servers.postgresql_owner(running, "kept")) as connection:
            connection.execute(sql.encode())
    else:
        with closing(servers.mariadb_owner(running, "kept")) as other, other.cursor() as cursor:
            cursor.execute(sql)
