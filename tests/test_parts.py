"""Names that a table keeps in parts, from the question to the SQL's literals."""

from __future__ import annotations

import sqlite3

import pytest

from quorumsql.db import open_database
from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.tree import Condition, Predicate, Query, SpanRef, Value
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.spans import Span, find_spans
from quorumsql.neural.values import fill
from quorumsql.stores.values import MemoryValueIndex

FIRST = ColumnRef(table="customer", column="first")
LAST = ColumnRef(table="customer", column="last")
CITY = ColumnRef(table="customer", column="city")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Schema, MemoryValueIndex]:
    path = tmp_path_factory.mktemp("parts") / "parts.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE customer (id INTEGER PRIMARY KEY, first TEXT, last TEXT, city TEXT);
            INSERT INTO customer VALUES (1, 'Astrid', 'Gruber', 'Vienna'),
                                        (2, 'Mary Ann', 'Young', 'New York'),
                                        (3, 'Fast As a Shark', 'Fast and Loose', 'Lima');
            """
        )
    database = open_database(str(path))
    schema = database.schema()
    index = MemoryValueIndex.build(database, schema)
    database.close()
    return schema, index


def filled(
    known: tuple[Schema, MemoryValueIndex], question: str, *said: tuple[ColumnRef, str], **also: str
) -> list[tuple[str, str]]:
    """What a query says of columns, where a member pointed to these texts of the question."""
    schema, index = known
    spans = find_spans(question, index.mentions(question))
    predicates = tuple(
        Predicate(left=column, operator="=", right=(SpanRef(_number(spans, text)),))
        for column, text in said
    )
    link = also.get("link", "and")
    where = Condition(predicates, (link,) * (len(predicates) - 1))
    query = Query(select=(FIRST,), where=where)
    made = fill(query, spans=spans, schema=schema, question=question, meaning=WordMeaning()).where
    assert made is not None and len(made.connectors) == len(made.predicates) - 1
    return [(p.left.column, _text(p)) for p in made.predicates if isinstance(p.left, ColumnRef)]


def _number(spans: tuple[Span, ...], text: str) -> int:
    return next(number for number, span in enumerate(spans) if span.text == text)


def _text(predicate: Predicate) -> str:
    (value,) = predicate.right
    assert isinstance(value, Value)
    return value.text


PARTS = [("first", "Astrid"), ("last", "Gruber")]


@pytest.mark.parametrize(
    "question",
    ["Where does Astrid Gruber live?", 'Where does "Astrid Gruber" live?'],
)
@pytest.mark.parametrize("column", [FIRST, LAST])
def test_a_whole_name_beside_one_part_is_compared_part_by_part(
    known: tuple[Schema, MemoryValueIndex], question: str, column: ColumnRef
) -> None:
    assert filled(known, question, (column, "Astrid Gruber")) == PARTS


def test_parts_of_several_words_are_found(known: tuple[Schema, MemoryValueIndex]) -> None:
    found = filled(known, "What of Mary Ann Young?", (LAST, "Mary Ann Young"))
    assert found == [("first", "Mary Ann"), ("last", "Young")]


def test_what_else_equals_a_part_goes_and_other_conditions_stay(
    known: tuple[Schema, MemoryValueIndex],
) -> None:
    question = "Does Astrid Gruber live in Lima?"
    said = ((FIRST, "Astrid Gruber"), (LAST, "Astrid Gruber"), (CITY, "Lima"))
    assert filled(known, question, *said) == [*PARTS, ("city", "Lima")]


def test_other_columns_and_alternatives_are_left_alone(
    known: tuple[Schema, MemoryValueIndex],
) -> None:
    question = "Does Astrid Gruber or somebody of Lima call?"
    said = ((FIRST, "Astrid Gruber"), (CITY, "Lima"))
    assert filled(known, question, *said, link="or")[0] == ("first", "Astrid Gruber")
    assert filled(known, question, (CITY, "Astrid Gruber")) == [("city", "Astrid Gruber")]


def test_a_quote_is_one_value_unless_the_database_has_it_in_parts(
    known: tuple[Schema, MemoryValueIndex],
) -> None:
    _, index = known
    for question, texts in {
        'Who lives in "New York"?': ["New York"],
        'Who is "Astrid Petra Gruber"?': ["Astrid Petra Gruber"],
        'Who is "Astrid Gruber"?': ["Astrid", "Astrid Gruber", "Gruber"],
    }.items():
        assert [s.text for s in find_spans(question, index.mentions(question))] == texts


def test_parts_of_what_is_stored_whole_are_no_values(
    known: tuple[Schema, MemoryValueIndex],
) -> None:
    _, index = known
    question = "Who of New York sang Fast As a Shark?"
    texts = [s.text for s in find_spans(question, index.mentions(question))]
    assert texts == ["New York", "Fast As a Shark"]
