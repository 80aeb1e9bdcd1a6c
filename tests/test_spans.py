"""OpenTelemetry: what a question becomes in spans, with the conventions' names and no content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from quorumsql import connect
from quorumsql.api import Connection
from quorumsql.config import load_settings
from quorumsql.domain import Message, ModelRequest
from quorumsql.errors import ModelError
from quorumsql.llm.scripted import Scripted
from quorumsql.spans import SpannedModel

COUNT = "SELECT COUNT(*) AS pomegranates FROM city"


@pytest.fixture(scope="module")
def told() -> InMemorySpanExporter:
    """Where spans of this process go."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def exporter(told: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    told.clear()
    yield told


def opened(shop: Path, *, content: bool) -> Connection:
    settings = load_settings(
        overrides={
            "telemetry": {"enabled": True, "content": content},
            "generators": ["direct", "standard"],
            "model": "gpt-quince",
            "llm": {"cache": False},
        }
    )
    model = Scripted(lambda _: f"```sql\n{COUNT}\n```", name="gpt-quince")
    return connect(str(shop), settings=settings, model=model)


def path_of(span: ReadableSpan, spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Names from the outermost span down to this one."""
    by_id = {one.context.span_id: one for one in spans if one.context is not None}
    names = [span.name]
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.insert(0, span.name)
    return names


@pytest.mark.parametrize("content", [False, True])
def test_statements_and_calls_of_models_are_spans_below_the_question(
    shop: Path, exporter: InMemorySpanExporter, content: bool
) -> None:
    with opened(shop, content=content) as database:
        answer = database.ask("How many pomegranates?")
        assert answer.rows == ((5,),)
    spans = exporter.get_finished_spans()
    asked = [one for one in spans if one.name == "chat gpt-quince"]
    ran = [one for one in spans if one.name == "SELECT shop"]
    assert len(asked) >= 2 and ran
    for one in asked:
        assert path_of(one, spans) == ["invoke_agent quorumsql", "generate", "chat gpt-quince"]
    assert ["invoke_agent quorumsql", "refine", "SELECT shop"] in [path_of(s, spans) for s in ran]
    fields = dict(ran[0].attributes or {})
    assert ran[0].kind is SpanKind.CLIENT
    assert fields["db.system.name"] == "sqlite" and fields["db.namespace"] == "shop"
    assert fields["db.operation.name"] == "SELECT" and fields["db.response.returned_rows"] == 1
    fields = dict(asked[0].attributes or {})
    assert asked[0].kind is SpanKind.CLIENT
    assert fields["gen_ai.operation.name"] == "chat" and fields["gen_ai.provider.name"] == "openai"
    assert fields["gen_ai.request.model"] == "gpt-quince"
    assert fields["gen_ai.response.finish_reasons"] == ("stop",)
    assert int(str(fields["gen_ai.usage.input_tokens"])) > 0
    everything = "".join(one.to_json() for one in spans)
    for words in ("pomegranate", "COUNT(*)", "gen_ai.input.messages", "db.query.text"):
        assert (words in everything) is content, words


def test_statements_that_fail_are_marked_without_their_words(
    shop: Path, exporter: InMemorySpanExporter
) -> None:
    with opened(shop, content=False) as database:
        database.sql("SELECT quince FROM city")
        database.sql("DELETE FROM city WHERE name = 'quince'")
    (wrong, refused) = exporter.get_finished_spans()
    assert dict(wrong.attributes or {})["error.type"] == "error"
    assert dict(refused.attributes or {})["error.type"] == "refused"
    assert wrong.status.status_code is StatusCode.ERROR and refused.name == "STATEMENT shop"
    assert "quince" not in wrong.to_json() + refused.to_json()


def test_a_follow_up_is_a_question_of_its_own(shop: Path, exporter: InMemorySpanExporter) -> None:
    with opened(shop, content=False) as database:
        answer = database.ask("How many cities?")
        exporter.clear()
        assert len(answer.follow_up("by country").rows) == 4
    spans = exporter.get_finished_spans()
    paths = [path_of(one, spans) for one in spans]
    assert ["invoke_agent quorumsql", "follow", "SELECT shop"] in paths
    assert not any("chat" in name for one in paths for name in one)


def test_a_model_that_fails_is_named_by_its_error_only(exporter: InMemorySpanExporter) -> None:
    model = SpannedModel(Scripted([], name="gpt-quince"), content=True)
    request = ModelRequest(messages=(Message(role="user", text="hello"),))
    with pytest.raises(ModelError):
        model.complete(request, samples=1)
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {})["error.type"] == "ModelUnavailable"
    assert span.status.status_code is StatusCode.ERROR and not span.events
