"""`quorum ask` with a model: the whole command, a service on loopback over real HTTP.

The first test runs the command as a process; the others call its `main`, which saves their time.
"""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import command
from command import Finished, complaint, parsed
from fault_server import FAULTS, FaultServer, Reply, error
from quorumsql.cli.main import main

QUESTION = "How many customers are there?"
RIGHT = "```sql\nSELECT count(*) FROM customer\n```"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(lambda *_: Reply(texts=(RIGHT,))) as running:
        yield running


def quorum(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Finished:
    """Call the command in this process."""
    out, err, before = io.StringIO(), io.StringIO(), dict(os.environ)
    handler = signal.getsignal(signal.SIGINT)
    os.environ.update({"COLUMNS": "100", **(env or {})})
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(one) for one in arguments])
    finally:
        signal.signal(signal.SIGINT, handler)
        os.environ.clear()
        os.environ.update(before)
    return Finished(arguments, code, out.getvalue(), err.getvalue())


def ask(server: FaultServer | str, shop: Path, *arguments: str, **env: str) -> Finished:
    url = server if isinstance(server, str) else server.url
    variables = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-secret-0123456789", **env}
    options = ("--db", str(shop), "--model", "m", "--generators", "direct")
    return quorum("ask", *options, *arguments, QUESTION, env=variables)


def test_base_url_key_and_model_are_enough(server: FaultServer, shop: Path) -> None:
    options = ("--db", shop, "--model", "m", "--generators", "direct", "--json")
    env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-secret-0123456789"}
    found = parsed(command.quorum("ask", *options, QUESTION, env=env))
    assert found["sql"] == "SELECT count(*) FROM customer"
    assert found["candidates"][0]["generator"] == "direct"
    assert found["candidates"][0]["status"] == "ok"
    assert found["usage"] == {"calls": 1, "input_tokens": 100, "output_tokens": 10, "usd": None}
    assert found["usage_by_stage"]["generate"]["calls"] == 1
    assert 0.5 < found["confidence"] < 0.9, "one vote is no certainty"
    assert server.bodies[0]["model"] == "m"
    assert server.headers[0]["Authorization"] == "Bearer sk-secret-0123456789"


def test_the_page_says_what_was_spent(server: FaultServer, shop: Path) -> None:
    done = ask(server, shop)
    assert done.returncode == 0
    assert "Spent 1 calls (generate 1), 100 + 10 tokens, price unknown" in done.stdout


def test_the_second_time_costs_nothing_unless_told_so(server: FaultServer, shop: Path) -> None:
    ask(server, shop)
    assert parsed(ask(server, shop, "--json"))["usage"]["calls"] == 0
    assert len(server.bodies) == 1
    assert parsed(ask(server, shop, "--json", "--no-cache"))["usage"]["calls"] == 1
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (error(401, "bad key"), 2, "refuses the key"),
        (FAULTS["wrong model"], 2, "has no model 'm'"),
        (error(400, "maximum context length is 10 tokens"), 2, "too long"),
        (FAULTS["invalid JSON"], 1, "not JSON"),
    ],
)
def test_what_goes_wrong_is_one_line(
    reply: Reply, code: int, words: str, shop: Path, tmp_path: Path
) -> None:
    config = tmp_path / "quorum.toml"
    with FaultServer(lambda *_: reply) as server:
        config.write_text(
            f'model = "here"\ngenerators = ["direct"]\n[endpoints.here]\nmodel = "m"\n'
            f'base_url = "{server.url}"\nretries = 1\nkey_variable = "OWN_KEY"\n',
            encoding="utf-8",
        )
        done = quorum(
            "ask", "--db", shop, QUESTION, env={"QUORUM_CONFIG": str(config), "OWN_KEY": "sk-own-1"}
        )
    line = complaint(done, code)
    assert words in line
    assert "sk-own-1" not in line


def test_no_key_no_model_no_endpoint(shop: Path) -> None:
    done = quorum("ask", "--db", shop, "--model", "gpt-5-mini", "--generators", "direct", QUESTION)
    assert "set OPENAI_API_KEY" in complaint(done, 2)
    done = quorum("ask", "--db", shop, "--generators", "direct", QUESTION)
    assert "--model NAME" in complaint(done, 2)
    done = ask("http://127.0.0.1:9/v1", shop, "--deadline", "2")
    assert "nothing answers at this address" in complaint(done, 1)


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry, I cannot answer this.",
        "顧客は何人いますか。申し訳ありません。",
        "word " * 1_000_000,
        "",
        "<think>and so on, without end",
    ],
    ids=["prose", "another language", "a million tokens", "nothing", "only thoughts"],
)
def test_a_model_without_sql_ends_in_an_abstention(text: str, shop: Path) -> None:
    with FaultServer(lambda *_: Reply(texts=(text,))) as server:
        found = parsed(ask(server, shop, "--json"), 3)
    assert found["abstained"] and found["reason"] == "unanswerable"
    assert found["sql"] is None
    assert len(server.bodies) == 2, "it was asked once more"


def test_a_drop_is_refused_and_nothing_is_lost(shop: Path) -> None:
    before = shop.read_bytes()
    with FaultServer(lambda *_: Reply(texts=("```sql\nDROP TABLE customer\n```",))) as server:
        found = parsed(ask(server, shop, "--json"), 3)
    assert found["candidates"][0]["status"] == "refused"
    assert shop.read_bytes() == before


def test_a_refused_statement_is_mended_with_the_words_of_the_database(shop: Path) -> None:
    replies = iter(["```sql\nSELECT count(*) FROM clients\n```", RIGHT])
    with FaultServer(lambda *_: Reply(texts=(next(replies),))) as server:
        found = parsed(ask(server, shop, "--json"))
    assert found["sql"] == "SELECT count(*) FROM customer"
    assert "no such table: clients" in server.bodies[1]["messages"][-1]["content"]
    assert found["usage_by_stage"]["refine"]["calls"] == 1


def test_a_dry_run_prices_and_sends_nothing(server: FaultServer, shop: Path) -> None:
    config = shop.parent / "priced.toml"
    config.write_text(
        f'[endpoints.m]\nmodel = "m"\nbase_url = "{server.url}"\ninput_price = 1.0\n'
        "output_price = 10.0\n",
        encoding="utf-8",
    )
    names = "direct,divide,plan,standard,icl,xiyan,omnisql,explore,self-moa"
    options = ("--db", shop, "--model", "m", "--generators", names, "--dry-run", "--json")
    found = parsed(quorum("ask", *options, QUESTION, env={"QUORUM_CONFIG": str(config)}))
    assert server.bodies == []
    assert {line["generator"] for line in found["plan"]} >= set(names.split(","))
    assert found["total"]["calls"] >= 9
    assert found["total"]["usd"] > 0
    shown = quorum("ask", *options[:-1], QUESTION, env={"QUORUM_CONFIG": str(config)})
    assert "before anything is spent" in shown.stdout


def test_a_budget_of_calls_is_kept(shop: Path) -> None:
    def different(number: int, body: dict[str, Any]) -> Reply:
        return Reply(texts=(f"```sql\nSELECT {number}\n```",))

    with FaultServer(different) as server:
        options = ("--generators", "direct,divide,plan,standard", "--max-calls", "2", "--json")
        found = parsed(ask(server, shop, *options))
    assert len(server.bodies) == 2
    assert found["usage"]["calls"] == 2
    assert any("2 calls allowed are used up" in text for text in found["warnings"])


def test_a_deadline_is_kept(shop: Path) -> None:
    with FaultServer(lambda *_: FAULTS["stall"]) as server:
        began = time.monotonic()
        line = complaint(ask(server, shop, "--deadline", "3"), 1)
        took = time.monotonic() - began
    assert "gave no answer" in line
    assert took < 25.0  # with set-up; how exactly is measured by benchmarks/llm_faults.py


def test_models_of_nothing_are_refused(server: FaultServer, shop: Path) -> None:
    config = shop.parent / "odd.toml"
    config.write_text('[llm]\nmodels = { selectr = "m" }\n', encoding="utf-8")
    line = complaint(ask(server, shop, QUORUM_CONFIG=str(config)), 2)
    assert "'selectr'" in line and "Did you mean 'selector'" in line


def test_a_key_that_is_refused_is_called_by_its_variable(shop: Path) -> None:
    with FaultServer(lambda *_: error(401, "no")) as refusing:
        config = shop.parent / "own.toml"
        config.write_text(
            f'[endpoints.m]\nmodel = "m"\nbase_url = "{refusing.url}"\nkey_variable = "OWN_KEY"\n',
            encoding="utf-8",
        )
        line = complaint(ask(refusing, shop, QUORUM_CONFIG=str(config), OWN_KEY="sk-own"), 2)
    assert "set OWN_KEY" in line


def test_a_budget_of_money_needs_a_price_and_is_kept(server: FaultServer, shop: Path) -> None:
    assert "price of a model is not known" in complaint(ask(server, shop, "--max-cost", "1"), 2)
    config = shop.parent / "priced.toml"
    config.write_text(
        f'model = "m"\ngenerators = ["direct"]\n[endpoints.m]\nmodel = "m"\n'
        f'base_url = "{server.url}"\ninput_price = 1000.0\noutput_price = 1000.0\n',
        encoding="utf-8",
    )
    options = ("--db", shop, "--max-cost", "0.01")
    done = quorum("ask", *options, QUESTION, env={"QUORUM_CONFIG": str(config)})
    assert "may cost" in complaint(done, 1)
    assert server.bodies == []


def test_the_embedded_members_answer_first_and_spare_the_model(
    server: FaultServer, shop: Path
) -> None:
    """Without named generators a model is only asked when the members are not sure."""
    script = {"embedded/a": ["SELECT 1"], "embedded/b": ["SELECT 1"]}
    env = {"OPENAI_BASE_URL": server.url, "QUORUM_LLM_CASCADE": "0.2"}
    options = ("--db", str(shop), "--model", "m", "--json")
    found = parsed(command.quorum("ask", *options, QUESTION, script=script, env=env))
    assert found["sql"] == "SELECT 1"
    assert server.bodies == []
    env["QUORUM_LLM_CASCADE"] = "0"
    found = parsed(command.quorum("ask", *options, QUESTION, script=script, env=env))
    assert {one["generator"] for one in found["candidates"]} == {
        "embedded/a", "embedded/b", "direct", "divide", "standard",
    }  # fmt: skip
    assert found["sql"] == "SELECT count(*) FROM customer"


def test_high_effort_asks_many_but_not_who_has_nothing_to_show(
    server: FaultServer, shop: Path
) -> None:
    options = ("--db", shop, "--model", "m", "--effort", "high", "--dry-run", "--json")
    found = parsed(quorum("ask", *options, QUESTION, env={"OPENAI_BASE_URL": server.url}))
    names = {line["generator"] for line in found["plan"] if line["stage"] == "generate"}
    assert names == {"direct", "divide", "plan", "standard", "explore"}
    quorum("examples", "add", QUESTION, "SELECT count(*) FROM customer", "--db", shop)
    found = parsed(quorum("ask", *options, QUESTION, env={"OPENAI_BASE_URL": server.url}))
    assert "icl" in {line["generator"] for line in found["plan"]}


def test_a_model_that_is_down_leaves_the_embedded_answer(shop: Path) -> None:
    script = {"embedded/a": ["SELECT 1"]}
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "QUORUM_LLM_CASCADE": "0"}
    options = ("--db", str(shop), "--model", "m", "--json", "--deadline", "1")
    found = parsed(command.quorum("ask", *options, QUESTION, script=script, env=env))
    assert found["sql"] == "SELECT 1"
    assert any("direct failed" in text for text in found["warnings"])
    json.dumps(found)


def test_a_model_that_is_down_is_warned_of_once(shop: Path, tmp_path: Path) -> None:
    settings = tmp_path / "mine.toml"
    endpoint = "[endpoints.m]\nbase_url = 'http://127.0.0.1:9/v1'\nmodel = 'm'\nretries = 0\n"
    settings.write_text(f"[llm]\ncascade = 0.0\n{endpoint}", encoding="utf-8")
    script = {"embedded/a": ["SELECT 1"]}
    options = ("--db", str(shop), "--model", "m", "--config", settings)
    page = command.quorum("ask", *options, QUESTION, script=script).stdout
    warned = " ".join(page.partition("⚠")[2].split())
    assert page.count("⚠") == 1 and warned.startswith("No language model answered: ")
    assert "(direct, divide, standard)." in warned
