"""A database on a server as a `Database`: what all server engines share.

Each engine is a `Product`: it opens connections, runs one statement in a read-only transaction
within a budget, and says what its errors mean. Here is the rest: the guard, the pool, the
description of the schema and its examples.

What is not covered: trying again. A connection that was lost while it was idle is replaced
before it is lent; one that is lost during a statement is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from quorumsql import guard
from quorumsql.db.budget import Budget, Running, collect, stopped
from quorumsql.db.cache import load_schema, store_schema
from quorumsql.db.foreign_keys import infer_foreign_keys
from quorumsql.db.introspect import Scope, reflect
from quorumsql.db.plan import Plan, within_plan
from quorumsql.db.sample import (
    SAMPLED_BYTES,
    SAMPLED_ROWS,
    named_column,
    sample_query,
    values_query,
    with_examples,
)
from quorumsql.domain import Execution, Failure, Limits, Row, Rows, Schema, Table
from quorumsql.errors import DatabaseError
from quorumsql.urls import ServerUrl

__all__ = ["Product", "ServerDatabase", "Started"]

POOL_SIZE: Final = 8
POOL_SECONDS: Final = 10.0
_SAMPLE: Final = Limits(seconds=1.0, rows=SAMPLED_ROWS, bytes=SAMPLED_BYTES)

Started: TypeAlias = tuple[tuple[str, ...], Iterator[Row]]
"""Names of the columns of a running statement, and its rows as they come."""


class Product(Protocol):
    """What is particular to one kind of server."""

    @property
    def dialect(self) -> str:
        """Name of its SQL, as sqlglot calls it."""
        ...

    @property
    def drivername(self) -> str:
        """What SQLAlchemy calls its dialect and driver."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""
        ...

    @property
    def explain(self) -> str:
        """The words before a statement that ask for its plan."""
        ...

    def plan(self, found: Rows) -> Plan:
        """Read what it gives."""
        ...

    def connect(self, url: ServerUrl) -> Any:
        """Open a connection of the driver, with no transaction begun.

        Raises:
            UsageError: the URL holds an option that does not exist or is not allowed.
        """
        ...

    def start(self, connection: Any, sql: str, budget: Budget) -> AbstractContextManager[Started]:
        """Run one statement in a read-only transaction that ends with the context."""
        ...

    def scope(self, connection: Connection, url: ServerUrl) -> Scope:
        """Begin a read-only transaction, and say what there is to describe."""
        ...

    def fingerprint(self, connection: Connection, scope: Scope) -> str | None:
        """Return what changes whenever the catalogue does; None where nothing tells cheaply."""
        ...

    def failure(self, error: Exception, sql: str) -> Failure | None:
        """Return what is wrong with the statement; None when the server is to blame."""
        ...

    def trouble(self, error: Exception, url: ServerUrl) -> DatabaseError:
        """Return the exception for a server that cannot be reached or used."""
        ...


class ServerDatabase:
    """A database on a server, read and never written. Safe to use from several threads."""

    def __init__(
        self,
        url: ServerUrl,
        product: Product,
        *,
        limits: Limits,
        home: Path | None = None,
        functions: Collection[str] = (),
    ) -> None:
        """Connect to `url`.

        Args:
            url: where the server is, and who asks.
            product: what kind of server it is.
            limits: what a statement may cost unless `execute` is told otherwise.
            home: a folder of ours for the schema, so that it is described again only when the
                catalogue has changed.
            functions: names of stored functions that statements may call.

        Raises:
            DatabaseError: nothing answers there, or it does not let us in.
            UsageError: the URL holds an option that does not exist or is not allowed.
        """
        self._url = url
        self._product = product
        self._errors: tuple[type[Exception], ...] = (DBAPIError, *product.errors)
        self._limits = limits
        self._home = home
        self._functions = tuple(functions)
        self._describing = threading.Lock()
        self._running = Running()
        self._closed = False
        self._schema: Schema | None = None
        self._engine = _engine(url, product)
        with self._lent():
            pass

    @property
    def name(self) -> str:
        """The database's name."""
        return self._url.database or self._url.host or self._url.engine

    @property
    def dialect(self) -> str:
        """Name of the server's SQL, as sqlglot calls it."""
        return self._product.dialect

    def schema(self) -> Schema:
        """Describe tables, views, keys (declared or implied) and example values; cached.

        Raises:
            DatabaseError: the catalogue cannot be read.
        """
        with self._describing:
            if self._schema is None:
                self._schema = self._described()
            return self._schema

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement within `limits`.

        Raises:
            DatabaseError: the server is gone, or this database was closed.
        """
        refusal = guard.check(sql, dialect=self.dialect, functions=self._functions)
        if refusal is not None:
            return refusal
        given = limits or self._limits
        return within_plan(given, lambda: self._plan(sql), lambda: self._run(sql, given))

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values, not NULL, in the order of their first rows.

        Only the first 100,000 rows are looked at. A column that cannot be read in the time
        that a statement has gives no values.

        Raises:
            UnknownName: there is no such table or column.
            DatabaseError: the server is gone.
        """
        found, named = named_column(self.schema(), table, column)
        sql = values_query(found, named, limit=limit, dialect=self.dialect)
        rows = self._run(sql, replace(self._limits, rows=max(1, limit)))
        return tuple(row[0] for row in rows.rows) if isinstance(rows, Rows) else ()

    def cancel(self) -> None:
        """Stop all statements that are running, from any thread; each becomes a `Failure`."""
        self._running.cancel()

    def close(self) -> None:
        """Stop what is running and close all connections; safe to call twice."""
        self._running.close()
        self._closed = True
        self._engine.dispose()

    def _plan(self, sql: str) -> Plan | Failure:
        if not self._product.explain:
            return Plan(lines=("This engine is not asked for plans.",))
        found = self._run(f"{self._product.explain} {sql}", self._limits)
        return found if isinstance(found, Failure) else self._product.plan(found)

    def _run(self, sql: str, limits: Limits, *, together: int = 1) -> Execution:
        """Execute without the guard: what protects now is the server itself."""
        budget = Budget(limits=limits, together=together)
        with self._running.including(budget), self._lent() as lent:
            try:
                with self._product.start(lent.driver_connection, sql, budget) as (columns, rows):
                    found = collect(columns, rows, limits)
                return stopped(budget) if budget.stopped else found
            except self._product.errors as error:
                if getattr(lent.driver_connection, "busy", False):
                    lent.invalidate()
                if budget.stopped:
                    return stopped(budget)
                failure = self._product.failure(error, sql)
                if failure is not None:
                    return failure
                lent.invalidate()
                raise self._product.trouble(error, self._url) from error
            except UnicodeError:
                return Failure(kind="error", message="The statement is not valid text.")
            except MemoryError:
                return Failure(kind="cap", message="The result needs more memory than there is.")

    @contextmanager
    def _lent(self) -> Iterator[PoolProxiedConnection]:
        """Lend a connection of the pool to this thread alone."""
        if self._closed:
            raise DatabaseError(f"The database {self._url.place} was closed: open it again.")
        try:
            lent = self._engine.raw_connection()
        except PoolTimeout as error:
            raise DatabaseError(
                f"All {POOL_SIZE} connections to {self._url.place} are busy: wait until a "
                "statement has finished, or cancel one."
            ) from error
        except self._errors as error:
            raise self._trouble(error) from error
        try:
            yield lent
        finally:
            lent.close()

    def _trouble(self, error: Exception) -> DatabaseError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return self._product.trouble(cause if isinstance(cause, Exception) else error, self._url)

    def _described(self) -> Schema:
        schema, fingerprint = self._reflected()
        if fingerprint is None:
            return schema
        tables = tuple(with_examples(t, self._sample(t)) for t in schema.tables)
        schema = replace(schema, tables=tables)
        schema = replace(schema, foreign_keys=(*schema.foreign_keys, *infer_foreign_keys(schema)))
        if self._home is not None and fingerprint:
            store_schema(self._home, fingerprint, schema)
        return schema

    def _reflected(self) -> tuple[Schema, str | None]:
        """The schema from our folder, and None; or that of the catalogue, and its fingerprint."""
        with self._lent():
            pass  # says in our words why it cannot be reached
        try:
            with self._engine.connect() as connection:
                scope = self._product.scope(connection, self._url)
                fingerprint = ""
                if self._home is not None:
                    fingerprint = self._product.fingerprint(connection, scope) or ""
                    known = load_schema(self._home, fingerprint) if fingerprint else None
                    if known is not None:
                        return known, None
                found = reflect(connection, name=self.name, dialect=self.dialect, scope=scope)
                return found, fingerprint
        except self._errors as error:
            raise self._trouble(error) from error

    def _sample(self, table: Table) -> tuple[Row, ...]:
        """Read the first rows of `table`, as far as that is quick."""
        if not table.columns:
            return ()
        query = sample_query(table, dialect=self.dialect)
        found = self._run(query, _SAMPLE, together=SAMPLED_ROWS)
        if isinstance(found, Failure) and found.kind == "cap":  # so wide that not all may come
            found = self._run(query, _SAMPLE)
        return found.rows if isinstance(found, Rows) else ()


def _engine(url: ServerUrl, product: Product) -> Engine:
    """A pool of connections; SQLAlchemy never sees the password."""
    return create_engine(
        URL.create(product.drivername),
        creator=lambda: product.connect(url),
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,
        pool_reset_on_return=None,  # `start` leaves no transaction behind
    )
