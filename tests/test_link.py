"""Large schemas come down to what the question can be about; small ones are left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import Column, ForeignKey, Hit, Question, Schema, Table
from quorumsql.stages.link import link, within


def table(name: str, *columns: str, key: str = "id", comment: str = "") -> Table:
    made = (Column(name=key, type="INTEGER", kind="number", primary_key=True),)
    return Table(name=name, comment=comment, columns=made + tuple(Column(name=c) for c in columns))


def to(own: str, column: str, other: str) -> ForeignKey:
    return ForeignKey(table=own, columns=(column,), referred_table=other, referred_columns=("id",))


def ask(text: str) -> Question:
    return Question(text=text)


SCHOOL = Schema(
    name="school",
    tables=(
        table("audit_log", "happened_at", "actor", "payload"),
        table("Student", "firstName", "lastName", "home_address"),
        table("Enrolment", "student_id", "course_id", "grade"),
        table("Course", "title", "credits"),
        table("Building", "street", "floors"),
        table("Vehicle", "plate", "colour"),
    ),
    foreign_keys=(to("Enrolment", "student_id", "Student"), to("Enrolment", "course_id", "Course")),
)


def names(schema: Schema) -> dict[str, list[str]]:
    return {t.name: [c.name for c in t.columns] for t in schema.tables}


def test_a_schema_that_fits_is_the_same_object() -> None:
    assert link(ask("How many students?"), SCHOOL) is SCHOOL


def test_tables_of_the_question_stay_with_their_bridge_and_keys() -> None:
    small = link(ask("Which students take which courses?"), SCHOOL, max_columns=12)
    assert list(names(small)) == ["Student", "Enrolment", "Course"]
    assert {"student_id", "course_id"} <= set(names(small)["Enrolment"])
    assert small.foreign_keys == SCHOOL.foreign_keys


def test_columns_keep_their_original_order() -> None:
    small = link(ask("last name and first name of students"), SCHOOL, max_columns=6)
    assert names(small)["Student"][:3] == ["id", "firstName", "lastName"]


def test_camel_case_and_plurals_match() -> None:
    small = link(ask("List all lastnames"), SCHOOL, max_columns=3)
    assert "lastName" in names(small)["Student"]


def test_spelling_mistakes_match() -> None:
    small = link(ask("What colour is each vehcile?"), SCHOOL, max_columns=3)
    assert names(small) == {"Vehicle": ["id", "plate", "colour"]}


def test_the_column_of_a_mentioned_value_stays() -> None:
    hit = Hit(
        table="Building", column="street", value="Elm Row", start=0, end=7, score=1.0, match="exact"
    )
    small = link(ask("Elm Row?"), SCHOOL, [hit], max_columns=2)
    assert names(small) == {"Building": ["id", "street"]}


def test_comments_say_what_cryptic_names_do_not() -> None:
    cryptic = Schema(
        name="c",
        tables=(table("t1", "x1", "x2"), table("t2", "y1", "y2", comment="Salaries of employees")),
    )
    small = link(ask("What salary do employees get?"), cryptic, max_columns=3)
    assert list(names(small)) == ["t2"]


def test_a_question_without_a_known_word_keeps_the_first_tables() -> None:
    small = link(ask("Wie viele?"), SCHOOL, max_columns=4)
    assert sum(len(t.columns) for t in small.tables) == 4


def test_a_table_of_two_thousand_columns_comes_down_to_the_budget() -> None:
    wide = Schema(
        name="w", tables=(table("wide", *[f"measure_{n}" for n in range(2000)], "humidity"),)
    )
    small = link(ask("What is the average humidity?"), wide)
    (only,) = small.tables
    assert len(only.columns) <= 120
    assert {"id", "humidity"} <= {c.name for c in only.columns}


def test_long_names_cost_more_of_the_encoder_than_short_ones() -> None:
    long = Schema(
        name="l", tables=(table("t", *["very_long_column_name_" * 8 + str(n) for n in range(60)]),)
    )
    assert 0 < len(link(ask("anything"), long).tables[0].columns) < 20


def test_a_foreign_key_without_its_columns_goes() -> None:
    small = link(ask("vehicle plate"), SCHOOL, max_columns=2)
    assert small.foreign_keys == ()


def test_hits_outside_the_linked_schema_are_dropped() -> None:
    def hit(column: str) -> Hit:
        return Hit(
            table="Vehicle", column=column, value="x", start=0, end=1, score=1.0, match="exact"
        )

    small = link(ask("vehicle plate"), SCHOOL, max_columns=2)
    assert within([hit("plate"), hit("colour")], small) == (hit("plate"),)


def test_a_thousand_tables_are_linked_in_a_moment() -> None:
    subjects = ["orders", "customers", "invoices", "shipments", "refunds"]
    tables = tuple(
        table(
            f"{subjects[n % 5]}_{n}",
            *[f"{c}_{m}" for m in range(5) for c in ("amount", "day", "kind", "note")],
        )
        for n in range(1000)
    )
    keys = tuple(
        to(f"{subjects[n % 5]}_{n}", "kind_0", f"{subjects[0]}_{n - n % 5}") for n in range(1, 1000)
    )
    big = Schema(name="big", tables=tables, foreign_keys=keys)
    start = time.process_time()
    small = link(ask("What is the total amount of refunds per day for customers_506?"), big)
    assert time.process_time() - start < 1.0  # about 0.1 s
    assert sum(len(t.columns) for t in small.tables) <= 120
    assert "customers_506" in names(small)


@settings(deadline=None)
@given(st.text(max_size=80), st.integers(min_value=1, max_value=30))
def test_any_text_gives_the_same_part_within_the_budget_twice(text: str, budget: int) -> None:
    small = link(ask(text), SCHOOL, max_columns=budget)
    assert small == link(ask(text), SCHOOL, max_columns=budget)
    total = sum(len(t.columns) for t in small.tables)
    assert 0 < total <= max(budget, 24 if small is SCHOOL else 0)
    for part in small.tables:
        whole = SCHOOL.table(part.name)
        assert whole is not None
        assert [c for c in whole.columns if c in part.columns] == list(part.columns)


def test_spider_dev_schemas_all_fit_and_large_train_schemas_keep_their_tables(
    spider_dir: Path,
) -> None:
    described = json.loads((spider_dir / "tables.json").read_text(encoding="utf-8"))
    schemas = {entry["db_id"]: from_spider(entry) for entry in described}
    dev = json.loads((spider_dir / "dev.json").read_text(encoding="utf-8"))
    for name in {entry["db_id"] for entry in dev}:
        assert link(ask("q"), schemas[name]) is schemas[name]
    baseball = schemas["baseball_1"]
    train = json.loads((spider_dir / "train.json").read_text(encoding="utf-8"))
    asked = [entry for entry in train if entry["db_id"] == "baseball_1"]
    kept = 0
    for entry in asked:
        words = set(entry["query"].lower().replace(",", " ").split())
        needed = {t.name for t in baseball.tables if t.name.lower() in words}
        kept += needed <= set(names(link(ask(entry["question"]), baseball)))
    assert kept / len(asked) >= 0.95


def from_spider(entry: Mapping[str, Any]) -> Schema:
    tables, columns = entry["table_names_original"], entry["column_names_original"]
    keys = set(entry["primary_keys"])
    return Schema(
        name=entry["db_id"],
        tables=tuple(
            Table(
                name=name,
                columns=tuple(
                    Column(name=column, primary_key=n in keys)
                    for n, (own, column) in enumerate(columns)
                    if own == number
                ),
            )
            for number, name in enumerate(tables)
        ),
        foreign_keys=tuple(
            ForeignKey(
                table=tables[columns[a][0]],
                columns=(columns[a][1],),
                referred_table=tables[columns[b][0]],
                referred_columns=(columns[b][1],),
            )
            for a, b in entry["foreign_keys"]
        ),
    )


@pytest.mark.parametrize(
    "schema", [Schema(name="none"), Schema(name="t", tables=(Table(name="t"),))]
)
def test_a_schema_without_columns_is_left_alone(schema: Schema) -> None:
    assert link(ask("anything"), schema, max_columns=1) is schema
