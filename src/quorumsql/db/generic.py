"""Any other database that SQLAlchemy has a dialect for, behind the generic guard.

The tree check with its strictest rules is what keeps a statement from writing. Behind it stand a
transaction that is read-only where the engine can be told so, and that is always rolled back. A
statement runs in a thread of its own: when its time is up the driver is asked to cancel it, and a
connection that does not obey is left behind.

What is not covered: engines that commit by themselves (give them a user that may only read), a
single row larger than memory, and statements that a driver cannot cancel: they end when they end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy.engine import URL, Connection, Dialect
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from quorumsql.db.budget import Budget
from quorumsql.db.introspect import Scope
from quorumsql.db.plan import Plan
from quorumsql.db.server import ServerDatabase, Started
from quorumsql.domain import Failure, Limits, Row, Rows
from quorumsql.errors import DatabaseError, UsageError
from quorumsql.urls import ServerUrl

__all__ = ["open_generic"]

_AT_ONCE: Final = 100
_POLL_SECONDS: Final = 0.02
_GRACE_SECONDS: Final = 0.3


def open_generic(
    url: ServerUrl, *, limits: Limits, functions: Collection[str] = ()
) -> ServerDatabase:
    """Open a database through SQLAlchemy's dialect of that name.

    Raises:
        UsageError: there is no such dialect, or its driver is not installed.
        DatabaseError: nothing answers there, or it does not let us in.
    """
    return ServerDatabase(url, _Generic(url), limits=limits, functions=functions)


class _Generic:
    """A `Product` that knows nothing but DB-API 2."""

    explain = ""

    def __init__(self, url: ServerUrl) -> None:
        self.drivername = f"{url.engine}+{url.driver}" if url.driver else url.engine
        self._dialect = _dialect(self.drivername, url.engine)
        driver: Any = self._dialect.loaded_dbapi
        self.errors: tuple[type[Exception], ...] = (driver.Error, _GivenUp)

    @property
    def dialect(self) -> str:
        """SQLAlchemy's name of the dialect, which may or may not be sqlglot's too."""
        return self._dialect.name

    def connect(self, url: ServerUrl) -> _Stoppable:
        """Open a connection as SQLAlchemy would."""
        given = URL.create(
            self.drivername,
            username=url.user or None,
            password=url.password,
            host=url.host or None,
            port=url.port,
            database=url.database or None,
            query=dict(url.query),
        )
        positional, named = self._dialect.create_connect_args(given)
        connection = self._dialect.connect(*positional, **dict(named))
        _only_read(connection)
        return _Stoppable(connection)

    @contextmanager
    def start(self, connection: _Stoppable, sql: str, budget: Budget) -> Iterator[Started]:
        """Run `sql`; rows come a hundred at a time."""
        cursor = connection.cursor()
        try:
            connection.run(lambda: cursor.execute(sql), budget)
            if cursor.description is None:
                raise _GivenUp("the statement returns no rows")
            columns = tuple(str(column[0]) for column in cursor.description)
            yield columns, _rows(connection, cursor, budget)
        finally:
            if not connection.busy:
                with suppress(*self.errors):
                    cursor.close()
                    connection.rollback()

    def scope(self, connection: Connection, url: ServerUrl) -> Scope:  # noqa: ARG002
        """Describe the default namespace."""
        return Scope()

    def fingerprint(self, connection: Connection, scope: Scope) -> str | None:  # noqa: ARG002
        """Nothing is known that would tell."""
        return None

    def plan(self, found: Rows) -> Plan:
        """Plans have no common form."""
        raise NotImplementedError(found)

    def failure(self, error: Exception, sql: str) -> Failure | None:  # noqa: ARG002
        """Take what the driver says for the statement's fault, unless the connection is gone."""
        if self._dialect.is_disconnect(error, None, None):  # type: ignore[arg-type]
            return None
        words = " ".join(str(error).split()).rstrip(".")
        return Failure(kind="error", message=f"{words[:500]}.")

    def trouble(self, error: Exception, url: ServerUrl) -> DatabaseError:
        """Say that no connection came about; what drivers say may hold the password."""
        words = " ".join(str(error).split()).rstrip(".")
        if url.password:
            words = words.replace(url.password, "…")
        return DatabaseError(f"Cannot use {url.engine}://{url.place}: {words[:300]}.")


class _GivenUp(Exception):
    """A statement was given up, or is none that reads."""


class _Stoppable:
    """A driver's connection that can be left to itself; otherwise as the driver made it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.busy = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def run(self, call: Callable[[], Any], budget: Budget) -> Any:
        """Return what `call` returns, as long as the budget lasts.

        Raises:
            _GivenUp: the budget is spent, and the driver cannot cancel.
        """
        outcome: list[Any] = []
        done = threading.Event()

        def work() -> None:
            try:
                outcome.append((call(), None))
            except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
                outcome.append((None, error))
            finally:
                self.busy = False
                done.set()

        self.busy = True
        threading.Thread(target=work, daemon=True, name="quorumsql statement").start()
        while not done.wait(_POLL_SECONDS):
            if budget.spent():
                self._cancel()
                if not done.wait(_GRACE_SECONDS):
                    raise _GivenUp("the statement was given up")
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    def rollback(self) -> None:
        """Roll back, unless a statement still runs."""
        if not self.busy:
            self._connection.rollback()

    def close(self) -> None:
        """Close; where a statement still runs, as soon as it has ended."""
        if self.busy:
            threading.Thread(target=self._close_later, daemon=True).start()
        else:
            self._connection.close()

    def _close_later(self) -> None:
        while self.busy:
            time.sleep(_POLL_SECONDS)
        self._connection.close()

    def _cancel(self) -> None:
        """Ask the driver to cancel, by the names that drivers have for it."""
        for holder in (self._connection, getattr(self._connection, "_att", None)):
            if callable(
                stop := getattr(holder, "cancel", None) or getattr(holder, "interrupt", None)
            ):
                stop()
                return
            if callable(stop := getattr(holder, "cancel_operation", None)):
                stop(_FIREBIRD_RAISE)
                return


_FIREBIRD_RAISE: Final = 3


def _rows(connection: _Stoppable, cursor: Any, budget: Budget) -> Iterator[Row]:
    while found := connection.run(lambda: cursor.fetchmany(_AT_ONCE), budget):
        for row in found:
            yield tuple(row)


def _dialect(name: str, engine: str) -> Dialect:
    try:
        kind: Any = URL.create(name).get_dialect()
        made: Dialect = kind(dbapi=kind.import_dbapi())
        return made
    except (NoSuchModuleError, ArgumentError) as error:
        raise UsageError(
            f"Cannot open a {engine}:// database: SQLAlchemy has no such dialect here. "
            "Install the package that brings it, and check the spelling."
        ) from error
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise UsageError(
            f"A {engine}:// database needs the driver {package}: install it with pip."
        ) from error
    except SQLAlchemyError as error:
        raise UsageError(f"Cannot open a {engine}:// database: {error}.") from error


def _only_read(connection: Any) -> None:
    """Make transactions read-only, where the driver has a way."""
    if hasattr(connection, "default_tpb"):  # Firebird
        from firebird.driver import Isolation, TraAccessMode, tpb

        only_read = tpb(Isolation.SNAPSHOT, access_mode=TraAccessMode.READ)
        connection.default_tpb = only_read
        connection.main_transaction.default_tpb = only_read
