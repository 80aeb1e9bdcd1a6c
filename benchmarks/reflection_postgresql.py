"""How long describing a large PostgreSQL database takes, the first time and from the cache.

    python benchmarks/reflection_postgresql.py --tables 1000 --columns 20 --runs 3

Starts the PostgreSQL of the package `pgserver` in a temporary folder, makes the tables, and prints
the median of describing them with keys and example values, again from the cache in another
connection, and once more after a column was added, which the cache must notice.

What is not covered: a server on another machine. Describing asks once per table for examples,
so there the round trips add up.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg
from pgserver.postgres_server import get_server

from quorumsql.db import open_database

TYPES = ("varchar(20)", "integer", "numeric(8,2)", "date")
VALUES = ("'word ' || r", "r", "r + 0.5", "date '2024-01-01' + r")


def build(uri: str, *, tables: int, columns: int, rows: int) -> None:
    """Make tables that refer to the one before them."""
    with closing(psycopg.connect(uri)) as connection:
        for number in range(tables):
            described = [f"c{i} {TYPES[i % 4]}" for i in range(1, columns)]
            if number:
                described.append(f"FOREIGN KEY (c1) REFERENCES t{number - 1} (id)")
            values = ", ".join(VALUES[i % 4] for i in range(1, columns))
            create = f"CREATE TABLE t{number} (id integer PRIMARY KEY, {', '.join(described)})"
            connection.execute(create.encode())
            fill = f"INSERT INTO t{number} SELECT r, {values} FROM generate_series(1, {rows}) r"
            connection.execute(fill.encode())
            if number % 100 == 99:
                connection.commit()
        connection.commit()


def describe(uri: str, home: Path) -> tuple[float, int]:
    """Describe the database; return the seconds that took, and how many columns have examples."""
    start = time.perf_counter()
    with closing(open_database(uri, home=home)) as database:
        schema = database.schema()
    taken = time.perf_counter() - start
    return taken, sum(bool(column.examples) for table in schema.tables for column in table.columns)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    expected = given.tables * given.columns
    first: list[float] = []
    again: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "server", cleanup_mode="stop")
        uri = server.get_uri()
        build(uri, tables=given.tables, columns=given.columns, rows=given.rows)
        for run in range(given.runs):
            home = Path(folder) / f"home{run}"
            for times in (first, again):
                taken, found = describe(uri, home)
                if found != expected:
                    raise SystemExit(f"{found} columns have examples, not {expected}.")
                times.append(taken)
        with closing(psycopg.connect(uri, autocommit=True)) as connection:
            connection.execute("ALTER TABLE t0 ADD COLUMN added integer DEFAULT 7")
        changed, found = describe(uri, home)
        server.cleanup()
    if found != expected + 1:
        raise SystemExit("The cache did not notice a new column.")
    print(f"{given.tables} tables x {given.columns} columns, median of {given.runs} runs")
    print(f"  described, with examples   {statistics.median(first):7.2f} s")
    print(f"  from the cache             {statistics.median(again):7.2f} s")
    print(f"  after a change             {changed:7.2f} s")


if __name__ == "__main__":
    main()
