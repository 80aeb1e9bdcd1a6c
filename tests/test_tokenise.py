"""What the encoder reads: pieces, matches, spans, chunks."""

from __future__ import annotations

import numpy as np
import pytest

from quorumsql.domain import Column, ColumnRef, ForeignKey, Hit, Schema, Table
from quorumsql.naming import readable
from quorumsql.neural.members import WEIGHTS
from quorumsql.neural.tokenise import MAX_POSITIONS, Encoded, Tokeniser, pooling

SCHEMA = Schema(
    name="s",
    tables=(
        Table(
            name="Customers",
            columns=(
                Column(name="customer_id", kind="number", primary_key=True),
                Column(name="FirstName", kind="text"),
                Column(name="city", kind="text"),
            ),
        ),
        Table(
            name="orders",
            columns=(
                Column(name="customer_id", kind="number"),
                Column(name="Größe in cm", kind="number"),
            ),
        ),
    ),
    foreign_keys=(
        ForeignKey(
            table="orders",
            columns=("customer_id",),
            referred_table="Customers",
            referred_columns=("customer_id",),
        ),
    ),
)


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser(WEIGHTS / "tokenizer.json")


def encode(tokeniser: Tokeniser, question: str, *hits: Hit, schema: Schema = SCHEMA) -> Encoded:
    return tokeniser.encode(question, tokeniser.pieces(schema), hits)


def hit(question: str, phrase: str, column: str) -> Hit:
    start = question.index(phrase)
    return Hit(
        table="Customers",
        column=column,
        value=phrase.title(),
        start=start,
        end=start + len(phrase),
        score=1.0,
        match="exact",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customer_id", "customer id"),
        ("FirstName", "first name"),
        ("HTTPServer2", "http server 2"),
        ("Größe in cm", "größe in cm"),
        ("Order Details", "order details"),
        ("___", ""),
        ("表", "表"),
    ],
)
def test_names_become_words(name: str, words: str) -> None:
    assert readable(name) == words


def test_columns_and_tables_are_numbered_in_order(tokeniser: Tokeniser) -> None:
    encoded = encode(tokeniser, "How many orders?")
    assert encoded.columns[1] == ColumnRef(table="Customers", column="FirstName")
    assert encoded.tables == ("Customers", "orders")
    assert sorted(set(encoded.item.tolist())) == [-1, 0, 1, 2, 3, 4, 5, 6]


def test_names_in_the_question_are_marked(tokeniser: Tokeniser) -> None:
    encoded = encode(tokeniser, "first names of customers by city")
    name = encoded.features[:, 1]
    by_item = {int(i): int(n) for i, n in zip(encoded.item, name, strict=True) if i >= 0}
    assert by_item[1] == 2  # FirstName: exact, in spite of the plural
    assert by_item[2] == 2  # city
    assert by_item[0] == 1  # customer_id: partial
    assert by_item[5] == 2  # the table Customers
    assert by_item[4] == 0


def test_values_mark_their_words_and_their_column(tokeniser: Tokeniser) -> None:
    question = "customers in oslo"
    encoded = encode(tokeniser, question, hit(question, "oslo", "city"))
    (span,) = encoded.spans
    first, last = encoded.span_bounds[0]
    assert span.text == "oslo"
    assert set(encoded.features[first:last, 2].tolist()) == {2}
    assert encoded.relation[:, 0].tolist() == [4, 0, 2, 4, 4]


def test_keys_are_marked(tokeniser: Tokeniser) -> None:
    encoded = encode(tokeniser, "x")
    keys = {int(i): int(k) for i, k in zip(encoded.item, encoded.features[:, 3], strict=True)}
    assert (keys[0], keys[3], keys[1]) == (1, 2, 0)


def test_pooling_averages_the_tokens_of_each_item(tokeniser: Tokeniser) -> None:
    question = "oslo and more than 12"
    items, spans = pooling(encode(tokeniser, question, hit(question, "oslo", "city")))
    assert np.allclose(items.sum(axis=1), 1)
    assert np.allclose(spans.sum(axis=1), 1)
    assert spans.shape[0] == 2


def test_a_long_schema_is_cut_into_chunks_that_repeat_the_question(tokeniser: Tokeniser) -> None:
    wide = Schema(
        name="w",
        tables=(
            Table(name="t", columns=tuple(Column(name=f"column number {i}") for i in range(400))),
        ),
    )
    encoded = encode(tokeniser, "what is column number 399?", schema=wide)
    sizes = np.bincount(encoded.chunk)
    assert len(sizes) > 1
    assert sizes.max() <= MAX_POSITIONS
    assert set(encoded.item[encoded.item >= 0].tolist()) == set(range(401))
    heads = [encoded.ids[encoded.chunk == n][:8].tolist() for n in range(len(sizes))]
    assert all(head == heads[0] for head in heads)


@pytest.mark.parametrize("question", ["?", "☃" * 500, "word " * 2000, "\x00\n\t", "¿Cuántos?"])
def test_any_text_can_be_read(tokeniser: Tokeniser, question: str) -> None:
    encoded = encode(tokeniser, question)
    assert len(encoded.ids) == len(encoded.features) == len(encoded.item)
    assert np.bincount(encoded.chunk).max() <= MAX_POSITIONS
