"""Questions that a database knows nothing of are refused, with the words that it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quorumsql.db import open_database
from quorumsql.domain import Answer, Choice, Column, Hit, Question, Schema, Table
from quorumsql.errors import ModelError
from quorumsql.neural.meaning import WordMeaning
from quorumsql.pipeline import Pipeline
from quorumsql.ports import Database
from quorumsql.stages.answerable import (
    FEATURES,
    Names,
    Refusal,
    Refuser,
    Regression,
    load_regression,
    telling,
)
from quorumsql.stores.values import MemoryValueIndex
from scripted import Scripted

PETS = Schema(
    name="pets",
    tables=(
        Table(
            name="Pets",
            columns=(Column(name="PetType"), Column(name="weight"), Column(name="pet_age")),
        ),
        Table(name="Student", columns=(Column(name="Fname", comment="given name"),)),
    ),
)
SURPRISED = Regression(
    means=[0.0] * len(FEATURES),
    scales=[1.0] * len(FEATURES),
    weights=[4.0 if name == "surprise_most" else 0.0 for name in FEATURES],
    intercept=-2.0,
    threshold=0.5,
    harmless={"heavy": 50},
)


@pytest.fixture(scope="module")
def meaning() -> WordMeaning:
    return WordMeaning()


def judge(meaning: WordMeaning, text: str, hits: Sequence[Hit] = ()) -> Refusal:
    refuser = Refuser(SURPRISED, meaning)
    return refuser.judge(Question(text=text), PETS, hits, (), Choice(candidate=None))


def test_words_are_compared_in_meaning(meaning: WordMeaning) -> None:
    rows = meaning.nearness(["salary", "photosynthesis"], ["wage", "city", ""])
    assert rows[0][0] > 0.6 > rows[0][1]
    assert max(rows[1]) < 0.4
    assert meaning.nearness(["price"], ["price"])[0][0] == pytest.approx(1.0, abs=1e-5)
    assert meaning.nearness([], ["a"]) == () and meaning.nearness(["a"], []) == ((),)
    assert meaning.nearness(["日本語"], ["price"])[0][0] == 0.0


def test_vectors_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    path = tmp_path / "words.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"words\.npz cannot be loaded"):
        WordMeaning(path)


def test_words_that_say_something() -> None:
    words = telling("Show me the highest weight of all pets called “Rex” in Oslo in 2007", ())
    assert [one.stem for one in words] == ["weight", "pet", "called", "rex", "oslo"]
    assert [one.text for one in words if one.name] == ["Rex", "Oslo"]
    hit = Hit(table="t", column="c", value="Oslo", start=53, end=57, score=1.0, match="exact")
    assert [one.stem for one in telling("x" * 53 + " Oslo", [replace(hit, start=54, end=58)])
            if one.known] == ["oslo"]  # fmt: skip


def test_words_that_only_relate_say_nothing() -> None:
    """ "Since 2022" once had the answer that the database knows nothing of "since"."""
    words = telling("Compare pets since 2022 versus within Oslo, by quarter", ())
    assert [one.stem for one in words] == ["pet", "oslo"]


def test_a_schema_knows_its_words_and_their_synonyms(meaning: WordMeaning) -> None:
    names = Names(PETS, meaning)
    near = names.near(["pet", "given", "animal", "photosynthesis"])
    assert near[:2] == (1.0, 1.0)
    assert 0.99 >= near[2] > 0.6 > near[3]
    assert names.nearest_table("type and weight of pets") > names.nearest_table("rate of taxes")


def test_a_column_of_money_knows_what_is_earned(meaning: WordMeaning) -> None:
    columns = (Column(name="day"), Column(name="total_amount"))
    shop = Schema(name="shop", tables=(Table(name="orders", columns=columns),))
    asked = Question(text="Total revenue in March 2024")
    found = Refuser(SURPRISED, meaning).judge(asked, shop, (), (), Choice(candidate=None))
    assert not found.refused
    assert "revenue" in judge(meaning, asked.text).words


def test_what_the_database_lacks_is_named(meaning: WordMeaning) -> None:
    found = judge(meaning, "What is the average seafood price?")
    assert found.refused and 0.1 < found.chance < 0.6
    assert found.words[0] == "seafood"
    assert found.reason.startswith("Nothing in this database seems to be about “seafood”")
    known = judge(meaning, "How heavy is each pet of the students?")
    assert not known.refused and known.words == ()
    assert "this question" in known.reason


def test_values_and_harmless_words_surprise_nobody(meaning: WordMeaning) -> None:
    text = "What is the weight of Rex?"
    hit = Hit(table="Pets", column="PetType", value="Rex", start=22, end=25, score=1.0,
              match="exact")  # fmt: skip
    assert judge(meaning, text).chance > judge(meaning, text, [hit]).chance


def test_the_weights_that_ship_fit_the_features() -> None:
    shipped = load_regression()
    assert len(shipped.means) == len(shipped.scales) == len(shipped.weights) == len(FEATURES)
    file = Path(Refuser.__module__.replace(".", "/"))
    recorded = json.loads(
        (Path(__file__).parent.parent / "src" / file).with_suffix(".json").read_text("utf-8")
    )
    assert tuple(recorded["features"]) == FEATURES


@pytest.fixture
def database(shop: Path) -> Iterator[Database]:
    opened = open_database(str(shop))
    yield opened
    opened.close()


def ask(database: Database, meaning: WordMeaning, text: str) -> Answer:
    pipeline = Pipeline(
        database=database,
        generators=[Scripted("a", "SELECT count(*) FROM customer")],
        index=MemoryValueIndex.build(database, database.schema()),
        refuser=Refuser(SURPRISED, meaning),
    )
    return pipeline.answer(Question(text=text))


def test_a_refused_question_is_an_abstention_with_a_reason(
    database: Database, meaning: WordMeaning
) -> None:
    answer = ask(database, meaning, "How does photosynthesis produce oxygen?")
    assert (answer.abstained, answer.reason) == (True, "unanswerable")
    assert "photosynthesis" in answer.warnings[0]
    assert answer.sql == "SELECT count(*) FROM customer"  # the best guess is kept
    assert answer.confidence < 0.8
    known = ask(database, meaning, "How many customers are there?")
    assert (known.abstained, known.reason, known.confidence) == (False, None, 1.0)
