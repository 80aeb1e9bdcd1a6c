"""What makes an answer prone to be wrong is said; what does not is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from quorumsql.domain import (
    Attempt,
    Candidate,
    Choice,
    Column,
    ForeignKey,
    Question,
    Rows,
    Schema,
    Table,
)
from quorumsql.stages.choose import choose
from quorumsql.stages.doubt import doubts, foreign
from scripted import failed, ran

TABLES = tuple(
    Table(name=name, columns=(Column(name="id"), Column(name="b_id"))) for name in ("a", "b")
)
PLAIN = Schema(name="s", tables=TABLES)
JOIN = "SELECT count(*) FROM a JOIN b ON a.b_id = b.id"


def key(*, declared: bool) -> ForeignKey:
    return ForeignKey(
        table="a",
        columns=("b_id",),
        referred_table="b",
        referred_columns=("id",),
        declared=declared,
    )


def said(candidates: Sequence[Candidate], schema: Schema = PLAIN) -> tuple[str, ...]:
    return doubts(choose(candidates, ranks={}, dialect="sqlite"), candidates, schema)


def test_a_plain_answer_leaves_no_doubt() -> None:
    assert said([ran("SELECT 1", (1,))]) == ()


def test_disagreement_is_counted() -> None:
    pool = [
        ran("SELECT 1", (1,), generator="a"),
        ran("SELECT 2", (2,), generator="b"),
        ran("SELECT 3 - 1", (2,), generator="c"),
    ]
    (text,) = said(pool)
    assert text == (
        "The generators disagree: 2 different results, and the one shown has 67% of the vote."
    )


def test_a_guess_an_empty_and_a_null_result_are_named() -> None:
    guess, empty = said([ran("SELECT 1 WHERE 0", guessed=True)])
    assert guess.startswith("A value in the SQL was guessed")
    assert empty.startswith("The result is empty")
    assert said([ran("SELECT NULL", (None,))]) == ("The result holds nothing but NULL.",)


def test_an_empty_table_is_not_put_down_to_a_condition() -> None:
    condition = "The result is empty; a condition may name a value that does not exist."
    assert said([ran("SELECT id FROM a WHERE id = 7")]) == (condition,)
    assert said([ran("SELECT id FROM a LIMIT 5")]) == ("The result is empty: a holds no row.",)
    assert said([ran("SELECT a.id FROM a, b")]) == (
        "The result is empty, though no row was left out by a condition.",
    )


def test_a_cut_result_is_named() -> None:
    execution = Rows(columns=("c",), rows=((1,), (2,)), truncated=True)
    cut = Candidate(generator="a", attempts=(Attempt(sql="SELECT 1", execution=execution),))
    assert said([cut]) == ("The result was cut after 2 rows.",)


def test_a_join_by_names_alone_is_named() -> None:
    pool = [ran(JOIN, (3,))]
    (text,) = said(pool, Schema(name="s", tables=TABLES, foreign_keys=(key(declared=False),)))
    assert "a.b_id = b.id" in text
    assert said(pool, Schema(name="s", tables=TABLES, foreign_keys=(key(declared=True),))) == ()
    both = (key(declared=False), key(declared=True))
    assert said(pool, Schema(name="s", tables=TABLES, foreign_keys=both)) == ()
    other = [ran("SELECT count(*) FROM a", (3,))]
    inferred = Schema(name="s", tables=TABLES, foreign_keys=(key(declared=False),))
    assert said(other, inferred) == ()


def test_when_nothing_ran_the_first_reason_is_given() -> None:
    assert said([]) == ("No generator wrote SQL for this question.",)
    assert said([failed("SELECT x")]) == (
        "None of 1 candidates ran; the first one: no such column",
    )
    assert doubts(Choice(candidate=None), [failed("a"), failed("b")], PLAIN)[0].startswith(
        "None of 2"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Wie viele Kunden haben wir?",
        "¿Cuántos clientes hay en la ciudad de Madrid?",
        "Combien de clients ont passé une commande en 2023 ?",
        "Quanti clienti sono in Italia e quali sono i loro nomi?",
        "顧客は何人いますか",
        "Сколько у нас клиентов?",
        "كم عدد العملاء؟",
        "客户 有 多少?",
    ],
)
def test_other_languages_are_noticed(text: str) -> None:
    assert foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "How many customers live in São Paulo?",
        "Which singers come from Côte d'Ivoire or Los Angeles?",
        "List the names of all players in the team Die Mannschaft",
        "customers 東京 orders total by month",
        "What is the email of Zoë Müller?",
        "2023?",
        "total revenue",
        "Show the title of 'La vita e bella' and its year",
        "?!",
    ],
)
def test_english_is_not_taken_for_another_language(text: str) -> None:
    assert not foreign(text)


def test_spider_questions_are_english(spider_dir: Path) -> None:

    entries = json.loads((spider_dir / "train.json").read_text(encoding="utf-8"))
    wrong = [e["question"] for e in entries if foreign(Question(text=e["question"]).text)]
    assert len(wrong) <= len(entries) // 1000, wrong
