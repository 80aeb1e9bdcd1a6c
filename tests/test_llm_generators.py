"""Every way of thinking at work: recorded conversations over real HTTP, on a real database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conversations import Conversation
from fault_server import FaultServer, Reply, error
from quorumsql.db import open_database
from quorumsql.domain import Answer, Limits, Question
from quorumsql.llm.endpoint import Endpoint
from quorumsql.llm.openai_compatible import OpenAICompatible
from quorumsql.llm.scripted import Scripted
from quorumsql.pipeline import Pipeline, Policy
from quorumsql.ports import Database
from quorumsql.prompts.write import RECIPES
from quorumsql.stages.budget import Allowance
from quorumsql.stages.session import NAMES, LanguageEnsemble
from quorumsql.stages.shots import NearestShots, shot_of
from quorumsql.stores.examples import ExampleStore
from quorumsql.stores.values import MemoryValueIndex

QUESTION = Question(
    text="How many customers live in Lisbon?", evidence="Where one lives is the home city."
)
QUICK = Policy(limits=Limits(seconds=2.0))
JOIN = (
    "SELECT count(*) FROM customer AS T1 JOIN city AS T2 ON T1.home_city = T2.id "
    "WHERE T2.name = 'Lisbon'"
)
IN = "SELECT count(id) FROM customer WHERE home_city IN (SELECT id FROM city WHERE name = 'Lisbon')"
STEPS = (
    "1. Which cities are called Lisbon?\n2. Which customers live there?\n```sql\nWITH lisbon AS "
    "(SELECT id FROM city WHERE name = 'Lisbon')\nSELECT count(*) FROM customer WHERE home_city IN "
    "(SELECT id FROM lisbon)\n```"
)


TYPO = JOIN.replace("count(*)", "T1.id").replace("Lisbon", "Lisbn")


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) "
    "SELECT count(*) FROM n"
)


def fence(sql: str) -> str:
    return f"```sql\n{sql}\n```"


REPLIES: dict[str, list[str]] = {
    "direct": [fence(JOIN)],
    "divide": [STEPS],
    "plan": [f"1. read city\n2. keep Lisbon\n3. join customer on home_city\n{fence(JOIN)}"],
    "standard": [fence(JOIN.replace(" FROM", "\nFROM").replace(" WHERE", "\nWHERE"))],
    "icl": [fence(IN)],
    "xiyan": [f"{JOIN}\n```"],
    "xiyan-en": [f"{JOIN}\n```"],
    "omnisql": [f"First find Lisbon, then count.\n\n{fence(IN)}"],
    "explore": [
        '{"action": "search", "text": "Lisbon"}',
        '{"action": "columns", "text": "customer"}',
        '{"action": "query", "text": "SELECT id, name FROM city"}',
        f'{{"action": "answer", "text": "{JOIN}"}}',
    ],
    "self-moa": [fence(sql) for sql in (JOIN, IN, JOIN, "SELECT count(*) FROM city", IN)],
    "self-moa-seq": [fence(sql) for sql in (JOIN, IN, JOIN, "SELECT count(*) FROM city", JOIN, IN)],
}


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


Ask = Callable[..., Answer]


@pytest.fixture
def ask(database: Database, tmp_path: Path) -> Iterator[Ask]:
    """Asks the whole pipeline, with nothing but prompted generators, one request at a time."""
    clients: list[OpenAICompatible] = []
    index = MemoryValueIndex.build(database, database.schema())

    def call(
        server: FaultServer,
        *names: str,
        question: Question = QUESTION,
        at_once: int = 1,
        **rest: Any,
    ) -> Answer:
        endpoint = Endpoint(model="m", base_url=server.url, concurrency=at_once)
        clients.append(OpenAICompatible(endpoint))
        settings: dict[str, Any] = {"selector": "vote", "wide": 200, "narrow": 200, **rest}
        language = LanguageEnsemble(model=clients[-1], generators=names, **settings)
        pipeline = Pipeline(
            database=database, generators=(), index=index, language=language, policy=QUICK
        )
        return pipeline.answer(question)

    yield call
    for client in clients:
        client.close()


def store(database: Database, path: Path) -> ExampleStore:
    """A store with two examples: one joins tables, one does not."""
    schema = database.schema()
    joined = "SELECT count(*) FROM customer JOIN city ON work_city = city.id WHERE city.name = "
    pairs = [
        ("How many customers work in Porto?", f"{joined}'Porto'"),
        ("How many products cost more than 20?", "SELECT count(*) FROM product WHERE price > 20"),
    ]
    index = MemoryValueIndex.build(database, schema)
    examples = ExampleStore(path)
    shots = [shot_of(text, sql, schema, index.mentions(text)) for text, sql in pairs]
    examples.add(shots, database="shop", approved=True)
    return examples


def test_every_generator_has_a_conversation() -> None:
    assert set(REPLIES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_generator_answers(name: str, ask: Ask, database: Database, tmp_path: Path) -> None:
    conversation = Conversation(name, REPLIES[name])
    shots = NearestShots(store(database, tmp_path / "examples.jsonl"))
    with FaultServer(conversation) as server:
        answer = ask(server, name, shots=shots)
    assert not conversation.unknown, "a prompt has changed: look at it, then record it anew"
    assert conversation.left == 0
    assert answer.rows == ((2,),)
    assert {one.generator for one in answer.candidates} == {name}
    assert answer.usage.calls == len(REPLIES[name])


def test_all_together_answer_one_question(ask: Ask) -> None:
    names = ("direct", "divide", "plan", "standard")
    with FaultServer(lambda *_: Reply(texts=(fence(JOIN),))) as server:
        answer = ask(server, *names)
    assert [one.generator for one in answer.candidates] == list(names)
    assert answer.choice.rule == "unanimous"
    assert answer.confidence == pytest.approx(5 / 6)


def test_the_prompts_of_all_begin_alike_so_that_prefixes_are_remembered(ask: Ask) -> None:
    with FaultServer(lambda *_: Reply(texts=(fence(JOIN),))) as server:
        ask(server, "direct", "divide", "plan", "standard", "self-moa")
        ask(server, "direct", question=Question(text="How many products are there?"))
    systems = {body["messages"][0]["content"] for body in server.bodies}
    users = [body["messages"][1]["content"] for body in server.bodies]
    assert len(systems) == 1
    ends = [text.index("</data ") for text in users[:5]]
    assert len({text[:end] for text, end in zip(users[:5], ends, strict=True)}) == 1
    assert QUESTION.text not in users[0][: ends[0]]


def test_two_schemas_give_two_candidates(ask: Ask) -> None:
    with FaultServer(lambda *_: Reply(texts=(fence(JOIN),))) as server:
        answer = ask(server, "direct", "plan", narrow=8, wide=200)
    assert [one.generator for one in answer.candidates] == ["direct"] * 2 + ["plan"] * 2
    sizes = sorted(len(body["messages"][1]["content"]) for body in server.bodies)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("name", NAMES)
def test_every_generator_writes_for_both_schemas(name: str, ask: Ask) -> None:
    with FaultServer(lambda _, body: Reply(texts=(fence(JOIN),) * body.get("n", 1))) as server:
        answer = ask(server, name, narrow=8, wide=200)
    assert [one.generator for one in answer.candidates] == [name] * 2
    sizes = [len(body["messages"][-1]["content"]) for body in server.bodies]
    assert len(sizes) == 2
    assert min(sizes) < max(sizes), "one saw less of the schema"


def test_columns_are_chosen_by_a_model_in_two_rounds(ask: Ask) -> None:
    """Keywords, columns, the columns that are still missing; then the generators write."""
    replies = [
        '{"keywords": ["customers", "Lisbon"]}',
        '{"columns": ["city.name", "customer.no_such_column"]}',
        '{"columns": ["customer.name"]}',
        fence(IN.replace("home_city", "nowhere")),
        fence(JOIN),
        fence(IN),
    ]
    conversation = Conversation("link", replies)
    with FaultServer(conversation) as server:
        answer = ask(server, "direct", linking="model", narrow=8)
    assert not conversation.unknown
    assert conversation.left == 0
    assert answer.usage_by_stage["link"].calls == 3
    first, second = (body["messages"][1]["content"] for body in server.bodies[3:5])
    assert "# Table: city" in first and "# Table: customer" not in first
    assert "# Table: customer" in second and "email" not in second
    assert answer.rows == ((2,),)


def test_parts_may_have_models_of_their_own(ask: Ask) -> None:
    other = Scripted(lambda request: "A" if "letter alone" in str(request) else '{"columns": []}')
    replies = [fence(JOIN), fence(IN.replace("Lisbon", "Porto"))]
    with FaultServer(lambda number, _: Reply(texts=(replies[number % 2],))) as server:
        ask(
            server,
            "direct",
            "plan",
            selector="llm",
            linking="model",
            narrow=8,
            models={"selector": other, "linking": other},
        )
    assert len(other.requests) == 4, "keywords, columns twice, one choice"
    assert len(server.bodies) == 2


def test_samples_are_drawn_where_asked_for(ask: Ask) -> None:
    with FaultServer(lambda _, body: Reply(texts=(fence(JOIN),) * body.get("n", 1))) as server:
        answer = ask(server, "direct", samples=3)
    assert len(answer.candidates) == 3
    assert server.bodies[0]["n"] == 3
    assert server.bodies[0]["temperature"] > 0


def test_shots_join_tables_where_the_question_does(
    ask: Ask, database: Database, tmp_path: Path
) -> None:
    shots = NearestShots(store(database, tmp_path / "e.jsonl"))
    with FaultServer(lambda *_: Reply(texts=(fence(JOIN),))) as server:
        ask(
            server,
            "icl",
            shots=shots,
            question=Question(text="How many customers are in the city Porto?"),
        )
        ask(
            server,
            "icl",
            shots=shots,
            question=Question(text="How many products cost more than 7?"),
        )
    first, second = (body["messages"][1]["content"] for body in server.bodies)
    assert "work in Porto" in first and "cost more than 20" not in first
    assert "cost more than 20" in second
    assert "city(id" in first.split('name="examples"')[1], "each shot shows what its SQL uses"


def test_without_examples_there_are_none_above(ask: Ask) -> None:
    with FaultServer(lambda *_: Reply(texts=(fence(JOIN),))) as server:
        ask(server, "icl", "direct")
    first, second = (body["messages"] for body in server.bodies)
    assert first == second
    assert "examples above" not in str(first)


def test_a_context_that_is_too_short_shows_less_and_says_so(ask: Ask) -> None:
    def small(number: int, body: dict[str, Any]) -> Reply:
        if len(body["messages"][1]["content"]) > 1500:
            return error(400, "maximum context length is 500 tokens")
        return Reply(texts=(fence(JOIN),))

    with FaultServer(small) as server:
        answer = ask(server, "direct")
    assert answer.rows == ((2,),)
    assert any("did not fit into the context of 'm'" in text for text in answer.warnings)
    assert len(server.bodies) > 1


def test_a_question_ends_in_time_whatever_hangs(ask: Ask) -> None:
    """A generator that stalls is left behind, and the answer says so."""

    def plan(number: int, body: dict[str, Any]) -> Reply:
        hangs = "like the engine" in body["messages"][1]["content"]
        return Reply(texts=(fence(JOIN),), delay=30.0 if hangs else 0.0)

    with FaultServer(plan) as server:
        began = time.monotonic()
        answer = ask(server, "plan", "direct", allowance=Allowance(seconds=5.0), at_once=4)
        took = time.monotonic() - began
    assert answer.rows == ((2,),)
    assert any("plan failed" in text for text in answer.warnings)
    assert took < 25.0  # how exactly is measured by benchmarks/llm_faults.py


# The refiner


@pytest.mark.parametrize("name", ["direct", "xiyan", "explore", "self-moa"])
def test_the_writer_mends_what_the_database_refuses(name: str, ask: Ask) -> None:
    wrong = JOIN.replace("home_city", "town")
    first = [fence(wrong)] * (4 if name == "self-moa" else 1)
    conversation = Conversation(f"refine-{name}", [*first, fence(JOIN)])
    with FaultServer(conversation) as server:
        answer = ask(server, name)
    assert not conversation.unknown
    assert answer.rows == ((2,),)
    (candidate,) = answer.candidates
    assert [attempt.sql for attempt in candidate.attempts] == [wrong, JOIN]
    assert "no such column: T1.town" in str(server.bodies[-1])
    assert answer.usage_by_stage["refine"].calls == 1


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (TYPO, "holds no 'Lisbn', but 'Lisbon'"),
        ("SELECT email FROM customer WHERE id = 2", "(1 row)"),
        ("SELECT name, count(*) FROM customer", "name stands beside an aggregate"),
        ("SELECT count(*) FROM customer JOIN city", "city is joined without a condition"),
        ("SELECT count(*) FROM customer WHERE home_city = 'Lisbon'", "holds numbers"),
        ("SELECT name FROM customer LIMIT 1", "LIMIT without ORDER BY"),
        (ENDLESS, "timeout: "),
    ],
    ids=["near value", "all NULL", "aggregate", "join", "types", "limit", "timeout"],
)
def test_what_is_odd_is_asked_about(sql: str, told: str, ask: Ask) -> None:
    replies = iter([fence(sql), fence(JOIN)])
    with FaultServer(lambda *_: Reply(texts=(next(replies),))) as server:
        answer = ask(server, "direct")
    assert told in server.bodies[1]["messages"][-1]["content"]
    assert answer.sql == JOIN


def test_rules_are_silent_about_good_statements(ask: Ask) -> None:
    grouped = 'SELECT status, count(*) FROM "order" GROUP BY status'
    ordered = "SELECT name FROM customer ORDER BY born LIMIT 1"
    for sql in (JOIN, IN, grouped, ordered, "SELECT max(born) FROM customer"):
        reply = Reply(texts=(fence(sql),))
        with FaultServer(lambda *_, reply=reply: reply) as server:
            ask(server, "direct")
        assert len(server.bodies) == 1, sql


def test_a_worse_second_attempt_is_not_taken(ask: Ask) -> None:
    empty = JOIN.replace("count(*)", "T1.id").replace("Lisbon", "Nowhere")
    replies = iter([fence(empty), fence("SELECT nothing FROM customer")])
    with FaultServer(lambda *_: Reply(texts=(next(replies),))) as server:
        answer = ask(server, "direct")
    assert answer.candidates[0].sql == empty
    assert answer.candidates[0].status == "empty"


def test_refining_can_be_left_out(ask: Ask) -> None:
    with FaultServer(lambda *_: Reply(texts=(fence("SELECT x FROM customer"),))) as server:
        answer = ask(server, "direct", refine=False)
    assert len(server.bodies) == 1
    assert answer.abstained


def test_an_explorer_that_turns_in_circles_is_asked_for_its_answer(ask: Ask) -> None:
    circle = '{"action": "search", "text": "Lisbon"}'
    replies = iter([circle, circle, fence(JOIN)])
    with FaultServer(lambda *_: Reply(texts=(next(replies),))) as server:
        answer = ask(server, "explore")
    assert answer.sql == JOIN
    assert len(server.bodies) == 3


def test_an_explorer_looks_inside_the_guard_only(ask: Ask, shop: Path) -> None:
    before = shop.read_bytes()
    drop = '{"action": "query", "text": "DROP TABLE customer"}'
    replies = iter([drop, f'{{"action": "answer", "text": "{JOIN}"}}'])
    with FaultServer(lambda *_: Reply(texts=(next(replies),))) as server:
        ask(server, "explore")
    assert "refused" in server.bodies[1]["messages"][-1]["content"]
    assert shop.read_bytes() == before


def test_steps_of_an_explorer_are_bounded(ask: Ask) -> None:
    def curious(number: int, body: dict[str, Any]) -> Reply:
        if number < 5:
            return Reply(texts=(f'{{"action": "query", "text": "SELECT {number}"}}',))
        return Reply(texts=(fence(JOIN),))

    with FaultServer(curious) as server:
        answer = ask(server, "explore")
    assert len(server.bodies) == 6
    assert answer.sql == JOIN


def test_recipes_ask_for_no_more_than_they_need() -> None:
    assert all(recipe.max_tokens <= 2048 and recipe.shots <= 5 for recipe in RECIPES.values())
    assert replace(RECIPES["xiyan"]).top_p == 0.8
