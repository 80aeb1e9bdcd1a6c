"""The protocols that stages and the pipeline are written against.

Each has a real adapter and a scripted one in the tests, and one conformance suite.

What is not covered: how an adapter is built. `api.connect` does that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from quorumsql.domain import (
    Brief,
    Candidate,
    Choice,
    Completion,
    Execution,
    Hit,
    Limits,
    ModelRequest,
    Question,
    Ranking,
    Schema,
)

__all__ = [
    *("Audit", "Database", "Generator", "LanguageModel", "Meaning", "Ranker", "Reader"),
    *("Selector", "ValueIndex"),
]


class Database(Protocol):
    """A database that can be described and read, never written."""

    @property
    def name(self) -> str:
        """Short name for people: the file's stem or the database's name."""
        ...

    @property
    def dialect(self) -> str:
        """Name of the SQL it speaks, as sqlglot calls it."""
        ...

    def schema(self) -> Schema:
        """Describe tables, columns, keys and example values; cached after the first call.

        Raises:
            DatabaseError: the database cannot be read.
        """
        ...

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement; what goes wrong with the statement is a `Failure`.

        Raises:
            DatabaseError: the database itself is gone.
        """
        ...

    def values(self, table: str, column: str, *, limit: int) -> tuple[object, ...]:
        """Return up to `limit` distinct values that are not NULL, in a stable order."""
        ...

    def close(self) -> None:
        """Give back what is held; safe to call twice."""
        ...


class Audit(Protocol):
    """Keeps record of statements: before they reach a database, and what came of them."""

    def began(self, sql: str, *, names: Collection[str] = ()) -> str:
        """Record a statement that is about to run; `names` are names of the schema, no values.

        Returns:
            What to call it when it has ended.

        Raises:
            UsageError: it cannot be recorded, so it must not run.
        """
        ...

    def ended(self, statement: str, execution: Execution | None, *, seconds: float) -> None:
        """Record what came of it; None when it was interrupted."""
        ...


class ValueIndex(Protocol):
    """Looks up which stored values a text mentions."""

    def mentions(self, text: str) -> tuple[Hit, ...]:
        """Return the hits of `text`, best first."""
        ...

    def close(self) -> None:
        """Give back what is held; safe to call twice."""
        ...


class Meaning(Protocol):
    """Tells how near words are in meaning."""

    def nearness(self, words: Sequence[str], names: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return the cosine of each of `words` with each of `names`, 1 for the same meaning."""
        ...


class LanguageModel(Protocol):
    """Replies to a conversation."""

    @property
    def name(self) -> str:
        """The model's name, as its service calls it."""
        ...

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return `samples` replies, within `seconds` of now or not at all.

        Raises:
            ModelUnavailable: no reply came, after retries.
            ModelRefused: the service will never answer this request.
        """
        ...


class Generator(Protocol):
    """Writes SQL for a brief, in its own way."""

    @property
    def name(self) -> str:
        """Stable name, e.g. "embedded/columns"."""
        ...

    def generate(self, brief: Brief) -> tuple[Candidate, ...]:
        """Return candidates that have not run yet, best first; empty when it has none."""
        ...


class Ranker(Protocol):
    """Says which columns of a schema a question needs: drafts do, and a language model can."""

    def rank(self, brief: Brief) -> Ranking:
        """Return the ranking of the columns and tables of the brief's schema."""
        ...


class Reader(Protocol):
    """Reads question, SQL and result of candidates that have run."""

    def score(
        self, question: Question, candidates: Sequence[Candidate], schema: Schema
    ) -> tuple[float, ...]:
        """Return per candidate the log odds that it is right; what did not run has -inf."""
        ...


class Selector(Protocol):
    """Chooses among candidates that have run."""

    def choose(self, question: Question, candidates: Sequence[Candidate], schema: Schema) -> Choice:
        """Return the choice; `candidate` is None only when nothing ran."""
        ...
