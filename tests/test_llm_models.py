"""Models around models: scripted, recorded, cached, paid for; and linking by a model."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.domain import (
    Column,
    Completion,
    ForeignKey,
    Hit,
    Message,
    ModelRequest,
    Question,
    Schema,
    Table,
    Usage,
)
from quorumsql.errors import BudgetSpent, ModelRefused, ModelUnavailable, UsageError
from quorumsql.llm.cache import Cached, CompletionCache
from quorumsql.llm.recorded import Recorded
from quorumsql.llm.scripted import Scripted
from quorumsql.replies import json_in, sql_in, without_thoughts
from quorumsql.skeletons import nearest, skeleton_of, without_literals
from quorumsql.stages.budget import Allowance, Purse
from quorumsql.stages.columns import choose_columns, keywords_of


def asked(text: str = "Hi", temperature: float = 0.0) -> ModelRequest:
    return ModelRequest(messages=(Message(role="user", text=text),), temperature=temperature)


# Scripted and recorded


def test_a_script_replies_in_order_and_ends() -> None:
    model = Scripted(["a", "b"])
    assert [one.text for one in model.complete(asked(), samples=2)] == ["a", "b"]
    with pytest.raises(ModelUnavailable, match="no more replies"):
        model.complete(asked())


def test_a_recording_replays_exactly_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with pytest.raises(UsageError, match="no recording"):
        Recorded(path, mode="replay")
    with pytest.raises(UsageError, match="needs a model"):
        Recorded(path, mode="record")
    first = Recorded(path, mode="record", model=Scripted(["one", "two", "three"], name="m"))
    told = first.complete(asked(), samples=2) + first.complete(asked("Bye"))
    again = Recorded(path, mode="replay", name="m")
    replayed = again.complete(asked(), samples=2) + again.complete(asked("Bye"))
    assert [one.text for one in replayed] == [one.text for one in told] == ["one", "two", "three"]
    assert replayed[0].usage == told[0].usage
    for other in (asked("hi"), asked(temperature=0.1)):
        with pytest.raises(ModelRefused, match="holds no reply"):
            again.complete(other)
    with pytest.raises(ModelRefused):
        again.complete(asked(), samples=3)
    live = Recorded(path, mode="live", model=Scripted(["new"]))
    assert live.complete(asked())[0].text == "new"


def test_a_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    Recorded(path, mode="record", model=Scripted(["one"], name="m")).complete(asked())
    second = Recorded(path, mode="record", model=Scripted(["two"], name="m"))
    assert [second.complete(asked(t))[0].text for t in ("Hi", "Bye")] == ["one", "two"]
    broken = "three\u2028of\u0085four"  # line breaks that end no line of the file
    Recorded(path, mode="record", model=Scripted([broken], name="m")).complete(asked("More"))
    again = Recorded(path, mode="replay", name="m")
    assert again.complete(asked("More"))[0].text == broken
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 1"):
        Recorded(path, mode="replay")


# The cache


def test_what_is_kept_costs_nothing(tmp_path: Path) -> None:
    model = Scripted(["a", "b", "c", "d"])
    cache = CompletionCache(tmp_path / "c.sqlite")
    cached = Cached(model, cache)
    first = cached.complete(asked(), samples=2)
    again = cached.complete(asked(), samples=3)
    assert [one.text for one in again] == ["a", "b", "c"]
    assert [one.usage.calls for one in first + again] == [1, 1, 0, 0, 1]
    assert cached.complete(asked("other"))[0].text == "d"
    assert Cached(Scripted(["e"]), cache, place="elsewhere").complete(asked())[0].text == "e"
    cache.close()
    content = (tmp_path / "c.sqlite").read_bytes()
    assert b"Hi" not in content and b"other" not in content, "prompts are not kept"


def test_replies_with_nothing_in_them_are_not_kept(tmp_path: Path) -> None:
    cache = CompletionCache(tmp_path / "c.sqlite")
    cached = Cached(Scripted(["", " \n", "SELECT 1", "never"]), cache)
    assert [cached.complete(asked())[0].text for _ in range(4)] == ["", " \n", *["SELECT 1"] * 2]
    cache.close()


def test_the_cache_stays_small_and_forgets_what_is_not_used(tmp_path: Path) -> None:
    cache = CompletionCache(tmp_path / "c.sqlite", max_bytes=40_000)
    model = Cached(Scripted(lambda r: r.messages[0].text * 100), cache)
    model.complete(asked("the first"))
    for number in range(200):
        model.complete(asked(f"{number:09}"))
        model.complete(asked("the first"))
    cache.close()
    with closing(sqlite3.connect(tmp_path / "c.sqlite")) as connection:
        (kept,) = connection.execute("SELECT sum(size) FROM completions").fetchone()
        (total,) = connection.execute("SELECT bytes FROM total").fetchone()
    assert total == kept <= 40_000
    cache = CompletionCache(tmp_path / "c.sqlite", max_bytes=40_000)
    assert Cached(Scripted([]), cache).complete(asked("the first"))
    cache.close()


def _fill(path: str, begin: int) -> None:
    cache = CompletionCache(Path(path))
    model = Cached(Scripted(lambda r: r.messages[0].text), cache)
    for number in range(begin, begin + 60):
        model.complete(asked(str(number)))
    cache.close()


def test_processes_and_threads_share_a_cache(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(str(path), n)) for n in (0, 30)]
    for process in processes:
        process.start()
    cache = CompletionCache(path)
    model = Cached(Scripted(lambda r: r.messages[0].text), cache)
    threads = [
        threading.Thread(target=model.complete, args=(asked(str(n)),)) for n in range(60, 120)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    known = Cached(Scripted([]), cache)
    assert all(known.complete(asked(str(n)))[0].text == str(n) for n in range(120))
    cache.close()


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header", b""])
def test_a_damaged_cache_costs_no_answer(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(content)
    cache = CompletionCache(path)
    model = Cached(Scripted(["a", "b"]), cache)
    texts = [model.complete(asked())[0].text for _ in range(3)]
    assert texts in (["a", "a", "a"], ["a", "b", "b"])
    cache.close()
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    nowhere = CompletionCache(blocked / "c.sqlite")
    assert Cached(Scripted(["z"]), nowhere).complete(asked())[0].text == "z"


# The purse


def test_calls_are_limited_and_accounted_for_by_stage() -> None:
    purse = Purse(Allowance(calls=3), cost_of=lambda a, b: (a + b) / 1e6)
    model = Scripted(lambda _: "x")
    assert len(purse.model(model, "generate").complete(asked(), samples=2)) == 2
    assert len(purse.model(model, "choose").complete(asked(), samples=5)) == 1, "what is left"
    with pytest.raises(BudgetSpent, match="3 calls"):
        purse.model(model, "choose").complete(asked())
    assert {stage: usage.calls for stage, usage in purse.spent.items()} == {
        "generate": 2, "choose": 1,
    }  # fmt: skip
    assert purse.total.calls == 3


def test_calls_that_fail_cost_nothing() -> None:
    purse = Purse(Allowance(calls=1))
    for replies in ([], ["x"]):
        try:
            purse.model(Scripted(replies), "generate").complete(asked())
        except ModelUnavailable:
            assert replies == []
    assert purse.total == Usage(calls=1, input_tokens=0, output_tokens=0, usd=None)


def test_money_is_set_aside_before_it_is_spent() -> None:
    purse = Purse(Allowance(usd=0.25), cost_of=lambda *_: 0.1)
    model = purse.model(Scripted(lambda _: "x"), "generate")
    assert len(model.complete(asked(), samples=5)) == 2


def test_replies_that_do_not_tell_their_price_take_what_was_set_aside() -> None:
    purse = Purse(Allowance(usd=0.25), cost_of=lambda *_: 0.1)
    model = purse.model(Scripted(lambda _: "x"), "generate")
    assert len(model.complete(asked(), samples=2)) == 2
    with pytest.raises(BudgetSpent, match=r"\$0.0500 of \$0.25 are left"):
        model.complete(asked())


class Late:
    """A model whose service works in vain: three requests that nobody waited for to the end."""

    name = "late"

    def complete(
        self, request: ModelRequest, *, samples: int = 1, seconds: float | None = None
    ) -> tuple[Completion, ...]:
        raise ModelUnavailable(f"{len(request.messages)} {samples} {seconds}", sent=3)


def test_requests_that_may_be_charged_for_count() -> None:
    purse = Purse(Allowance(calls=4, usd=0.5), cost_of=lambda *_: 0.1)
    with pytest.raises(ModelUnavailable):
        purse.model(Late(), "generate").complete(asked())
    assert purse.total == Usage(calls=3, usd=None)
    assert len(purse.model(Scripted(lambda _: "x"), "x").complete(asked(), samples=5)) == 1
    with pytest.raises(BudgetSpent):
        purse.model(Late(), "generate").complete(asked())


def test_time_is_limited() -> None:
    purse = Purse(Allowance(seconds=0.0))
    with pytest.raises(BudgetSpent, match="are over"):
        purse.model(Scripted(["x"]), "generate").complete(asked())


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    assert (Usage(usd=1.0) + Usage(usd=None)).usd is None
    assert (Usage(usd=1.0) + Usage()).usd == 1.0


# Linking by a model

SCHEMA = Schema(
    name="s",
    tables=(
        Table(name="a", columns=(Column(name="id", primary_key=True), Column(name="x"))),
        Table(name="b", columns=(Column(name="id", primary_key=True), Column(name="y"))),
        Table(name="ab", columns=(Column(name="a_id"), Column(name="b_id"), Column(name="z"))),
        Table(name="c", columns=(Column(name="id", primary_key=True), Column(name="w"))),
    ),
    foreign_keys=(
        ForeignKey(table="ab", columns=("a_id",), referred_table="a", referred_columns=("id",)),
        ForeignKey(table="ab", columns=("b_id",), referred_table="b", referred_columns=("id",)),
    ),
)
ASKED = Question(text="Which x of y?")


def columns(schema: Schema) -> set[str]:
    return {f"{table.name}.{column.name}" for table in schema.tables for column in table.columns}


def link_with(*replies: str) -> tuple[Schema, ...]:
    model = Purse(Allowance()).model(Scripted(replies), "link")
    return choose_columns(ASKED, SCHEMA, (), model)


def test_algorithm_1_nests_two_schemas_and_keeps_keys_and_bridges() -> None:
    first, second = link_with('{"columns": ["a.x", "B.Y"]}', '{"columns": ["c.w"]}')
    assert columns(first) == {"a.id", "a.x", "b.id", "b.y", "ab.a_id", "ab.b_id"}
    assert columns(second) == columns(first) | {"c.id", "c.w"}
    assert len(first.foreign_keys) == 2


def test_the_second_round_does_not_see_what_the_first_chose() -> None:
    model = Scripted(['{"columns": ["a.x"]}', '{"columns": []}'])
    link = Purse(Allowance()).model(model, "link")
    assert len(choose_columns(ASKED, SCHEMA, (), link)) == 1
    shown = model.requests[1].messages[1].text
    assert "(x" not in shown and "(id" in shown and "(y" in shown


@pytest.mark.parametrize("reply", ["nothing", '{"columns": ["no.such", 7]}', '{"columns": "a.x"}'])
def test_names_that_do_not_exist_are_passed_over(reply: str) -> None:
    assert link_with(reply, reply) == (SCHEMA,)


def test_keywords() -> None:
    model = Purse(Allowance()).model(
        Scripted(['Sure:\n```json\n{"keywords": ["x", "y", "x", 3]}\n```', "none"]), "link"
    )
    assert keywords_of(ASKED, model) == ("x", "y")
    assert keywords_of(ASKED, model) == ()


# Reading replies


@pytest.mark.parametrize(
    ("reply", "sql"),
    [
        ("```sql\nSELECT 1\n```", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1\n```", "SELECT 1"),
        ("First:\n```sql\nSELECT 0\n```\nBetter:\n```sql\nSELECT 1\n```", "SELECT 1"),
        ("```\nSELECT 1\n```\nIt returns **one**.", "SELECT 1"),
        ("```SQL\nselect 1```", "select 1"),
        ("Here it is: \nSELECT a\nFROM b\n\nThis query selects a.", "SELECT a\nFROM b"),
        ("<think>SELECT 0</think>SELECT 1", "SELECT 1"),
        ("thinking without a beginning</think>\n```sql\nSELECT 1\n```", "SELECT 1"),
        ("<think>SELECT 0 and no end", None),
        ('{"sql": "SELECT 1"}', "SELECT 1"),
        ("<answer>SELECT 1</answer>", "SELECT 1"),
        ("```sql\n-- counts\nSELECT 1\n```", "SELECT 1"),
        ("WITH t AS (SELECT 1) SELECT * FROM t", "WITH t AS (SELECT 1) SELECT * FROM t"),
        ("```sql\nSELECT 1; DROP TABLE t\n```", "SELECT 1; DROP TABLE t"),
        ("```sql\nSELECT 0; SELECT 1\n```", "SELECT 1"),
        ("```sql\nDROP TABLE t\n```", "DROP TABLE t"),
        ("```python\nprint(1)\n```", None),
        ("You should select all rows with a filter.", None),
        ("", None),
        ("SELECT " + "a, " * 20_000 + "b", None),
    ],
)
def test_sql_is_found_in_whatever_a_model_writes(reply: str, sql: str | None) -> None:
    assert sql_in(reply, "sqlite") == sql


def test_hostile_replies_are_read_without_harm() -> None:
    for text in ("{" * 100_000, "[" * 100_000, "<think>" * 5_000, "```" * 10_000, "(" * 50_000):
        assert sql_in(text, "sqlite") is None
        assert json_in(text) is None
        without_thoughts(text)


# Skeletons


def test_skeletons_mask_values_by_column_and_the_rest_by_kind() -> None:
    text = "How many people from Porto paid more than 20.5 to 'Lux' on 2020-01-02 in 2019?"
    hit = Hit(
        table="city", column="Town Name", value="Porto", start=21, end=26, score=1.0, match="exact"
    )
    assert skeleton_of(text, (hit,)) == (
        "How many people from <town_name> paid more than <number> to <text> on <date> in <year>?"
    )
    assert skeleton_of("Who met Ana Sousa of Rome?") == "Who met <name>?"


def test_the_nearest_skeleton_is_built_alike() -> None:
    pool = [
        "List the names of all <name>.",
        "How many singers are from <country>?",
        "What is the average age of singers?",
        "How many singers are from <country>?",
    ]
    assert nearest("How many players are from <city>?", pool, count=2)[0] == 1
    assert 3 not in nearest("How many players are from <city>?", pool, count=4)
    assert nearest("", pool, count=2) == ()


def test_literals_leave_only_when_the_question_has_them() -> None:
    sql = "SELECT a FROM t WHERE b = 'Porto' AND c = 'Rome' AND d > 77 LIMIT 5"
    masked = without_literals(sql, "sqlite", keep="Who lives in porto?")
    assert "'Porto'" in masked and "Rome" not in masked and "77" not in masked
    assert "LIMIT 5" in masked
    broken = without_literals("SELEC a 'Rome' 77 -- Rome", "sqlite")
    assert "Rome" not in broken and "77" not in broken
