"""The REST interface, spoken to over real sockets: answers, events, tokens, limits, shutdown."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from command import complaint, quorum
from quorumsql.errors import UsageError
from quorumsql.web.runs import Run, Runs
from web_server import Served, build_databases, events, served, tokens_toml

QUESTION = {"question": "How many people live in each city?"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shop_bytes: bytes) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("web")
    with served(folder, build_databases(folder, shop_bytes), config=tokens_toml()) as found:
        yield found


@pytest.fixture
def ana(server: Served) -> httpx2.Client:
    return server.client("ana")


def message(response: httpx2.Response) -> str:
    return str(response.json()["error"]["message"])


def test_a_question_gets_the_object_of_the_command_line(server: Served, ana: httpx2.Client) -> None:
    found = ana.post("/v1/ask", json=QUESTION)
    assert found.status_code == 200, found.text
    answer = found.json()
    assert answer["columns"] == ["name", "population"] and answer["row_count"] == 5
    assert {one["generator"] for one in answer["candidates"]} == {"one", "two", "three", "four"}
    done = quorum(
        "ask", "--db", server.folder / "shop.sqlite", "--json", QUESTION["question"],
        script={"one": ["SELECT name FROM city"]},
    )  # fmt: skip
    assert set(answer) == set(json.loads(done.stdout))


def test_events_come_while_it_happens_and_end_with_the_answer(ana: httpx2.Client) -> None:
    with ana.stream("POST", "/v1/ask", json=QUESTION, headers={"Accept": "text/event-stream"}) as r:
        assert r.headers["content-type"].startswith("text/event-stream")
        text = "".join(r.iter_text())
    names = [name for name, _ in events(text)]
    assert names[0] == "run" and names[-1] == "answer"
    assert {"Asked", "StageStarted", "StageEnded", "CandidateExecuted", "Chosen"} <= set(names)
    run = events(text)[0][1]["run"]
    half = len(names) // 2
    rest = ana.get(f"/v1/runs/{run}/events", headers={"Last-Event-ID": str(half)}).text
    assert events(rest) == events(text)[half:]


def test_an_idempotency_key_asks_once(ana: httpx2.Client) -> None:
    key = {"Idempotency-Key": "k1"}
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: ana.post("/v1/ask", json=QUESTION, headers=key), "1234"))
    assert len({one.headers["quorum-run"] for one in found}) == 1
    other = ana.post("/v1/ask", json={"question": "something else"}, headers=key)
    assert other.status_code == 400 and "another question" in message(other)


def test_a_run_tells_its_story(ana: httpx2.Client) -> None:
    run = ana.post("/v1/ask", json=QUESTION).headers["quorum-run"]
    story = ana.get(f"/v1/runs/{run}").json()
    assert ["city", "population"] in story["used"] and ["city", ""] in story["used"]
    assert "5 rows" in story["words"] and "From city" in story["explanation"]
    chosen, other = story["readings"]
    assert chosen["chosen"] and set(chosen["generators"]) == {"one", "two"}
    assert other["only_here"] == [] and other["only_chosen"] == [["東京", 13960000]]
    assert ana.get(f"/v1/runs/{run}/rows.csv").text.splitlines()[0] == "name,population"
    assert ana.get(f"/v1/runs/{run}/rows.parquet").content[:4] == b"PAR1"


def test_a_chart_is_drawn_on_the_server(ana: httpx2.Client) -> None:
    statement = "SELECT country, COUNT(*) AS cities FROM city GROUP BY country"
    run = ana.post("/v1/sql", json={"sql": statement}).json()["run"]
    drawn = ana.get(f"/v1/runs/{run}/chart.svg?theme=dark")
    assert drawn.headers["content-type"] == "image/svg+xml" and "<svg" in drawn.text
    single = ana.post("/v1/sql", json={"sql": "SELECT 1"}).json()
    assert single["chart"] is None and single["words"] == "1."
    assert ana.get(f"/v1/runs/{single['run']}/chart.svg").status_code == 404


def test_statements_go_through_the_guard(server: Served, ana: httpx2.Client) -> None:
    before = (server.folder / "shop.sqlite").read_bytes()
    refused = ana.post("/v1/sql", json={"sql": "DELETE FROM city"}).json()
    assert refused["status"] == "refused" and refused["rows"] == []
    wrong = ana.post("/v1/sql", json={"sql": "SELECT nothing FROM city"}).json()
    assert wrong["status"] == "error" and "nothing" in wrong["error"]
    assert (server.folder / "shop.sqlite").read_bytes() == before


def test_history_and_verdicts_are_kept(ana: httpx2.Client) -> None:
    run = ana.post("/v1/ask", json=QUESTION).headers["quorum-run"]
    said = ana.post(f"/v1/runs/{run}/verdict", json={"right": True}).json()
    assert said == {"verdict": "right", "proposed": True, "withdrawn": False}
    assert ana.patch(f"/v1/history/{run}", json={"saved": True}).status_code == 200
    (entry,) = [e for e in ana.get("/v1/history?saved=true").json()["entries"] if e["id"] == run]
    assert entry["verdict"] == "right" and entry["question"] == QUESTION["question"]
    ana.patch(f"/v1/history/{run}", json={"removed": True})
    assert run not in [e["id"] for e in ana.get("/v1/history").json()["entries"]]


def test_a_token_never_sees_what_is_anothers(server: Served, ana: httpx2.Client) -> None:
    ben, cleo = server.client("ben"), server.client("cleo")
    run = ana.post("/v1/ask", json={**QUESTION, "database": "other"}).headers["quorum-run"]
    assert ben.get("/v1/databases").json()["databases"] == ["shop"]
    for reply in (
        ben.get("/v1/schema?database=other"),
        ben.get("/v1/history?database=other"),
        ben.post("/v1/ask", json={**QUESTION, "database": "other"}),
        ben.post("/v1/sql", json={"sql": "SELECT 1", "database": "other"}),
        ben.post("/v1/chat/completions", json={"model": "other", "messages": [_user("hi")]}),
    ):
        assert reply.status_code == 404 and "shop" in message(reply)
        assert "nightingale" not in reply.text and "slow" not in reply.text
    for path in ("", "/events", "/rows.csv", "/rows.parquet", "/chart.svg"):
        there, nowhere = ben.get(f"/v1/runs/{run}{path}"), ben.get(f"/v1/runs/none{path}")
        assert there.status_code == nowhere.status_code == 404
    assert ben.post(f"/v1/runs/{run}/verdict", json={"right": True}).status_code == 404
    ana.post("/v1/ask", json={"question": "only ana asks this"})
    assert "only ana" not in ben.get("/v1/history").text
    attached = {"sql": f"ATTACH '{server.folder / 'other.sqlite'}' AS o"}
    assert ben.post("/v1/sql", json=attached).json()["status"] == "refused"
    assert "email" in ben.get("/v1/schema").text and "email" not in cleo.get("/v1/schema").text
    hidden = cleo.post("/v1/sql", json={"sql": "SELECT email FROM customer"})
    assert hidden.json()["status"] != "ok" and "example.com" not in hidden.text
    assert "example.com" in ben.post("/v1/sql", json={"sql": "SELECT email FROM customer"}).text
    key = {"Idempotency-Key": "shared"}
    first = ana.post("/v1/ask", json=QUESTION, headers=key).headers["quorum-run"]
    assert ben.post("/v1/ask", json=QUESTION, headers=key).headers["quorum-run"] != first


def test_a_question_goes_on_from_an_answer(server: Served, ana: httpx2.Client) -> None:
    run = ana.post("/v1/ask", json=QUESTION).headers["quorum-run"]
    fewer = ana.post("/v1/ask", json={"question": "only the first 3", "follows": run})
    assert fewer.json()["row_count"] == 3 and fewer.json()["sql"].endswith("LIMIT 3")
    assert [one["generator"] for one in fewer.json()["candidates"]] == ["follow-up"]
    further = {"question": "only those over 300000", "follows": fewer.headers["quorum-run"]}
    kind = {"Accept": "text/event-stream"}
    told = events(ana.post("/v1/ask", json=further, headers=kind).text)
    assert told[0][0] == "run" and told[-1][0] == "answer"
    assert "follow" in [fields.get("stage") for _, fields in told]
    assert [row[0] for row in told[-1][1]["rows"]] == ["Lisbon", "São Paulo", "東京"]
    story = ana.get(f"/v1/runs/{told[0][1]['run']}").json()
    assert story["follows"]["run"] == further["follows"]
    assert story["question"].endswith("only the first 3 only those over 300000")
    anew = ana.post("/v1/ask", json={"question": "why is that?", "follows": run}).json()
    assert anew["question"] == "How many people live in each city, why is that?"
    own = ana.post("/v1/sql", json={"sql": "SELECT name FROM customer"}).json()["run"]
    ten = ana.post("/v1/ask", json={"question": "how many is that?", "follows": own}).json()
    assert ten["rows"] == [[6]]
    for who, body in (("ben", {"follows": run}), ("ana", {"follows": "nothing"})):
        gone = server.client(who).post("/v1/ask", json={"question": "top 2", **body})
        assert gone.status_code == 404 and "ask the whole question" in message(gone)
    other = ana.post("/v1/ask", json={"question": "top 2", "follows": run, "database": "other"})
    assert other.status_code == 400 and "'shop'" in message(other)


def test_people_who_share_a_connection_are_told_apart_in_the_audit_log(server: Served) -> None:
    for who in ("ana", "ben"):
        server.client(who).post("/v1/sql", json={"sql": f"SELECT '{who}' AS who FROM city"})
    (log,) = (server.folder / "home" / "databases").glob("shop-*/audit.jsonl")
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    said = [one["who"] for one in records if " AS who FROM city" in one.get("sql", "")]
    assert said == ["ana", "ben"]


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    ("token", "code"), [(None, "token_missing"), ("x", "token_unknown"), ("old", "token_expired")]
)
def test_without_a_good_token_nothing_is_said(server: Served, token: str, code: str) -> None:
    stranger = server.client(token)
    for path in ("/v1/databases", "/v1/schema", "/v1/history", "/v1/models", "/v1/runs/x"):
        reply = stranger.get(path)
        assert reply.status_code == 401 and reply.json()["error"]["code"] == code
    assert stranger.post("/v1/ask", json=QUESTION).status_code == 401
    assert stranger.get("/health").json()["status"] == "ok"


def test_what_is_wrong_is_said_in_words(server: Served, ana: httpx2.Client) -> None:
    big = ana.post("/v1/ask", json={"question": "x" * 200_000})
    assert big.status_code == 413 and "too large" in message(big)

    def parts() -> Iterator[bytes]:
        yield b'{"question": "'
        for _ in range(50):
            yield b"x" * 10_000

    kind = {"content-type": "application/json"}
    assert ana.post("/v1/ask", content=parts(), headers=kind).status_code == 413
    assert "empty" in message(ana.post("/v1/ask", json={"question": "  "}))
    unknown = ana.post("/v1/ask", json={"question": "x", "colour": 1})
    assert unknown.status_code == 422 and "colour" in message(unknown)
    assert ana.post("/v1/ask", content=b"\xff{", headers=kind).status_code in {400, 422}
    foreign = ana.get("/v1/schema", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    lone = b'{"question": "caf\\ud83d"}'
    assert ana.post("/v1/ask", content=lone, headers=kind).status_code == 422  # no UTF-8 text


def test_chat_clients_can_use_a_database_as_a_model(server: Served, ana: httpx2.Client) -> None:
    assert [m["id"] for m in ana.get("/v1/models").json()["data"]] == ["shop", "other", "slow"]
    body = {"model": "shop", "messages": [_user("How many people live in each city?")]}
    said = ana.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    assert "| Lisbon | 545000 |" in said and "```sql" in said and "Confidence" in said
    stream = ana.post("/v1/chat/completions", json={**body, "stream": True}).text
    lines = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    text = "".join(json.loads(x)["choices"][0]["delta"].get("content", "") for x in lines[:-1])
    assert text == said
    turns = [*body["messages"], {"role": "assistant", "content": said}, _user("and the first 2?")]
    went = ana.post("/v1/chat/completions", json={"model": "shop", "messages": turns}).json()
    assert "LIMIT 2" in went["choices"][0]["message"]["content"]
    turns[-1] = _user("How many people live in each city?")  # a new question is asked alone
    again = ana.post("/v1/chat/completions", json={"model": "shop", "messages": turns}).json()
    assert "LIMIT" not in again["choices"][0]["message"]["content"]
    turns[1] = {"role": "assistant", "content": "```sql\nDELETE FROM city\n```"}
    turns[-1] = _user("top 2")
    safe = ana.post("/v1/chat/completions", json={"model": "shop", "messages": turns}).json()
    assert "DELETE" not in safe["choices"][0]["message"]["content"]


def test_a_message_that_begins_sql_for_ever_costs_nothing(ana: httpx2.Client) -> None:
    """It once took a second for ten thousand letters, and an hour for what a request may hold."""
    turns = [
        _user("How many people live in each city?"),
        {"role": "assistant", "content": "```sql\n" * 8_000},
        _user("and the first 2?"),
    ]
    said = ana.post("/v1/chat/completions", json={"model": "shop", "messages": turns}, timeout=60)
    assert said.status_code == 200


def test_a_key_does_not_keep_what_went_wrong() -> None:
    async def talk() -> None:
        runs, run = Runs(), Run(owner="ana", database="shop", question="?")
        runs.add(run)
        runs.remember("ana", "k", "body", run)
        assert runs.known("ana", "k", "body") is run
        run.problem = UsageError("busy")
        run.end("error", {})
        assert runs.known("ana", "k", "body") is None

    asyncio.run(talk())


def test_every_response_carries_the_policy(server: Served, ana: httpx2.Client) -> None:
    for path in ("/", "/page/main.js", "/v1/databases", "/v1/runs/none"):
        policy = ana.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy


def test_the_log_has_no_content(server: Served, ana: httpx2.Client) -> None:
    ana.post("/v1/ask", json={"question": "Where is the pomegranate?"})
    ana.get("/v1/schema?database=pomegranate")
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port)) as wire:
        wire.sendall(b"pomegranate\r\n\r\n")  # no HTTP
        wire.recv(1000)
    lines = server.log.read_text(encoding="utf-8").splitlines()[1:]
    records = [json.loads(line) for line in lines]
    assert {one["event"] for one in records} == {"request", "server"}
    assert "Invalid HTTP" in [one for one in records if one["event"] == "server"][-1]["message"]
    assert "pomegranate" not in "".join(lines) and "quorum_test" not in "".join(lines)


def test_a_database_that_is_gone_is_said_to_be_until_it_is_back(server: Served) -> None:
    ana = server.client("ana")
    place, away = server.folder / "other.sqlite", server.folder / "away"
    place.rename(away)
    try:
        gone = ana.post("/v1/ask", json={**QUESTION, "database": "other"})
        assert gone.status_code == 503 and "'other'" in message(gone)
        assert str(server.folder) not in gone.text
    finally:
        away.rename(place)
    assert ana.post("/v1/ask", json={**QUESTION, "database": "other"}).status_code == 200


def test_bad_usage_is_one_line(shop: Path) -> None:
    assert "--db" in complaint(quorum("serve"), 2)
    assert "missing.db" in complaint(quorum("serve", "--db", "missing.db"), 2)
    assert "token" in complaint(quorum("serve", "--db", shop, "--host", "0.0.0.0"), 2)
    made = quorum("serve", "--new-token", "ana")
    assert made.returncode == 0 and "sha256" in made.stdout and "quorum_" in made.stderr


def test_a_server_that_stops_says_so_to_those_who_listen(server: Served) -> None:
    """The last test of this server: it is told to stop while it streams."""
    ana, heard = server.client("ana"), threading.Event()
    body = {"question": "slow", "database": "slow"}
    text = ""
    with ana.stream("POST", "/v1/ask", json=body, headers={"Accept": "text/event-stream"}) as reply:
        for part in reply.iter_text():
            text += part
            if not heard.is_set() and "CandidateWritten" in text:
                heard.set()
                server.process.send_signal(signal.SIGTERM)
    name, fields = events(text)[-1]
    assert name == "stopping" and "stopping" in fields["message"]
    try:
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    except subprocess.TimeoutExpired:
        pytest.fail("the server does not stop")
    assert "Traceback" not in server.log.read_text(encoding="utf-8")
