"""Our client against a real open-source server: `transformers serve` with a tiny Qwen2 model.

The model is made at random on the spot, so that it says noise; what is tested is everything around.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from quorumsql.db import open_database
from quorumsql.domain import Brief, Completion, Message, ModelRequest, Question
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.prompts.write import RECIPES
from quorumsql.stages.budget import Allowance, Purse
from quorumsql.stages.prompted import Prompted

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Base URL and model name of a server that runs while this module does."""
    folder = tmp_path_factory.mktemp("tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "tiny_server.py"), str(folder), str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "log.txt")
            yield f"{url}/v1", str(folder / "tiny-qwen2")
        finally:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        try:
            if httpx2.get(f"{url}/health", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8")[-2000:])


def ask(
    served: tuple[str, str], request: ModelRequest, *, samples: int = 1, stream: bool = False
) -> tuple[Completion, ...]:
    endpoint = Endpoint(model=served[1], base_url=served[0], stream=stream, timeout=60)
    client = OpenAICompatible(endpoint)
    try:
        return client.complete(request, samples=samples, seconds=120)
    finally:
        client.close()


def asked(**rest: object) -> ModelRequest:
    settings = {"temperature": 1.0, "max_tokens": 40, **rest}
    messages = (
        Message(role="system", text="Be brief."),
        Message(role="user", text="How many singers are there?"),
    )
    return ModelRequest(messages=messages, **settings)  # type: ignore[arg-type]


def test_a_completion_with_its_tokens(served: tuple[str, str]) -> None:
    (reply,) = ask(served, asked())
    assert reply.text
    assert reply.finish in {"stop", "length"}
    assert reply.usage.calls == 1
    assert reply.usage.input_tokens > 40, "tokens of this model are bytes"
    assert 0 < reply.usage.output_tokens <= 40
    assert reply.usage.usd is None


def test_a_stream_says_what_the_whole_says(served: tuple[str, str]) -> None:
    greedy = asked(temperature=0.0, max_tokens=12)
    (whole,), (streamed,) = ask(served, greedy), ask(served, greedy, stream=True)
    torn = "\ufffd"  # the last token may be half a letter, which a stream holds back
    assert streamed.text.rstrip(torn) == whole.text.rstrip(torn) != ""
    assert streamed.finish == whole.finish
    assert streamed.usage.input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_stop_ends_a_reply(served: tuple[str, str], stream: bool) -> None:
    letters = tuple("abcdefghijklmnop")
    (reply,) = ask(served, asked(stop=letters, max_tokens=60), stream=stream)
    assert not set(reply.text) & set(letters)


def test_samples_come_although_the_server_ignores_n(served: tuple[str, str]) -> None:
    replies = ask(served, asked(), samples=3)
    assert len(replies) == 3
    assert len({reply.text for reply in replies}) > 1
    assert sum(reply.usage.calls for reply in replies) == 3


def test_what_the_server_does_not_know_is_done_without(served: tuple[str, str]) -> None:
    (reply,) = ask(served, asked(logprobs=True, schema={"type": "object", "properties": {}}))
    assert reply.text
    assert reply.logprobs == {} or all(value <= 0 for value in reply.logprobs.values())


def test_a_generator_finds_no_sql_in_noise_and_says_so(served: tuple[str, str], shop: Path) -> None:
    database = open_database(str(shop))
    brief = Brief(question=Question(text="How many customers?"), schema=database.schema())
    database.close()
    client = OpenAICompatible(Endpoint(model=served[1], base_url=served[0], timeout=60))
    purse = Purse(Allowance())
    recipe = replace(RECIPES["direct"], max_tokens=24)
    (candidate,) = Prompted(recipe, purse.model(client, "generate")).generate(brief)
    client.close()
    assert candidate.sql == ""
    assert candidate.status == "error"
    assert purse.total.calls == 1
    assert purse.total.input_tokens > 1000
