"""One database that holds all schemas of Spider dev at once, and its questions.

Tables keep their names; those that several databases have get the database's name as a suffix.
Gold queries are rewritten to the new names.

What is not covered: gold queries that sqlglot cannot read; they are left out and counted.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.evals.datasets import Task

__all__ = ["merge"]


def merge(tasks: Sequence[Task], path: Path) -> tuple[list[Task], int]:
    """Write all databases of `tasks` into one at `path`.

    Returns:
        The tasks about that database, and how many had to be left out.
    """
    files = {task.db_id: Path(task.database) for task in tasks}
    tables = {name: _tables(file) for name, file in files.items()}
    spread = Counter(table.lower() for own in tables.values() for table in own)
    names = {
        name: {t.lower(): t if spread[t.lower()] == 1 else f"{t}_{name}" for t in own}
        for name, own in tables.items()
    }
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.text_factory = bytes
        for name, file in files.items():
            _copy(connection, file, names[name])
        connection.commit()
    found: list[Task] = []
    for task in tasks:
        gold = _renamed(task.gold, names[task.db_id])
        if gold is not None:
            found.append(replace(task, gold=gold, database=str(path)))
    return found, len(tasks) - len(found)


def _tables(file: Path) -> dict[str, str]:
    """Each table's CREATE statement, by name."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return dict(rows.fetchall())


def _copy(connection: sqlite3.Connection, file: Path, names: Mapping[str, str]) -> None:
    connection.execute("ATTACH DATABASE ? AS other", (str(file),))
    for table, sql in _tables(file).items():
        connection.execute(_create(sql, names))
        new, old = _quoted(names[table.lower()]), _quoted(table)
        connection.execute(f"INSERT OR IGNORE INTO main.{new} SELECT * FROM other.{old}")
    connection.commit()
    connection.execute("DETACH DATABASE other")


def _create(sql: str, names: Mapping[str, str]) -> str:
    """The CREATE statement with the new names of this table and of those it refers to."""
    tree = sqlglot.parse_one(sql, dialect="sqlite")
    _rename(tree, names)
    return tree.sql(dialect="sqlite")


def _renamed(sql: str, names: Mapping[str, str]) -> str | None:
    try:
        tree = sqlglot.parse_one(sql, dialect="sqlite")
    except SqlglotError:
        return None
    _rename(tree, names)
    return tree.sql(dialect="sqlite")


def _rename(tree: exp.Expr, names: Mapping[str, str]) -> None:
    changed: dict[str, str] = {}
    for table in tree.find_all(exp.Table):
        new = names.get(table.name.lower())
        if new is not None and new != table.name:
            if not table.alias:
                changed[table.name.lower()] = new
            table.set("this", exp.to_identifier(new, quoted=True))
    for column in tree.find_all(exp.Column):
        if column.table.lower() in changed:
            column.set("table", exp.to_identifier(changed[column.table.lower()], quoted=True))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
