"""OpenTelemetry: a span per question and per stage, made from the events of its trace.

Names follow the semantic conventions: the question is an agent's invocation (`gen_ai.*`), a
candidate that ran is an event with `db.*` attributes. Questions, SQL and messages of the database
are left out unless content is asked for. Where spans go is the business of the OpenTelemetry SDK,
e.g. `opentelemetry-instrument quorum serve …`.

What is not covered: a span for each call of a model and each statement; they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider

from quorumsql.domain import Answer
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

__all__ = ["SYSTEMS", "spanned"]

SYSTEMS = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql", "duckdb": "duckdb"}
"""Names of databases in the conventions, by dialect."""


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


class _Story:
    """Turns events into spans below one span, as they happen."""

    def __init__(self, tracer: Tracer, span: Span, *, content: bool) -> None:
        self._tracer, self._span, self._content = tracer, span, content
        self._below = trace.set_span_in_context(span, context.get_current())
        self._stages: dict[str, Span] = {}

    def heard(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Asked():
                self._span.set_attribute("db.namespace", event.database)
                if self._content:
                    self._span.set_attribute("gen_ai.input.messages", event.question)
            case StageStarted():
                self._stages[event.stage] = self._tracer.start_span(event.stage, self._below)
            case StageEnded():
                if stage := self._stages.pop(event.stage, None):
                    stage.end()
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
        for stage in self._stages.values():
            stage.end()
        self._span.end()

    def _candidate(self, event: CandidateExecuted) -> None:
        fields: dict[str, str | int] = {
            "quorumsql.generator": event.generator,
            "quorumsql.status": event.status,
            "db.response.returned_rows": event.row_count,
        }
        if self._content:
            fields["db.query.text"] = event.sql
        self._span.add_event("candidate", fields)
