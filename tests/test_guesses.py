"""Values that a query needs and no span says: what the index found, yes or no, or a likely one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Brief, ColumnRef, Question, Schema
from quorumsql.forms.tree import Condition, Predicate, Query, Value
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.members import EmbeddedMember, load_members
from quorumsql.neural.spans import find_spans
from quorumsql.neural.values import Unfilled, fill, pointed, spans_of
from quorumsql.stores.values import MemoryValueIndex

GUESS = Value("", guessed=True)
MEANING = WordMeaning()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Schema, MemoryValueIndex]:
    """A database with one column of each sort that is guessed in another way."""
    path = tmp_path_factory.mktemp("guesses") / "clinic.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE patient (
              id INTEGER PRIMARY KEY, gender TEXT, city TEXT, plan TEXT, born DATE,
              no_show BOOLEAN, state TEXT,
              is_active INTEGER, Insured TEXT, children INTEGER, visits INTEGER);
            INSERT INTO patient VALUES
              (1, 'M', 'Paris', 'Basic', '2010-05-01', 0, 'on hold', 0, 'N', 0, 7),
              (2, 'F', 'Berlin', 'Gold', '2011-01-01', 1, 'refused', 1, 'Y', 1, 9),
              (3, 'M', 'New York', 'Gold', '2012-01-01', 0, 'cured', 1, 'Y', 1, 12);
            """
        )
    with closing(open_database(str(path))) as database:
        schema = database.schema()
        return schema, MemoryValueIndex.build(database, schema)


def guessed(
    clinic: tuple[Schema, MemoryValueIndex], question: str, column: str, operator: str = "="
) -> tuple[Value, set[int]]:
    """What becomes of a guess beside a column, and the spans that the query then has."""
    schema, index = clinic
    spans = find_spans(question, index.mentions(question))
    ref = ColumnRef(table="patient", column=column)
    query = Query(select=(ref,), where=Condition((Predicate(ref, operator, (GUESS,)),)))
    tree = pointed(query, spans=spans, schema=schema)
    where = fill(tree, spans=spans, schema=schema, question=question, meaning=MEANING).where
    assert where is not None
    (value,) = where.predicates[0].right
    assert isinstance(value, Value)
    return value, spans_of(tree)


@pytest.mark.parametrize(
    ("question", "column", "value"),
    [
        ("How many female patients?", "gender", "F"),
        ("How many men are most ill?", "gender", "M"),
        ("who is in berlin", "city", "Berlin"),
    ],
)
def test_what_the_index_found_is_no_guess_and_counts_as_used(
    clinic: tuple[Schema, MemoryValueIndex], question: str, column: str, value: str
) -> None:
    found, used = guessed(clinic, question, column)
    assert found == Value(value) and len(used) == 1


def test_a_span_is_pointed_to_once(clinic: tuple[Schema, MemoryValueIndex]) -> None:
    schema, index = clinic
    question = "patients in Paris or Berlin"
    spans = find_spans(question, index.mentions(question))
    ref = ColumnRef(table="patient", column="city")
    both = Condition((Predicate(ref, "=", (GUESS,)), Predicate(ref, "=", (GUESS,))), ("or",))
    tree = pointed(Query(select=(ref,), where=both), spans=spans, schema=schema)
    assert spans_of(tree) == {0, 1}


@pytest.mark.parametrize(
    ("question", "column", "operator", "value"),
    [
        ("How many no-shows?", "no_show", "=", Value("1", number=True)),
        ("How many were never a no show?", "no_show", "=", Value("0", number=True)),
        ("How many active patients?", "is_active", "=", Value("1", number=True)),
        ("How many inactive patients?", "is_active", "=", Value("0", number=True)),
        ("Who isn't active?", "is_active", "=", Value("0", number=True)),
        ("Who isn't active?", "is_active", "!=", Value("1", number=True)),
        ("active patients not from Paris", "is_active", "=", Value("1", number=True)),
        ("insured patients", "Insured", "=", Value("Y")),
        ("non-insured patients", "Insured", "=", Value("N")),
        ("patients with a policy", "Insured", "=", Value("Y", guessed=True)),
        ("who does not pay", "Insured", "=", Value("N", guessed=True)),
    ],
)
def test_yes_and_no(
    clinic: tuple[Schema, MemoryValueIndex], question: str, column: str, operator: str, value: Value
) -> None:
    assert guessed(clinic, question, column, operator) == (value, set())


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("How many of the most recent patients are golden?", "Gold"),
        ("How many have basically many?", "Basic"),
        ("patients in bas", "Basic"),
    ],
)
def test_a_guess_is_what_words_resemble(
    clinic: tuple[Schema, MemoryValueIndex], question: str, value: str
) -> None:
    assert guessed(clinic, question, "plan") == (Value(value, guessed=True), set())


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("Whose treatment is being held up?", "on hold"),
        ("Whom did we reject?", "refused"),
        ("Who is healthy again?", "cured"),
    ],
)
def test_a_state_in_other_words_is_the_one_nearest_in_meaning(
    clinic: tuple[Schema, MemoryValueIndex], question: str, value: str
) -> None:
    assert guessed(clinic, question, "state") == (Value(value, guessed=True), set())


def test_words_that_ask_or_name_are_no_initials(
    clinic: tuple[Schema, MemoryValueIndex],
) -> None:
    value, _ = guessed(clinic, "How many more of my patients by gender are feminine", "gender")
    assert value.text == "F"


@pytest.mark.parametrize(
    ("column", "operator"),
    [("born", "="), ("visits", "="), ("children", "="), ("city", "contains"), ("plan", "starts")],
)
def test_what_cannot_be_guessed_is_dropped(
    clinic: tuple[Schema, MemoryValueIndex], column: str, operator: str
) -> None:
    with pytest.raises(Unfilled):
        guessed(clinic, "How many of those in Berlin?", column, operator)


@pytest.fixture(scope="module")
def members() -> Iterator[tuple[EmbeddedMember, ...]]:
    yield load_members()


def test_sql_is_guessed_only_if_every_hypothesis_guesses(
    clinic: tuple[Schema, MemoryValueIndex], members: tuple[EmbeddedMember, ...]
) -> None:
    schema, index = clinic
    for text in ("How many patients are in berlin?", "How many female patients are there?"):
        brief = Brief(question=Question(text=text), schema=schema, hits=index.mentions(text))
        for member in members:
            drafts = tuple(member.drafts(brief))
            for candidate in member.generate(brief):
                own = [draft.guessed for draft in drafts if draft.sql == candidate.sql]
                assert candidate.guessed == all(own)
