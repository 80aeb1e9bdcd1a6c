"""A survey meets cells of hundreds of megabytes, a full disk, and tables that go while it reads."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.profiles import ColumnProfile
from quorumsql.stores.values_disk import DiskValueIndex
from quorumsql.survey import Report, Watcher, known_profiles, open_index, survey
from sqlite_files import make

SPAWN = multiprocessing.get_context("spawn")
BIG = 200_000_000
BEYOND = 20_000_000
"""More than SQLite may hand out while we read, 16.8 million bytes."""
MEMORY = 60 * 1024 * 1024
ROWS = 3_000
TROUBLED = 1_700

SCRIPT = """
CREATE TABLE report (id INTEGER PRIMARY KEY, title TEXT, body TEXT, scan BLOB);
CREATE TABLE loose (body TEXT, scan BLOB, title TEXT);
"""


def write_big(path: Path, size: int) -> None:
    """Cells of `size` bytes in the midst of both tables; for a process of its own."""
    with closing(sqlite3.connect(make(path, SCRIPT))) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for n in range(ROWS):
            big, beyond = (size, BEYOND) if n == TROUBLED else (9, 0)
            body = "x" * size if n == TROUBLED else f"short body{n}"
            connection.execute(
                "INSERT INTO report VALUES (?, ?, ?, zeroblob(?))", (n, f"Title{n}", body, big)
            )
            body = "y" * beyond if n == TROUBLED else f"loose body{n}"
            connection.execute("INSERT INTO loose VALUES (?, zeroblob(?), ?)", (body, big, f"T{n}"))
        connection.commit()


def peak_memory() -> int:
    """The most memory that this process ever had, without what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def survey_within(path: Path, home: Path, memory: int) -> None:
    """Survey, and insist on having needed so much memory at most; for a process of its own."""
    with closing(open_database(str(path))) as database:
        database.schema()
        before = peak_memory()
        assert survey(database, home).failed == ()
        assert peak_memory() - before < memory


def apart(target: object, *given: object) -> None:
    worker = SPAWN.Process(target=target, args=given)  # type: ignore[arg-type]
    worker.start()
    worker.join(300)
    assert worker.exitcode == 0


def index_of(path: Path, home: Path) -> DiskValueIndex:
    with closing(open_database(str(path))) as database:
        found = open_index(home, database.schema())
    assert found is not None
    return found


def surveyed(path: Path, home: Path, watcher: Watcher | None = None) -> Report:
    with closing(open_database(str(path))) as database:
        return survey(database, home, watcher=watcher)


def column(home: Path, table: str, name: str) -> ColumnProfile:
    found = {profile.table: profile for profile in known_profiles(home)}[table].column(name)
    assert found is not None
    return found


def test_cells_of_hundreds_of_megabytes_take_no_memory_and_hide_no_neighbour(
    tmp_path: Path,
) -> None:
    path, home = tmp_path / "big.sqlite", tmp_path / "home"
    apart(write_big, path, BIG)
    apart(survey_within, path, home, MEMORY)
    for table in ("report", "loose"):
        found = column(home, table, "body")
        assert (found.rows, found.nulls, found.distinct) == (ROWS, 1, ROWS - 1)
        assert column(home, table, "title").nulls == 0
        assert column(home, table, "scan").nulls == 0
    with closing(index_of(path, home)) as index:
        for n in (0, TROUBLED - 1, TROUBLED + 1, ROWS - 1):
            assert index.mentions(f"the short body{n}")[0].value == f"short body{n}"
            assert index.mentions(f"the loose body{n}")[0].value == f"loose body{n}"
        assert index.mentions(f"Title{TROUBLED}")[0].value == f"Title{TROUBLED}"
    path.unlink()


def test_a_table_dropped_between_two_pages_leaves_nothing_behind(tmp_path: Path) -> None:
    path, home = make(tmp_path / "d.sqlite", "CREATE TABLE a (x TEXT)"), tmp_path / "home"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, x TEXT)")
        connection.execute("INSERT INTO a VALUES ('Lisbon')")
        rows = ((f"gone value{n}",) for n in range(60_000))
        connection.executemany("INSERT INTO b (x) VALUES (?)", rows)
        connection.commit()

    read = 0

    def drop(rows: int) -> None:
        nonlocal read
        read += rows
        if read > 20_000:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("DROP TABLE IF EXISTS b")
                connection.commit()

    report = surveyed(path, home, Watcher(on_rows=drop))
    assert 20_000 < read < 60_000
    assert report.read == ("a",)
    ((table, why),) = report.failed
    assert table == "b"
    assert "cannot be read" in why
    with closing(index_of(path, home)) as index:
        assert index.mentions("Lisbon")[0].value == "Lisbon"
        assert index.mentions("gone value7") == ()
    with closing(sqlite3.connect(home / "known.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM block").fetchone() == (1,)
    assert surveyed(path, home).failed == ()


def with_mounts(folder: Path) -> list[str]:
    """What to put before a command that may then mount; empty where nobody lets us."""
    probe = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    for words in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if shutil.which("unshare") and shutil.which("mount"):
            done = subprocess.run([*words, *probe], capture_output=True, check=False)
            if done.returncode == 0:
                return words
    return []


@pytest.mark.parametrize("kilobytes", [300, 1_000, 4_000])
def test_a_disk_that_is_full_at_any_point_is_said_and_harms_nothing(
    tmp_path: Path, kilobytes: int
) -> None:
    path, home = make(tmp_path / "d.sqlite", "CREATE TABLE a (x TEXT)"), tmp_path / "home"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO a VALUES ('Lisbon')")
        connection.commit()
    home.mkdir()
    prefix = with_mounts(home)
    script = Path(__file__).with_name("full_disk.py")
    command = [*prefix, sys.executable, str(script), str(path), str(home), str(kilobytes)]
    done = subprocess.run(
        [*command, "mount" if prefix else "limit"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for said in found["said"]:
        assert re.search("full|cannot be used: disk", said)
        assert "\n" not in said
    assert found["said"]
    assert found["kept"] == ["Lisbon"] * len(found["said"])
    assert set(found["whole"]) == {"ok"}
    assert found["read"] in ([["b"], []], [[], []])  # its rows may have been kept already
    assert found["found"] == ["Lisbon", "Word77 of the many things that take up room on a disk 77"]
