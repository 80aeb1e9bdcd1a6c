"""A connection to MariaDB or MySQL that looks at a budget while it waits.

PyMySQL reads everything through `_read_bytes`; here that looks at the clock, at a request to
cancel and at how many bytes have come, every few milliseconds. A statement that is to stop is
killed from a second connection; a connection that does not obey is dropped.

What is not covered: a server that lets this account open no second connection. Then the first
one is dropped, and the server notices when it next sends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

from pymysql import converters, err
from pymysql.connections import Connection
from pymysql.constants import CR, FIELD_TYPE
from pymysql.cursors import SSCursor

from quorumsql.db.budget import Budget
from quorumsql.domain import Limits, Row

__all__ = ["Watched"]

_POLL_SECONDS: Final = 0.05
_SILENCE_SECONDS: Final = 120.0
"""How long the server may be silent where no budget says less: when it connects, or describes."""

_KILL_SECONDS: Final = 1.0
_GRACE: Final = Limits(seconds=0.2)
_CHUNK: Final = 64 * 1024


class Watched(Connection):
    """A connection that obeys the budget of the statement it runs."""

    def __init__(self, **given: Any) -> None:
        """Connect; `given` is what PyMySQL takes."""
        self._given = given
        self._budget: Budget | None = None
        self._buffer = bytearray()
        self._obey_until = 0.0
        conversions = {**converters.conversions, FIELD_TYPE.BIT: _bits}
        super().__init__(**given, conv=conversions)
        self._read_timeout = _POLL_SECONDS

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        """Obey `budget` in all that is waited for inside; end the transaction afterwards."""
        self._budget = budget
        try:
            yield
        finally:
            self._leave()

    def run(self, sql: str) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Start a statement; return the names of its columns, and its rows as they come."""
        sql.encode()  # PyMySQL would send what is no text as other bytes
        cursor = self.cursor(SSCursor)
        cursor.execute(sql)
        if cursor.description is None:
            raise err.ProgrammingError(0, "the statement returns no rows")
        return tuple(str(column[0]) for column in cursor.description), self._rows(cursor)

    def _rows(self, cursor: SSCursor) -> Iterator[Row]:
        while (row := cursor.fetchone()) is not None:
            if self._budget is not None:
                self._budget.received = 0
            yield tuple(row)

    def _read_bytes(self, num_bytes: int) -> bytes:
        """Do what PyMySQL does here, within the budget.

        Raises:
            OperationalError: the connection is lost, or the budget is spent and the server did
                not obey.
        """
        while len(self._buffer) < num_bytes:
            self._buffer += self._received()
        found = bytes(self._buffer[:num_bytes])
        del self._buffer[:num_bytes]
        return found

    def _received(self) -> bytes:
        patience = time.monotonic() + _SILENCE_SECONDS
        while True:
            try:
                found = self._sock.recv(_CHUNK)
            except TimeoutError:
                if self._budget is None and time.monotonic() > patience:
                    self._give_up("the server is silent")
                found = None
            except OSError as error:
                self._give_up(str(error))
            if found == b"":
                self._give_up("the server ended it")
            if self._budget is not None:
                self._budget.received += len(found or b"")
                self._obey(self._budget)
            if found:
                return bytes(found)

    def _obey(self, budget: Budget) -> None:
        """Kill the statement when its budget is spent; do not wait long for that to work."""
        if not budget.stopped and budget.spent():
            self._kill()
            self._obey_until = time.monotonic() + _GRACE.seconds
        if budget.stopped and (budget.stopped == "bytes" or time.monotonic() > self._obey_until):
            self._give_up("the statement was given up")

    def _kill(self) -> None:
        """Stop the statement from a second connection."""
        with suppress(err.Error, OSError):
            quick = {"connect_timeout": _KILL_SECONDS, "sql_mode": None, "autocommit": None}
            other = Connection(**{**self._given, **quick})
            with closing(other), other.cursor() as cursor:
                cursor.execute(f"KILL QUERY {self.thread_id()}")

    def _give_up(self, why: str) -> None:
        if self._result is not None:
            self._result.unbuffered_active = False
        self._force_close()
        raise err.OperationalError(CR.CR_SERVER_LOST, why)

    def _leave(self) -> None:
        """Stop what still runs and end the transaction; a connection that resists is closed.

        Rows that nobody wants are not waited for: a new connection is cheaper.
        """
        result = self._result
        self._budget = Budget(limits=_GRACE)
        try:
            if self.open and result is not None and result.unbuffered_active:
                self._kill()
                result.unbuffered_active = False
                self._force_close()
            if self.open:
                self._budget = None
                self.rollback()
        except err.Error:
            self._force_close()
        finally:
            self._budget = None


def _bits(value: bytes) -> int:
    return int.from_bytes(value, "big")
