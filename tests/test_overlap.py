"""What a question says that its SQL leaves out, counted."""

from __future__ import annotations

import dataclasses

import pytest

from quorumsql.domain import Column, Question, Schema, Table
from quorumsql.stages.overlap import NOTHING, SAID, Overlap


def table(name: str, *columns: str) -> Table:
    return Table(name=name, columns=tuple(Column(name=one) for one in columns))


SHOP = Schema(
    name="shop",
    tables=(table("customer", "id", "full_name", "city"), table("orders", "id", "total", "placed")),
)


def counts(question: str, sql: str, *, evidence: str = "", schema: Schema = SHOP) -> dict[str, int]:
    found = Overlap().of(Question(text=question, evidence=evidence), sql, schema)
    assert tuple(found) == SAID == tuple(NOTHING)
    return {name: int(value) for name, value in found.items() if value}


@pytest.mark.parametrize(
    ("question", "sql", "expected"),
    [
        ("Which cities?", "SELECT city FROM customer", {}),
        ("Total of orders by city", "SELECT SUM(total) FROM orders", {"unused": 1}),
        ("Customers from Paris", "SELECT * FROM customer WHERE city = 'Paris'", {"unasked": 1}),
        ("Customers from Paris", "SELECT * FROM customer", {"unknown": 1}),
        ("Orders above 1200.5", "SELECT * FROM orders WHERE total > 1200", {"numbers": 1}),
        ("The 3 customers", "SELECT id FROM customer LIMIT 3", {"unasked": 1}),
        ("customers of O'Brien", "SELECT 1 FROM customer WHERE 'O''Brien' > 0", {}),
        ("Which cities?", "SELECT FROM WHERE (", {"unused": 1}),
    ],
)
def test_words_and_numbers_are_counted(question: str, sql: str, expected: dict[str, int]) -> None:
    found = counts(question, sql)
    assert {name: value for name, value in found.items() if name in expected} == expected
    assert expected or not found.get("unused")


def test_evidence_explains_columns_and_asks_for_nothing() -> None:
    sql = "SELECT placed FROM orders"
    assert counts("When were orders made?", sql)["unasked"] == 1
    explained = counts("When were orders made?", sql, evidence="made refers to placed in 1999")
    assert "unasked" not in explained and "numbers" not in explained


def test_a_letter_of_unknown_words_counts_as_a_few() -> None:
    letter = " ".join(f"zork{chr(97 + n)}" for n in range(20))
    assert counts(letter, "SELECT 1") == {"unknown": 6}


def test_another_schema_has_other_words() -> None:
    overlap, question = Overlap(), Question(text="budget of each city")
    first = overlap.of(question, "SELECT 1", SHOP)
    other = dataclasses.replace(SHOP, tables=(table("spending", "budget", "city"),))
    second = overlap.of(question, "SELECT 1", other)
    assert (first["unused"], first["unknown"]) == (1.0, 1.0)
    assert (second["unused"], second["unknown"]) == (2.0, 0.0)
    assert overlap.of(question, "SELECT 1", SHOP) == first


def test_a_word_that_stands_for_a_name_counts_as_that_name() -> None:
    assert not counts("Clients by town", "SELECT id, city FROM customer").get("unknown")
    assert counts("Clients by town", "SELECT id FROM orders") == {"unused": 2, "unasked": 1}
    assert not counts("Each town", "SELECT city FROM customer").get("unasked")
