"""Typing errors in a question, before members read it."""

from __future__ import annotations

import pytest

from quorumsql.domain import Column, Hit, Schema, Table
from quorumsql.neural.spelling import Speller, names_of
from quorumsql.neural.tokenise import Tokeniser
from quorumsql.shipped import FOLDER

NAMES = names_of(
    Schema(
        name="s",
        tables=(
            Table(
                name="Kennels",
                columns=(
                    Column(name="breed_code", kind="text"),
                    Column(name="homeCity", kind="text"),
                ),
            ),
        ),
    )
)


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(Tokeniser(FOLDER / "tokenizer.json").vocabulary())


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("How many kenels are there?", "How many kennels are there?"),
        ("List the bredes of dogs", "List the breeds of dogs"),
        ("What is the avreage age?", "What is the average age?"),
        ("the nubmer of dogs in each ctiy", "the number of dogs in each city"),
        ("Show the maximmum weight, and the resault", "Show the maximum weight, and the result"),
    ],
)
def test_one_error_is_mended(speller: Speller, wrong: str, right: str) -> None:
    assert speller.mended(wrong, NAMES, ()) == (right, ())


@pytest.mark.parametrize(
    "text",
    [
        "How many breeds and kennels are there in descending order?",
        "Who lives in Avreage or likes 'avreage' or \"the avreage one\"?",
        "What of xqzzyt and uhfdsa?",
        "Which breeds have a name that contains avreage?",
        "breed-codde x_nubmer o'nubmer nubmer2",
        "",
    ],
)
def test_what_is_known_or_may_be_a_value_stays(speller: Speller, text: str) -> None:
    assert speller.mended(text, NAMES, ()) == (text, ())


def test_hits_keep_their_words_and_move_with_them(speller: Speller) -> None:
    text = "What is the avrage age of fance and of labradr dogs?"
    hits = tuple(
        Hit(
            table="t", column="c", value=word, score=0.9, match="fuzzy",
            start=text.index(word), end=text.index(word) + len(word),
        )
        for word in ("fance", "labradr")
    )  # fmt: skip
    mended, moved = speller.mended(text, NAMES, hits)
    assert mended == "What is the average age of fance and of labradr dogs?"
    assert [mended[hit.start : hit.end] for hit in moved] == ["fance", "labradr"]


@pytest.mark.parametrize(
    ("text", "word", "value", "mended", "match"),
    [
        ("who lives in germny now", "germny", "Germany", "who lives in Germany now", "exact"),
        ("the canceled ones", "canceled", "cancelled", "the cancelled ones", "exact"),
        ("Delivred orders", "Delivred", "delivered", "delivered orders", "exact"),
        ("who lives in Germny now", "Germny", "Germany", "who lives in Germny now", "fuzzy"),
        ("korean cars", "korean", "Korea", "korean cars", "fuzzy"),
        ("female dogs", "female", "F", "female dogs", "fuzzy"),
    ],
)
def test_a_typing_error_in_a_value_becomes_the_value(
    speller: Speller, text: str, word: str, value: str, mended: str, match: str
) -> None:
    start = text.index(word)
    hit = Hit(table="t", column="c", value=value, score=0.8, match="fuzzy",
              start=start, end=start + len(word))  # fmt: skip
    found, (moved,) = speller.mended(text, NAMES, (hit,))
    assert (found, moved.match) == (mended, match)
    assert found[moved.start : moved.end] == (value if match == "exact" else word)
