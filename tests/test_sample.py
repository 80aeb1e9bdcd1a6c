"""The sample company is the same everywhere, and has what questions need."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.errors import DatabaseError
from quorumsql.sample import build_sample

# A change of this number changes the demo, the tutorial and every test on the company.
DUMP = "8f5d47066099bbb639029611ad3359866e3711e7efbfd703e60dff06ffb27ac5"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("sample") / "company.sqlite"
    build_sample(path)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def names(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def dump(connection: sqlite3.Connection) -> str:
    """A hash of every row of every table, in the order of the keys."""
    digest = hashlib.sha256()
    for name in names(connection):
        digest.update(f"{name}\n".encode())
        for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2'):
            digest.update(f"{row!r}\n".encode())
    return digest.hexdigest()


def test_content_never_changes(company: sqlite3.Connection) -> None:
    assert dump(company) == DUMP


def test_size(company: sqlite3.Connection) -> None:
    counts = [company.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in names(company)]
    assert len(counts) >= 8
    assert sum(counts) >= 20_000
    assert min(counts) > 0


def test_keys_hold(company: sqlite3.Connection) -> None:
    assert company.execute("PRAGMA foreign_key_check").fetchall() == []
    orphans = "SELECT count(*) FROM payments WHERE order_id NOT IN (SELECT order_id FROM orders)"
    assert company.execute(orphans).fetchone() == (0,)


def test_shapes_that_questions_need(company: sqlite3.Connection) -> None:
    composite = company.execute("PRAGMA foreign_key_list(returns)").fetchall()
    assert [row[3] for row in composite] == ["order_id", "line_number"]
    assert company.execute("PRAGMA foreign_key_list(payments)").fetchall() == []
    assert "Product Reviews" in names(company)
    years = "SELECT count(DISTINCT substr(order_date, 1, 4)) FROM orders"
    assert company.execute(years).fetchone() == (7,)
    for table, column in [
        ("customers", "email"),
        ("orders", "employee_id"),
        ("suppliers", "rating"),
    ]:
        query = f"SELECT count(*) - count({column}) FROM {table}"
        assert company.execute(query).fetchone()[0] > 0, f"{table}.{column} has no NULL"
    never = (
        "SELECT count(*) FROM customers WHERE customer_id NOT IN (SELECT customer_id FROM orders)"
    )
    assert 0 < company.execute(never).fetchone()[0] < 700


def test_dates_make_sense(company: sqlite3.Connection) -> None:
    early = """SELECT count(*) FROM orders JOIN customers USING (customer_id)
        WHERE order_date < signup_date OR order_date > '2024-12-30'"""
    late = "SELECT count(*) FROM shipments WHERE delivered_date <= shipped_date"
    assert company.execute(early).fetchone() == (0,)
    assert company.execute(late).fetchone() == (0,)


def test_is_quick_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "company.sqlite"
    path.write_text("not a database", encoding="utf-8")
    start = time.process_time()
    build_sample(path)
    assert time.process_time() - start < 2.0  # of work, however busy the machine is
    assert [p.name for p in tmp_path.iterdir()] == ["company.sqlite"]
    assert os.access(path, os.R_OK)


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="folder you may write to"):
        build_sample(tmp_path / "nowhere" / "company.sqlite")
