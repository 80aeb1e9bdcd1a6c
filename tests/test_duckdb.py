"""DuckDB files: what is described, what is stopped, what is said, and that nothing changes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from punctual import in_time, wait_for_statements, wait_until
from quorumsql.db import open_database
from quorumsql.db.duckdb import DuckDbDatabase
from quorumsql.db.duckdb_failure import database_error, failure
from quorumsql.db.duckdb_read import Request
from quorumsql.domain import Failure, ForeignKey, Limits, Rows
from quorumsql.errors import DatabaseError, MissingExtra, UsageError

SCRIPT = """
CREATE TYPE mood AS ENUM ('date', 'ok');
CREATE SCHEMA old;
CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, people BIGINT);
COMMENT ON TABLE city IS 'Places where people stay';
COMMENT ON COLUMN city.people IS 'Inhabitants';
CREATE TABLE stay (
    guest VARCHAR, night DATE, city_id INTEGER REFERENCES city (id), price DECIMAL(8, 2),
    feeling mood, tags VARCHAR[], place STRUCT(x DOUBLE, y DOUBLE), extra JSON,
    seen TIMESTAMP WITH TIME ZONE, code UUID, picture BLOB, more MAP(VARCHAR, INTEGER),
    PRIMARY KEY (guest, night)
);
CREATE TABLE old.city (id INTEGER PRIMARY KEY, "full name" VARCHAR);
CREATE TABLE old.visit (city_id INTEGER REFERENCES old.city (id));
CREATE VIEW large AS SELECT name FROM city WHERE people > 1000000;
CREATE TABLE gone (a INTEGER);
CREATE VIEW broken AS SELECT a FROM gone;
DROP TABLE gone;
CREATE SEQUENCE counter;
INSERT INTO city VALUES (1, 'Lisbon', 545000), (2, 'Tokyo', 13960000), (3, 'Lisbon', NULL);
INSERT INTO stay VALUES ('ana', '2024-01-02', 1, 80.5, 'ok', ['a', 'b'], {'x': 1, 'y': 2},
    '{"a": 1}', '2024-01-02 03:04:05+00', '00000000-0000-0000-0000-000000000001',
    '\\xAA', MAP {'a': 1});
INSERT INTO old.city VALUES (1, '1147');
"""

SLOW = "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))"
"""One call of a function that DuckDB cannot interrupt and that takes minutes."""


def make(path: Path, script: str = SCRIPT) -> Path:
    with closing(duckdb.connect(path)) as connection:
        connection.execute(script)
    return path


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("duck") / "hotel.duckdb")


@pytest.fixture(scope="module")
def database(path: Path) -> Iterator[DuckDbDatabase]:
    with closing(DuckDbDatabase(path)) as opened:
        yield opened


def test_tables_of_all_schemas_with_comments_and_keys(database: DuckDbDatabase) -> None:
    schema = database.schema()
    assert {(t.name, t.schema, t.is_view) for t in schema.tables} == {
        ("city", None, False),
        ("stay", None, False),
        ("old.city", "old", False),
        ("old.visit", "old", False),
        ("large", None, True),
        ("broken", None, True),
    }
    city, stay = schema.table("city"), schema.table("stay")
    assert city is not None and stay is not None
    assert city.comment == "Places where people stay"
    assert [c.comment for c in city.columns] == ["", "", "Inhabitants"]
    assert [(c.name, c.primary_key, c.nullable) for c in stay.columns[:3]] == [
        ("guest", True, False),
        ("night", True, False),
        ("city_id", False, True),
    ]
    declared = [key for key in schema.foreign_keys if key.declared]
    assert declared == [
        ForeignKey(
            table=f"{space}{table}",
            columns=("city_id",),
            referred_table=f"{space}city",
            referred_columns=("id",),
        )
        for space, table in (("", "stay"), ("old.", "visit"))
    ]


def test_kinds_follow_the_exact_types(database: DuckDbDatabase) -> None:
    stay = database.schema().table("stay")
    assert stay is not None
    assert {c.name: c.kind for c in stay.columns} == {
        "guest": "text",
        "night": "date",
        "city_id": "number",
        "price": "number",
        "feeling": "text",
        "tags": "other",
        "place": "other",
        "extra": "text",
        "seen": "date",
        "code": "text",
        "picture": "other",
        "more": "other",
    }
    assert stay.columns[4].type == "ENUM('date', 'ok')"
    old = database.schema().table("old.city")
    assert old is not None
    assert (old.columns[1].kind, old.columns[1].examples) == ("text", ("1147",))


def test_examples_and_values(database: DuckDbDatabase) -> None:
    city = database.schema().table("city")
    assert city is not None
    assert city.columns[1].examples == ("Lisbon", "Tokyo")
    assert database.values("city", "name", limit=5) == ("Lisbon", "Tokyo")
    assert database.values("old.city", "full name", limit=5) == ("1147",)
    assert database.values("broken", "a", limit=5) == ()


def test_values_of_every_type_come_back(database: DuckDbDatabase) -> None:
    found = database.execute("SELECT tags, place, seen, code, more, price FROM stay")
    assert isinstance(found, Rows)
    tags, place, seen, code, more, price = found.rows[0]
    assert (tags, place, more) == (["a", "b"], {"x": 1.0, "y": 2.0}, {"a": 1})
    assert (str(seen)[:19], str(code)[-1], str(price)) == ("2024-01-02 03:04:05", "1", "80.50")


def test_a_url_a_path_and_any_ending_open_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a b.db"
    copy.write_bytes(path.read_bytes())
    for address in (f"duckdb:///{path}", str(path), str(copy), f"duckdb:///{tmp_path}/a%20b.db"):
        with closing(open_database(address)) as opened:
            assert opened.dialect == "duckdb"
            assert isinstance(opened.execute("SELECT count(*) FROM city"), Rows)


def test_a_function_that_cannot_be_interrupted_is_killed(path: Path) -> None:
    with closing(DuckDbDatabase(path)) as database:

        def stopped() -> float:
            start = time.monotonic()
            found = database.execute(SLOW, limits=Limits(seconds=0.5))
            took = time.monotonic() - start
            assert isinstance(found, Failure)
            assert found.kind == "timeout"
            return took

        in_time(0.5 + 0.5, stopped)
        assert isinstance(database.execute("SELECT 1 AS one"), Rows)
        assert all(worker.alive for worker in database._pool._idle)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000000)",
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range < b.range",
        "SELECT a.range FROM range(100000000) a ORDER BY hash(a.range) LIMIT 1 OFFSET 50000000",
    ],
)
def test_a_deadline_holds(database: DuckDbDatabase, sql: str) -> None:
    def stopped() -> float:
        start = time.monotonic()
        found = database._run(Request(sql=sql), Limits(seconds=0.4))
        took = time.monotonic() - start
        assert isinstance(found, Failure)
        assert found.kind == "timeout"
        return took

    in_time(0.4 + 0.5, stopped)


def test_a_process_that_was_killed_while_it_waited_is_replaced(path: Path) -> None:
    with closing(DuckDbDatabase(path)) as database:
        for _ in range(2):
            for worker in database._pool._idle:
                worker._process.kill()
                worker._process.wait()
            assert database.execute("SELECT 1 AS one") == Rows(columns=("one",), rows=((1,),))
        (worker,) = database._pool._idle
        worker._process.kill()
        wait_until(lambda: worker.lost)
        worker._send(("run", "SELECT 1"))
        worker.close()  # although what was sent never arrived


def test_a_statement_can_be_cancelled(path: Path) -> None:
    with closing(DuckDbDatabase(path)) as database, ThreadPoolExecutor(1) as threads:

        def cancelled() -> float:
            asked = threads.submit(database.execute, SLOW, limits=Limits(seconds=60))
            wait_for_statements(database)
            start = time.monotonic()
            database.cancel()
            found = asked.result()
            assert found == Failure(kind="timeout", message="The statement was cancelled.")
            return time.monotonic() - start

        in_time(1.0, cancelled)


def test_memory_is_capped_in_all_ways(database: DuckDbDatabase) -> None:
    for sql in (
        "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
        "SELECT list(a.range) FROM range(100000000) a, range(100) b",
        "SELECT unnest(range(1000000000))",
    ):
        found = database._run(Request(sql=sql), Limits(seconds=5))
        assert isinstance(found, Failure), sql
        assert found.kind in {"cap", "timeout"}, found
    large = database.execute(
        "SELECT repeat('x', 100000) FROM range(1000)", limits=Limits(bytes=300_000)
    )
    assert isinstance(large, Rows)
    assert large.truncated
    assert len(large.rows) <= 3
    one = database.execute("SELECT repeat('x', 1000000)", limits=Limits(bytes=1000))
    assert isinstance(one, Failure)
    assert one.kind == "cap"


def test_not_a_byte_changes_even_where_a_crash_left_a_log(tmp_path: Path) -> None:
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('CREATE TABLE t AS SELECT 42 AS a'); os._exit(0)"
    )
    path = tmp_path / "left.duckdb"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    before = hashes(tmp_path)
    assert set(before) == {"left.duckdb", "left.duckdb.wal"}
    with closing(DuckDbDatabase(path)) as database:
        assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((42,),))
        assert database.schema().table("t") is not None
        for sql in ("DELETE FROM t", "CHECKPOINT", "CREATE TABLE u (a INTEGER)"):
            database._run(Request(sql=sql), Limits())
    assert hashes(tmp_path) == before


def test_a_writer_may_have_the_file_when_nobody_asks(tmp_path: Path) -> None:
    path = make(tmp_path / "shared.duckdb", "CREATE TABLE t (a INTEGER)")
    with closing(DuckDbDatabase(path)) as database:
        database.execute("SELECT a FROM t")
        patience = time.monotonic() + 60
        while True:
            try:
                with closing(duckdb.connect(path)) as writer:
                    writer.execute("INSERT INTO t VALUES (7)")
                break
            except duckdb.IOException:
                assert time.monotonic() < patience, "the lock was not given back"
                time.sleep(0.2)
        assert database.execute("SELECT a FROM t") == Rows(columns=("a",), rows=((7,),))


def test_a_file_that_is_being_written_says_who_has_it(tmp_path: Path) -> None:
    path = make(tmp_path / "busy.duckdb", "CREATE TABLE t (a INTEGER)")
    with closing(duckdb.connect(path)) as writer:
        for address in (str(path), f"duckdb:///{path}"):
            with pytest.raises(DatabaseError) as raised:
                open_database(address).close()
        writer.execute("INSERT INTO t VALUES (1)")  # looking has not cost it its lock
        with pytest.raises(DatabaseError) as raised:
            open_database(str(path)).close()
    assert "is open for writing in this program" in str(raised.value)
    message = str(
        database_error("Conflicting lock is held in /usr/bin/python (PID 1). See also", path)
    )
    assert "another program (process 1)" in message
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:5000], "damaged"),
        (lambda data: data[:12_288] + bytes(len(data) - 12_288), "damaged"),
        (lambda data: data[:4096] + bytes(8192) + data[12_288:], "damaged"),
        (lambda _: b"", "not a DuckDB database"),
        (lambda data: b"PAR1" + data[4:8] + bytes(100), "it is a Parquet file"),
        (lambda _: b"a,b\n1,2\n" * 50, "it holds text"),
    ],
)
def test_a_damaged_file_is_one_clear_line(
    path: Path, tmp_path: Path, damage: object, said: str
) -> None:
    assert callable(damage)
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatabaseError) as raised, closing(DuckDbDatabase(broken)) as database:
        database.schema()
        found = database.execute("SELECT count(*), max(name) FROM city")
        raise AssertionError(found)
    assert said in str(raised.value)
    assert str(broken) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_not_there_is_said(tmp_path: Path, path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"Did you mean 'hotel\.duckdb'"):
        open_database(str(path.with_name("hotl.duckdb")))
    with pytest.raises(UsageError, match="three slashes"):
        open_database("duckdb://hotel.duckdb")
    with pytest.raises(DatabaseError, match="folder"):
        open_database(f"duckdb:///{tmp_path}")
    with pytest.raises(DatabaseError, match="always empty"):
        open_database("duckdb:///:memory:")


def test_other_versions_and_encryption_are_told_apart(path: Path) -> None:
    old = database_error(
        "IO Error: Trying to read a database file with version number 99, but we can only "
        "read versions between 64 and 69.",
        path,
    )
    assert "storage version 99" in str(old)
    assert "pip install --upgrade duckdb" in str(old)
    locked = database_error("Catalog Error: Cannot open encrypted database without a key", path)
    assert "encrypted" in str(locked)


def test_messages_hold_no_values_of_rows(database: DuckDbDatabase) -> None:
    for sql in (
        "SELECT CAST(name AS INTEGER) FROM city",
        "SELECT CAST(people AS TINYINT) FROM city",
        "SELECT strptime(name, '%Y') FROM city",
        "SELECT error(name) FROM city",
    ):
        found = database._run(Request(sql=sql), Limits())
        assert isinstance(found, Failure)
        assert "\n" not in found.message
        assert not any(word in found.message for word in ("Lisbon", "Tokyo", "545000")), found


def test_what_is_wrong_with_a_statement_is_said_with_what_exists(database: DuckDbDatabase) -> None:
    found = database.execute("SELECT nam FROM city")
    assert isinstance(found, Failure)
    assert found.kind == "error"
    assert "nam" in found.message
    assert '"name"' in found.message
    assert failure("OutOfMemoryException", "x").kind == "cap"


def test_without_duckdb_the_command_to_run_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'quorumsql\[duckdb\]'"):
        DuckDbDatabase(path)
