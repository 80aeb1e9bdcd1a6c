"""What happened while a question was answered: typed events, in order, as JSON lines.

A `Trace` is a list that the pipeline writes into and its caller hands in. One trace holds
one question. Events name columns and count rows; the rows themselves never enter.

What is not covered: hiding what SQL and database messages quote. Both can contain values
of the data, so a trace is as private as the questions it was made from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, TypeAlias

from quorumsql.domain import Candidate, Failure, Rows, Schema, Status
from quorumsql.errors import UsageError

__all__ = [
    "Asked",
    "CandidateExecuted",
    "CandidateWritten",
    "Chosen",
    "Event",
    "GeneratorLost",
    "Linked",
    "StageEnded",
    "StageStarted",
    "TelemetrySettings",
    "Trace",
    "Warned",
    "read_events",
    "write_events",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question arrived."""

    question: str
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage began."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded:
    """A stage ended after `ms` milliseconds, also when it raised."""

    stage: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Schema linking kept `columns` of `of_columns` columns, in `tables`.

    `said` are words of the question with those of the schema that they are taken for.
    """

    tables: tuple[str, ...]
    columns: int
    of_columns: int
    said: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Schema, everything: Schema, said: Mapping[str, str] | None = None) -> Linked:
        """Return the event for `kept` of `everything`."""
        return cls(
            tables=tuple(table.name for table in kept.tables),
            columns=sum(len(table.columns) for table in kept.tables),
            of_columns=sum(len(table.columns) for table in everything.tables),
            said=said or {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateWritten:
    """A generator wrote SQL."""

    generator: str
    sql: str
    weight: float
    guessed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateExecuted:
    """The database ran a candidate: how it ended, how many rows, which columns."""

    generator: str
    sql: str
    status: Status
    weight: float
    row_count: int = 0
    columns: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorLost:
    """A generator failed; the others went on."""

    generator: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The end of the vote. `sql` is None when there was nothing to choose.

    `effective` is how many different candidates had a vote, alike ones counted in part.
    """

    sql: str | None
    rule: str
    groups: int
    votes: float
    confidence: float
    abstained: bool
    effective: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """The answer carries this warning."""

    message: str


Event: TypeAlias = (
    Asked
    | StageStarted
    | StageEnded
    | Linked
    | CandidateWritten
    | CandidateExecuted
    | GeneratorLost
    | Chosen
    | Warned
)

_KINDS: Mapping[str, Callable[..., Event]] = {
    kind.__name__: kind
    for kind in (
        Asked,
        StageStarted,
        StageEnded,
        Linked,
        CandidateWritten,
        CandidateExecuted,
        GeneratorLost,
        Chosen,
        Warned,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Whether questions become spans of OpenTelemetry, and whether these quote text and SQL."""

    enabled: bool = False
    content: bool = False


class Trace:
    """The events of one question; `listener` hears each one as it happens."""

    def __init__(self, listener: Callable[[Event], None] | None = None) -> None:
        self._events: list[Event] = []
        self._listener = listener

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far, oldest first."""
        return tuple(self._events)

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds per stage that has ended, in the order in which they ended."""
        timings: dict[str, float] = {}
        for event in self._events:
            if isinstance(event, StageEnded):
                timings[event.stage] = timings.get(event.stage, 0.0) + event.ms
        return timings

    def also(self, listener: Callable[[Event], None]) -> Trace:
        """Return this trace with one more listener, who hears what is still to come."""
        before = self._listener

        def both(event: Event) -> None:
            if before is not None:
                before(event)
            listener(event)

        self._listener = both
        return self

    def add(self, event: Event) -> None:
        """Record one event."""
        self._events.append(event)
        if self._listener is not None:
            self._listener(event)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record start and end of a stage around the `with` block."""
        self.add(StageStarted(stage=name))
        start = time.perf_counter()
        try:
            yield
        finally:
            ms = (time.perf_counter() - start) * 1000
            self.add(StageEnded(stage=name, ms=round(ms, 3)))

    def written(self, candidates: Iterable[Candidate]) -> None:
        """Record candidates as generators wrote them."""
        for one in candidates:
            self.add(
                CandidateWritten(
                    generator=one.generator, sql=one.sql, weight=one.weight, guessed=one.guessed
                )
            )

    def executed(self, candidates: Iterable[Candidate]) -> None:
        """Record what the database made of candidates, without their rows."""
        for one in candidates:
            execution = one.final.execution
            ran = isinstance(execution, Rows)
            self.add(
                CandidateExecuted(
                    generator=one.generator,
                    sql=one.sql,
                    status=one.status,
                    weight=one.weight,
                    row_count=len(execution.rows) if isinstance(execution, Rows) else 0,
                    columns=execution.columns if isinstance(execution, Rows) else (),
                    error=None if ran else _message(execution),
                )
            )


def write_events(events: Iterable[Event], stream: IO[str]) -> None:
    """Write one JSON object per line: `event` names the kind, the rest are its fields."""
    for event in events:
        record = {"event": type(event).__name__, **asdict(event)}
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_events(stream: Iterable[str]) -> Iterator[Event]:
    """Read what `write_events` wrote; blank lines are skipped.

    Raises:
        UsageError: a line is no event; the text names the line.
    """
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield _event(line, number)


def _event(line: str, number: int) -> Event:
    try:
        record = json.loads(line)
        kind = _KINDS[record.pop("event")]
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in record.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"Line {number} is not a trace event ({error!r}): {line[:80]!r}"
        ) from error


def _message(execution: object) -> str:
    return execution.message if isinstance(execution, Failure) else "not run"
