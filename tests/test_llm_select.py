"""Choosing with a model: orders, labels, duels, recorded over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conversations import Conversation
from fault_server import FaultServer, Reply
from quorumsql.domain import Brief, Candidate, Choice, Completion, ModelRequest, Question, Schema
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.scripted import Scripted
from quorumsql.prompts.pages import Pages
from quorumsql.stages.budget import Allowance, Purse
from quorumsql.stages.choose import choose
from quorumsql.stages.select import ORDERS, Judge, Method, Order, listed
from scripted import failed, ran

BRIEF = Brief(question=Question(text="How many?"), schema=Schema(name="shop"))
RANKS = {"g1": 0, "g4": 1, "g3": 2, "g2": 3, "icl": 4}

# Two say 6, two say 5, one says 4; the pools of the paper have ten, made of five generators.
POOL = (
    ran("SELECT count(*) FROM a -- long", (6,), generator="g2"),
    ran("SELECT count(*) FROM b", (5,), generator="icl"),
    ran("SELECT count(*) FROM c", (6,), generator="g3"),
    ran("SELECT count(*) FROM dd", (5,), generator="g1"),
    ran("SELECT count(*) FROM e", (4,), generator="g4"),
    failed("SELECT oops", generator="g1"),
)


def vote(pool: Sequence[Candidate] = POOL) -> Choice:
    return choose(pool, ranks=RANKS, dialect="sqlite")


def judge(
    replies: Sequence[str] | Any,
    method: Method = "llm",
    order: Order = "s3",
    **rest: Any,
) -> tuple[Judge, Scripted]:
    model = Scripted(replies)
    purse = Purse(Allowance())
    return Judge(purse.model(model, "choose"), method=method, order=order, **rest), model


def prompt(model: Scripted, number: int = 0) -> str:
    return "\n".join(message.text for message in model.requests[number].messages)


def test_s3_shows_the_shortest_of_each_group_when_no_group_is_half() -> None:
    assert listed(POOL, vote(), ranks=RANKS) == (1, 2, 4)


def test_s3_shows_all_group_after_group_when_one_is_half() -> None:
    pool = (*POOL[:4], ran("SELECT 6", (6,), generator="icl"))
    order = listed(pool, vote(pool), ranks=RANKS)
    assert order == (2, 0, 4, 3, 1)
    assert [pool[i].generator for i in order] == ["g3", "g2", "icl", "g1", "icl"]


def test_s2_sorts_by_accuracy_alone_and_s1_by_chance_alone() -> None:
    assert listed(POOL, vote(), ranks=RANKS, order="s2") == (3, 4, 2, 0, 1)
    shuffled = listed(POOL, vote(), ranks=RANKS, order="s1")
    assert sorted(shuffled) == [0, 1, 2, 3, 4]
    assert shuffled == listed(POOL, vote(), ranks={}, order="s1"), "the same for the same pool"


@pytest.mark.parametrize("order", ORDERS)
def test_the_label_decides_whatever_the_order(order: Order) -> None:
    shown = listed(POOL, vote(), ranks=RANKS, order=order)
    for position, label in enumerate("ABCDE"[: len(shown)]):
        found = judge([label], order=order)[0].choose(BRIEF, POOL, vote(), ranks=RANKS)
        assert found.candidate == shown[position]
        assert found.rule == "judged"
        assert shown[position] in found.groups[0].members


@pytest.mark.parametrize(
    "reply",
    ["B", " b.", "**B**", "Candidate B", "The answer is B.", "<think>A?</think>B", "候选B",
     "B\n\nBecause it counts rows.", "Candidate A is wrong; I choose candidate B"],
)  # fmt: skip
def test_labels_are_read_as_models_write_them(reply: str) -> None:
    found = judge([reply])[0].choose(BRIEF, POOL, vote(), ranks=RANKS)
    assert found.candidate == 2


@pytest.mark.parametrize("reply", ["", "I do not know", "Z", "both", "A or B"])
def test_the_vote_stands_when_the_reply_cannot_be_read(reply: str) -> None:
    before = vote()
    found = judge([reply])[0].choose(BRIEF, POOL, before, ranks=RANKS)
    assert found == before or reply == "A or B"


def test_log_probabilities_speak_when_the_text_does_not() -> None:
    class Mumbling(Scripted):
        def complete(
            self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
        ) -> tuple[Completion, ...]:
            likely = {" B": -0.2, "A": -2.0, "Z": -0.1}
            replies = super().complete(request, samples=samples, seconds=seconds)
            return tuple(replace(reply, logprobs=likely) for reply in replies)

    chooser = Judge(Purse(Allowance()).model(Mumbling(["hm"]), "choose"))
    assert chooser.choose(BRIEF, POOL, vote(), ranks=RANKS).candidate == 2


def test_a_unanimous_pool_costs_nothing() -> None:
    pool = (POOL[0], POOL[2])
    chooser, model = judge([])
    found = chooser.choose(BRIEF, pool, vote(pool), ranks=RANKS)
    assert (found.rule, model.requests) == ("unanimous", [])
    assert found.candidate == 1, "the shortest"


def test_results_are_shown_ten_rows_at_most_and_one_line_each() -> None:
    rows = tuple((f"v{n}\n==========\n【SQL】```", n) for n in range(30))
    pool = (ran("SELECT a", *rows, generator="g1"), POOL[1], POOL[2])
    chooser, model = judge(["A"])
    chooser.choose(BRIEF, pool, vote(pool), ranks=RANKS)
    text = prompt(model)
    assert "v9" in text and "v10" not in text and "(30 rows)" in text
    assert "==========" not in text and "```" not in text and "【SQL】" not in text


@pytest.mark.parametrize(
    ("replies", "chosen"),
    [(["B", "A"], 2), (["A", "B"], 3), (["A", "A"], 3), (["B", "B"], 3), (["?", "B"], 3)],
)
def test_a_duel_is_fought_in_both_orders_and_a_draw_goes_to_the_vote(
    replies: list[str], chosen: int
) -> None:
    """The vote is for g1's group (candidate 3 leads it); only B, then A speaks for the other."""
    chooser, model = judge(replies, method="duel")
    assert vote().candidate == 3
    assert chooser.choose(BRIEF, POOL, vote(), ranks=RANKS).candidate == chosen
    assert len(model.requests) == 2


def test_the_released_layout_of_the_selector() -> None:
    chooser, model = judge(["B"], method="xiyan")
    found = chooser.choose(BRIEF, POOL, vote(), ranks=RANKS)
    assert found.candidate == 2
    text = prompt(model)
    assert text.startswith("你是一名SQLite专家，针对【用户问题】，下面有3条 候选【SQL】")
    assert "候选A\n【SQL】\nSELECT count(*) FROM b\n【执行结果】\nc0\n5\n(1 row)" in text
    assert text.endswith("请输出所选择的候选是A/B/C")


@pytest.fixture
def clients() -> Iterator[list[OpenAICompatible]]:
    made: list[OpenAICompatible] = []
    yield made
    for client in made:
        client.close()


@pytest.mark.parametrize(
    ("method", "replies", "chosen"),
    [("llm", ["B"], 2), ("xiyan", ["B"], 2), ("duel", ["B", "A"], 2), ("agree", ["C"], 4)],
)
def test_selectors_over_http(
    method: Method, replies: list[str], chosen: int, clients: list[OpenAICompatible]
) -> None:
    conversation = Conversation(f"select-{method}", replies)
    with FaultServer(conversation) as server:
        clients.append(OpenAICompatible(Endpoint(model="m", base_url=server.url)))
        chooser = Judge(Purse(Allowance()).model(clients[-1], "choose"), method=method)
        found = chooser.choose(BRIEF, POOL, vote(), ranks=RANKS)
    assert not conversation.unknown
    assert conversation.left == 0
    assert found.candidate == chosen
    assert server.bodies[0]["max_tokens"] <= 16, "a label is one token"


@pytest.mark.parametrize(
    ("order", "shown"),
    [("s1", [1, 3, 4, 0, 2]), ("s2", [3, 4, 2, 0, 1]), ("s3", [1, 2, 4])],
)
def test_a_service_sees_the_candidates_in_the_order_that_is_set(
    order: Order, shown: list[int], clients: list[OpenAICompatible]
) -> None:
    with FaultServer(lambda *_: Reply(texts=("A",))) as server:
        clients.append(OpenAICompatible(Endpoint(model="m", base_url=server.url)))
        chooser = Judge(Purse(Allowance()).model(clients[-1], "choose"), order=order)
        found = chooser.choose(BRIEF, POOL, vote(), ranks=RANKS)
    text = server.bodies[0]["messages"][-1]["content"]
    places = [text.index(POOL[index].sql) for index in shown]
    assert places == sorted(places)
    assert sum(one.sql in text for one in POOL) == len(shown)
    assert found.candidate == shown[0]


def test_an_embedded_candidates_value_does_not_leave_with_private() -> None:
    pool = (
        ran("SELECT id FROM t WHERE name = 'Secret Person' LIMIT 3", (1,), generator="g1"),
        ran("SELECT id FROM t WHERE name = 'asked'", (2,), generator="g2"),
        ran("SELECT id FROM t WHERE age > 1234567", (3,), generator="g3"),
    )
    brief = replace(BRIEF, question=Question(text="Who is called 'asked'?"))
    chooser, model = judge(["A"], pages=Pages(private=True))
    chooser.choose(brief, pool, vote(pool), ranks=RANKS)
    text = prompt(model)
    assert "Secret Person" not in text and "1234567" not in text
    assert "'asked'" in text and "LIMIT 3" in text


def test_a_selector_that_fails_leaves_the_vote(shop: Path, clients: list[OpenAICompatible]) -> None:
    from quorumsql.db import open_database
    from quorumsql.pipeline import Pipeline
    from quorumsql.stages.session import LanguageEnsemble
    from quorumsql.stores.values import MemoryValueIndex

    def plan(number: int, body: dict[str, Any]) -> Reply:
        if number < 3:
            return Reply(texts=(f"```sql\nSELECT {number // 2}\n```",))
        return Reply(fault="x", status=403, body=b"{}")

    database = open_database(str(shop))
    index = MemoryValueIndex.build(database, database.schema())
    with FaultServer(plan) as server:
        clients.append(OpenAICompatible(Endpoint(model="m", base_url=server.url, concurrency=1)))
        language = LanguageEnsemble(model=clients[-1], generators=("direct", "plan", "divide"))
        pipeline = Pipeline(database=database, generators=(), index=index, language=language)
        answer = pipeline.answer(Question(text="How many?"))
    database.close()
    assert answer.sql == "SELECT 0"
    assert answer.choice.rule == "vote"
    assert any("selector failed" in text for text in answer.warnings)
