"""What is being answered and was answered just now: events to follow, results to fetch again.

A run goes on when its listener leaves, so that a page whose connection broke can take up the
events where it lost them. Finished runs are kept until newer ones need their place: there are at
most 200, and their results take at most 256 MB when a run begins. An older one is asked again from
history.

What is not covered: a server that stops: its runs end with it, and listeners are told. Results of
runs that are not over count when they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from quorumsql.db.budget import size_of
from quorumsql.domain import Answer, Execution, Rows
from quorumsql.errors import UnknownName, UsageError
from quorumsql.trace import Event
from quorumsql.web.pool import STOPPING

__all__ = ["Run", "Runs", "Taken", "lightened"]

_KEPT: Final = 200
_MOST_BYTES: Final = 256 * 1024 * 1024
_PER_VALUE: Final = 48
"""About what Python takes for a value besides its content, which is all that `size_of` counts."""
_PING_SECONDS: Final = 15.0

Named = tuple[int, str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The reading that a run is: of which run and its answer, and what it does in words."""

    run: str
    answer: Answer
    words: str


class Run:
    """One question or statement, from its arrival on. Lives on the server's event loop."""

    def __init__(self, *, owner: str, database: str, question: str) -> None:
        self.id = secrets.token_urlsafe(12)
        self.owner, self.database, self.question = owner, database, question
        self.answer: Answer | None = None
        self.sql = ""
        self.execution: Execution | None = None
        self.story: dict[str, Any] = {}
        self.problem: Exception | None = None
        self.over = False
        self.bytes = 0
        """How much of memory it takes, about: all results that it still holds."""
        self.follows: dict[str, str] | None = None
        self.taken: Taken | None = None
        self.told = asyncio.Event()  # somebody has heard the first event
        self.events: list[Named] = []
        self._news = asyncio.Event()
        self.add("run", {"run": self.id, "database": database, "question": question})

    def add(self, name: str, fields: dict[str, Any]) -> None:
        """Tell listeners of an event."""
        self.events.append((len(self.events) + 1, name, fields))
        self._wake()

    def heard(self, event: Event) -> None:
        """Tell listeners of an event of the pipeline; after the last event there is none."""
        if not self.over:
            self.add(type(event).__name__, asdict(event))

    def end(self, name: str, fields: dict[str, Any]) -> None:
        """Tell listeners of the last event; what nobody will ask for is let go.

        What ended already, because the server stops, does not end again.
        """
        if self.over:
            return
        self.over = True
        if self.answer is not None:
            self.answer = lightened(self.answer)
        self.bytes = _bytes(self.answer, self.execution)
        self.add(name, fields)

    async def done(self) -> None:
        """Wait for the end; what went wrong is raised."""
        while not self.over:
            await self._news.wait()
        if self.problem is not None:
            raise self.problem

    async def follow(self, after: int = 0) -> AsyncIterator[Named | None]:
        """Yield events after number `after` until the last; None now and then: it is alive."""
        place = after
        while True:
            while place < len(self.events):
                yield self.events[place]
                self.told.set()
                place += 1
            if self.over:
                return
            try:
                await asyncio.wait_for(self._news.wait(), _PING_SECONDS)
            except TimeoutError:
                yield None

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def lightened(answer: Answer) -> Answer:
    """Return an answer without the rows of results that were not chosen.

    Of two readings that tie either may still be taken, and compared with all the others.
    """
    if answer.readings:
        return answer
    candidates = (
        one
        if place == answer.choice.candidate
        else replace(one, attempts=tuple(replace(a, execution=None) for a in one.attempts))
        for place, one in enumerate(answer.candidates)
    )
    return replace(answer, candidates=tuple(candidates))


def _bytes(answer: Answer | None, execution: Execution | None) -> int:
    """Bytes held: results of candidates once each, and the chosen one once more as JSON."""
    tried = [a.execution for one in (answer.candidates if answer else ()) for a in one.attempts]
    held = {id(found): found for found in (*tried, execution)}
    return sum(
        size_of(row) + _PER_VALUE * len(row)
        for found in (*held.values(), execution)
        if isinstance(found, Rows)
        for row in found.rows
    )


class Runs:
    """The runs of a server, and which of them an idempotency key names."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._keys: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def add(self, run: Run) -> None:
        """Keep a run, and let go of the oldest that are over."""
        self._runs[run.id] = run
        for name, old in list(self._runs.items()):
            held = sum(one.bytes for one in self._runs.values())
            if len(self._runs) <= _KEPT and held <= _MOST_BYTES:
                break
            if old.over:
                del self._runs[name]

    def get(self, name: str, owner: str) -> Run:
        """Return a run of this owner.

        Raises:
            UnknownName: there is none; those of others do not exist either.
        """
        run = self._runs.get(name)
        if run is None or run.owner != owner:
            raise UnknownName("run", name, ["(older runs are let go; ask again)"])
        return run

    def known(self, owner: str, key: str, body: str) -> Run | None:
        """Return the run that this key of this owner already began, or None.

        One that went wrong is none: whoever asks again wants an answer.

        Raises:
            UsageError: the key came with another question before.
        """
        found = self._keys.get(_key(owner, key))
        if found is None or found[0] not in self._runs:
            return None
        name, before = found
        if before != _digest(body):
            raise UsageError("This idempotency key was used for another question: take a new one.")
        run = self._runs[name]
        return None if run.over and run.problem is not None else run

    def remember(self, owner: str, key: str, body: str, run: Run) -> None:
        """Let a key name a run."""
        self._keys[_key(owner, key)] = (run.id, _digest(body))
        while len(self._keys) > _KEPT:
            self._keys.popitem(last=False)

    def stop(self) -> None:
        """Tell all who listen that the server stops."""
        for run in self._runs.values():
            if not run.over:
                run.problem = UsageError(STOPPING)
                run.end("stopping", {"message": STOPPING})


def _key(owner: str, key: str) -> str:
    return _digest(f"{owner}\0{key}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
