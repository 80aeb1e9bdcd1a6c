"""What the client of chat completions learns from refusals, and what it may be charged for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fault_server import FAULTS, FaultServer, Reply, error
from quorumsql.domain import Message, ModelRequest, Usage
from quorumsql.errors import ModelRefused, ModelUnavailable
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.prices import Price


@contextmanager
def client(url: str, *, retries: int = 0) -> Iterator[OpenAICompatible]:
    endpoint = Endpoint(model="m", base_url=url, timeout=30.0, retries=retries)
    made = OpenAICompatible(endpoint, price=Price(input=1.0, output=10.0))
    try:
        yield made
    finally:
        made.close()


def asked(text: str = "How many?", **rest: Any) -> ModelRequest:
    return ModelRequest(messages=(Message(role="user", text=text),), **rest)


def test_a_request_that_is_refused_whatever_it_asks_for_teaches_nothing() -> None:
    filtered = error(400, "The prompt was filtered by our content policy", code="content_filter")
    plan = FaultServer(lambda number, _: filtered if number in {1, 2} else Reply())
    with plan as server, client(server.url) as model:
        wishes: dict[str, Any] = {"temperature": 0.5, "stop": ("x",)}
        model.complete(asked(**wishes))
        with pytest.raises(ModelRefused, match="content_filter"):
            model.complete(asked("something rude", **wishes))
        model.complete(asked(**wishes))
    first, _, tried, last = server.bodies
    assert "temperature" in first and "temperature" not in tried
    assert last == first


def test_requests_that_a_service_may_have_worked_on_are_counted() -> None:
    plan = FaultServer(lambda *_: FAULTS["empty choices"])
    with plan as server, client(server.url, retries=2) as model:
        with pytest.raises(ModelUnavailable) as found:
            model.complete(asked())
    assert found.value.sent == len(server.bodies) == 3
    with client("http://127.0.0.1:9/v1", retries=1) as model:
        with pytest.raises(ModelUnavailable) as found:
            model.complete(asked())
    assert found.value.sent == 0


def test_absurd_counts_of_tokens_are_unknown() -> None:
    usage = b'"usage": {"prompt_tokens": 1%s, "completion_tokens": 1}' % (b"0" * 400)
    body = b'{"choices": [{"message": {"content": "SELECT 1"}}], %s}' % usage
    with FaultServer(lambda *_: Reply(body=body)) as server, client(server.url) as model:
        (reply,) = model.complete(asked())
    assert reply.usage == Usage(calls=1, output_tokens=1, usd=None)
