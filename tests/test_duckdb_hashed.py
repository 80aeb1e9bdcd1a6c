"""Results of DuckDB too long to be kept: they are hashed as they come, within all limits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from punctual import in_time, wait_for_statements
from quorumsql.db.budget import collect
from quorumsql.db.duckdb import DuckDbDatabase
from quorumsql.domain import Failure, Limits, Rows
from quorumsql.results import group_results

HASHED = Limits(seconds=60, rows=5_000, hashed=1_000_000)
EVERY_TYPE = """
SELECT range AS n, range * 0.1 AS part, CASE WHEN range % 7 > 0 THEN 'name ' || range END AS name,
    [range, NULL] AS list, {'a': range} AS struct, DATE '2024-01-01' + range::INTEGER AS day,
    range::VARCHAR::BLOB AS bytes
FROM range(9000)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbDatabase]:
    path = tmp_path_factory.mktemp("duck") / "hashed.duckdb"
    duckdb.connect(path).close()
    with closing(DuckDbDatabase(path)) as opened:
        yield opened


def run(database: DuckDbDatabase, sql: str, limits: Limits = HASHED) -> Rows:
    found = database.execute(sql, limits=limits)
    assert isinstance(found, Rows), found
    return found


def test_results_that_differ_beyond_the_limit_are_two_groups(database: DuckDbDatabase) -> None:
    found = [run(database, f"SELECT * FROM range({n})") for n in (20_000, 30_000, 20_000)]
    assert [(len(one.rows), one.truncated) for one in found] == [(5_000, True)] * 3
    assert [one.digest.rows for one in found if one.digest] == [20_000, 30_000, 20_000]
    assert group_results(found, [False] * 3) == ((0, 2), (1,))


def test_values_of_every_type_are_hashed_as_in_this_process(database: DuckDbDatabase) -> None:
    whole = run(database, EVERY_TYPE, Limits(rows=10_000))
    expected = collect(whole.columns, iter(whole.rows), HASHED)
    assert run(database, EVERY_TYPE) == expected
    turned = run(database, f"SELECT name, * EXCLUDE (name) FROM ({EVERY_TYPE}) ORDER BY n DESC")
    assert group_results([run(database, EVERY_TYPE), turned], [False] * 2) == ((0, 1),)


def test_all_processes_give_the_same_hashes(database: DuckDbDatabase) -> None:
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: run(database, EVERY_TYPE), range(3)))
    assert len({one.digest for one in found}) == 1


def test_only_what_is_asked_for_and_needed_is_hashed(database: DuckDbDatabase) -> None:
    assert run(database, "SELECT * FROM range(9)", Limits(rows=5)).digest is None
    assert run(database, "SELECT * FROM range(5)", Limits(rows=5, hashed=9)).digest is None
    for hashed, rows in ((0, 5), (9, 14), (10**9, 100_000)):
        found = run(database, "SELECT * FROM range(100000)", Limits(rows=5, hashed=hashed))
        assert found.digest is not None and found.digest.rows == rows


def test_a_row_that_is_too_large_to_be_sent_leaves_no_digest(database: DuckDbDatabase) -> None:
    sql = "SELECT repeat('x', CASE WHEN range = 70 THEN 90000 ELSE 10 END) FROM range(99)"
    found = run(database, sql, Limits(rows=5, bytes=50_000, hashed=1_000))
    assert found.truncated and found.digest is None
    assert run(database, "SELECT 1").rows == ((1,),)


def test_hashing_ends_at_the_deadline_and_when_it_is_cancelled(database: DuckDbDatabase) -> None:
    sql = "SELECT range, range::VARCHAR FROM range(10000000000)"

    def ended(seconds: float) -> float:
        limits = Limits(seconds=seconds, rows=10, hashed=10**12)
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(database.execute, sql, limits=limits)
            wait_for_statements(database)
            time.sleep(0.5)
            start = time.monotonic()
            if seconds > 1:
                database.cancel()
            found = running.result()
        assert isinstance(found, Failure) and found.kind == "timeout"
        return time.monotonic() - start

    in_time(0.5 + 0.5, lambda: ended(1.0))
    in_time(0.5, lambda: ended(60.0))


def test_rows_that_are_hashed_are_not_kept(database: DuckDbDatabase) -> None:
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        pytest.skip("peak memory is measured through /proc")

    def peak() -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        assert found is not None
        clear.write_text("5", encoding="ascii")
        return int(found[1]) * 1024

    peak()
    before = peak()
    found = run(
        database,
        "SELECT repeat('x', 2000) || range FROM range(200000)",
        Limits(seconds=60, rows=10, hashed=10**9),
    )
    assert found.digest is not None and found.digest.rows == 200_000
    assert peak() - before <= 80 * 1024 * 1024, "400 MB passed through"
