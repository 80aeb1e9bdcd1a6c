"""Stored values that a question mentions: exact, plural, prefix, typo, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Column, ColumnRef, Hit, Schema, Table
from quorumsql.forms.tree import Condition, Predicate, Query, SpanRef, Value
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.spans import find_spans, literal
from quorumsql.neural.spelling import words_known
from quorumsql.neural.values import fill
from quorumsql.ports import Database
from quorumsql.stores.values import FEW_VALUES, MemoryValueIndex, normalise


@pytest.fixture
def airlines(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "airlines.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE airline (id INTEGER PRIMARY KEY, name TEXT, country TEXT, code TEXT);
            INSERT INTO airline VALUES
              (1, 'JetBlue Airways', 'USA', 'B6'), (2, 'Air Élan', 'France', 'M'),
              (3, 'Lufthansa', 'Germany', '737'), (4, 'O''Hare Express', 'United States', 'F');
            CREATE TABLE pet (kind TEXT, born DATE);
            INSERT INTO pet VALUES ('cat', '2010-05-01 10:00'), ('Dog', '2011-01-01'), (NULL, '');
            """
        )
    connection.close()
    database = open_database(str(path))
    yield database
    database.close()


@pytest.fixture
def index(airlines: Database) -> MemoryValueIndex:
    return MemoryValueIndex.build(airlines, airlines.schema())


@pytest.mark.parametrize(
    ("question", "phrase", "value", "match"),
    [
        ("flights of JetBlue Airways", "JetBlue Airways", "JetBlue Airways", "exact"),
        ("flights of jetblue airways?", "jetblue airways", "JetBlue Airways", "exact"),
        ("who owns Air Elan", "Air Elan", "Air Élan", "exact"),
        ("how many cats are there", "cats", "cat", "exact"),
        ("the age of each dog", "dog", "Dog", "exact"),
        ("is JetBlue big", "JetBlue", "JetBlue Airways", "prefix"),
        ("flights by Lufthanza today", "Lufthanza", "Lufthansa", "fuzzy"),
        ("all of O'Hare Express", "O'Hare Express", "O'Hare Express", "exact"),
        ("airlines from the United States.", "United States", "United States", "exact"),
        ("all French airlines", "French", "France", "fuzzy"),
        ("codes of female pilots", "female", "F", "fuzzy"),
        ("airlines from America", "America", "USA", "fuzzy"),
        ("airlines from the US?", "US", "United States", "exact"),
    ],
)
def test_mentions(
    index: MemoryValueIndex, question: str, phrase: str, value: str, match: str
) -> None:
    found = {(question[h.start : h.end], h.value, h.match) for h in index.mentions(question)}
    assert (phrase, value, match) in found


@pytest.mark.parametrize(
    "question",
    ["", "how many are there in all", "what is the number of it", "ÆØ ☃ ☃☃", "'" * 50, "a f m"],
)
def test_nothing_is_mentioned(index: MemoryValueIndex, question: str) -> None:
    assert index.mentions(question) == ()


def test_states_are_their_letters_where_nothing_is_like_their_name(tmp_path: Path) -> None:
    path = tmp_path / "shops.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE shop (state TEXT, city TEXT)")
        connection.execute("INSERT INTO shop VALUES ('NY', 'Albany'), ('WA', 'Washington')")
    connection.close()
    with closing(open_database(str(path))) as database:
        index = MemoryValueIndex.build(database, database.schema())
    (hit,) = index.mentions("shops in New York today")
    assert (hit.value, hit.start, hit.end) == ("NY", 9, 17)
    (hit,) = index.mentions("shops in Washington today")
    assert hit.value == "Washington"


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("albums whose title starts with A in order", "A"),
        ("names that begin with the letter s", "s"),
        ("people without the letter M in their name", "M"),
        ("titles containing the substring love", "love"),
        ("songs that have the word Sun in them", "Sun"),
        ("people whose email contains gmail", "gmail"),
        ("people whose email ends with acme.io", "acme.io"),
        ("people with emails that contain gmail or more", "gmail"),
        ("names starting with mc.", "mc"),
        ("places whose name contains west", "west"),
    ],
)
def test_what_a_text_holds_is_as_good_as_quoted(question: str, value: str) -> None:
    assert [(one.text, one.kind) for one in find_spans(question, ())] == [(value, "quoted")]


@pytest.mark.parametrize(
    "question",
    [
        "names that start with the letters of their town",
        "songs with words that rhyme",
        "albums that contain songs",
        "the album that contains the most tracks",
        "lists containing tracks of a band",
        "people starting with the oldest?",
    ],
)
def test_words_about_words_are_no_values(question: str) -> None:
    assert find_spans(question, ()) == ()


def test_best_hits_come_first(index: MemoryValueIndex) -> None:
    hits = index.mentions("Lufthansa flights from Germany and Jetblue")
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert {h.column for h in hits} == {"name", "country"}


def test_a_long_question_is_looked_up(index: MemoryValueIndex) -> None:
    hits = index.mentions("word " * 1990 + "Germany")
    assert [h.value for h in hits] == ["Germany"]


def test_normal_form_ignores_case_accents_and_outer_punctuation() -> None:
    assert normalise("  Élan-Vital, (Ltd.) ") == normalise("elan vital ltd")


def spans(question: str, *hits: Hit) -> dict[str, str | None]:
    return {span.text: span.number for span in find_spans(question, hits)}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("more than 80,000 people", {"80,000": "80000"}),
        ("a ratio of 3.5 or -2", {"3.5": "3.5", "-2": "-2"}),
        ("at least three pets", {"three": "3"}),
        ("the top 3rd one", {"3": "3", "one": "1"}),
        ("since 2010-05-01", {"2010-05-01": None}),
        ("names with 'the word' in them", {"the word": None}),
        ("who lives in New York today", {"New York": None}),
        ("flight A380 of them", {"A380": None}),
        ("more than 5 million people", {"5 million": "5000000"}),
        ("over 1.5 thousand or 2K", {"1.5 thousand": "1500", "2K": "2000"}),
        ("between 100k and 150k", {"100k": "100000", "150k": "150000"}),
        ("above $2.5bn or five hundred", {"2.5bn": "2500000000", "five hundred": "500"}),
        ("a revenue of 5m", {"5m": "5000000"}),
        ("taller than 100m", {"100": "100"}),
        ("no million of X12k", {"no": "0", "million": "1000000", "X12k": None}),
    ],
)
def test_spans_that_are_written(question: str, expected: dict[str, str | None]) -> None:
    found = spans(question)
    assert {text: found.get(text, "missing") for text in expected} == expected


def test_a_quoted_text_is_one_value() -> None:
    question = 'the fee of "San Jose State 4" in 1996'
    start = question.index("San")
    hit = Hit(table="t", column="city", value="San Jose", start=start, end=start + 8,
              score=0.99, match="exact")  # fmt: skip
    assert spans(question, hit) == {"San Jose State 4": None, "1996": "1996"}


def test_the_first_word_of_a_question_belongs_to_no_name() -> None:
    assert spans("List Aerosmith's albums") == {"Aerosmith": None}
    assert spans("Who's in New York?") == {"New York": None}


def test_an_owner_is_found_without_its_ending(airlines: Database) -> None:
    index = MemoryValueIndex.build(airlines, airlines.schema())
    assert "JetBlue Airways" in {h.value for h in index.mentions("list JetBlue Airways's flights")}


def test_a_literal_is_the_stored_value_of_its_own_column() -> None:
    hit = Hit(table="t", column="name", value="France", start=5, end=11, score=0.9, match="exact")
    (span,) = find_spans("from france", [hit])
    column = Column(name="name", kind="text")
    here, there = ColumnRef(table="t", column="name"), ColumnRef(table="t", column="other")
    assert literal(span, here, column).text == "France"
    assert literal(span, there, Column(name="other", kind="text")).text == "france"
    assert literal(span, here, column, pattern=True).text == "france"


def test_a_number_is_a_number_only_where_the_column_is() -> None:
    (span,) = find_spans("over 007 of them", ())
    ref = ColumnRef(table="t", column="c")
    assert literal(span, ref, Column(name="c", kind="number")).number
    assert not literal(span, ref, Column(name="c", kind="text")).number


def test_a_scale_is_left_out_where_the_column_counts_in_it() -> None:
    ref = ColumnRef(table="t", column="c")
    for question, name, text in (
        ("over 80 billion", "sales_in_billion", "80"),
        ("over five million", "Population_Millions", "5"),
        ("over 80 billion", "sales", "80000000000"),
    ):
        (span,) = find_spans(question, ())
        assert literal(span, ref, Column(name=name, kind="number")) == Value(text, number=True)


def test_parts_of_a_scaled_number_are_no_values() -> None:
    assert spans("over 5 million of 20k") == {"5 million": "5000000", "20k": "20000"}


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("airlines in germny", "Germany"),
        ("airlines of lufthannsa", "Lufthansa"),
        ("Lufthanza flights", "Lufthansa"),
        ("all airlnes", None),
        ("airlines in gemrany of the world", "Germany"),
    ],
)
def test_errors_in_small_letters_are_found_where_words_are_known(
    airlines: Database, question: str, value: str | None
) -> None:
    schema = airlines.schema()
    index = MemoryValueIndex.build(airlines, schema, is_known=words_known(schema))
    hits = index.mentions(question)
    assert [hit.value for hit in hits] == ([value] if value else [])
    assert all(hit.match == "fuzzy" for hit in hits)


def test_words_of_english_are_no_errors_but_for_doubled_letters(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE parcel (status TEXT)")
        rows = [("cancelled",), ("planet",), ("Kennels",)]
        connection.executemany("INSERT INTO parcel VALUES (?)", rows)
    connection.close()
    with closing(open_database(str(path))) as database:
        schema = database.schema()
        index = MemoryValueIndex.build(database, schema, is_known=words_known(schema))
        plain = MemoryValueIndex.build(database, schema)
    found = {
        question: [hit.value for hit in index.mentions(question)]
        for question in ("how many canceled parcels", "the planes", "parcl", "kenels")
    }
    assert list(found.values()) == [["cancelled"], [], [], ["Kennels"]]
    assert plain.mentions("how many canceled parcels") == ()


def test_columns_of_many_values_have_no_errors_in_small_letters(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE person (name TEXT)")
        rows = [(f"person{n}",) for n in range(FEW_VALUES)]
        connection.executemany("INSERT INTO person VALUES (?)", [*rows, ("Grunewald",)])
    connection.close()
    with closing(open_database(str(path))) as database:
        schema = database.schema()
        index = MemoryValueIndex.build(database, schema, is_known=words_known(schema))
    assert index.mentions("the persons of grunewld") == ()


def test_an_index_of_nothing_finds_nothing(airlines: Database) -> None:
    empty = MemoryValueIndex.build(airlines, Schema(name="e", tables=(Table(name="x"),)))
    assert empty.mentions("JetBlue Airways") == ()


DAYS = ("2010-05-01", "2011-01-01")
MOMENTS = ("2010-05-01 12:30:00", "2011-01-01 00:00:00")


def test_a_year_beside_a_date_means_the_whole_year() -> None:
    dates = Column(name="born", kind="date", examples=("2010-05-01", "2011-01-01"))
    years = Column(name="born", kind="date", examples=(2010, 2011))
    question = "born in 2011"
    spans = find_spans(question, ())
    for column, operator in ((dates, "starts"), (years, "=")):
        schema = Schema(name="s", tables=(Table(name="pet", columns=(column,)),))
        ref = ColumnRef(table="pet", column="born")
        query = Query(select=(ref,), where=Condition((Predicate(ref, "=", (SpanRef(0),)),)))
        where = fill(
            query, spans=spans, schema=schema, question=question, meaning=WordMeaning()
        ).where
        assert where is not None
        assert where.predicates[0].operator == operator
        assert where.predicates[0].right[0].text == "2011"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "operator", "stored", "becomes"),
    [
        (("2011",), "=", DAYS, ("starts", "2011")),
        (("2011",), "!=", DAYS, ("starts", "2011")),
        (("2011",), ">", DAYS, (">", "2011-12-31")),
        (("2011",), "<=", DAYS, ("<=", "2011-12-31")),
        (("2011",), ">=", DAYS, (">=", "2011-01-01")),
        (("2011",), "<", MOMENTS, ("<", "2011-01-01")),
        (("2011",), ">", MOMENTS, (">", "2011-12-31 23:59:59")),
        (("2010", "2011"), "between", DAYS, ("between", "2010-01-01", "2011-12-31")),
        (("2011-05-01",), "=", MOMENTS, ("starts", "2011-05-01")),
        (("2011-05-01",), "=", DAYS, ("=", "2011-05-01")),
        (("2011-05-01",), ">", MOMENTS, (">", "2011-05-01")),
    ],
)
def test_a_time_beside_dates_that_say_more_is_all_of_it(
    said: tuple[str, ...], operator: str, stored: tuple[str, ...], becomes: tuple[str, ...]
) -> None:
    column = Column(name="born", kind="date", examples=stored)
    schema = Schema(name="s", tables=(Table(name="pet", columns=(column,)),))
    ref = ColumnRef(table="pet", column="born")
    question = " and ".join(said)
    # The index knows days that begin with the year; none of them is the year.
    hits = tuple(
        Hit(table="pet", column="born", value=f"{text}-05-01", score=0.6, match="prefix",
            start=question.index(text), end=question.index(text) + len(text))
        for text in said
        if len(text) == 4
    )  # fmt: skip
    spans = find_spans(question, hits)
    asked = Predicate(ref, operator, tuple(SpanRef(n) for n in range(len(said))))
    query = Query(select=(ref,), where=Condition((asked,)))
    where = fill(query, spans=spans, schema=schema, question=question, meaning=WordMeaning()).where
    assert where is not None
    (found,) = where.predicates
    texts = [one.text for one in found.right if isinstance(one, Value) and not one.number]
    assert (found.operator, *texts) == becomes
    assert found.negated == (operator == "!=")


def test_parts_of_a_date_are_no_values() -> None:
    spans = find_spans("orders between 2010-01-01 and 2010-12-31, 3 of 5/2", ())
    assert [one.text for one in spans] == ["2010-01-01", "2010-12-31", "3", "5", "5/2", "2"]
