"""The client of chat completions, against a real server that misbehaves on purpose."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from fault_server import FAULTS, TRICKLE, FaultServer, Reply, error
from quorumsql.domain import Completion, Message, ModelRequest
from quorumsql.errors import (
    ConfigError,
    ContextTooLong,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from quorumsql.llm import wire
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.prices import Price, price_of
from quorumsql.replies import sql_in

KEY = "sk-this-key-must-never-be-shown"


def asked(text: str = "How many?", **rest: Any) -> ModelRequest:
    return ModelRequest(messages=(Message(role="user", text=text),), **rest)


Model = Callable[..., OpenAICompatible]


@pytest.fixture
def model() -> Iterator[Model]:
    """Makes clients of a server, and closes them afterwards."""
    made: list[OpenAICompatible] = []

    def make(server: FaultServer | str, **rest: Any) -> OpenAICompatible:
        url = server if isinstance(server, str) else server.url
        settings = {"model": "m", "base_url": url, "key": KEY, "timeout": 30.0, **rest}
        made.append(OpenAICompatible(Endpoint(**settings), price=Price(input=1.0, output=10.0)))
        return made[-1]

    yield make
    for client in made:
        client.close()


def first(fault: Reply, then: Reply | None = None) -> Callable[[int, dict[str, Any]], Reply]:
    """Go wrong once, then answer."""
    return lambda number, _: fault if number == 0 else then or Reply()


def test_a_plain_request_holds_model_messages_and_length_only(model: Model) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        (reply,) = model(server).complete(asked())
    assert server.bodies == [
        {"model": "m", "messages": [{"role": "user", "content": "How many?"}], "max_tokens": 1024}
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert sql_in(reply.text) == "SELECT 1"
    assert reply.usage.calls == 1
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 10)
    assert reply.usage.usd == pytest.approx(200e-6)


def test_without_a_key_no_authorization_is_sent(model: Model) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        model(server, key="").complete(asked())
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_service_hears_nothing_of_the_machine_or_its_environment(
    key: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The openai package would tell the system, and headers that are meant for OpenAI."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: s3cret\nAuthorization: Bearer s3cret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-s3cret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "s3cret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "s3cret")
    with FaultServer(lambda *_: Reply()) as server:
        model(server, key=key).complete(asked())
    sent = {name.lower(): value for name, value in server.headers[0].items()}
    wanted = {"host", "connection", "content-length", "content-type", "accept", "user-agent"}
    assert set(sent) == wanted | {"accept-encoding"} | ({"authorization"} if key else set())
    assert sent["user-agent"] == "quorumsql"
    assert "s3cret" not in str(sent)


def test_a_model_that_is_never_asked_costs_no_import() -> None:
    program = (
        "import sys, quorumsql.assemble\n"
        "from quorumsql.llm.endpoint import Endpoint\n"
        "from quorumsql.llm.openai_compatible import OpenAICompatible\n"
        "OpenAICompatible(Endpoint(model='m')).close()\n"
        "assert not {'openai', 'httpx2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"wrong model", "stall"}))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_fault_that_passes_costs_a_retry_and_not_the_answer(
    model: Model, name: str, stream: bool
) -> None:
    with FaultServer(first(FAULTS[name])) as server:
        (reply,) = model(server, stream=stream).complete(asked(), seconds=60)
    assert sql_in(reply.text, "sqlite") == "SELECT 1"
    assert len(server.bodies) == (2 if FAULTS[name].fault and name != "slow first byte" else 1)
    assert reply.usage.calls == 1


def test_retry_after_is_honoured(model: Model) -> None:
    with FaultServer(first(error(429, "slow down", Retry_After="1"))) as server:
        began = time.monotonic()
        model(server).complete(asked())
    assert 1.0 <= time.monotonic() - began < 20.0


def test_a_pause_beyond_the_deadline_is_not_waited_for(model: Model) -> None:
    with FaultServer(lambda *_: error(429, "slow", Retry_After="60")) as server:
        began = time.monotonic()
        with pytest.raises(ModelUnavailable, match=r"status 429"):
            model(server).complete(asked(), seconds=2)
    assert time.monotonic() - began < 20.0


@pytest.mark.parametrize("name", ["stall", "slow first byte"])
def test_the_deadline_holds(model: Model, name: str) -> None:
    fault = replace(FAULTS[name], delay=30.0)
    with FaultServer(lambda *_: fault) as server:
        client = model(server, timeout=60.0)
        began = time.monotonic()
        with pytest.raises(ModelUnavailable, match=r"'m' at http.* gave no answer"):
            client.complete(asked(), seconds=0.5)
        took = time.monotonic() - began
    assert 0.4 <= took <= 20.0  # how exactly it holds is measured by benchmarks/llm_faults.py


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_service_that_trickles_does_not_outlive_the_deadline(model: Model, stream: bool) -> None:
    with FaultServer(lambda *_: TRICKLE) as server:
        client = model(server, timeout=60.0, stream=stream)
        began = time.monotonic()
        with pytest.raises(ModelUnavailable, match="gave no answer"):
            client.complete(asked(), seconds=0.5)
        took = time.monotonic() - began
    assert 0.4 <= took <= 20.0


def test_a_reply_that_is_packed_is_not_unpacked(model: Model) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    reply = Reply(fault="x", body=bomb, headers={"Content-Encoding": "gzip"})
    with FaultServer(lambda *_: reply) as server:
        with pytest.raises(ModelUnavailable, match="compressed"):
            model(server, retries=0).complete(asked())


def test_a_stall_is_tried_again_when_the_timeout_of_one_attempt_has_passed(model: Model) -> None:
    with FaultServer(first(FAULTS["stall"])) as server:
        (reply,) = model(server, timeout=1.0).complete(asked(), seconds=60)
    assert sql_in(reply.text) == "SELECT 1"


def test_it_gives_up_after_so_many_attempts_and_says_why(model: Model) -> None:
    with FaultServer(lambda *_: FAULTS["empty choices"]) as server:
        with pytest.raises(ModelUnavailable, match=r"3 attempts\): its reply has no choices"):
            model(server, retries=2).complete(asked())
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), "refuses the key .status 401"),
        (error(403, "no"), "refuses the key"),
        (FAULTS["wrong model"], "has no model 'm'"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), "no credit left"),
        (error(400, "bad"), "refuses the request"),
        (Reply(fault="x", status=301, body=b"", headers={"Location": "/v2"}), "redirects"),
    ],
)
def test_what_will_never_work_is_said_at_once(model: Model, reply: Reply, words: str) -> None:
    with FaultServer(lambda *_: reply) as server:
        with pytest.raises(ModelRefused, match=words) as caught:
            model(server).complete(asked())
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_that_repeats_the_prompt_is_not_shown(model: Model) -> None:
    with FaultServer(lambda _, body: error(400, str(body["messages"][0]["content"]))) as s:
        with pytest.raises(ModelRefused) as caught:
            model(s).complete(asked("the secret row value 4711 of the customers"))
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "This model's maximum context length is 8192 tokens"),
        error(413, "too large"),
        error(400, "prompt is too long", code="context_length_exceeded"),
    ],
)
def test_a_prompt_that_does_not_fit_is_its_own_error(model: Model, reply: Reply) -> None:
    with FaultServer(lambda *_: reply) as server:
        with pytest.raises(ContextTooLong, match="too long"):
            model(server).complete(asked())


def test_a_prompt_that_cannot_fit_is_not_sent(model: Model) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        client = model(server, context=2000)
        client.complete(asked())
        with pytest.raises(ContextTooLong, match="2,000 tokens"):
            client.complete(asked("word " * 2000))
    assert len(server.bodies) == 1


def test_nobody_there(model: Model) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        url = server.url
    with pytest.raises(ModelUnavailable, match="nothing answers at this address"):
        model(url, retries=1).complete(asked())


def unknowing(*names: str, words: str = "Unknown parameter: {}") -> Callable[..., Reply]:
    """A server that refuses requests with any of these parameters."""

    def plan(number: int, body: dict[str, Any]) -> Reply:
        found = next((name for name in names if name in body), None)
        return Reply() if found is None else error(400, words.format(found))

    return plan


WISHES = asked(
    temperature=0.5, stop=("x",), schema={"type": "object", "properties": {}}, logprobs=True
)


@pytest.mark.parametrize(
    "names",
    [
        ("response_format",),
        ("logprobs",),
        ("temperature", "stop"),
        ("stream",),
        ("n",),
        ("max_tokens",),
        ("response_format", "logprobs", "temperature", "stop", "stream", "n"),
    ],
)
@pytest.mark.parametrize("words", ["Unknown parameter: {}", "bad request"])
def test_wishes_that_a_service_does_not_know_are_left_out(
    model: Model, names: Any, words: str
) -> None:
    if names == ("max_tokens",):
        words = "Unsupported: 'max_tokens'. Use 'max_completion_tokens' instead."
    with FaultServer(unknowing(*names, words=words)) as server:
        client = model(server, stream=True)
        replies = client.complete(WISHES, samples=3)
        before = len(server.bodies)
        client.complete(WISHES, samples=1)
        assert len(server.bodies) == before + 1, "it has learnt"
    assert [sql_in(reply.text) for reply in replies] == ["SELECT 1"] * 3
    assert sum(reply.usage.calls for reply in replies) == 3
    if names == ("max_tokens",):
        assert server.bodies[-1]["max_completion_tokens"] == 1024


def test_a_service_that_ignores_n_is_asked_again(model: Model) -> None:
    with FaultServer(lambda number, _: Reply(texts=(f"SELECT {number}",))) as server:
        replies = model(server).complete(asked(), samples=4)
    assert sorted(reply.text for reply in replies) == [f"SELECT {n}" for n in range(4)]
    assert [body.get("n") for body in server.bodies] == [4, None, None, None]


def test_a_service_that_knows_n_is_asked_once(model: Model) -> None:
    with FaultServer(lambda _, body: Reply(texts=("a",) * body.get("n", 1))) as server:
        replies = model(server).complete(asked(), samples=4)
    assert len(replies) == 4
    assert len(server.bodies) == 1
    assert sum(reply.usage.calls for reply in replies) == 4
    assert sum(reply.usage.input_tokens for reply in replies) == 100


def test_streams_are_put_together_with_their_tokens(model: Model) -> None:
    text = "a long answer, in many pieces: é 漢 🙂"
    with FaultServer(lambda *_: Reply(texts=(text, "other"))) as server:
        replies = model(server, stream=True).complete(asked(), samples=2)
    assert [reply.text for reply in replies] == [text, "other"]
    assert replies[0].usage.input_tokens == 100


def test_a_whole_reply_to_a_wish_for_a_stream_is_read(model: Model) -> None:
    body = b'{"choices": [{"message": {"content": [{"type": "text", "text": "SELECT 1"}]}}]}'
    with FaultServer(lambda *_: Reply(body=body)) as server:
        (reply,) = model(server, stream=True).complete(asked())
    assert reply.text == "SELECT 1"


def test_log_probabilities_of_the_first_token(model: Model) -> None:
    with FaultServer(lambda *_: Reply(logprobs={"A": -0.1, "B": -2.0})) as server:
        (reply,) = model(server).complete(asked(logprobs=True))
    assert reply.logprobs == {"A": -0.1, "B": -2.0}
    assert server.bodies[0]["top_logprobs"] == 10


@pytest.mark.parametrize(
    ("name", "thinks"),
    [("o3-mini", True), ("gpt-5-mini", True), ("openai/gpt-5", True), ("gpt-5-chat-latest", False),
     ("deepseek-reasoner", True), ("gpt-4o", False), ("qwen2.5-coder", False)],
)  # fmt: skip
def test_models_that_reason_get_no_temperature(model: Model, name: str, thinks: bool) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        model(server, model=name).complete(asked(temperature=0.3))
    assert ("temperature" in server.bodies[0]) != thinks
    assert ("max_completion_tokens" in server.bodies[0]) == thinks


def test_models_without_a_system_prompt_read_it_in_the_users_turn(model: Model) -> None:
    request = ModelRequest(
        messages=(Message(role="system", text="Be brief."), Message(role="user", text="Hi"))
    )
    with FaultServer(lambda *_: Reply()) as server:
        model(server, system=False).complete(request)
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]


def test_a_reply_without_end_is_cut(model: Model) -> None:
    with FaultServer(lambda *_: Reply(texts=("a " * 5_000_000,))) as server:
        with pytest.raises(ModelUnavailable, match="longer than 8 MB"):
            model(server, timeout=60.0).complete(asked(), seconds=60)
    assert len(server.bodies) == 1


def test_tokens_that_are_not_counted_have_no_price(model: Model) -> None:
    with FaultServer(lambda *_: Reply(tokens=None)) as server:
        (reply,) = model(server).complete(asked())
    assert reply.usage.usd is None
    assert reply.usage.calls == 1


def test_prices_are_known_or_null() -> None:
    assert price_of(Endpoint(model="gpt-4o-2024-08-06")) == Price(input=2.5, output=10.0)
    assert price_of(Endpoint(model="gpt-4o", base_url="http://localhost:1/v1")) is None
    assert price_of(Endpoint(model="nobody-knows")) is None
    assert price_of(Endpoint(model="x"), {"x": [1, 2]}) == Price(input=1, output=2)
    own = Endpoint(model="gpt-4o", input_price=0.0, output_price=0.0)
    assert price_of(own) == Price(input=0.0, output=0.0)


def test_no_more_requests_at_once_than_allowed(model: Model) -> None:
    three = threading.Barrier(3, timeout=60)

    def plan(number: int, body: dict[str, Any]) -> Reply:
        three.wait()  # opens when three requests stand before it
        return Reply(delay=0.05)  # more than three would meet here

    with FaultServer(plan) as server:
        client = model(server, concurrency=3)
        threads = [threading.Thread(target=client.complete, args=(asked(),)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.most_at_once == 3
    assert len(server.bodies) == 12


def test_requests_per_minute_are_kept(model: Model) -> None:
    with FaultServer(lambda *_: Reply()) as server:
        client = model(server, requests_per_minute=2)
        client.complete(asked())
        client.complete(asked())
        with pytest.raises(ModelUnavailable, match="no free place"):
            client.complete(asked(), seconds=0.2)
    assert len(server.bodies) == 2


def test_many_calls_with_many_faults_are_neither_lost_nor_counted_twice(model: Model) -> None:
    """The benchmark `llm_faults.py` does this with 2,000 calls."""
    names = sorted(set(FAULTS) - {"wrong model", "stall", "slow first byte"})

    def plan(number: int, body: dict[str, Any]) -> Reply:
        if number % 10 < 3:
            return FAULTS[names[number // 10 % len(names)]]
        return Reply(texts=(body["messages"][0]["content"],))

    with FaultServer(plan) as server:
        client = model(server, retries=20)
        done: list[Completion | ModelError] = []

        def work(number: int) -> None:
            try:
                done.extend(client.complete(asked(f"SELECT {number}"), seconds=120))
            except ModelError as failure:
                done.append(failure)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(120)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(done) == 120
    assert not [one for one in done if isinstance(one, ModelError)]
    assert sum(one.usage.calls for one in done if isinstance(one, Completion)) == 120


def test_endpoints_that_cannot_be() -> None:
    for wrong in ({"base_url": "localhost:8000"}, {"model": " "}, {"concurrency": 0}):
        with pytest.raises(ConfigError):
            Endpoint(**{"model": "m", **wrong})  # type: ignore[arg-type]
    assert KEY not in repr(Endpoint(model="m", key=KEY))
    with pytest.raises(ConfigError, match="key_variable") as caught:
        Endpoint(model="m", base_url=f"https://ana:{KEY}@models.example/v1")
    assert KEY not in str(caught.value)


def test_a_complaint_of_megabytes_is_not_searched_whole() -> None:
    pieces = {"length": "maximum ", "wish": "stream_ ", "tokens": "maximum tokens " * 3}
    for piece in pieces.values():
        complaint = piece * (6_000_000 // len(piece))
        started = time.process_time()
        assert not wire.too_long(400, complaint)
        wire.refused(400, complaint, {"stream": True, "temperature": 0})
        assert time.process_time() - started < 0.5
    for complaint in ("context length " + "x" * 9_000, "x" * 9_000 + " the prompt is too long"):
        assert wire.too_long(400, complaint)
