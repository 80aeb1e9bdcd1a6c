"""Data files that change while somebody asks about them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from punctual import wait_for_statements
from quorumsql.db.files import FilesDatabase
from quorumsql.domain import Failure, Limits, Rows

SLOW = "SELECT count(*) FROM t a, t b, t c, t d, t e, t f WHERE a.n + b.n + c.n + d.n < e.n"
COUNT = "SELECT count(*) AS n FROM t"


def write(path: Path, rows: int) -> Path:
    path.write_text("n\n" + "".join(f"{n}\n" for n in range(rows)), encoding="utf-8")
    return path


def test_a_file_that_changes_stops_no_statement_about_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 300)
    with closing(FilesDatabase(path)) as database, ThreadPoolExecutor(1) as threads:
        before = database._database
        asked = threads.submit(database.execute, SLOW, limits=Limits(seconds=5))
        wait_for_statements(before)
        write(path, 301)
        assert database.execute(COUNT) == Rows(columns=("n",), rows=((301,),))
        found = asked.result()
        assert isinstance(found, Failure)
        assert found.message == "The statement was stopped after 5 seconds."
        assert before is not database._database and not database._users
        assert before is not None and before._pool._closed, "the last user closes it"


def test_closing_stops_statements_about_what_was_there_before_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 300)
    with ThreadPoolExecutor(1) as threads:
        with closing(FilesDatabase(path)) as database:
            asked = threads.submit(database.execute, SLOW, limits=Limits(seconds=600))
            wait_for_statements(database._database)
            write(path, 301)
            assert database.execute(COUNT) == Rows(columns=("n",), rows=((301,),))
        found = asked.result()
    assert found == Failure(kind="timeout", message="The statement was cancelled.")
