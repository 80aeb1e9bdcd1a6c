"""Names of a schema in the words of a question."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import quorumsql.synonyms
from command import parsed, quorum
from quorumsql.domain import Column, Hit, Schema, Table
from quorumsql.naming import stem
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.shipped import FOLDER
from quorumsql.synonyms import Synonyms, Thesaurus

LINES = (Path(quorumsql.synonyms.__file__).with_name("synonyms.txt")).read_text(encoding="utf-8")
OWN = Thesaurus(
    [
        "# what a comment says is no group",
        "customer, client / cust | shopper",
        "salary, pay / sal",
        "pay, price",
        "first name, given name / fname",
        "title, name",
        "order, purchase",
        "city, town",
    ]
)


def schema(**tables: str) -> Schema:
    return Schema(
        name="s",
        tables=tuple(
            Table(name=name, columns=tuple(Column(name=column) for column in columns.split()))
            for name, columns in tables.items()
        ),
    )


SHOP = schema(customers="cust_no fname city_id home_city", orders="id total")


def names(question: str, of: Schema = SHOP, hits: tuple[Hit, ...] = ()) -> dict[str, str]:
    worded = Synonyms(OWN).names(question, of, hits)
    return {".".join(filter(None, place)): words for place, words in worded.items()}


def test_a_name_is_read_in_the_words_of_the_question() -> None:
    assert names("How many clients are there?") == {"customers": "client"}
    assert names("Given names by town") == {
        "customers.fname": "given name",
        "customers.city_id": "town id",
        "customers.home_city": "home town",
    }
    assert names("Which shopper?") == {"customers": "shopper"}
    said = Synonyms(OWN).said("What do our clients' purchases cost?", SHOP)
    assert said == {"clients": "customers", "purchases": "orders"}


def test_an_abbreviation_is_spelt_out() -> None:
    assert names("the customer", schema(people="cust age")) == {"people.cust": "customer"}
    assert names("the cust", schema(customers="id")) == {}  # nobody says so


@pytest.mark.parametrize(
    "question",
    [
        "How many customers are there?",
        "List the customers, sorted in the order of their names",
        "Who lives in 'client town'?",
        'Who is called "client"?',
        "Who works for Client Town?",
        "",
        "?",
    ],
)
def test_what_the_schema_has_or_may_be_a_value_stays(question: str) -> None:
    assert names(question, schema(customers="city", purchases="id")) == {}


def test_a_value_of_the_data_says_nothing() -> None:
    hit = Hit(value="town", table="t", column="kind", score=1.0, start=10, end=14, match="exact")
    assert names("Who likes town?", hits=(hit,)) == {}
    assert names("Who likes town?", hits=()) != {}


def test_a_word_for_two_names_stands_for_neither() -> None:
    assert names("the pay", schema(staff="salary price")) == {}
    assert names("the pay", schema(staff="sal")) == {"staff.sal": "pay"}
    # a whole name is nearer than a part of one
    assert names("the pay", schema(staff="salary unit_price")) == {"staff.salary": "pay"}


def test_a_name_that_the_question_says_itself_is_not_read_otherwise() -> None:
    assert names("pay and salary", schema(staff="salary")) == {}


def test_general_words_stand_for_whole_names_only() -> None:
    assert names("the name of the film", schema(film="title song_name")) == {"film.title": "name"}
    assert names("the name of the film", schema(film="title name")) == {}
    assert names("the name of the film", schema(film="title film_name")) == {}


def test_members_read_the_words_in_the_place_of_the_name() -> None:
    tokeniser = Tokeniser(FOLDER / "tokenizer.json")
    pieces = tokeniser.pieces(SHOP)
    assert tokeniser.reworded(pieces, {}) is pieces
    (table, columns), other = tokeniser.reworded(
        pieces, {("customers", None): "client", ("customers", "fname"): "given name"}
    ).tables
    assert table.stems == ("client",)
    assert [column.stems for column in columns[:2]] == [("cust", "no"), ("given", "name")]
    assert [column.ref for column in columns] == [column.ref for column in pieces.tables[0][1]]
    assert other == pieces.tables[1]


@pytest.mark.parametrize(
    ("question", "of", "said"),
    [
        ("How many clients are there?", SHOP, {"clients": "customers"}),
        ("The average miles per gallon", schema(cars="mpg"), {"miles per gallon": "mpg"}),
        ("Show every surname", schema(student="stuid lname"), {"surname": "lname"}),
        ("the salary of all staff", schema(emp="id sal"), {"salary": "sal"}),
        ("Which films are long?", schema(movie="id title"), {"films": "movie"}),
        ("zip codes of towns", schema(a="postcode city"), {"zip codes": "postcode"}),
    ],
)  # fmt: skip
def test_the_thesaurus_that_ships(question: str, of: Schema, said: dict[str, str]) -> None:
    assert said.items() <= Synonyms().said(question, of).items()


def test_lines_of_the_thesaurus_are_in_order() -> None:
    lines = [line for line in LINES.splitlines() if not line.startswith("#")]
    assert len(lines) > 500
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert re.fullmatch(r"[a-z0-9'& -]+(?:[,/|][a-z0-9'& -]+)+", line), line
        phrases = [part.strip() for part in re.split(r"[,/|]", line)]
        assert all(phrases), line
        assert max(len(phrase.split()) for phrase in phrases) <= 5, line
        stems = [tuple(map(stem, re.findall(r"\w+", phrase))) for phrase in phrases]
        assert len(set(stems)) == len(stems), line


def test_hostile_questions_and_names_cost_little() -> None:
    wide = schema(**{f"client_{n}": " ".join(f"town_{c}" for c in range(50)) for n in range(200)})
    assert Synonyms().names("client " * 20_000, wide) == {}
    odd = schema(**{"": "", "日本": "東京 _ __ 1"})
    assert Synonyms().names("clients of 東京 and \x00 ʼ", odd) == {}


def test_clients_are_customers_from_the_question_to_the_answer(
    sample_folder: Path, tmp_path: Path
) -> None:
    asked = ("ask", "--db", sample_folder / "company.sqlite", "--json", "--trace", tmp_path / "run")
    clients = parsed(quorum(*asked, "How many clients are there?"))
    assert not clients["abstained"]
    assert "“clients” means “customer”" in quorum("trace", tmp_path / "run").stdout
    assert clients["rows"] == parsed(quorum(*asked, "How many customers are there?"))["rows"]
