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
