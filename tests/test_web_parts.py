"""Parts of the server on their own: turns, tokens in settings, history, files."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from quorumsql.api import Connection
from quorumsql.config import load_settings
from quorumsql.domain import Answer, Attempt, Candidate, Choice, Failure, Group, Reading, Rows
from quorumsql.errors import ConfigError, DatabaseError, UnknownName
from quorumsql.permissions import Names, Permissions
from quorumsql.stores.history import Asked, History
from quorumsql.tokens import Token, WebSettings, both, digest, new_token
from quorumsql.trace import StageStarted
from quorumsql.web.asking import _remembered, history_of
from quorumsql.web.files import csv_of, parquet_of
from quorumsql.web.pool import Busy, Person, Pool, Turns
from quorumsql.web.runs import Run, Runs
from quorumsql.web.shield import Shield, log_to
from sqlite_files import ENDLESS, make

ENTRY = Asked(id="a", at="2026-01-01T00:00:00Z", question="q", sql="SELECT 1")


def test_turns_go_round_those_who_wait() -> None:
    order: list[str] = []

    async def work(turns: Turns, who: str) -> None:
        async with turns.turn(who):
            order.append(who)
            await asyncio.sleep(0)

    async def everybody() -> None:
        turns = Turns(1, waiting=100)
        many = [asyncio.create_task(work(turns, "greedy")) for _ in range(10)]
        await asyncio.sleep(0)
        few = [asyncio.create_task(work(turns, name)) for name in ("ana", "ben")]
        await asyncio.gather(*many, *few)

    asyncio.run(everybody())
    assert len(order) == 12 and max(order.index("ana"), order.index("ben")) <= 4


def test_a_seat_is_not_lost_when_somebody_stops_waiting() -> None:
    async def everybody() -> None:
        turns = Turns(1, waiting=2)
        async with turns.turn("a"):
            waiting = [asyncio.create_task(turns._take("b")) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await turns._take("b")
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(5), turns.turn("c"):
            pass

    asyncio.run(everybody())


def test_tokens_come_from_the_configuration(tmp_path: Path) -> None:
    token = new_token()
    file = tmp_path / "quorum.toml"
    text = f'[web.tokens.ana]\nsha256 = "{digest(token)}"\nexpires = 2020-01-01\n'
    file.write_text(text + '[web.tokens.ana.permissions.deny]\ntables = ["staff"]\n', "utf-8")
    found = load_settings(file, environ={}).web.tokens["ana"]
    assert found.expired() and found.opens("any") and found.permissions.deny.tables == ("staff",)
    assert not replace(found, databases=("shop",)).opens("other")
    for bad, words in (
        (text.replace("expires", "expirez"), "expirez"),
        (text.replace(digest(token), token), "64 hexadecimal"),
        (text.replace("tokens.ana", 'tokens."../x"'), "letters"),
        ("[web]\nworkers = 0\n", "workers"),
    ):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            load_settings(file, environ={})


def test_who_asks_too_often_waits_and_others_do_not() -> None:
    tokens = {name: Token(sha256=digest(name)) for name in ("ana", "ben")}
    written = io.StringIO()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def statuses() -> list[httpx2.Response]:
        shield = Shield(app, WebSettings(per_minute=3, tokens=tokens), log_to(written))
        transport = httpx2.ASGITransport(app=shield)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [
                await client.get("/v1/databases", headers={"Authorization": f"Bearer {who}"})
                for who in ("ana", "ana", "ana", "ana", "ben")
            ]

    found = asyncio.run(statuses())
    assert [one.status_code for one in found] == [200, 200, 200, 429, 200]
    assert 1 <= int(found[3].headers["retry-after"]) <= 20
    assert "Too many requests" in found[3].json()["error"]["message"]
    assert [json.loads(line)["status"] for line in written.getvalue().splitlines()][3] == 429


@pytest.mark.parametrize("origin", ["http://[", "null", "https://evil.example"])
def test_an_origin_of_another_place_or_of_none_is_refused(origin: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("this must not be reached")

    async def status() -> int:
        shield = Shield(app, WebSettings(), log_to(io.StringIO()))
        transport = httpx2.ASGITransport(app=shield)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/v1/databases", headers={"Origin": origin})).status_code

    assert asyncio.run(status()) == 403


def test_closing_stops_what_runs_and_lets_nobody_in(tmp_path: Path) -> None:
    make(tmp_path / "shop.sqlite", "CREATE TABLE city (name TEXT);")
    given = {"home": str(tmp_path / "home"), "limits": {"seconds": 600}}
    settings = load_settings(overrides=given, environ={})
    pool, ana = Pool({"shop": str(tmp_path / "shop.sqlite")}, settings), Person(name="a", queue="a")
    begun = threading.Event()

    def work(connection: Connection) -> object:
        begun.set()
        return connection.sql(ENDLESS)

    async def everything() -> None:
        asked = asyncio.create_task(pool.use(ana, "shop", work))
        await asyncio.to_thread(begun.wait)
        await asyncio.to_thread(pool.close)
        with suppress(DatabaseError):  # it was only about to begin
            found = await asyncio.wait_for(asked, 120)
            assert isinstance(found, Failure) and "cancelled" in found.message
        with pytest.raises(DatabaseError, match="stopping"):
            await pool.use(ana, "shop", work)

    asyncio.run(everything())


def test_reviewers_see_everything_or_are_none() -> None:
    with pytest.raises(ConfigError, match="review"):
        Token(
            sha256=digest("x"), review=True, permissions=Permissions(deny=Names(tables=("staff",)))
        )


def test_a_token_only_ever_takes_away() -> None:
    server = Permissions(deny=Names(tables=("staff",)), rows={"orders": "id < 9"})
    token = Permissions(allow=Names(tables=("orders",)), deny=Names(columns=("orders.total",)))
    found = both(server, token)
    assert found.allow == token.allow and found.rows == server.rows
    assert found.deny == Names(tables=("staff",), columns=("orders.total",))
    with pytest.raises(ConfigError):
        both(token, token)
    with pytest.raises(ConfigError):
        both(server, Permissions(rows={"ORDERS": "id < 99"}))


def test_history_keeps_what_is_saved_and_forgets_what_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorumsql.stores.history._KEPT", 5)
    monkeypatch.setattr("quorumsql.stores.history._LONGEST_FILE", 2_000)
    history = History(tmp_path / "deep" / "history.jsonl")
    history.add(ENTRY)
    history.mark("a", saved=True)
    for number in range(50):
        history.add(replace(ENTRY, id=f"n{number}"))
    found = history.all()
    assert found[0].id == "n49" and found[-1].id == "a" and len(found) < 20
    with (tmp_path / "deep" / "history.jsonl").open("a") as file:
        file.write("{broken\n")
    history.mark("n49", removed=True)
    assert history.all()[0].id == "n48"
    with pytest.raises(UnknownName):
        history.mark("nobody", saved=True)


def test_history_that_several_requests_shorten_at_once_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorumsql.stores.history._LONGEST_FILE", 2_000)
    file = tmp_path / "history.jsonl"

    def ask(who: int) -> None:
        for number in range(25):
            History(file).add(replace(ENTRY, id=f"{who} {number}", saved=True))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(4)))
    assert len(History(file).all()) == 100


def test_history_of_long_questions_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorumsql.stores.history._LONGEST_FILE", 10_000)
    file = tmp_path / "history.jsonl"
    for number in range(20):
        History(file).add(replace(ENTRY, id=str(number), question="x" * 2_000))
        assert file.stat().st_size <= 10_000
    History(file).add(replace(ENTRY, id="long", question="x" * 20_000))
    assert [one.id for one in History(file).all()][:1] == ["long"]


def test_an_answer_that_only_history_knows_can_be_gone_on_from(tmp_path: Path) -> None:
    settings = load_settings(overrides={"home": str(tmp_path)}, environ={})
    pool, ana = Pool({"shop": "shop.sqlite"}, settings), Person(name="ana", queue="ana")
    history_of(pool, ana, "shop").add(replace(ENTRY, confidence=0.7))
    before = asyncio.run(_remembered(pool, ana, "shop", "a"))
    assert (before.question, before.sql, before.confidence) == ("q", "SELECT 1", 0.7)
    for who, name in (("ana", "b"), ("ben", "a")):
        with pytest.raises(UnknownName):
            asyncio.run(_remembered(pool, Person(name=who, queue=who), "shop", name))


def test_rows_that_nobody_will_ask_for_are_let_go() -> None:
    def rows(count: int) -> Rows:
        return Rows(columns=("a", "b"), rows=tuple((i, i) for i in range(count)))

    found = [rows(1000), rows(900), rows(900)]
    one, two, three = (
        Candidate(generator=f"g{place}", attempts=(Attempt(sql="SELECT 1", execution=each),))
        for place, each in enumerate(found)
    )
    choice = Choice(candidate=0, groups=(Group(members=(0,), votes=0.5),), confidence=0.5)
    answer = Answer(
        question="q", sql="SELECT 1", execution=found[0], confidence=0.5,
        choice=choice, candidates=(one, two, three),
    )  # fmt: skip
    reading = Reading(candidate=1, sql="", votes=0.5, words="", columns=("a", "b"), row_count=900)

    async def ended(kept: Answer) -> Run:
        run = Run(owner="ana", database="shop", question="q")
        run.answer, run.execution = kept, kept.execution
        run.end("answer", {})
        return run

    light = asyncio.run(ended(answer))
    row = 2 * (8 + 48)
    assert light.answer is not None and light.bytes == 2 * row * 1000
    assert [one.final.execution for one in light.answer.candidates] == [found[0], None, None]
    tied = asyncio.run(ended(replace(answer, readings=(reading, reading))))
    assert tied.bytes == row * (2 * 1000 + 900 + 900)


def test_results_of_many_runs_keep_within_their_bytes() -> None:
    """Runs of 64 long texts each: few values, much memory."""
    long = Rows(columns=tuple("abcdefgh"), rows=(("x" * 1_000_000,) * 8,) * 8)

    async def asked(count: int) -> tuple[int, int]:
        runs, made = Runs(), []
        for _ in range(count):
            made.append(Run(owner="ana", database="shop", question="q"))
            runs.add(made[-1])
            made[-1].execution = long
            made[-1].end("result", {})
        runs.add(Run(owner="ana", database="shop", question="q"))
        kept = 0
        for one in made:
            with suppress(UnknownName):
                kept += runs.get(one.id, "ana").bytes
        return made[0].bytes, kept

    one, kept = asyncio.run(asked(20))
    assert 2 * 64_000_000 <= one < 2 * 64_000_000 + 20_000  # and once more as JSON
    assert one <= kept <= 256 * 2**20


def test_files_hold_the_rows(tmp_path: Path) -> None:
    rows = Rows(
        columns=("n", "n", 'a "b"', "day", "money", "mixed"),
        rows=(
            (1, True, "é, \n'", datetime.date(2024, 1, 2), Decimal("1.5"), b"\x00"),
            (None, False, None, None, None, 7),
        ),
    )
    assert csv_of(rows).decode().splitlines()[0] == 'n,n,"a ""b""",day,money,mixed'
    file = tmp_path / "rows.parquet"
    file.write_bytes(parquet_of(rows))
    found = duckdb.execute(f"SELECT * FROM '{file}'")
    assert [column[0] for column in found.description] == [
        "n",
        "n_2",
        'a "b"',
        "day",
        "money",
        "mixed",
    ]
    assert found.fetchall()[0] == (1, True, "é, \n'", datetime.date(2024, 1, 2), 1.5, "0x00")
    empty = tmp_path / "empty.parquet"
    empty.write_bytes(parquet_of(replace(rows, rows=())))
    assert duckdb.execute(f"SELECT COUNT(*) FROM '{empty}'").fetchall() == [(0,)]


def test_a_run_that_ended_because_the_server_stops_says_nothing_more() -> None:
    async def listen() -> list[str]:
        run = Run(owner="ana", database="shop", question="q")
        run.end("stopping", {"message": "later"})
        run.heard(StageStarted(stage="execute"))
        run.end("answer", {})
        return [event[1] async for event in run.follow() if event is not None]

    assert asyncio.run(listen()) == ["run", "stopping"]
