"""PostgreSQL as a `Product`: read-only transactions over the extended protocol.

A statement runs in a transaction that was made read-only before its first snapshot was taken, so
nothing inside can make it writable again. It is sent with the extended protocol, which carries
one statement, never two. `statement_timeout` ends it on the server; the client looks at the
budget while it waits, cancels, and after that does not wait long.

What is not covered: what the role itself may do outside transactions (advisory locks, functions
with effects outside the database). Give it a role that may only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors, pq
from psycopg.generators import fetch, send
from sqlalchemy.engine import Connection

from quorumsql.db.budget import Budget
from quorumsql.db.introspect import Scope
from quorumsql.db.plan import Plan, postgresql_plan
from quorumsql.db.postgresql_wait import Watched
from quorumsql.db.server import Started
from quorumsql.domain import Failure, Row, Rows
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.urls import ServerUrl

__all__ = ["PostgreSQL"]

_CONNECT_SECONDS: Final = 10
_CATALOGUE_SECONDS: Final = 120
_BEGIN: Final = (
    "BEGIN READ ONLY; SELECT"
    " set_config('statement_timeout', '{milliseconds}', true),"
    " set_config('idle_in_transaction_session_timeout', '{idle}', true),"
    " set_config('standard_conforming_strings', 'on', true),"
    " set_config('synchronize_seqscans', 'off', true),"
    " set_config('DateStyle', 'ISO', true), set_config('IntervalStyle', 'postgres', true)"
)
"""One round trip. The SELECT takes the first snapshot: from then on the transaction stays
read-only. Strings are read as the guard reads them, and rows come in the order they are stored."""

_ROWS: Final = {
    pq.ExecStatus.SINGLE_TUPLE,
    pq.ExecStatus.TUPLES_CHUNK,
    pq.ExecStatus.TUPLES_OK,
}
_TOO_MUCH: Final = {"53", "54"}
_SERVER: Final = {"", "08", "53", "57", "58", "XX"}
"""Classes of errors: the first two characters of PostgreSQL's codes (its manual, appendix A)."""
_OPTIONS_REFUSED: Final = frozenset({"options", "replication", "service", "servicefile"})

_SCHEMAS: Final = """
SELECT n.nspname, n.nspname = current_schema() FROM pg_namespace n
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND has_schema_privilege(n.oid, 'USAGE') ORDER BY 2 DESC, 1
"""
_HIDDEN: Final = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND (c.relispartition OR NOT has_any_column_privilege(c.oid, 'SELECT')
    OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
               AND d.objid = c.oid AND d.deptype = 'e'))
"""
_HIDDEN_COLUMNS: Final = """
SELECT n.nspname, c.relname, a.attname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT has_table_privilege(c.oid, 'SELECT')
  AND has_any_column_privilege(c.oid, 'SELECT')
  AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')
"""

_FINGERPRINT: Final = """
WITH shown AS (
    SELECT c.oid, c.xmin FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
), rows (part, stamp) AS (
    SELECT 1, xmin FROM shown
    UNION ALL SELECT 2, a.xmin FROM pg_attribute a JOIN shown ON shown.oid = a.attrelid
    UNION ALL SELECT 3, k.xmin FROM pg_constraint k JOIN shown ON shown.oid = k.conrelid
    UNION ALL SELECT 4, d.xmin FROM pg_description d JOIN shown ON shown.oid = d.objoid
    UNION ALL SELECT 5, xmin FROM pg_namespace
    UNION ALL SELECT 6, xmin FROM pg_enum
    UNION ALL SELECT 7, xmin FROM pg_auth_members
    UNION ALL SELECT 8, r.xmin FROM pg_rewrite r JOIN shown ON shown.oid = r.ev_class
)
SELECT current_user, current_schemas(false)::text, current_setting('server_version'),
    (SELECT system_identifier FROM pg_control_system()),
    count(*), md5(string_agg(part || ':' || stamp::text, ' ' ORDER BY part, stamp::text))
FROM rows
"""
"""Every row of the catalogue carries the transaction that wrote it (`xmin`), so any change of a
table, column, key, comment, view, label or right changes one; ANALYZE and VACUUM change none."""


class PostgreSQL:
    """PostgreSQL 15 or newer, through psycopg 3."""

    dialect = "postgres"
    drivername = "postgresql+psycopg"
    explain = "EXPLAIN (FORMAT JSON)"
    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def plan(self, found: Rows) -> Plan:
        """Read what EXPLAIN gives."""
        return postgresql_plan(found.rows)

    def connect(self, url: ServerUrl) -> Watched:
        """Open a connection in which every statement is a transaction of its own.

        Raises:
            UsageError: the URL holds an option that does not exist or is not allowed.
        """
        known = {one.keyword.decode() for one in pq.Conninfo.get_defaults()}
        for name in url.query:
            if name in _OPTIONS_REFUSED:
                raise UsageError(f"The option {name!r} is not taken in a URL: leave it out.")
            if name not in known:  # psycopg has options of its own, which would win over ours
                raise UsageError(f"PostgreSQL has no connection option {name!r}.")
        given: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "quorumsql",
            **url.query,
            **_place(url),
            "client_encoding": "utf8",
        }
        connection = Watched.connect(autocommit=True, prepare_threshold=None, **given)
        connection.teach()
        return connection

    @contextmanager
    def start(self, connection: Watched, sql: str, budget: Budget) -> Iterator[Started]:
        """Run `sql` in a read-only transaction; rows come one by one."""
        milliseconds = max(1, int(min(budget.limits.seconds, 1e6) * 1000))
        with connection.within(budget):
            connection.execute(_BEGIN.format(milliseconds=milliseconds, idle=milliseconds + 60_000))
            found = _Result(connection, sql, together=budget.together)
            yield found.columns, found.rows()

    def scope(self, connection: Connection, url: ServerUrl) -> Scope:  # noqa: ARG002
        """Describe every schema that may be used, the current one by bare names."""
        begin = _BEGIN.format(
            milliseconds=_CATALOGUE_SECONDS * 1000, idle=_CATALOGUE_SECONDS * 1000
        )
        connection.exec_driver_sql(
            begin.replace("READ ONLY", "ISOLATION LEVEL REPEATABLE READ READ ONLY")
        )
        schemas = connection.exec_driver_sql(_SCHEMAS.replace("%", "%%")).all()
        hidden = connection.exec_driver_sql(_HIDDEN.replace("%", "%%")).all()
        columns = connection.exec_driver_sql(_HIDDEN_COLUMNS).all()
        default = next((name for name, is_default in schemas if is_default), None)
        return Scope(
            default=default,
            has_default=default is not None,
            others=tuple(name for name, is_default in schemas if not is_default),
            hidden=frozenset((row[0], row[1]) for row in hidden),
            hidden_columns=frozenset((row[0], row[1], row[2]) for row in columns),
        )

    def fingerprint(self, connection: Connection, scope: Scope) -> str | None:  # noqa: ARG002
        """Return a digest of all that the catalogue says about tables."""
        found = connection.exec_driver_sql(_FINGERPRINT.replace("%", "%%")).one()
        return " ".join(map(str, found))

    def failure(self, error: Exception, sql: str) -> Failure | None:
        """Say what is wrong with the statement, without repeating stored values."""
        code = getattr(error, "sqlstate", None) or ""
        match error:
            case errors.QueryCanceled():
                message = "The server stopped the statement: it ran too long."
                return Failure(kind="timeout", message=message)
            case errors.ReadOnlySqlTransaction() | errors.InsufficientPrivilege():
                return Failure(kind="refused", message=f"Refused: {_words(error, sql)}.")
            case psycopg.Error() if code[:2] in _TOO_MUCH and code != "53300":
                words = _words(error, sql)
                return Failure(kind="cap", message=f"The statement needs too much: {words}.")
            case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
                return None if code[:2] in _SERVER else _error(error, sql)
            case _:
                return _error(error, sql)

    def trouble(self, error: Exception, url: ServerUrl) -> DatabaseError:
        """Say in one line why the server cannot be used; never with the password."""
        return DatabaseError(_trouble(error, url))


class _Result:
    """A statement that runs: the names of its columns, then its rows."""

    def __init__(self, connection: Watched, sql: str, *, together: int) -> None:
        self._connection = connection
        pgconn = connection.pgconn
        pgconn.send_query_params(sql.encode(), None)  # the extended protocol: one statement
        connection.wait(send(pgconn))
        if together > 1 and psycopg.capabilities.has_stream_chunked():
            pgconn.set_chunked_rows_mode(together)
        else:
            pgconn.set_single_row_mode()
        self._first = self._next()
        self.columns: tuple[str, ...] = ()
        if self._first is not None:
            names = (self._first.fname(n) or b"" for n in range(self._first.nfields))
            self.columns = tuple(name.decode("utf-8", "replace") for name in names)

    def rows(self) -> Iterator[Row]:
        """Yield the rows as the server sends them."""
        result = self._first
        if result is None:
            return
        read = self._connection.reader(result)
        while result is not None:
            yield from read(result)
            result = self._next()

    def _next(self) -> pq.abc.PGresult | None:
        result: pq.abc.PGresult | None = self._connection.wait(fetch(self._connection.pgconn))
        if result is None or result.status in _ROWS:
            return result
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result, encoding="utf-8")
        # COPY and the like: nothing that a reading statement does.
        raise psycopg.ProgrammingError("the statement returns no rows")


def _place(url: ServerUrl) -> Mapping[str, Any]:
    given = {
        "host": url.host,
        "port": url.port,
        "user": url.user,
        "password": url.password,
        "dbname": url.database,
    }
    return {name: value for name, value in given.items() if value}


def _error(error: Exception, sql: str) -> Failure:
    return Failure(kind="error", message=f"{_words(error, sql)}.")


def _words(error: Exception, sql: str) -> str:
    """The server's message and hint on one line; quoted text that is not from `sql` is left out."""
    diagnosis = error.diag if isinstance(error, psycopg.Error) else None
    message = (diagnosis.message_primary if diagnosis else None) or str(error)
    if (getattr(error, "sqlstate", None) or "").startswith("22"):
        message = re.sub(r'"([^"]*)"', lambda m: m[0] if m[1] in sql else '"…"', message)
    hint = diagnosis.message_hint if diagnosis else None
    return " ".join(f"{message}{f'. {hint}' if hint else ''}".split()).rstrip(".")


_TROUBLES: Final = (
    (
        "password authentication failed|no password supplied",
        "PostgreSQL refuses the password of {user!r} for {place}: check both.",
    ),
    ('role ".*" does not exist', "PostgreSQL knows no user {user!r} on {place}: check the name."),
    ('database ".*" does not exist', "There is no database {name!r} on {place}: check the name."),
    (
        "resolve host|Name or service not known",
        "There is no host {host!r}: check the name, or the network.",
    ),
    (
        "Connection refused|No such file",
        "Nothing answers at {place}: is PostgreSQL running there, on that port?",
    ),
    ("timeout expired", "{place} does not answer: check the host, the port and the firewall."),
    (
        "too many clients|remaining connection slots|too many connections",
        "PostgreSQL at {place} has no connection left: try again later.",
    ),
    (
        "invalid response to|unsupported frontend protocol",
        "What answers at {place} is no PostgreSQL: check the port.",
    ),
)
"""What libpq and the server say when no connection comes about, and what we say."""


def _trouble(error: Exception, url: ServerUrl) -> str:
    words = " ".join(str(error).split())
    for pattern, text in _TROUBLES:
        if re.search(pattern, words):
            user = url.user or "you"
            name = url.database or url.user
            return text.format(user=user, place=url.place, name=name, host=url.host)
    if option := re.search(r'invalid connection option "(\w+)"', words):
        return f"PostgreSQL has no connection option {option[1]!r}: check the URL."
    if "connection failed" in words:
        return f"Cannot connect to {url.place}: {words.rpartition(':')[2].strip()}."
    return f"The connection to {url.place} was lost: the server stopped or ended it."
