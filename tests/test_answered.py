"""What Python users do with an answer: follow-ups, data frames, charts, notebooks, events."""

from __future__ import annotations

import asyncio
import datetime
import pickle
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from quorumsql import connect
from quorumsql.answered import Answered
from quorumsql.charts import chart
from quorumsql.domain import Answer, Hit, Schema
from quorumsql.errors import UsageError
from quorumsql.follow import edited
from quorumsql.trace import Chosen, StageEnded
from quorumsql.words import in_words
from scripted import Scripted

TODAY = datetime.date(2024, 3, 15)
ORDERS = 'SELECT COUNT(*) FROM "order"'
CITIES = "SELECT name, population FROM city"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory, shop_bytes: bytes) -> Schema:
    path = tmp_path_factory.mktemp("follow") / "shop.sqlite"
    path.write_bytes(shop_bytes)
    with connect(str(path), generators=[Scripted("one", CITIES)]) as database:
        return database.schema


@pytest.mark.parametrize(
    ("sql", "text", "expected"),
    [
        (CITIES, "only the first 2", f"{CITIES} LIMIT 2"),
        (CITIES, "sort by population descending", f"{CITIES} ORDER BY population DESC"),
        (CITIES, "and sorted by name?", f"{CITIES} ORDER BY name ASC"),
        (
            ORDERS,
            "and by month?",
            """SELECT STRFTIME('%Y-%m', "order"."placed_on") AS month, COUNT(*) FROM "order" """
            """GROUP BY STRFTIME('%Y-%m', "order"."placed_on") """
            """ORDER BY STRFTIME('%Y-%m', "order"."placed_on")""",
        ),
        (
            ORDERS,
            "by status",
            'SELECT "order"."status", COUNT(*) FROM "order" GROUP BY "order"."status"',
        ),
        (
            ORDERS,
            "what about in 2024?",
            f"""{ORDERS} WHERE "order"."placed_on" >= '2024-01-01' """
            """AND "order"."placed_on" < '2025-01-01'""",
        ),
        (ORDERS, "only since 2024", f"""{ORDERS} WHERE "order"."placed_on" >= '2024-01-01'"""),
        (
            ORDERS,
            "last month",
            f"""{ORDERS} WHERE "order"."placed_on" >= '2024-02-01' """
            """AND "order"."placed_on" < '2024-03-01'""",
        ),
        (CITIES, "only Portugal", f"""{CITIES} WHERE city."country" = 'Portugal'"""),
        (CITIES, "not Portugal", f"""{CITIES} WHERE city."country" <> 'Portugal'"""),
        (CITIES, "why is that?", None),
        (CITIES, "by month", None),
        ("SELECT 1 UNION SELECT 2", "top 5", None),
        ("not sql at all (", "top 5", None),
    ],
)
def test_follow_ups_change_the_statement(
    schema: Schema, sql: str, text: str, expected: str | None
) -> None:
    hits: tuple[Hit, ...] = ()
    if "Portugal" in text:
        start = text.index("Portugal")
        hits = (Hit(table="city", column="country", value="Portugal", start=start, end=start + 8,
                    score=1.0, match="exact"),)  # fmt: skip
    found = edited(sql, text, schema, hits, today=TODAY)
    assert found is None if expected is None else _same(found, expected)


def _same(found: str | None, expected: str) -> bool:
    assert found is not None
    plain = [text.replace('"', "").lower() for text in (found, expected)]
    assert plain[0] == plain[1]
    return True


def test_a_conversation(shop: Path) -> None:
    with connect(str(shop), generators=[Scripted("one", ORDERS)]) as database:
        first = database.ask("How many orders are there?")
        assert isinstance(first, Answered) and first.rows == ((7,),) and first.words == "7."
        months = first.follow_up("and by month?")
        assert months.columns[0] == "month" and sum(int(str(row[1])) for row in months.rows) == 7
        narrower = months.follow_up("only in 2024")
        assert sum(int(str(row[1])) for row in narrower.rows) == 4
        shipped = first.follow_up("only shipped")
        assert shipped.rows == ((3,),) and "shipped" in (shipped.sql or "")
        anew = first.follow_up("why is that so?")  # asked again, with the question before it
        assert anew.question == "How many orders are there, why is that so?"
        with pytest.raises(UsageError):
            first.follow_up(" ")


def test_a_follow_up_survives_a_question_that_is_as_long_as_can_be(shop: Path) -> None:
    one = Scripted("one", ORDERS)
    with connect(str(shop), generators=[one]) as database:
        first = database.ask("How many orders are there " + "of them " * 120)
        assert len(first.question) > 970
        anew = first.follow_up("why are there not any more of them?")
        asked = one.briefs[-1].question.text
        assert asked.startswith("How many orders")
        assert asked.endswith(", why are there not any more of them?")
        assert 960 < len(asked) <= 1000 and anew.question == asked
        (warning,) = anew.warnings
        assert warning.startswith("Of the question before, only ")
        whole = "why " * 246 + "is that"
        alone = first.follow_up(whole)
        assert one.briefs[-1].question.text == whole == alone.question
        assert alone.warnings == (
            "The question before was left out: with the follow-up it was too long.",
        )


def test_hostile_follow_ups_stay_values(shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("UPDATE city SET country = 'x'' OR 1=1 --' WHERE id = 1")
        connection.commit()
    with connect(str(shop), generators=[Scripted("one", CITIES)]) as database:
        answer = database.ask("cities").follow_up("only x' OR 1=1 --")
        assert len(answer.rows) in {1, 5}  # the one row of that country, or asked anew
        assert "DROP" not in (database.ask("cities").follow_up("only '; DROP TABLE city").sql or "")


def test_rows_become_a_data_frame_and_a_chart(shop: Path) -> None:
    sql = "SELECT country, COUNT(*) AS cities FROM city GROUP BY country"
    with connect(str(shop), generators=[Scripted("one", sql)]) as database:
        answer = database.ask("cities per country")
    frame = answer.df()
    assert list(frame.columns) == ["country", "cities"] and len(frame) == 4
    drawn = answer.chart()
    assert drawn is not None and drawn.spec["mark"] == "bar"
    assert pickle.loads(pickle.dumps(answer)) == Answer(
        **{name: getattr(answer, name) for name in Answer.__dataclass_fields__}
    )


def test_a_notebook_shows_text_as_text(shop: Path) -> None:
    sql = "SELECT '<script>alert(1)</script>' AS \"<b>\", NULL AS empty_one FROM city LIMIT 1"
    with connect(str(shop), generators=[Scripted("one", sql)]) as database:
        shown = database.ask("<i>what</i>")._repr_html_()
    assert "<script>" not in shown and "<b>" not in shown and "<i>" not in shown
    assert "&lt;script&gt;" in shown and "<em>NULL</em>" in shown


def test_an_answer_prints_as_a_few_lines(shop: Path) -> None:
    many = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000) SELECT x FROM n"
    )
    with connect(
        str(shop), generators=[Scripted("one", many, many.replace("x + 1", "x + 2"))]
    ) as db:
        answer = db.ask("all numbers")
    shown = str(answer)
    assert shown.splitlines()[0].startswith("5,000 rows") and f"\n{many}\n" in shown
    assert f"\nConfidence {answer.confidence:.0%}. 1 of 1 generators" in shown
    assert (
        len(shown) < 500
        and repr(answer) == f"Answered('all numbers': {many!r}, {answer.confidence:.0%})"
    )
    plain = pickle.loads(pickle.dumps(answer))
    assert str(plain).startswith("Rows: 5000.\n") and repr(plain).startswith("Answer('all numbers'")


def test_events_come_before_the_answer(shop: Path) -> None:
    with connect(str(shop), generators=[Scripted("one", CITIES)]) as database:
        *events, answer = database.stream("cities")
        assert isinstance(answer, Answered) and any(isinstance(e, Chosen) for e in events)
        assert {"retrieve", "refine"} <= {e.stage for e in events if isinstance(e, StageEnded)}
        with pytest.raises(UsageError):
            list(database.stream("  "))
        assert asyncio.run(database.aask("cities")).rows == answer.rows
        assert database.explain("SELECT name FROM city LIMIT 3").startswith("Shows name.")


def test_what_is_learnt_waits_for_review(shop: Path) -> None:
    from quorumsql.solved import examples_path
    from quorumsql.stores.examples import ExampleStore

    with connect(str(shop), generators=[Scripted("one", CITIES)]) as database:
        assert database.learn("all cities", CITIES) and not database.learn("all cities", CITIES)
        with pytest.raises(UsageError):
            database.learn("all cities", "SELECT nothing FROM city")
        store = ExampleStore(examples_path(database.settings))
    assert [one.approved for one in store.all()] == [False] and store.approved() == []


DAYS = [(datetime.date(2024, 1, day), day) for day in range(1, 6)]


@pytest.mark.parametrize(
    ("columns", "rows", "mark"),
    [
        (("day", "n"), DAYS, "line"),
        (("month", "n"), [("2024-01", 1), ("2024-02", 2)], "line"),
        (("year", "n"), [(2020, 1), (2021, 5)], "line"),
        (("name", "n"), [("a", 1), ("b", 2)], "bar"),
        (("category_id", "n"), [(1, 1), (2, 2)], "bar"),
        (("a", "b"), [(i, i * i) for i in range(9)], "point"),
        (("a", "b", "n"), [("x", "y", 1), ("x", "z", 2)], "bar"),
        (("n",), [(1,), (2,)], None),
        (("name", "n"), [("a", 1)], None),
        (("name", "other"), [("a", "b"), ("c", "d")], None),
        (("name", "n"), [(f"name {i}", i) for i in range(99)], None),
        (("n", "m"), [(float("nan"), 1), (2.0, 3)], None),
    ],
)
def test_charts_follow_the_types(
    columns: tuple[str, ...], rows: list[tuple[object, ...]], mark: str | None
) -> None:
    spec = chart(columns, rows)
    found = spec and (spec["mark"] if isinstance(spec["mark"], str) else spec["mark"]["type"])
    assert found == mark


def test_names_of_columns_never_become_expressions() -> None:
    spec = chart(("datum['x'] || alert(1)", "n"), [("a", 1), ("b", 2)])
    assert spec is not None and spec["encoding"]["y"]["field"] == "c0"
    assert set(spec["data"]["values"][0]) == {"c0", "c1"}


def test_results_in_words() -> None:
    assert in_words(("n",), [(1234567,)]) == "1,234,567."
    assert in_words(("n",), []) == "No row fits."
    assert in_words(("a", "b"), [(None, True)]) == "a nothing (NULL), b yes."
    assert in_words(("a",), [("x",), ("y",)]) == "x and y."
    assert in_words(("a",), [(Decimal("90.7500000000000000"),)]) == "90.75."
    assert in_words(("a",), [(Decimal("1200"),)]) == "1,200."
    assert in_words(("a",), [(Decimal("0.00"),), (1e-9,)]) == "0 and 1e-09."
    assert in_words(("a",), [(Decimal("NaN"),), (float("inf"),)]) == "nan and inf."
    assert in_words(("a", "b"), [(1, 0.5)] * 9, truncated=True).startswith("More than 9 rows.")
