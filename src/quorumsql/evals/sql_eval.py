r"""Make SQL-Eval's databases on a PostgreSQL server, from the scripts that come with it.

A database appears whole or not at all: its script runs in a database of another name, which gets
the right one at the end. What exists is left as it is.

What is not covered: other engines, and scripts that only `psql` can read (COPY FROM stdin, `\`
commands); SQL-Eval's have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from quorumsql.errors import DatabaseError, MissingExtra, UsageError
from quorumsql.evals.entries import read_csv
from quorumsql.urls import ServerUrl, read_url

if TYPE_CHECKING:
    import psycopg

__all__ = ["load_databases"]

_ADMIN = "postgres"


def load_databases(
    questions: Path, scripts: Path, url: str, *, limit: int | None = None
) -> tuple[str, ...]:
    """Make the databases that the questions are about and the server does not have.

    Args:
        questions: the CSV of questions.
        scripts: folder of `NAME.sql`.
        url: the server, with `{db_id}` where the name of a database belongs.
        limit: only those of the first so many questions.

    Returns:
        The names of the databases that were made.

    Raises:
        MissingExtra: there is no driver for PostgreSQL.
        UsageError: a script is missing, or `url` has no `{db_id}`.
        DatabaseError: the server cannot be reached, or refuses a script.
    """
    if "{db_id}" not in url:
        raise UsageError("--load makes one database per name: write {db_id} for it in --db.")
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("PostgreSQL", "postgres") from error
    wanted = list(dict.fromkeys(_names(questions, limit)))
    server = read_url(url.replace("{db_id}", _ADMIN))
    try:
        with _connect(server, _ADMIN) as admin:
            found = admin.execute("SELECT datname FROM pg_database").fetchall()
            missing = [name for name in wanted if (name,) not in found]
            for name in missing:
                _make(admin, server, name, _script(scripts, name))
    except psycopg.Error as error:
        words = " ".join(str(error).split())[:300]
        raise DatabaseError(f"{server.place}: databases cannot be made: {words}") from error
    return tuple(missing)


def _names(questions: Path, limit: int | None) -> Iterator[str]:
    for index, entry in enumerate(read_csv(questions, expects=("db_name",))):
        if index == limit:
            return
        yield entry.text("db_name")


def _script(scripts: Path, name: str) -> str:
    path = scripts / f"{name}.sql"
    if name != Path(name).name or not path.is_file():
        raise UsageError(f"{path}: no such script; --load names the folder of NAME.sql.")
    return path.read_text(encoding="utf-8")


def _make(
    admin: psycopg.Connection[tuple[object, ...]], server: ServerUrl, name: str, script: str
) -> None:
    from psycopg.sql import SQL, Identifier

    partial = Identifier(f"{name}.partial")
    admin.execute(SQL("DROP DATABASE IF EXISTS {}").format(partial))
    admin.execute(SQL("CREATE DATABASE {}").format(partial))
    with _connect(server, f"{name}.partial") as connection:
        connection.execute(script.encode("utf-8"))
    admin.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(partial, Identifier(name)))


def _connect(server: ServerUrl, database: str) -> psycopg.Connection[tuple[object, ...]]:
    import psycopg

    return psycopg.connect(
        port=server.port,
        user=server.user or None,
        password=server.password,
        dbname=database,
        autocommit=True,
        # A socket's folder stands in the query, where it names the host.
        **{"host": server.host or None, **server.query},  # type: ignore[arg-type]
    )
