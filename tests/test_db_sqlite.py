"""Statements against an SQLite file: what is stopped, how soon, and that nothing changes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from punctual import in_time, wait_for_statements
from quorumsql.db.budget import Budget, Running
from quorumsql.db.sqlite import SqliteDatabase
from quorumsql.domain import Execution, Failure, Limits, Rows
from quorumsql.errors import DatabaseError, UnknownName
from sqlite_files import ENDLESS, make, other_process, unchanged

HOSTILE = [
    "ATTACH DATABASE '{folder}/new.db' AS other",
    "ATTACH DATABASE 'file:{folder}/shop.sqlite?mode=rwc' AS other",
    "DETACH DATABASE main",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = WAL",
    "PRAGMA user_version = 7",
    "PRAGMA table_info(city)",
    "SELECT * FROM pragma_journal_mode",
    "VACUUM",
    "VACUUM INTO '{folder}/copy.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN EXCLUSIVE",
    "SAVEPOINT s",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE VIRTUAL TABLE x USING fts5 (a)",
    "CREATE TABLE x AS SELECT * FROM city",
    "DROP TABLE city",
    "ALTER TABLE city RENAME TO town",
    "DELETE FROM city",
    "DELETE FROM city RETURNING *",
    "UPDATE city SET name = 'x'",
    "INSERT INTO city (id, name, country) VALUES (99, 'x', 'y')",
    "REPLACE INTO city (id, name, country) VALUES (1, 'x', 'y')",
    "WITH c AS (SELECT 1) DELETE FROM city",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, 'CREATE TABLE x (a)')",
    "UPDATE sqlite_master SET sql = ''",
    "SELECT load_extension('{folder}/evil.so')",
    "SELECT writefile('{folder}/new.txt', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT 'a' REGEXP '(a+)+$'",
    "SELECT 1; DROP TABLE city",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    ";",
    "SELECT \x00",
    "SELECT '\ud800'",
    "SELECT ?",
    "SELECT :name",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT " + "1+" * 2_000 + "1",
    "SELECT length(zeroblob(2000000000))",
    "SELECT length(randomblob(999999999))",
    "SELECT length(hex(zeroblob(400000000)))",
    "WITH RECURSIVE r(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM r) SELECT max(x) FROM r",
    "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) "
    "SELECT length(group_concat(printf('%.*c', 10000, 'x'))) FROM r",
]


@pytest.fixture
def database(shop: Path) -> Iterator[SqliteDatabase]:
    """The shop, opened as every door opens it; its folder must stay as it is."""
    with unchanged(shop.parent):
        opened = SqliteDatabase(shop)
        yield opened
        opened.close()


@pytest.fixture(params=["execute", "_run"])
def run(
    database: SqliteDatabase, request: pytest.FixtureRequest
) -> Callable[[str, Limits], Execution]:
    """Run with the guard, and with the engine's own protection alone."""
    if request.param == "execute":
        return lambda sql, limits: database.execute(sql, limits=limits)
    return database._run


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: repr(sql[:40]))
def test_hostile_statements_fail_as_values(
    run: Callable[[str, Limits], Execution], shop: Path, sql: str
) -> None:
    found = run(sql.replace("{folder}", str(shop.parent)), Limits(seconds=1))
    assert isinstance(found, Failure), found
    assert found.message
    assert "\n" not in found.message


def test_what_the_engine_refuses_is_called_refused(database: SqliteDatabase) -> None:
    for sql in ("ATTACH 'x' AS y", "PRAGMA user_version", "SELECT load_extension('x')", "VACUUM"):
        found = database._run(sql, Limits())
        assert isinstance(found, Failure)
        assert found.kind == "refused", (sql, found)


@pytest.mark.parametrize("guarded", [True, False])
def test_an_endless_statement_stops_at_its_deadline(
    database: SqliteDatabase, guarded: bool
) -> None:
    limits, run = Limits(seconds=0.5), database._run

    def stopped() -> float:
        start = time.monotonic()
        found = database.execute(ENDLESS, limits=limits) if guarded else run(ENDLESS, limits)
        took = time.monotonic() - start
        assert isinstance(found, Failure) and found.kind == "timeout"
        assert found.message == "The statement was stopped after 0.5 seconds."
        return took

    in_time(0.5 + 0.5, stopped)


def test_rows_beyond_the_cap_are_cut_and_it_says_so(database: SqliteDatabase) -> None:
    numbers = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r{}) SELECT x FROM r"
    for sql in (numbers.format(""), numbers.format(" LIMIT 11")):
        found = database.execute(sql, limits=Limits(rows=10))
        assert found == Rows(columns=("x",), rows=tuple((i,) for i in range(1, 11)), truncated=True)
    found = database.execute(numbers.format(" LIMIT 10"), limits=Limits(rows=10))
    assert isinstance(found, Rows)
    assert not found.truncated


def test_bytes_beyond_the_cap_are_cut_and_it_says_so(database: SqliteDatabase) -> None:
    sql = (
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) "
        "SELECT printf('%.*c', 10000, 'x') FROM r"
    )
    found = database.execute(sql, limits=Limits(bytes=1_000_000))
    assert isinstance(found, Rows)
    assert found.truncated
    assert len(found.rows) == 100


def test_one_value_or_row_beyond_the_cap_fails(database: SqliteDatabase) -> None:
    limits = Limits(bytes=1_000_000)
    for sql in (
        "SELECT hex(zeroblob(200000))",
        "SELECT " + ", ".join(["printf('%.*c', 200000, 'x')"] * 6),
    ):
        found = database.execute(sql, limits=limits)
        assert isinstance(found, Failure)
        assert found.kind == "cap"


def test_printf_makes_no_huge_text(run: Callable[[str, Limits], Execution]) -> None:
    found = run("SELECT printf('%.*c', 50000000, 'x') AS x", Limits())
    # Some versions of SQLite fail here, others give NULL.
    assert isinstance(found, Failure) or found == Rows(columns=("x",), rows=((None,),))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nam FROM city", "no such column: nam. Did you mean 'name'?"),
        (
            "SELECT T1.countri FROM city AS T1",
            "no such column: T1.countri. Did you mean 'country'?",
        ),
        ("SELECT * FROM citty", "no such table: citty. Did you mean 'city'?"),
        ("SELECT zzzzzz FROM city", "no such column: zzzzzz"),
        ("SELECT nope(1)", "no such function: nope"),
    ],
)
def test_errors_are_sqlites_words_with_a_hint(
    database: SqliteDatabase, sql: str, message: str
) -> None:
    database.schema()
    assert database._run(sql, Limits()) == Failure(kind="error", message=message)


def test_json_and_full_text_search_may_be_read(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE VIRTUAL TABLE a USING fts5 (body); INSERT INTO a VALUES ('hello world');"
        "CREATE VIRTUAL TABLE b USING fts4 (body); INSERT INTO b VALUES ('hello world');"
        "CREATE VIRTUAL TABLE c USING rtree (id, x, y); INSERT INTO c VALUES (1, 2, 3);",
    )
    database = SqliteDatabase(path)
    with unchanged(tmp_path):
        for sql in (
            "SELECT body FROM a WHERE a MATCH 'hello' ORDER BY bm25(a)",
            "SELECT body FROM b WHERE b MATCH 'hello'",
            "SELECT id FROM c WHERE x < 3",
            "SELECT value FROM json_each('[1]')",
        ):
            found = database._run(sql, Limits())
            assert isinstance(found, Rows), (sql, found)
            assert len(found.rows) == 1
        database.close()


def test_cancel_stops_what_runs_in_other_threads(database: SqliteDatabase) -> None:
    with ThreadPoolExecutor(2) as threads:

        def cancelled() -> float:
            running = [threads.submit(database.execute, ENDLESS) for _ in range(2)]
            wait_for_statements(database, 2)
            start = time.monotonic()
            database.cancel()
            found = [future.result() for future in running]
            assert found == [Failure(kind="timeout", message="The statement was cancelled.")] * 2
            return time.monotonic() - start

        in_time(1.0, cancelled)
    assert isinstance(database.execute("SELECT 1"), Rows)


def test_closing_stops_what_runs_and_may_be_repeated(database: SqliteDatabase) -> None:
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(database.execute, ENDLESS)
        wait_for_statements(database)
        database.close()
        database.close()
        with pytest.raises(DatabaseError, match="was closed"):
            running.result()
    with pytest.raises(DatabaseError, match="was closed"):
        database.execute("SELECT 1")


def test_what_is_about_to_begin_while_a_database_closes_stops_too() -> None:
    running = Running()
    running.close()
    with running.including(Budget(limits=Limits())) as budget:
        assert budget.spent() and budget.stopped == "cancelled"


def test_many_threads_get_their_own_answers(database: SqliteDatabase) -> None:
    barrier = threading.Barrier(8)

    def ask(number: int) -> Execution:
        if number < 8:
            barrier.wait()
        return database.execute(f"SELECT {number}, COUNT(*) FROM city")

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(64)))
    assert [f.rows for f in found if isinstance(f, Rows)] == [((n, 5),) for n in range(64)]


INTERRUPTED = """
import sys, threading
from quorumsql.db.sqlite import SqliteDatabase
from quorumsql.domain import Limits
database = SqliteDatabase(__import__("pathlib").Path(sys.argv[1]))
try:
    print("ready")
    database.execute(sys.argv[2], limits=Limits(seconds=60))
except KeyboardInterrupt:
    database.close()
    sys.exit(130)
"""


def test_ctrl_c_ends_a_statement_within_a_second(shop: Path) -> None:
    def interrupted() -> float:
        with unchanged(shop.parent), other_process(INTERRUPTED, shop, ENDLESS) as process:
            time.sleep(0.5)  # by now it runs, and where it does not, Ctrl-C ends it all the same
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=50) == 130
            return time.monotonic() - start

    in_time(1.0, interrupted)


def test_values_are_distinct_stable_and_bounded(database: SqliteDatabase) -> None:
    assert database.values("city", "name", limit=10) == ("Lisbon", "Porto", "São Paulo", "東京")
    assert database.values("CITY", "NAME", limit=2) == ("Lisbon", "Porto")
    assert database.values("city", "population", limit=9) == (545000, 231800, 11450000, 13960000)
    assert database.values("city", "name", limit=0) == ()
    with pytest.raises(UnknownName, match="Did you mean 'city'"):
        database.values("citi", "name", limit=1)
    with pytest.raises(UnknownName, match="Did you mean 'name'"):
        database.values("city", "nam", limit=1)


def test_values_of_an_endless_view_end(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);"
        "CREATE VIEW v AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) "
        "SELECT x % 3 AS x FROM r;",
    )
    database = SqliteDatabase(path, limits=Limits(seconds=2.0))

    def ended() -> float:
        start = time.monotonic()
        # The value before the deadline is lost: sqlite3 steps on before it hands a row over.
        assert database.values("v", "x", limit=10)[:2] == (1, 2)
        return time.monotonic() - start

    in_time(2.0 + 1.5, ended)
    database.close()


def test_importing_the_engine_does_not_open_anything() -> None:
    code = "import sys, quorumsql.db; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
