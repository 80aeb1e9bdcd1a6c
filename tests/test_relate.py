"""Relations between words and names: each kind, in both directions."""

from __future__ import annotations

import numpy as np

from quorumsql.domain import Column, ColumnRef, ForeignKey, Hit, Schema, Table
from quorumsql.neural import relate as r
from quorumsql.neural.members import WEIGHTS
from quorumsql.neural.tokenise import Encoded, Tokeniser

SCHEMA = Schema(
    name="shop",
    tables=(
        Table(name="customer", columns=(
            Column(name="id", type="INTEGER", kind="number", primary_key=True),
            Column(name="home_city", type="TEXT", kind="text"),
        )),
        Table(name="orders", columns=(
            Column(name="customer_id", type="INTEGER", kind="number"),
            Column(name="total", type="REAL", kind="number"),
        )),
    ),
    foreign_keys=(
        ForeignKey(table="orders", columns=("customer_id",),
                   referred_table="customer", referred_columns=("id",)),
    ),
)  # fmt: skip
QUESTION = "total of orders in the city Paris"


def encoded() -> Encoded:
    start = QUESTION.index("Paris")
    hit = Hit(table="customer", column="home_city", value="Paris", start=start,
              end=start + 5, score=1.0, match="exact")  # fmt: skip
    tokeniser = Tokeniser(WEIGHTS / "tokenizer.json")
    return tokeniser.encode(QUESTION, tokeniser.pieces(SCHEMA), (hit,))


def relation(one: str | ColumnRef, other: str | ColumnRef) -> int:
    """Between two tokens: words of the question by name, items by address or table name."""
    found = encoded()
    words = ["", *QUESTION.split()]  # every word of the question is one piece after [CLS]

    def place(what: str | ColumnRef) -> int:
        if isinstance(what, ColumnRef):
            return int(np.flatnonzero(found.item == found.columns.index(what))[0])
        if what.startswith("#"):
            item = len(found.columns) + found.tables.index(what[1:])
            return int(np.flatnonzero(found.item == item)[0])
        return words.index(what)

    return int(found.pairs[place(one), place(other)])


ID = ColumnRef(table="customer", column="id")
CITY = ColumnRef(table="customer", column="home_city")
KEY = ColumnRef(table="orders", column="customer_id")
TOTAL = ColumnRef(table="orders", column="total")


def test_a_whole_name_a_part_of_one_and_a_stored_value_are_told_apart() -> None:
    assert (relation("total", TOTAL), relation(TOTAL, "total")) == (r.EXACT, r.EXACT + 1)
    assert (relation("city", CITY), relation(CITY, "city")) == (r.PARTIAL, r.PARTIAL + 1)
    assert (relation("Paris", CITY), relation(CITY, "Paris")) == (r.STORED, r.STORED + 1)
    assert relation("orders", "#orders") == r.EXACT


def test_words_without_a_name_and_words_among_themselves_do_not_relate() -> None:
    assert relation("the", TOTAL) == relation("of", "#orders") == relation("total", "city") == 0


def test_columns_know_their_table_and_their_siblings() -> None:
    assert (relation(TOTAL, "#orders"), relation("#orders", TOTAL)) == (r.OWNER, r.OWNED)
    assert relation(TOTAL, KEY) == r.SIBLING
    assert relation(TOTAL, TOTAL) == r.SAME
    assert relation(TOTAL, CITY) == relation(TOTAL, "#customer") == 0


def test_foreign_keys_have_a_direction() -> None:
    assert (relation(KEY, ID), relation(ID, KEY)) == (r.REFERS, r.REFERRED)
    assert relation("#orders", "#customer") == r.TABLE_REFERS
    assert relation("#customer", "#orders") == r.TABLE_REFERRED
