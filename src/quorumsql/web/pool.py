"""Connections shared between people: a few at work at once, turns taken fairly.

A connection is used by one question at a time. `Turns` hands out the seats, going round the
people who wait, so that a hundred questions of one do not keep another from theirs. `Pool` keeps
connections per database and permissions: people who may read the same take turns with the same
ones, so that a schema and an index are not read again for each of them. The models are loaded
once and shared by all.

What is not covered: several server processes; each has seats of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import anyio

from quorumsql.api import Connection, connect
from quorumsql.config import Settings, database_home
from quorumsql.errors import DatabaseError, QuorumError, UnknownName
from quorumsql.tokens import Token, both

__all__ = ["LOCAL", "STOPPING", "Busy", "Person", "Pool", "Turns"]

LOCAL = "local"
"""Who asks where no token is configured."""

STOPPING = "The server is stopping: ask again in a moment."

T = TypeVar("T")


class Busy(QuorumError):
    """Too much is waiting already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks: a token's name, or "local" where the door is open.

    `queue` is whose turn it is: tabs of an open page take turns too.
    """

    name: str
    queue: str
    token: Token | None = None

    def opens(self, database: str) -> bool:
        """Whether this person may use a database."""
        return self.token is None or self.token.opens(database)

    @property
    def reviews(self) -> bool:
        """Whether this person may approve examples that others propose."""
        return self.token is None or self.token.review


class Turns:
    """`seats` at once; those who wait are served one each, round and round."""

    def __init__(self, seats: int, waiting: int) -> None:
        self._free = seats
        self._waiting = waiting
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, queue: str) -> AsyncIterator[None]:
        """Wait for a seat and hold it.

        Raises:
            Busy: too many wait in this queue already.
        """
        await self._take(queue)
        try:
            yield
        finally:
            self._give()

    async def _take(self, queue: str) -> None:
        if self._free:
            self._free -= 1
            return
        line = self._queues.setdefault(queue, deque())
        if len(line) >= self._waiting:
            raise Busy("Too many of your questions are waiting: ask again when some are answered.")
        mine = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give()
            raise

    def _give(self) -> None:
        """Pass the seat on to the next queue's first who still waits."""
        while self._queues:
            name, line = self._queues.popitem(last=False)
            while line:
                first = line.popleft()
                if not first.done():
                    if line:
                        self._queues[name] = line  # at the end: the others come first
                    first.set_result(None)
                    return
        self._free += 1


class _Speaker:
    """On whose behalf a connection runs statements at the moment, for the audit log."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class _Shared:
    """A connection, and who tells on whose behalf it is used."""

    connection: Connection
    speaker: _Speaker

    def close(self) -> None:
        self.connection.close()


class Pool:
    """Connections to the server's databases, opened when first needed."""

    def __init__(self, urls: Mapping[str, str], settings: Settings) -> None:
        """Take the databases by name; nothing is opened yet."""
        self._urls = dict(urls)
        self._settings = settings
        self._turns = Turns(settings.web.workers, settings.web.waiting)
        self._limiter = anyio.CapacityLimiter(settings.web.workers)
        self._idle: OrderedDict[tuple[str, str], list[_Shared]] = OrderedDict()
        self._lent: list[_Shared] = []
        self._closed = False
        self._lock = threading.Lock()
        self._first: Connection | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all databases."""
        return tuple(self._urls)

    @property
    def settings(self) -> Settings:
        """What the server was started with."""
        return self._settings

    def names_for(self, person: Person) -> tuple[str, ...]:
        """Names of the databases that this person may use."""
        return tuple(name for name in self._urls if person.opens(name))

    def choose(self, person: Person, name: str | None) -> str:
        """Return the database that is meant; without a name, the first one.

        Raises:
            UnknownName: there is none of this name for this person.
        """
        names = self.names_for(person)
        if name is None and names:
            return names[0]
        if name not in names:
            raise UnknownName("database", name or "", names or ["(none)"])
        return name

    def home(self, name: str) -> Path:
        """Return the folder for what we keep about a database."""
        return database_home(self._settings, self._urls[name])

    async def use(self, person: Person, name: str, work: Callable[[Connection], T]) -> T:
        """Do `work` with a connection, in a thread, when it is this person's turn.

        Raises:
            Busy: too much of theirs is waiting.
            QuorumError: what `work` raises.
        """

        def alone() -> T:
            with self._lending(person, name) as connection:
                return work(connection)

        async with self._turns.turn(person.queue):
            try:
                return await anyio.to_thread.run_sync(alone, limiter=self._limiter)
            except DatabaseError as error:
                if person.token is None:
                    raise
                # Where a database lies is nobody's business who comes with a token.
                raise DatabaseError(
                    f"The database {name!r} cannot be read at the moment: try again later."
                ) from error

    def warm(self) -> None:
        """Open the first database and load the models, so that the first question is quick."""
        local = Person(name=LOCAL, queue="")
        name = next(iter(self._urls))
        with self._lending(local, name) as connection:
            connection.mentions("warm")  # reads the schema and the index of values

    def close(self) -> None:
        """Give everything back; statements that still run are stopped."""
        with self._lock:
            self._closed = True
            every = [*self._lent, *(one for group in self._idle.values() for one in group)]
            self._idle.clear()
        for one in (*every, *([self._first] if self._first else ())):
            one.close()

    @contextmanager
    def _lending(self, person: Person, name: str) -> Iterator[Connection]:
        """Lend a connection that reads what this person may read."""
        key, shared = self._take(person, name)
        try:
            yield shared.connection
        except BaseException:
            with self._lock:
                self._lent.remove(shared)
            shared.close()  # it may be what is broken; the next one is opened anew
            raise
        self._give(key, shared)

    def _take(self, person: Person, name: str) -> tuple[tuple[str, str], _Shared]:
        """A connection for this person, and where to give it back."""
        settings, who = self._settings, self._settings.who
        if person.token is not None:
            permissions = both(settings.permissions, person.token.permissions)
            settings, who = replace(settings, permissions=permissions), person.name
        key = (repr(settings.permissions), name)
        with self._lock:
            if self._closed:
                raise DatabaseError(STOPPING)
            group = self._idle.get(key)
            if group:
                found = group.pop()
                found.speaker.name = who
                self._lent.append(found)
                return key, found
            if self._first is None:  # inside the lock: models are loaded once
                first = next(iter(self._urls))
                self._first = connect(self._urls[first], settings=self._settings)
                self._first.load()
        speaker = _Speaker(who)
        url = self._urls[name]
        made = _Shared(connect(url, settings=settings, like=self._first, who=speaker), speaker)
        with self._lock:
            if not self._closed:
                self._lent.append(made)
                return key, made
        made.close()
        raise DatabaseError(STOPPING)

    def _give(self, key: tuple[str, str], shared: _Shared) -> None:
        """Keep a connection for later; of those that idle longest some are closed."""
        closing = []
        with self._lock:
            self._lent.remove(shared)
            if self._closed:
                return  # closed already, with all others
            self._idle.setdefault(key, []).append(shared)
            self._idle.move_to_end(key)
            most = 4 * self._settings.web.workers
            while sum(map(len, self._idle.values())) > most:
                oldest = next(iter(self._idle))
                closing.append(self._idle[oldest].pop())
                if not self._idle[oldest]:
                    del self._idle[oldest]
        for one in closing:
            one.close()
