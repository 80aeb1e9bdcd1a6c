"""How long describing a large SQLite database takes, beside SQLAlchemy alone.

    python benchmarks/reflection.py --tables 1000 --columns 20 --runs 5

Makes the database in a temporary folder, then alternates between `Database.schema()` (keys,
declared and implied, and example values of every column) and `sqlalchemy.MetaData.reflect`
(no examples) in the same process, and prints the median of each and their ratio.

What is not covered: a cold disk. The file has just been written.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

from quorumsql.db import open_database

TYPES = ("VARCHAR(20)", "INTEGER", "REAL", "DATE")
VALUES = ("word {}", "{}", "{}.5", "2024-01-{:02d}")


def build(path: Path, *, tables: int, columns: int, rows: int) -> None:
    """Write a database whose tables refer to the one before them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for number in range(tables):
            described = [f"c{i} {TYPES[i % 4]}" for i in range(1, columns)]
            if number:
                described.append(f"FOREIGN KEY (c1) REFERENCES t{number - 1} (id)")
            connection.execute(
                f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, {', '.join(described)})"
            )
            marks = ", ".join("?" * columns)
            connection.executemany(
                f"INSERT INTO t{number} VALUES ({marks})",
                [
                    (row, *(VALUES[i % 4].format(row % 28 + 1) for i in range(1, columns)))
                    for row in range(rows)
                ],
            )
        connection.commit()


def ours(path: Path) -> int:
    """Describe the database as quorumsql does; return the number of columns with examples."""
    with closing(open_database(str(path))) as database:
        schema = database.schema()
    return sum(bool(column.examples) for table in schema.tables for column in table.columns)


def plain(path: Path) -> int:
    """Describe it with SQLAlchemy alone; return the number of columns."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    metadata = MetaData()
    metadata.reflect(engine)
    return sum(len(table.columns) for table in metadata.tables.values())


def seconds(call: Callable[[Path], int], path: Path, expected: int) -> float:
    """Time one call, which must have seen `expected` columns."""
    start = time.perf_counter()
    found = call(path)
    taken = time.perf_counter() - start
    if found != expected:
        raise SystemExit(f"{call.__name__} saw {found} columns, not {expected}.")
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.sqlite"
        build(path, tables=given.tables, columns=given.columns, rows=given.rows)
        expected = given.tables * given.columns
        pairs = [
            (seconds(ours, path, expected), seconds(plain, path, expected))
            for _ in range(given.runs)
        ]
    described = statistics.median(mine for mine, _ in pairs)
    alone = statistics.median(theirs for _, theirs in pairs)
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    print(f"{given.tables} tables x {given.columns} columns, median of {given.runs} runs")
    print(f"  schema() with examples   {described:7.2f} s")
    print(f"  MetaData.reflect         {alone:7.2f} s")
    print(f"  ratio                    {ratio:7.2f}")


if __name__ == "__main__":
    main()
