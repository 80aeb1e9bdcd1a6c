"""Two results that are about as likely are told apart in words and rows."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from command import parsed, quorum
from quorumsql.answered import Answered
from quorumsql.domain import Answer, Choice, Group, Reading, Rows
from quorumsql.stages.choose import choose
from quorumsql.stages.readings import apart, missing_rows, readings, tied
from scripted import ran

AGED = "SELECT name FROM singer WHERE age > 30 AND country = 'France'"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (
            AGED,
            "SELECT name FROM singer WHERE country = 'France'",
            ("keeps only rows where age is above 30", "does not ask that age is above 30"),
        ),
        (
            AGED,
            "SELECT age FROM singer WHERE age > 30 AND country = 'France'",
            ("shows name", "shows age"),
        ),
        (
            "SELECT name, count(*) FROM singer GROUP BY name",
            "SELECT name, count(*) FROM singer GROUP BY id",
            ("has one line per name", "has one line per id"),
        ),
        (
            "SELECT count(*) FROM singer",
            "SELECT count(*) FROM singer JOIN concert ON concert.singer_id = singer.id",
            ("does not look at concert", "looks at concert"),
        ),
        (
            "SELECT a.name FROM singer AS a JOIN concert AS b ON a.id = b.singer_id",
            "SELECT y.name FROM singer AS x JOIN concert AS y ON x.id = y.singer_id",
            ("shows name of singer", "shows name of concert"),
        ),
        (
            "SELECT name FROM singer ORDER BY age DESC LIMIT 1",
            "SELECT DISTINCT name FROM singer ORDER BY age",
            (
                "keeps duplicates; sorts by age, largest first; shows at most 1",
                "shows each line once; sorts by age, smallest first; shows all lines",
            ),
        ),
        (
            "SELECT name FROM singer EXCEPT SELECT name FROM concert",
            "SELECT name FROM singer UNION SELECT name FROM concert",
            (
                "does this: Shows name. From singer. Without what is in this: Shows name. "
                "From concert",
                "does this: Shows name. From singer. Together with this: Shows name. From concert",
            ),
        ),
        ("not SQL (", "nor this )", ("does this: not SQL (", "does this: nor this )")),
    ],
)
def test_what_differs_is_said_in_words(one: str, other: str, words: tuple[str, str]) -> None:
    assert apart(one, other, "sqlite") == words
    assert apart(other, one, "sqlite") == words[::-1]


def test_rows_that_only_one_has_are_counted() -> None:
    here = Rows(columns=("n",), rows=((1,), (1,), (2,), (None,)))
    there = Rows(columns=("n",), rows=((1.0,), (3,)))
    assert missing_rows(here, there) == ((1,), (2,), (None,))
    assert missing_rows(there, here) == ((3,),)
    many = Rows(columns=("n",), rows=tuple((n,) for n in range(100)))
    assert len(missing_rows(many, there)) == 5
    turned = Rows(columns=("a", "b"), rows=((1, "x"), (2, "y")))
    other = Rows(columns=("b", "a"), rows=(("x", 1.0), ("z", 2)))
    assert missing_rows(turned, other) == ((2, "y"),)


def test_a_clear_winner_leaves_nothing_to_ask() -> None:
    pool = [ran(AGED, (1,), generator="a"), ran(AGED, (1,), generator="b"), ran("SELECT 2", (2,))]
    choice = choose(pool, ranks={}, dialect="sqlite")
    assert not tied(choice)
    assert readings(choice, pool, "sqlite", abstained=False) == ()
    first, second = readings(choice, pool, "sqlite", abstained=True)  # half as many votes
    assert (first.only_here, second.only_here) == (((1,),), ((2,),))
    assert readings(Choice(candidate=None), pool, "sqlite", abstained=True) == ()
    lone = Choice(candidate=0, groups=(Group(members=(0,), votes=1.0),))
    assert readings(lone, pool, "sqlite", abstained=True) == ()


def test_a_tie_is_shown_and_asked_back(shop: Path) -> None:
    script = {
        "a": ["SELECT name FROM city WHERE country = 'Portugal'"],
        "b": ["SELECT name FROM city"],
    }
    asked = ("ask", "--db", shop, "Which cities are there?")
    found = parsed(quorum(*asked, "--json", script=script))
    other, one = found["readings"]
    assert one["words"] == "keeps only rows where country is 'Portugal'"
    assert other["words"] == "does not ask that country is 'Portugal'"
    assert one["only_here"] == [] and len(other["only_here"]) == 3
    assert found["clarify"] == (
        "Do you mean the answer that does not ask that country is 'Portugal', "
        "or the one that keeps only rows where country is 'Portugal'?"
    )
    page = quorum(*asked, script=script).stdout
    assert "Two readings of the question are about as likely" in page
    assert "rows that only A has" in page and "rows that only B has" not in page
    clear = parsed(quorum(*asked, "--json", script={"a": ["SELECT name FROM city"]}))
    assert (clear["readings"], clear["clarify"]) == ([], None)


def test_a_notebook_asks_back_and_says_what_is_missing() -> None:
    one, other = (
        Reading(candidate=n, sql="", votes=0.5, words=words, columns=(), row_count=0)
        for n, words in enumerate(("shows name", "shows <age>"))
    )
    plain = Answer(question="q", sql="SELECT 1", execution=None, confidence=0.5)
    asked = Answered(**{**fields_of(plain), "readings": (one, other)})
    assert "the answer that shows name, or the one that shows &lt;age&gt;?" in asked._repr_html_()
    refused = Answered(
        **{**fields_of(plain), "abstained": True, "reason": "unanswerable",
           "warnings": ("Nothing here is about <b>.",)}
    )  # fmt: skip
    assert "Nothing here is about &lt;b&gt;." in refused._repr_html_()
    assert "too unsure" not in refused._repr_html_()
    assert plain.clarify == ""


def test_the_question_back_is_one_sentence() -> None:
    told = apart("SELECT a FROM t UNION SELECT a FROM u", "SELECT a FROM t", "sqlite")
    one, other = (
        Reading(candidate=n, sql="", votes=0.5, words=f"{words}.", columns=(), row_count=0)
        for n, words in enumerate(told)
    )
    asked = Answer(question="q", sql="", execution=None, confidence=0.5, readings=(one, other))
    assert asked.clarify == (
        "Do you mean the answer that does this: Shows a. From t. Together with this: Shows a. "
        "From u, or the one that does this: Shows a. From t?"
    )


def fields_of(answer: Answer) -> dict[str, Any]:
    return {one.name: getattr(answer, one.name) for one in fields(answer)}
