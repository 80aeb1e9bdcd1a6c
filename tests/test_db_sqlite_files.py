"""SQLite files that others write, that crashed programs left, that are damaged or read-only."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from punctual import in_time
from quorumsql.db.sqlite import SqliteDatabase
from quorumsql.domain import Execution, Limits, Rows
from quorumsql.errors import DatabaseError
from sqlite_files import fingerprint, make, other_process, unchanged

TABLE = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);"
WAL = f"PRAGMA journal_mode = WAL; {TABLE}"
SUM = "SELECT SUM(a) FROM t"

LOCKS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked")
sys.stdin.readline()
connection.execute("COMMIT")
print("released")
sys.stdin.readline()
"""

WRITES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = OFF")
print("writing")
while True:
    connection.execute("UPDATE t SET a = a + 1")
    connection.execute("UPDATE t SET a = a - 1")
"""

LEAVES_A_WAL = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO t VALUES (41)")
os._exit(0)
"""

LEAVES_A_JOURNAL = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("INSERT INTO t SELECT value FROM json_each(json_array(" + "1," * 99 + "1))")
for _ in range(10):
    connection.execute("INSERT INTO t SELECT a FROM t")
os._exit(0)
"""


def rows(execution: Execution) -> tuple[tuple[object, ...], ...]:
    assert isinstance(execution, Rows), execution
    return execution.rows


def crash(code: str, path: Path) -> None:
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_a_locked_database_says_so_soon_and_works_again(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", TABLE)
    database = SqliteDatabase(path)
    with other_process(LOCKS, path) as process:
        for attempt in (lambda: database.execute(SUM), database.schema, lambda: _open(path)):

            def locked(attempt: Callable[[], object] = attempt) -> float:
                start = time.monotonic()
                with pytest.raises(DatabaseError, match=r"locked by another process.*try again"):
                    attempt()
                return time.monotonic() - start

            in_time(3.5, locked)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "released\n"
        assert rows(database.execute(SUM)) == ((1,),)
    database.close()


def _open(path: Path) -> None:
    SqliteDatabase(path).close()


def test_ctrl_c_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", TABLE)
    code = (
        "import sys, pathlib\n"
        "from quorumsql.db.sqlite import SqliteDatabase\n"
        "try:\n    print('waiting')\n    SqliteDatabase(pathlib.Path(sys.argv[1]))\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )

    def interrupted() -> float:
        with other_process(code, path) as process:
            time.sleep(0.3)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=50) == 130
            return time.monotonic() - start

    with other_process(LOCKS, path):
        in_time(1.0, interrupted)


@pytest.mark.parametrize("script", [TABLE, WAL], ids=["journal", "wal"])
def test_a_database_being_written_gives_whole_answers(tmp_path: Path, script: str) -> None:
    """Only what was committed is seen; a reader that comes at a bad time waits or says so."""
    path = make(tmp_path / "test.db", script)
    database = SqliteDatabase(path)
    answered = 0
    with other_process(WRITES, path):
        for _ in range(50):
            try:
                assert rows(database.execute(SUM)) in {((1,),), ((2,),)}
                answered += 1
            except DatabaseError as error:
                assert "another process" in str(error)
    database.close()
    assert answered


def test_a_wal_database_at_rest_stays_alone(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", WAL)
    assert os.listdir(tmp_path) == ["test.db"]
    with unchanged(tmp_path):
        database = SqliteDatabase(path)
        assert database.schema().tables[0].columns[0].examples == (1,)
        assert rows(database.execute(SUM)) == ((1,),)
        assert os.listdir(tmp_path) == ["test.db"]
        database.close()


@pytest.mark.parametrize("keep_shm", [True, False])
def test_what_a_crashed_program_left_in_the_wal_is_read(tmp_path: Path, keep_shm: bool) -> None:
    path = make(tmp_path / "test.db", WAL)
    crash(LEAVES_A_WAL, path)
    assert (tmp_path / "test.db-wal").stat().st_size
    if not keep_shm:
        (tmp_path / "test.db-shm").unlink()
    with unchanged(tmp_path):
        database = SqliteDatabase(path)
        assert rows(database.execute(SUM)) == ((42,),)
        assert database.schema().tables[0].columns[0].examples == (1, 41)
        database.close()


def test_a_writer_that_comes_later_is_seen(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", WAL)
    database = SqliteDatabase(path)
    assert rows(database.execute(SUM)) == ((1,),)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO t VALUES (2)")
        assert rows(database.execute(SUM)) == ((3,),)
        writer.execute("INSERT INTO t VALUES (3)")
        assert rows(database.execute(SUM)) == ((6,),)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert rows(database.execute(SUM)) == ((6,),)
    assert rows(database.execute(SUM)) == ((6,),)
    database.close()


def test_an_unfinished_journal_is_not_replayed_but_explained(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", TABLE)
    crash(LEAVES_A_JOURNAL, path)
    assert (tmp_path / "test.db-journal").stat().st_size
    with unchanged(tmp_path), pytest.raises(DatabaseError, match=r"crashed while writing.*sqlite3"):
        SqliteDatabase(path)


def test_a_removed_file_is_missed_and_a_replaced_one_is_read_anew(tmp_path: Path) -> None:
    path = make(tmp_path / "test.db", TABLE)
    other = make(tmp_path / "other.db", TABLE + "INSERT INTO t VALUES (6);")
    database = SqliteDatabase(path)
    assert rows(database.execute(SUM)) == ((1,),)
    other.replace(path)
    assert rows(database.execute(SUM)) == ((7,),)
    path.unlink()
    with pytest.raises(DatabaseError, match="does not exist"):
        database.execute(SUM)
    assert fingerprint(tmp_path) == {}
    database.close()


def test_a_damaged_page_spoils_only_what_is_on_it(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE good (a INT); INSERT INTO good VALUES (1);"
        "CREATE TABLE bad (a TEXT); INSERT INTO bad WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL"
        "  SELECT x + 1 FROM r LIMIT 500) SELECT printf('%.*c', 200, 'x') FROM r;",
    )
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = b"\xff" * (len(data) - 4096 * 2)  # all pages but the first two
    path.write_bytes(data)
    with unchanged(tmp_path):
        database = SqliteDatabase(path)
        examples = {t.name: t.columns[0].examples for t in database.schema().tables}
        assert examples == {"good": (1,), "bad": ()}
        assert rows(database.execute("SELECT a FROM good")) == ((1,),)
        for read in (
            lambda: database.execute("SELECT a FROM bad"),
            lambda: database._run("SELECT a FROM bad", Limits()),
            lambda: database.values("bad", "a", limit=5),
        ):
            with pytest.raises(DatabaseError, match=r"damaged.*\.recover") as caught:
                read()
            assert "\n" not in str(caught.value)
        database.close()


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    path = make(
        tmp_path / "test.db",
        "CREATE TABLE t (a TEXT); INSERT INTO t WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL"
        "  SELECT x + 1 FROM r LIMIT 500) SELECT printf('%.*c', 200, 'x') FROM r;",
    )
    os.truncate(path, 4096 * 3)
    with pytest.raises(DatabaseError, match="damaged"):
        SqliteDatabase(path).execute("SELECT COUNT(*) FROM t")


READS_WITHOUT_RIGHTS = """
import os, pathlib, sys
from quorumsql.db import open_database
from quorumsql.errors import DatabaseError
warm, path = sys.argv[1:]

def read(path):
    database = open_database(path)
    print(database.schema().tables[0].columns[0].examples, database.execute("SELECT SUM(a) FROM t"))
    database.close()

read(warm)  # imports everything while we still may
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
try:
    open(pathlib.Path(path).parent / "new", "x")
    print("writable")
except PermissionError:
    print("read-only")
try:
    read(path)
except DatabaseError as error:
    print("DatabaseError:", error)
"""


def _read_without_rights(folder: Path, path: Path) -> list[str]:
    """Read `path` as a user who may write nothing there; return the lines printed.

    A folder without the right to write stands for a read-only disk: SQLite can create nothing.
    """
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    warm = make(folder / "warm.db", TABLE)
    finished = subprocess.run(
        [sys.executable, "-c", READS_WITHOUT_RIGHTS, str(warm), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("script", "prepare", "total"),
    [
        pytest.param(TABLE, None, 1, id="journal"),
        pytest.param(WAL, None, 1, id="wal at rest"),
        pytest.param(WAL, LEAVES_A_WAL, 42, id="wal left behind"),
    ],
)
def test_a_read_only_disk_is_good_enough(
    tmp_path: Path, script: str, prepare: str | None, total: int
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = make(folder / "test.db", script)
    if prepare:
        crash(prepare, path)
        (folder / "test.db-shm").unlink()
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        with unchanged(folder):
            first, second = _read_without_rights(tmp_path, path)
    finally:
        folder.chmod(0o755)
    assert first == "read-only"
    assert f"rows=(({total},),)" in second


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = make(folder / "test.db", TABLE)
    path.chmod(0o000)
    folder.chmod(0o555)
    try:
        first, second = _read_without_rights(tmp_path, path)
    finally:
        folder.chmod(0o755)
    assert first == "read-only"
    assert second.startswith("DatabaseError:")
    assert "permission denied" in second


def test_a_copy_elsewhere_is_read_the_same(tmp_path: Path, shop: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy of shop.db"
    copy.parent.mkdir()
    shutil.copy(shop, copy)
    one, other = SqliteDatabase(shop), SqliteDatabase(copy)
    assert one.schema().tables == other.schema().tables
    one.close()
    other.close()
