"""A connection to PostgreSQL that looks at a budget while it waits, and reads any value.

psycopg runs everything through `Connection.wait`; here that looks at the clock, at a request to
cancel and at how many bytes have come, every few milliseconds. So a statement that nothing else
stops is cancelled, and a row of a gigabyte is given up long before it is in memory. A row that
came whole all the same is refused by the lengths of its fields, before they are decoded.

What is not covered: libpq reads on as long as something comes, so now and then a row is whole
before anybody looks. How much came is known exactly of TCP on Linux; elsewhere only what waited
in the socket is counted (on Windows nothing), and more often the lengths must do.
"""

from __future__ import annotations

import array
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import AdaptContext, Buffer, PQGen
from psycopg.abc import Loader as AnyLoader
from psycopg.adapt import AdaptersMap, Loader, Transformer
from psycopg.generators import fetch
from psycopg.waiting import Ready, Wait

from quorumsql.db.budget import Budget
from quorumsql.domain import Limits, Row

__all__ = ["Watched"]

_T = TypeVar("_T")

_POLL_SECONDS: Final = 0.05
_CANCEL_SECONDS: Final = 0.15
_GRACE: Final = Limits(seconds=0.2)
"""How long the server may take to obey before the connection is dropped."""

_AS_TEXT: Final = (
    *("json", "jsonb", "uuid", "inet", "cidr", "int4range", "int8range", "numrange", "tsrange"),
    *("tstzrange", "daterange", "int4multirange", "int8multirange", "nummultirange"),
    *("tsmultirange", "tstzmultirange", "datemultirange"),
)
_DRAINED: Final = {
    *(pq.ExecStatus.SINGLE_TUPLE, pq.ExecStatus.TUPLES_CHUNK),
    *(pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK),
    *(pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.EMPTY_QUERY),
}
_RECEIVED: Final = slice(128, 136)
"""Where Linux's `struct tcp_info` holds `tcpi_bytes_received`: all that ever came."""
_TIMES: Final = ("date", "timestamp", "timestamptz", "interval", "time", "timetz")


class Watched(psycopg.Connection[Row]):
    """A connection that obeys the budget of the statement it runs."""

    _budget: Budget | None = None

    def teach(self) -> None:
        """Load values so that each is hashable, and none makes reading fail."""
        for name in _AS_TEXT:
            self.adapters.register_loader(name, _Text)
        for name in _TIMES:
            usual = self.adapters.get_loader(self.adapters.types[name].oid, pq.Format.TEXT)
            if usual is not None:
                self.adapters.register_loader(name, _or_text(usual))

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        """Obey `budget` in all that is waited for inside; end the transaction afterwards."""
        self._budget = budget
        try:
            yield
        finally:
            self._leave()

    def reader(self, result: pq.abc.PGresult) -> Callable[[pq.abc.PGresult], Sequence[Row]]:
        """Return what turns results with the columns of `result` into rows.

        It raises `psycopg.OperationalError` for a result that is too large for the budget.
        """
        transformer, lengths = Transformer(self), Transformer(_lengths())
        transformer.set_pgresult(result)
        lengths.set_pgresult(result)

        def rows(one: pq.abc.PGresult) -> Sequence[Row]:
            if self._budget is not None:
                lengths.set_pgresult(one, set_loaders=False)
                self._budget.received = sum(lengths.load_rows(0, one.ntuples, _length))
                self._refuse_large(self._budget)
                self._budget.received = 0
            transformer.set_pgresult(one, set_loaders=False)
            return transformer.load_rows(0, one.ntuples, _row)

        return rows

    def _refuse_large(self, budget: Budget) -> None:
        """Drop the connection, whose buffer keeps the size of its largest row."""
        if budget.too_large:
            budget.stopped = "bytes"
            self.pgconn.finish()
            raise psycopg.OperationalError("the statement was given up")

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Do what psycopg does here, within the budget.

        Raises:
            psycopg.OperationalError: the budget is spent, and the server did not obey.
        """
        if self._budget is None:
            return super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
            with selectors.DefaultSelector() as selector:
                place = self.pgconn.socket
                selector.register(place, wanted)
                while True:
                    ready = self._ready(selector, self._budget)
                    if ready:
                        wanted = gen.send(Ready(ready))
                        selector.modify(place, wanted)
        except StopIteration as finished:
            value: _T = finished.value
            return value

    def _ready(self, selector: selectors.BaseSelector, budget: Budget) -> int:
        """Wait a moment; return what the socket is ready for. Cancel when the budget is spent."""
        patience = _POLL_SECONDS if budget.stopped else min(_POLL_SECONDS, budget.seconds_left)
        found = selector.select(patience)
        ready = found[0][1] if found else 0
        if ready & Wait.R:
            self._count(budget)
        if not budget.stopped and budget.spent():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_SECONDS)
            self._obey_until = time.monotonic() + _GRACE.seconds
        if budget.stopped and (budget.stopped == "bytes" or time.monotonic() > self._obey_until):
            self.pgconn.finish()
            raise psycopg.OperationalError("the statement was given up")
        return ready

    _obey_until = 0.0
    _before = 0

    def _count(self, budget: Budget) -> None:
        """Count what has come since the last row; what waits now is not yet in our memory."""
        waiting, came = _waiting(self.pgconn.socket), _came(self.pgconn.socket)
        if came is None:
            budget.received += waiting
            return
        if not budget.received:
            self._before = came - waiting
        budget.received = came - self._before

    def _leave(self) -> None:
        """Stop what still runs and end the transaction; a connection that resists is closed."""
        self._budget = None
        try:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                self.cancel_safe(timeout=_CANCEL_SECONDS)
                self._drain(Budget(limits=_GRACE))
            if not self.closed:
                self.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def _drain(self, budget: Budget) -> None:
        """Throw away what has come of a cancelled statement.

        Raises:
            psycopg.OperationalError: it does not end.
        """
        self._budget = budget
        try:
            while (result := self.wait(fetch(self.pgconn))) is not None:
                budget.received = 0
                if result.status not in _DRAINED:  # COPY waits for an answer that never comes
                    raise psycopg.OperationalError("the statement does not end")
        finally:
            self._budget = None


class _Text(Loader):
    """The value as PostgreSQL writes it."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


class _Length(Loader):
    """How many bytes the value has as it came; nothing is copied."""

    def load(self, data: Buffer) -> int:
        return len(data)


def _lengths() -> AdaptersMap:
    """Loaders that give lengths, whatever the type."""
    adapters = AdaptersMap()
    adapters.register_loader(0, _Length)
    return adapters


def _length(values: Sequence[int | None]) -> int:
    return sum(filter(None, values))


def _or_text(usual: type[AnyLoader]) -> type[Loader]:
    """A loader that keeps as text what Python has no value for: infinity, the year 12000."""

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Buffer) -> object:
            try:
                return self._usual.load(data)
            except (psycopg.DataError, ValueError, OverflowError):
                return bytes(data).decode("utf-8", "replace")

    return OrText


def _row(values: Sequence[object]) -> Row:
    return tuple([_frozen(v) if type(v) is list else v for v in values])


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _waiting(place: int) -> int:
    """How many bytes wait in a socket."""
    if sys.platform == "win32":
        return 0
    import fcntl
    import termios

    count = array.array("i", [0])
    with suppress(OSError):
        fcntl.ioctl(place, termios.FIONREAD, count)
    return count[0]


def _came(place: int) -> int | None:
    """How many bytes a socket has ever received; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    with suppress(OSError), socket.socket(fileno=os.dup(place)) as same:
        told = same.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.stop)
        if same.family != socket.AF_UNIX and len(told) == _RECEIVED.stop:
            return int.from_bytes(told[_RECEIVED], sys.byteorder)
    return None
