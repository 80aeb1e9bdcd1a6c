"""OpenTelemetry: a span per question, per stage, per statement and per call of a model.

    invoke_agent quorumsql
    ├─ generate
    │  └─ chat gpt-5
    └─ refine
       ├─ SELECT shop
       └─ SELECT shop

Names follow the semantic conventions: the question is an agent's invocation and a model's reply a
`chat` (GenAI conventions, `gen_ai.*`), a statement is a client's call (database conventions,
`db.*`). Questions, SQL, replies and messages of the database are left out unless content is asked
for. Where spans go is the business of the OpenTelemetry SDK, e.g. `opentelemetry-instrument quorum
serve …`.

What is not covered: metrics, and what is read to describe a schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Token

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from quorumsql.db.wrapped import WrappedDatabase
from quorumsql.domain import (
    Answer,
    Completion,
    Execution,
    Failure,
    Limits,
    Message,
    ModelRequest,
    Rows,
)
from quorumsql.ports import Database, LanguageModel
from quorumsql.trace import (
    Asked,
    CandidateExecuted,
    Chosen,
    Event,
    GeneratorLost,
    Linked,
    StageEnded,
    StageStarted,
)

__all__ = ["SYSTEMS", "SpannedDatabase", "SpannedModel", "spanned"]

SYSTEMS = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql", "duckdb": "duckdb"}
"""Names of databases in the conventions, by dialect."""

_OPERATIONS = frozenset("SELECT WITH VALUES EXPLAIN SHOW DESCRIBE PRAGMA TABLE".split())


@contextmanager
def spanned(
    dialect: str, *, content: bool = False, provider: TracerProvider | None = None
) -> Iterator[tuple[Callable[[Event], None], Callable[[Answer], None]]]:
    """Yield who hears the events of one question, and who hears its answer, in a span.

    What is raised inside the block marks the span as failed, by the name of its type only.
    """
    tracer = trace.get_tracer("quorumsql", tracer_provider=provider)
    span = tracer.start_span("invoke_agent quorumsql")
    span.set_attributes(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "quorumsql",
            "db.system.name": SYSTEMS.get(dialect, dialect),
        }
    )
    story = _Story(tracer, span, content=content)
    try:
        yield story.heard, story.answered
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        story.end()


class SpannedDatabase(WrappedDatabase):
    """Tells of every statement that `database` runs, in a span below the one that is open."""

    def __init__(
        self, database: Database, *, content: bool = False, provider: TracerProvider | None = None
    ) -> None:
        """Take an open database, which is closed with this."""
        super().__init__(database)
        self._content = content
        self._tracer = trace.get_tracer("quorumsql", tracer_provider=provider)

    def execute(self, sql: str, *, limits: Limits | None = None) -> Execution:
        """Run one reading statement, in a span."""
        operation = _operation(sql)
        fields: dict[str, str | int | float] = {
            "db.system.name": SYSTEMS.get(self.dialect, self.dialect),
            "db.namespace": self.name,
            "db.operation.name": operation,
        }
        if self._content:
            fields["db.query.text"] = sql
        with _call(self._tracer, f"{operation} {self.name}", fields) as span:
            execution = self._database.execute(sql, limits=limits)
            match execution:
                case Rows(rows=rows):
                    span.set_attribute("db.response.returned_rows", len(rows))
                case Failure(kind=kind, message=message):
                    words = message if self._content else None
                    span.set_attribute("error.type", kind)
                    span.set_status(Status(StatusCode.ERROR, words))
        return execution


class SpannedModel:
    """Tells of every call of `model`, in a span below the one that is open."""

    def __init__(
        self, model: LanguageModel, *, content: bool = False, provider: TracerProvider | None = None
    ) -> None:
        """Take a model."""
        self._model, self._content = model, content
        self._tracer = trace.get_tracer("quorumsql", tracer_provider=provider)

    @property
    def name(self) -> str:
        """The model's name, as its service calls it."""
        return self._model.name

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        """Return `samples` replies, in a span."""
        fields: dict[str, str | int | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",  # the interface that every service of ours speaks
            "gen_ai.request.model": self.name,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.choice.count": samples,
        }
        if request.temperature is not None:
            fields["gen_ai.request.temperature"] = request.temperature
        if self._content:
            fields["gen_ai.input.messages"] = _messages(request.messages)
        with _call(self._tracer, f"chat {self.name}", fields) as span:
            replies = self._model.complete(request, samples=samples, seconds=seconds)
            span.set_attributes(
                {
                    "gen_ai.response.finish_reasons": [reply.finish for reply in replies],
                    "gen_ai.usage.input_tokens": sum(r.usage.input_tokens for r in replies),
                    "gen_ai.usage.output_tokens": sum(r.usage.output_tokens for r in replies),
                }
            )
            if self._content:
                told = [Message(role="assistant", text=reply.text) for reply in replies]
                span.set_attribute("gen_ai.output.messages", _messages(told))
        return replies


@contextmanager
def _call(tracer: Tracer, name: str, fields: dict[str, str | int | float]) -> Iterator[Span]:
    """A client's span around a call; what is raised marks it, by the name of its type only."""
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=fields,
        record_exception=False, set_status_on_exception=False,
    ) as span:  # fmt: skip
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


def _operation(sql: str) -> str:
    """The first word of a statement, if it is one that statements begin with."""
    word = sql.lstrip(" \t\r\n(;").split(None, 1)[0].upper() if sql.strip(" \t\r\n(;") else ""
    return word if word in _OPERATIONS else "STATEMENT"


def _messages(messages: Sequence[Message]) -> str:
    """Messages as the conventions write them."""
    return json.dumps(
        [{"role": one.role, "parts": [{"type": "text", "content": one.text}]} for one in messages],
        ensure_ascii=False,
    )


class _Story:
    """Turns events into spans below one span, as they happen; the innermost one is current."""

    def __init__(self, tracer: Tracer, span: Span, *, content: bool) -> None:
        self._tracer, self._span, self._content = tracer, span, content
        self._below = trace.set_span_in_context(span, context.get_current())
        self._question = context.attach(self._below)
        self._stages: dict[str, tuple[Span, Token[Context]]] = {}

    def heard(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Asked():
                self._span.set_attribute("db.namespace", event.database)
                if self._content:
                    self._span.set_attribute("gen_ai.input.messages", event.question)
            case StageStarted():
                stage = self._tracer.start_span(event.stage, self._below)
                token = context.attach(trace.set_span_in_context(stage, self._below))
                self._stages[event.stage] = (stage, token)
            case StageEnded():
                self._ended(event.stage)
            case Linked():
                self._span.set_attribute("quorumsql.columns", event.columns)
            case CandidateExecuted():
                self._candidate(event)
            case GeneratorLost():
                self._span.add_event("generator lost", {"quorumsql.generator": event.generator})
            case Chosen():
                self._span.set_attributes(
                    {
                        "quorumsql.confidence": event.confidence,
                        "quorumsql.abstained": event.abstained,
                        "quorumsql.groups": event.groups,
                    }
                )

    def answered(self, answer: Answer) -> None:
        """Take in what the answer cost."""
        spent = answer.usage
        self._span.set_attributes(
            {
                "gen_ai.usage.input_tokens": spent.input_tokens,
                "gen_ai.usage.output_tokens": spent.output_tokens,
                "quorumsql.model_calls": spent.calls,
            }
        )

    def end(self) -> None:
        """End what is still open."""
        for stage in reversed(tuple(self._stages)):
            self._ended(stage)
        context.detach(self._question)
        self._span.end()

    def _ended(self, name: str) -> None:
        if found := self._stages.pop(name, None):
            stage, token = found
            context.detach(token)
            stage.end()

    def _candidate(self, event: CandidateExecuted) -> None:
        fields: dict[str, str | int] = {
            "quorumsql.generator": event.generator,
            "quorumsql.status": event.status,
            "db.response.returned_rows": event.row_count,
        }
        if self._content:
            fields["db.query.text"] = event.sql
        self._span.add_event("candidate", fields)
