"""Trees, forms and grammars: what is read, written, linearised and parsed stays the same."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.domain import Column, ColumnRef, ForeignKey, Schema, Table
from quorumsql.forms.grammar import COLUMN, GUESS, KEYWORDS, ONE, SPAN, TABLE, Grammar, terminal_of
from quorumsql.forms.linear import FORMS, ONE_VALUE, TableRef, Token, linearise, parse
from quorumsql.forms.read import Unreadable, read
from quorumsql.forms.tree import Query, SpanRef, Value, map_values
from quorumsql.forms.write import Unwritable, implicit, write
from quorumsql.joins import JoinGraph

PAIRS = Path(__file__).parent / "data" / "forms"


def table(name: str, *columns: str) -> Table:
    kinds = {"id": "number", "year": "number", "price": "number"}
    return Table(
        name=name,
        columns=tuple(
            Column(name=c, kind="number" if c.split("_")[-1] in kinds else "text") for c in columns
        ),
    )


def key(source: str, column: str, target: str, referred: str = "id") -> ForeignKey:
    return ForeignKey(
        table=source, columns=(column,), referred_table=target, referred_columns=(referred,)
    )


MUSIC = Schema(
    name="music",
    tables=(
        table("singer", "id", "name", "country"),
        table("concert", "id", "title", "year", "stadium_id"),
        table("singer in concert", "singer_id", "concert_id"),
        table("stadium", "id", "name", "the capacity"),
        table("island", "name"),
    ),
    foreign_keys=(
        key("singer in concert", "singer_id", "singer"),
        key("singer in concert", "concert_id", "concert"),
        key("concert", "stadium_id", "stadium"),
    ),
)
GRAPH = JoinGraph(MUSIC)


def cases() -> list[tuple[str, str, str]]:
    """(SQL, tokens of the form `columns`, SQL as written) from data/forms/pairs.txt."""
    blocks = (PAIRS / "pairs.txt").read_text(encoding="utf-8").strip().split("\n\n")
    return [tuple(block.splitlines()) for block in blocks]  # type: ignore[misc]


def show(token: Token) -> str:
    match token:
        case ColumnRef():
            return f"{token.table}.{token.column}".replace(" ", "_")
        case TableRef():
            return f"#{token.table}".replace(" ", "_")
        case Value():
            return repr(token.text) if not token.number else token.text
        case SpanRef():
            return f"?{token.number}"
    return token


@pytest.mark.parametrize(("sql", "tokens", "written"), cases())
def test_sql_becomes_tokens_and_comes_back(sql: str, tokens: str, written: str) -> None:
    tree = implicit(read(sql, MUSIC), GRAPH)
    assert " ".join(map(show, linearise(tree, "columns"))) == tokens
    assert write(tree, MUSIC, GRAPH) == written


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sql", [case[0] for case in cases()])
def test_every_form_parses_back_and_its_grammar_agrees(sql: str, form: str) -> None:
    tree = read(sql, MUSIC)
    if form != "tables":
        tree = implicit(tree, GRAPH)
    tokens = linearise(tree, form)
    grammar = Grammar(form)
    state = grammar.start
    for token in tokens:
        state = grammar.step(state, terminal_of(token if not is_plain(token) else SpanRef(0)))
    assert state.finished
    assert parse(tokens, form) == tree


def is_plain(token: Token) -> bool:
    return isinstance(token, Value) and token != ONE_VALUE


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM (SELECT name FROM singer)",
        "SELECT a.name FROM singer AS a JOIN singer AS b ON a.id = b.id",
        "SELECT nothing FROM singer",
        "SELECT name FROM nowhere",
        "SELECT name FROM singer LEFT JOIN stadium ON singer.id = stadium.id",
        "SELECT CASE WHEN id = 1 THEN 2 END FROM singer",
        "DELETE FROM singer",
        "SELECT FROM WHERE",
    ],
)
def test_what_the_tree_does_not_cover_is_refused(sql: str) -> None:
    with pytest.raises(Unreadable):
        read(sql, MUSIC)


def test_tables_without_a_path_cannot_be_written() -> None:
    tree = Query(select=(ColumnRef(table="island", column="name"),), tables=("singer",))
    with pytest.raises(Unwritable, match="island, singer"):
        write(tree, MUSIC, GRAPH)


def test_written_text_cannot_leave_its_quotes() -> None:
    tree = read("SELECT id FROM singer WHERE name = 'x'", MUSIC)
    hostile = map_values(tree, lambda _, __: Value("x' OR '1'='1"))
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE singer (id, name, country)")
        connection.execute("INSERT INTO singer VALUES (1, 'a', 'b')")
        assert connection.execute(write(hostile, MUSIC, GRAPH)).fetchall() == []


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(FORMS), data=st.data())
def test_any_walk_through_a_grammar_parses(form: str, data: st.DataObject) -> None:
    grammar = Grammar(form)
    state = grammar.start
    tokens: list[Token] = []
    tokens_of: dict[str, Token] = {
        COLUMN: ColumnRef(table="singer", column="name"),
        TABLE: TableRef("singer"),
        SPAN: SpanRef(0),
        ONE: ONE_VALUE,
        GUESS: Value("", guessed=True),
    }
    while not state.finished and len(tokens) < 400:
        allowed = sorted(grammar.allowed(state), key=ending_first)
        most = len(allowed) if len(tokens) < 25 else 1
        terminal = data.draw(st.sampled_from(allowed[:most]))
        tokens.append(tokens_of.get(terminal, terminal))
        state = grammar.step(state, terminal)
    assert state.finished
    assert linearise(parse(tokens, form), form) == tuple(tokens)


def ending_first(name: str) -> tuple[int, str]:
    """The order in which terminals bring a sentence to its end."""
    short = (
        "end",
        ")",
        "select",
        "_column",
        COLUMN,
        SPAN,
        "_value",
        "null",
        "asc",
        TABLE,
        "_table",
    )
    return (short.index(name) if name in short else len(short), name)


def test_a_terminal_that_is_not_allowed_is_refused() -> None:
    grammar = Grammar("columns")
    with pytest.raises(ValueError, match="where"):
        grammar.step(grammar.start, "where")


def test_keywords_are_stable() -> None:
    """Trained weights number the keywords: a change here needs new weights."""
    recorded = json.loads((PAIRS / "keywords.json").read_text(encoding="utf-8"))
    assert list(KEYWORDS) == recorded
