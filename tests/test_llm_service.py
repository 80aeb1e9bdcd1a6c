"""What the client makes of a service that refuses: pauses it asks for, and words it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from fault_server import FAULTS, FaultServer, Reply, error
from quorumsql.domain import Completion, Message, ModelRequest
from quorumsql.errors import ModelRefused, ModelUnavailable
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.prices import Price
from quorumsql.llm.service import _asked_pause

KEY = "sk-this-key-must-never-be-shown"
NO_TIME = ("nan", "inf", "-inf", "1e400", "-5", "soon", "")


def completed(
    plan: Callable[[int, dict[str, Any]], Reply],
    *,
    text: str = "How many?",
    samples: int = 1,
    seconds: float = 20.0,
    price: Price | None = None,
    **rest: Any,
) -> tuple[Completion, ...]:
    """What one client gets of a server with this plan."""
    request = ModelRequest(messages=(Message(role="user", text=text),))
    server = FaultServer(plan)
    endpoint = Endpoint(model="m", base_url=server.url, key=KEY, **rest)
    with closing(OpenAICompatible(endpoint, price=price)) as client, server:
        return client.complete(request, samples=samples, seconds=seconds)


@pytest.mark.parametrize("value", NO_TIME)
def test_a_pause_that_is_no_time_is_not_one(value: str) -> None:
    assert _asked_pause({"retry-after-ms": value}) is None
    assert _asked_pause({"retry-after": value}) is None
    assert _asked_pause({"retry-after-ms": value, "retry-after": "2"}) == 2.0


def test_a_pause_is_read_in_any_form() -> None:
    assert _asked_pause({}) is None
    assert _asked_pause({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert _asked_pause({"retry-after": "9" * 400}) is None
    assert _asked_pause({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}) is None
    assert _asked_pause({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0.0
    later = _asked_pause({"retry-after": format_datetime(datetime.now(UTC) + timedelta(hours=1))})
    assert later is not None and 3_500 < later <= 3_600


@pytest.mark.parametrize("value", NO_TIME)
def test_a_service_that_asks_for_no_time_is_tried_again(value: str) -> None:
    def plan(number: int, _: dict[str, Any]) -> Reply:
        return Reply() if number else error(429, "slow", retry_after_ms=value)

    assert len(completed(plan)) == 1


def test_one_that_always_asks_for_it_is_given_up_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match="status 429"):
        completed(lambda *_: error(429, "slow", retry_after_ms="nan"), seconds=3.0)
    assert time.monotonic() - began < 20.0


@pytest.mark.parametrize("fault", [error(429, "slow", retry_after_ms="nan"), FAULTS["stall"]])
def test_samples_that_do_not_come_are_left_out_at_the_deadline(fault: Reply) -> None:
    def plan(number: int, _: dict[str, Any]) -> Reply:
        return fault if number else Reply()

    began = time.monotonic()
    assert len(completed(plan, samples=3, seconds=2.0, n=False)) == 1
    assert time.monotonic() - began < 20.0


class Unpriced(Price):
    """A price that breaks for the second reply, which is known by its tokens."""

    def of(self, input_tokens: int, output_tokens: int) -> float:
        if input_tokens == 2:
            raise ZeroDivisionError
        return super().of(input_tokens, output_tokens)


def test_what_breaks_in_a_sample_of_several_is_raised_and_not_waited_for() -> None:
    def plan(number: int, _: dict[str, Any]) -> Reply:
        return Reply(tokens=(number + 1, 1))

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        completed(plan, samples=2, seconds=60.0, n=False, price=Unpriced(input=1.0, output=1.0))
    assert time.monotonic() - began < 30.0


def refusal(message: str, *, text: str = "How many?") -> str:
    with pytest.raises(ModelRefused) as caught:
        completed(lambda *_: error(401, message), text=text, seconds=200.0)
    return str(caught.value)


def test_megabytes_of_words_cost_no_more_than_what_is_shown_of_them() -> None:
    prompt = "".join(f"the row number {number}, " for number in range(8_000))
    began = time.monotonic()
    said = refusal("zq" * 3_000_000, text=prompt)
    assert time.monotonic() - began < 20.0  # a search for all of it took most of a minute
    assert "It says: " + "zq" * 100 in said and len(said) < 400


@pytest.mark.parametrize("before", range(160, 230, 3))
def test_a_key_that_the_end_of_what_is_shown_cuts_is_hidden(before: int) -> None:
    said = refusal("z" * before + KEY + "z" * 300)
    assert KEY[:4] not in said
    assert "It says: " + "z" * min(before, 200) in said


def test_a_prompt_that_the_end_of_what_is_shown_cuts_is_hidden() -> None:
    text = "the secret row value 4711 of the customers"
    assert "It says" not in refusal("z" * 199 + text, text=text)
    assert "It says" in refusal("z" * 201 + text, text=text)


@pytest.mark.parametrize(("name", "thoughts"), [("o3", 8192), ("gpt-4o", 0)])
def test_what_a_model_may_think_is_asked_for_and_reckoned_with(name: str, thoughts: int) -> None:
    from quorumsql.assemble import _cost

    bodies: list[dict[str, Any]] = []

    def plan(_: int, body: dict[str, Any]) -> Reply:
        bodies.append(body)
        return Reply()

    with FaultServer(plan) as server:
        endpoint = Endpoint(model=name, base_url=server.url)
        with closing(OpenAICompatible(endpoint)) as client:
            client.complete(ModelRequest(messages=(Message(role="user", text="q"),), max_tokens=16))
    limit = bodies[0].get("max_completion_tokens", bodies[0].get("max_tokens"))
    assert endpoint.thoughts == thoughts
    assert limit == 16 + thoughts
    cost = _cost(endpoint, Price(input=0.0, output=1_000_000.0).of)
    assert cost(1, 16) == pytest.approx(limit)
