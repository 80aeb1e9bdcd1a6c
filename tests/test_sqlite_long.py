"""Long values in SQLite: no statement runs on or takes the memory, and documents can be read."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from punctual import in_time, wait_for_statements
from quorumsql.db.sqlite import SqliteDatabase
from quorumsql.db.sqlite_bounded import bound_functions
from quorumsql.domain import Execution, Failure, Limits, Rows
from sqlite_files import make

SCRIPT = """
CREATE TABLE big (n INTEGER);
INSERT INTO big WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 900)
    SELECT x FROM r;
CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO doc VALUES (1, 'a needle'), (2, replace(hex(zeroblob(100000)), '0', 'straw ') ||
    'Needle'), (3, replace(hex(zeroblob(500000)), '0', 'straw ') || 'needle'), (4, NULL);
CREATE VIEW found AS SELECT id FROM doc WHERE body LIKE '%needle%';
"""
SECONDS, GRACE = 1.0, 0.5
MEMORY = 160 * 1024 * 1024
LONG = "hex(zeroblob(7000000))"
ONE_ROW = f"(SELECT {LONG} || n AS x FROM big LIMIT 1)"


def many(shape: str, count: int, between: str = ", ") -> str:
    return between.join(shape.replace("#", str(i)) for i in range(count))


INSTRS = many("instr(x, '#z')", 500, " + ")
LIKES = many("x LIKE '%#z'", 400, " OR ")
HOSTILE = {
    "instr": "SELECT instr(hex(zeroblob(1000000)), hex(zeroblob(200000)) || '1')",
    "instr of blobs": "SELECT instr(zeroblob(16000000), zeroblob(8000000) || x'01')",
    "many instrs": f"SELECT {INSTRS} FROM {ONE_ROW}",
    "instr in a join": "SELECT count(*) FROM big a, big b "
    "WHERE instr(hex(zeroblob(30000)) || a.n, hex(zeroblob(15000)) || b.n)",
    "replace": f"SELECT replace({LONG}, hex(zeroblob(3000000)) || '1', 'x')",
    "replace by long text": f"SELECT length(replace({LONG}, '0', {LONG}))",
    "trim": f"SELECT trim({LONG}, replace(hex(zeroblob(40000)), '0', '1') || '0')",
    "like": f"SELECT {LONG} LIKE '%' || hex(zeroblob(490)) || '1'",
    "like with one of any": f"SELECT {LONG} LIKE '%' || hex(zeroblob(490)) || '_1'",
    "glob": f"SELECT {LONG} GLOB '*' || hex(zeroblob(490)) || '[1]'",
    "many likes": f"SELECT {LIKES} FROM {ONE_ROW}",
    "json_patch": "SELECT json_patch('{' || replace(hex(zeroblob(300000)), '0', '\"a\":1,') || "
    "'\"b\":1}', '{' || replace(hex(zeroblob(3000)), '0', '\"c\":1,') || '\"b\":1}')",
    "json_valid": "SELECT json_valid('[' || replace(hex(zeroblob(3900000)), '0', '0,') || '0]')",
    "random columns": f"SELECT {many('length(hex(randomblob(8000000)))', 300)}",
    "zero columns": f"SELECT {many('zeroblob(16000000)', 60)}",
    "zero columns in a subquery": f"SELECT 1 FROM (SELECT {many('zeroblob(16000000) AS c#', 60)})",
    "aggregates": f"SELECT {many('group_concat(hex(zeroblob(100000)) || #)', 60)} FROM big",
    "running aggregate": "SELECT group_concat(hex(zeroblob(100000))) OVER (ORDER BY n) FROM big",
    "copies": f"SELECT {many('x', 60)} FROM {ONE_ROW}",
    "a join of one long value": f"WITH e AS MATERIALIZED (SELECT {LONG} AS x) "
    f"SELECT {many('t#.x', 60)} FROM {many('e t#', 60)}",
    "short answers": f"SELECT {many('unicode(substr(x, 13000000 + #, 1))', 900, ' + ')} "
    f"FROM {ONE_ROW}",
    "long templates": "SELECT length(printf(replace(hex(zeroblob(4000000)), '0', '%d')))",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(make(tmp_path_factory.mktemp("long") / "long.sqlite", SCRIPT))
    yield opened
    opened.close()


def peak_memory() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(found[1]) * 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_statements_end_in_time_and_within_memory(database: SqliteDatabase, name: str) -> None:
    limits = Limits(seconds=SECONDS)

    def took() -> float:
        start = time.monotonic()
        database.execute(HOSTILE[name], limits=limits)
        return time.monotonic() - start

    measured = Path("/proc/self/clear_refs").exists()
    before = peak_memory() if measured else 0
    before = peak_memory() if measured else 0  # what it is now, not what it once was
    in_time(SECONDS + GRACE, took, what=name)
    if measured:
        assert peak_memory() - before <= MEMORY


def test_what_makes_long_values_without_a_jump_is_cancelled(database: SqliteDatabase) -> None:
    sql = f"SELECT {many('hex(randomblob(16000))', 1_900)} FROM big a, big b"

    def cancelled() -> float:
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(database.execute, sql, limits=Limits(rows=10**9, bytes=2**30))
            wait_for_statements(database)
            time.sleep(0.2)
            start = time.monotonic()
            database.cancel()
            found = running.result()
            took = time.monotonic() - start
        assert found == Failure(kind="timeout", message="The statement was cancelled.")
        return took

    in_time(GRACE, cancelled)


def rows(found: Execution) -> tuple[tuple[object, ...], ...]:
    assert isinstance(found, Rows), found
    return found.rows


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM doc WHERE body LIKE '%NEEDLE'", ((1,), (2,), (3,))),
        ("SELECT id FROM doc WHERE body NOT LIKE '%straw%needle%'", ((1,),)),
        ("SELECT id FROM doc WHERE body LIKE 'straw%n__dle'", ((2,), (3,))),
        ("SELECT id FROM doc WHERE body GLOB '*[Nn]eedle'", ((1,), (2,), (3,))),
        ("SELECT id FROM doc WHERE body GLOB '*needle'", ((1,), (3,))),
        ("SELECT instr(body, 'needle') FROM doc", ((3,), (0,), (6_000_001,), (None,))),
        ("SELECT length(replace(body, 'straw ', '')) FROM doc", ((8,), (6,), (6,), (None,))),
        ("SELECT ltrim(body, 'wtras ') FROM doc WHERE id = 3", (("needle",),)),
        ("SELECT length(body) FROM doc WHERE id = 3", ((6_000_006,),)),
    ],
)
def test_documents_of_megabytes_can_be_searched(
    database: SqliteDatabase, sql: str, expected: tuple[tuple[object, ...], ...]
) -> None:
    assert rows(database.execute(sql)) == expected


def test_what_is_too_long_says_how_long_it_may_be(database: SqliteDatabase) -> None:
    found = database.execute(HOSTILE["zero columns"])
    assert isinstance(found, Failure) and found.kind == "cap"
    assert re.search(r"longer than \d{3},\d{3} bytes.*fewer columns", found.message)


def test_views_keep_sqlites_own_functions_and_fail_where_these_are_too_slow(
    database: SqliteDatabase,
) -> None:
    found = database.execute("SELECT id FROM found")
    assert isinstance(found, Failure) and found.kind == "cap"
    assert rows(database.execute("SELECT count(*) FROM big")) == ((900,),)


def test_generated_columns_and_indexes_may_use_what_is_replaced(tmp_path: Path) -> None:
    path = make(
        tmp_path / "generated.sqlite",
        "CREATE TABLE t (a TEXT, b TEXT AS (replace(a, 'x', 'y')));"
        "CREATE INDEX i ON t (instr(a, 'x')); INSERT INTO t VALUES ('axe');",
    )
    with closing(SqliteDatabase(path)) as opened:
        for sql in ("SELECT b FROM t", "SELECT replace(a, 'x', 'y') FROM t WHERE a LIKE '%X%'"):
            assert rows(opened.execute(sql)) == (("aye",),)
        found = opened.execute(f"SELECT instr({LONG}, 'x'), b FROM t")
        assert isinstance(found, Failure) and found.kind == "cap"


def test_tables_of_many_columns_can_be_read(tmp_path: Path) -> None:
    script = (
        f"CREATE TABLE wide ({many('c#', 2_000)}); "
        "INSERT INTO wide VALUES (" + many("'value #'", 2_000) + ");"
    )
    with closing(SqliteDatabase(make(tmp_path / "wide.sqlite", script))) as opened:
        expected = tuple(f"value {i}" for i in range(2_000))
        assert rows(opened.execute("SELECT * FROM wide")) == (expected,)
        assert rows(opened.execute("SELECT * FROM wide WHERE c7 LIKE '%7'")) == (expected,)


texts = st.text(alphabet="aAbé東%_*?[]\0", max_size=6)
numbers = st.one_of(st.integers(-20, 20), st.sampled_from([0.5, 1e30, -0.0]))
values = st.one_of(
    texts,
    texts.map(str.encode),
    st.none(),
    st.integers(-20, 20),
    st.sampled_from([0.5, 1e30, -0.0]),
)
CALLS = (
    *("instr(?1, ?2)", "replace(?1, ?2, ?3)", "trim(?1, ?2)", "ltrim(?1, ?2)", "rtrim(?1, ?2)"),
    *("?1 LIKE ?2", "?1 NOT LIKE ?2", "?1 GLOB ?2", "?1 LIKE ?2 ESCAPE 'a'"),
)


@settings(deadline=None, max_examples=400)
@given(values, values, values)
def test_replaced_functions_give_what_sqlites_own_give(
    one: object, two: object, put: object
) -> None:
    own, other = (sqlite3.connect(":memory:") for _ in range(2))
    with closing(own), closing(other):
        bound_functions(other)
        for call in CALLS:
            sql = f"SELECT {call}, typeof({call}), ?3"
            expected, found = (c.execute(sql, (one, two, put)).fetchone() for c in (own, other))
            assert found == expected, (call, one, two, put)
