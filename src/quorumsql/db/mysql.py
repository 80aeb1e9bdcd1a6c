"""MariaDB and MySQL as a `Product`: read-only transactions, and a connection that can be cut off.

The connection never lets two statements into one text, never sends a file of this machine, and
fixes the SQL mode, so that the server reads quotes and backslashes as the guard does.
`max_statement_time` (MySQL: `max_execution_time`) ends a statement on the server; the client looks
at the budget while it waits, and then kills the statement from a second connection.

What is not covered: what needs no transaction and the account may do (`SELECT … INTO OUTFILE`,
temporary tables, user locks): the guard refuses it, and an account that may only read cannot.
MySQL 8 speaks the same dialect, but only MariaDB 10.11 is tested.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pymysql
from pymysql.constants import CR, ER
from sqlalchemy.engine import Connection

from quorumsql.db.budget import Budget
from quorumsql.db.introspect import Scope
from quorumsql.db.mysql_wait import Watched
from quorumsql.db.plan import Plan, mysql_plan
from quorumsql.db.server import Started
from quorumsql.domain import Failure, Rows
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.urls import ServerUrl

__all__ = ["MySQL"]

_CONNECT_SECONDS: Final = 10
_SQL_MODE: Final = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_FIXED: Final = (
    f"sql_mode = '{_SQL_MODE}', div_precision_increment = 12, group_concat_max_len = 1048576"
)
_MEMORY: Final = 1024 * 1024 * 1024
_CATALOGUE_SECONDS: Final = 120.0
_OPTIONS: Final = frozenset(
    {"charset", "unix_socket", "connect_timeout", "program_name", "ssl", "ssl_ca", "ssl_cert"}
    | {"ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled", "bind_address"}
)
_SYSTEM: Final = ("information_schema", "mysql", "performance_schema", "sys")
_SCHEMAS: Final = (
    "SELECT schema_name FROM information_schema.schemata WHERE LOWER(schema_name) NOT IN "
    f"({', '.join(repr(name) for name in _SYSTEM)}) ORDER BY schema_name"
)

_TIMES: Final = {ER.QUERY_TIMEOUT, ER.STATEMENT_TIMEOUT}
"""Stopped by a limit on time: MariaDB's number, and MySQL's."""
_KILLED: Final = {ER.QUERY_INTERRUPTED, ER.NEW_ABORTING_CONNECTION}
_REFUSED: Final = {1792, *(ER.DBACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR)} | {
    *(ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.PROCACCESS_DENIED_ERROR),
    *(ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.OPTION_PREVENTS_STATEMENT),
}
_TOO_MUCH: Final = {ER.OUT_OF_RESOURCES, ER.OUTOFMEMORY, ER.OUT_OF_SORTMEMORY, ER.RECORD_FILE_FULL}
_ABOUT_VALUES: Final = {1292, 1366, 1411, 1525, 1582, 3141, 4038}
_SERVER: Final = {ER.SERVER_SHUTDOWN, ER.CON_COUNT_ERROR, 1927}

_FINGERPRINT: Final = """
SELECT 'tables', COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', table_schema, table_name, table_type,
    create_time, table_comment))), 0) FROM information_schema.tables WHERE table_schema IN {schemas}
UNION ALL SELECT 'columns', COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', table_schema, table_name,
    column_name, ordinal_position, column_type, is_nullable, column_key, column_comment))), 0)
    FROM information_schema.columns WHERE table_schema IN {schemas}
UNION ALL SELECT 'keys', COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', constraint_name, table_schema,
    table_name, column_name, ordinal_position, referenced_table_schema, referenced_table_name,
    referenced_column_name))), 0)
    FROM information_schema.key_column_usage WHERE table_schema IN {schemas}
UNION ALL SELECT 'views', COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', table_schema, table_name,
    view_definition))), 0) FROM information_schema.views WHERE table_schema IN {schemas}
"""


class MySQL:
    """MariaDB 10.11 or MySQL 8, through PyMySQL."""

    dialect = "mysql"
    drivername = "mysql+pymysql"
    explain = "EXPLAIN"
    errors: tuple[type[Exception], ...] = (pymysql.err.Error, RuntimeError)

    def plan(self, found: Rows) -> Plan:
        """Read what EXPLAIN gives."""
        return mysql_plan(found.rows, found.columns)

    def connect(self, url: ServerUrl) -> Watched:
        """Open a connection in which every statement is a transaction of its own.

        Raises:
            UsageError: the URL holds an option that does not exist or is not allowed.
        """
        given = {
            "connect_timeout": _CONNECT_SECONDS,
            "program_name": "quorumsql",
            "charset": "utf8mb4",
            **_options(url.query),
            **_place(url),
        }
        return Watched(autocommit=True, local_infile=False, sql_mode=_SQL_MODE, **given)

    @contextmanager
    def start(self, connection: Watched, sql: str, budget: Budget) -> Iterator[Started]:
        """Run `sql` in a read-only transaction; rows come one by one."""
        with connection.within(budget):
            _begin(connection, min(budget.limits.seconds, 1e6))
            yield connection.run(sql)

    def scope(self, connection: Connection, url: ServerUrl) -> Scope:
        """Describe the database that the URL names; without one, all that may be read."""
        _begin(connection.connection.driver_connection, _CATALOGUE_SECONDS)
        if url.database:
            return Scope(default=url.database)
        schemas = connection.exec_driver_sql(_SCHEMAS).all()
        return Scope(has_default=False, others=tuple(str(name) for (name,) in schemas))

    def fingerprint(self, connection: Connection, scope: Scope) -> str | None:
        """Return sums over all that the catalogue says about tables."""
        names = [name for name in scope.namespaces if name]
        if not names:
            return None
        quoted = ", ".join("'" + n.replace("\\", "\\\\").replace("'", "''") + "'" for n in names)
        found = connection.exec_driver_sql(_FINGERPRINT.format(schemas=f"({quoted})"))
        who = connection.exec_driver_sql("SELECT CURRENT_USER(), VERSION()").one()
        return " ".join(map(str, (*who, *(cell for row in found for cell in row))))

    def failure(self, error: Exception, sql: str) -> Failure | None:
        """Say what is wrong with the statement, without repeating stored values."""
        code, words = _code(error), _words(error, sql)
        if isinstance(error, RuntimeError):  # the server asked for a file of this machine
            return Failure(kind="refused", message="Refused: no file of this machine is sent.")
        if code in _TIMES or code in _KILLED:
            message = "The server stopped the statement: it ran too long."
            return Failure(kind="timeout", message=message)
        if code in _REFUSED:
            return Failure(kind="refused", message=f"Refused: {words}.")
        if code in _TOO_MUCH:
            return Failure(kind="cap", message=f"The statement needs too much: {words}.")
        if code < 0 or code in _SERVER or CR.CR_ERROR_FIRST <= code <= CR.CR_ERROR_LAST:
            return None
        return Failure(kind="error", message=f"{words}.")

    def trouble(self, error: Exception, url: ServerUrl) -> DatabaseError:
        """Say in one line why the server cannot be used; never with the password."""
        return DatabaseError(_trouble(error, url))


def _begin(connection: Any, seconds: float) -> None:
    """Begin a read-only transaction with limits on time and memory."""
    if "MariaDB" in connection.get_server_info():
        limits = f"max_statement_time = {seconds:.3f}, max_session_mem_used = {_MEMORY}"
    else:
        limits = f"max_execution_time = {max(1, int(seconds * 1000))}"
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION {limits}, {_FIXED}")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("START TRANSACTION READ ONLY")


def _place(url: ServerUrl) -> Mapping[str, Any]:
    given = {
        "host": url.host or "localhost",
        "port": url.port or 3306,
        "user": url.user or None,
        # PyMySQL would take a text for Latin-1; passwords are set in UTF-8.
        "password": url.password.encode() if url.password is not None else None,
        "database": url.database,
    }
    return {name: value for name, value in given.items() if value}


def _options(query: Mapping[str, str]) -> Mapping[str, Any]:
    """The options of a URL as PyMySQL takes them; what is not known is refused."""
    options: dict[str, Any] = {}
    for name, text in query.items():
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise UsageError(f"The option {name!r} is not taken in a URL. Known: {known}.")
        value: Any = {"true": True, "false": False}.get(text.lower(), text)
        if name == "connect_timeout":
            value = min(int(text), 600) if text.isdigit() else _CONNECT_SECONDS
        if name == "ssl":
            value = ssl.create_default_context() if value is True else None
        options[name] = value
    return options


def _code(error: Exception) -> int:
    """MySQL's number of the error; -1 where the other side does not speak its protocol."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else -1


def _words(error: Exception, sql: str) -> str:
    """The server's message on one line; quoted text that is not from `sql` is left out."""
    message = str(error.args[1] if len(error.args) > 1 else error)
    if error.args and error.args[0] in _ABOUT_VALUES:
        message = re.sub(r"'([^']*)'", lambda m: m[0] if m[1] in sql else "'…'", message)
    return " ".join(message.split()).rstrip(".")


def _trouble(error: Exception, url: ServerUrl) -> str:
    code = _code(error)
    user = url.user or "you"
    match code:
        case ER.ACCESS_DENIED_ERROR | 1698:
            return f"The server refuses the password of {user!r} for {url.place}: check both."
        case ER.DBACCESS_DENIED_ERROR:
            return f"{user!r} may not read {url.place}: ask its owner for SELECT."
        case ER.BAD_DB_ERROR:
            return f"There is no database {url.database!r} on {url.place}: check the name."
        case ER.CON_COUNT_ERROR | 1203 | 1226:
            return f"The server at {url.place} has no connection left: try again later."
        case CR.CR_CONN_HOST_ERROR:
            return _unreachable(getattr(error, "original_exception", None), url)
        case _ if isinstance(error, RuntimeError):
            return f"Cannot log in to {url.place}: {' '.join(str(error).split())}."
        case _ if code < 0:
            return f"What answers at {url.place} is no MariaDB or MySQL: check the port."
        case _ if CR.CR_ERROR_FIRST <= code <= CR.CR_ERROR_LAST or code in _SERVER:
            return f"The connection to {url.place} was lost: the server stopped or ended it."
        case _:
            return f"The server at {url.place} does not let us in: {_words(error, '')}."


def _unreachable(cause: BaseException | None, url: ServerUrl) -> str:
    match cause:
        case socket.gaierror():
            return f"There is no host {url.host!r}: check the name, or the network."
        case ConnectionRefusedError() | FileNotFoundError():
            return f"Nothing answers at {url.place}: is the server running there, on that port?"
        case TimeoutError():
            return f"{url.place} does not answer: check the host, the port and the firewall."
        case _:
            return f"Cannot connect to {url.place}: {type(cause).__name__}."
