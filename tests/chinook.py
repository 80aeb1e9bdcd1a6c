"""Chinook, the sample database of `QUORUM_DATA`, made anew on every engine.

Its scripts are read as they are; only what makes another database of another name is left out.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import servers

TYPES = {"NVARCHAR": "VARCHAR", "DATETIME": "TIMESTAMP"}


def sqlite(request: pytest.FixtureRequest, scripts: Path, folder: Path) -> str:
    """The file itself: it is only read."""
    return str(scripts / "Chinook_Sqlite.sqlite")


def postgresql(request: pytest.FixtureRequest, scripts: Path, folder: Path) -> str:
    """The tables of its script with SQLite's rows: the script's own have other dates."""
    script = (scripts / "Chinook_PostgreSql.sql").read_text(encoding="latin-1")
    server = request.getfixturevalue("postgresql_server")
    tables, _, rest = script.partition("ALTER TABLE")
    url = servers.make_postgresql(server, "chinook", tables)
    with (
        closing(sqlite3.connect(scripts / "Chinook_Sqlite.sqlite")) as source,
        closing(servers.postgresql_owner(server, "chinook")) as target,
        target.cursor() as cursor,
    ):
        for name in re.findall(r'CREATE TABLE ("\w+")', tables):
            with cursor.copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in source.execute(f"SELECT * FROM {name}"):
                    copy.write_row(row)
        keys, _, _ = rest.partition("INSERT INTO")
        target.execute(f"ALTER TABLE{keys}".encode())
    return url


def mariadb(request: pytest.FixtureRequest, scripts: Path, folder: Path) -> str:
    script = (scripts / "Chinook_MySql.sql").read_text(encoding="utf-8-sig")
    tables = script[script.index("CREATE TABLE") :]
    server = request.getfixturevalue("mariadb_server")
    whole = f"SET autocommit = 0; {tables}\nCOMMIT"
    return servers.make_mariadb(server, "chinook", whole, ansi=False)


def duckdb(request: pytest.FixtureRequest, scripts: Path, folder: Path) -> str:
    """Copied from the SQLite file, table by table, with its keys."""
    import duckdb as engine

    path = folder / "chinook.duckdb"
    with (
        closing(sqlite3.connect(scripts / "Chinook_Sqlite.sqlite")) as source,
        closing(engine.connect(str(path))) as target,
    ):
        waiting = source.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        while waiting:  # a table comes after those it refers to
            name, script = waiting.pop(0)
            for old, new in TYPES.items():
                script = script.replace(old, new)
            script = script.replace("[", '"').replace("]", '"')
            for words in ("ON DELETE NO ACTION", "ON UPDATE NO ACTION"):
                script = script.replace(words, "")
            try:
                target.execute(script)
            except engine.CatalogException:
                waiting.append((name, script))
                continue
            columns = source.execute(f'SELECT * FROM "{name}" LIMIT 0').description
            cells = ", ".join(f'quote("{column}")' for column, *_ in columns)
            rows = [
                f"({', '.join(row)})" for row in source.execute(f'SELECT {cells} FROM "{name}"')
            ]
            # DuckDB looks a key up among the rows of earlier statements only.
            most = 1 if f'REFERENCES "{name}"' in script else 1000
            for start in range(0, len(rows), most):
                values = ", ".join(rows[start : start + most])
                target.execute(f'INSERT INTO "{name}" VALUES {values}')
    return str(path)
