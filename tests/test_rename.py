"""Schemas with other words in their names, as training reads them now and then."""

from __future__ import annotations

import random

import pytest

from quorumsql.domain import Column, Schema, Table
from quorumsql.neural.meaning import WordMeaning
from quorumsql.neural.tokenise import Piece, SchemaPieces, Tokeniser
from quorumsql.shipped import FOLDER
from quorumsql.train.rename import OtherWords, Renamer

QUESTION = "How tall is the oldest singer of each country?"
SCHEMA = Schema(
    name="s",
    tables=(
        Table(
            name="singer",
            columns=(
                Column(name="singer_id", kind="number", primary_key=True),
                Column(name="height", kind="number"),
                Column(name="country", kind="text"),
                Column(name="first_name", kind="text"),
            ),
        ),
        Table(name="concert", columns=(Column(name="country", kind="text"),)),
    ),
)


@pytest.fixture(scope="module")
def renamer() -> Renamer:
    return Renamer(Tokeniser(FOLDER / "tokenizer.json"), OtherWords(WordMeaning(), share=1.0))


@pytest.fixture(scope="module")
def pieces(renamer: Renamer) -> SchemaPieces:
    return renamer.tokeniser.pieces(SCHEMA)


def every(pieces: SchemaPieces) -> list[Piece]:
    return [piece for table, own in pieces.tables for piece in (table, *own)]


def test_near_words_mean_the_same() -> None:
    words = OtherWords(WordMeaning())
    assert "nation" in words.near("country") and "tall" in words.near("height")
    assert words.near("xqzzyk") == ()


def test_names_change_and_what_they_stand_for_does_not(
    renamer: Renamer, pieces: SchemaPieces
) -> None:
    found = every(renamer(pieces, QUESTION, random.Random(1)))
    for before, after in zip(every(pieces), found, strict=True):
        assert (after.ref, after.table, after.role, after.key) == (
            before.ref, before.table, before.role, before.key
        )  # fmt: skip
    assert sum(a.ids != b.ids for a, b in zip(every(pieces), found, strict=True)) >= 5


@pytest.mark.parametrize("seed", range(12))
def test_one_word_changes_alike_everywhere_and_never_into_one_that_is_there(
    renamer: Renamer, pieces: SchemaPieces, seed: int
) -> None:
    changed = renamer(pieces, QUESTION, random.Random(seed))
    (_, (key, height, country, first)), (_, (other,)) = changed.tables
    assert country.stems == other.stems
    assert not set(height.stems) & {"tall", "singer", "country"}  # "tall" stands in the question
    assert key.stems[-1] == "id" and first.stems[0] == "first"


def test_the_same_seed_gives_the_same_names_and_no_share_none(
    renamer: Renamer, pieces: SchemaPieces
) -> None:
    once, again = (renamer(pieces, QUESTION, random.Random(3)) for _ in range(2))
    assert once == again
    quiet = Renamer(renamer.tokeniser, OtherWords(WordMeaning(), share=0.0))
    assert quiet(pieces, QUESTION, random.Random(3)) == pieces
