"""What makes an answer prone to be wrong, said in plain words.

Each doubt is a sentence for the person who asked. None changes the answer; the chance
that it is right is `calibrate`'s business.

What is not covered: knowing the language of a question. Function words tell English from
its neighbours well enough for a warning, not for more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quorumsql.domain import Candidate, Choice, Failure, ForeignKey, Rows, Schema
from quorumsql.sql import has_conditions, tables_of

__all__ = ["doubts", "foreign"]

_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset(
    "a an and are average by count did do does find for from give had has have how in is it list "
    "many me more most much name number of on or show than that the their to was were what when "
    "where which who whose with".split()
)
_OTHER = frozenset(
    "al aus avec bei che ciudad com como con cual cuales cuantas cuantos cuál cuáles cuántas "
    "cuántos combien dans das de dei del della den der des die dos du e ein eine el elle en er est "
    "et fra für gli haben hat hoeveel het i il ist jede la las le les liste los mit mostra na nach "
    "nel no não och och op os para pour por quais qual quali quantas quante quanti quantos que "
    "quel quelle quelles quels qui são sind som sono sont tous todas todos tutti um uma un una und "
    "une van vilka viele von voor wat welche welcher welke wer wie y zeige à è où é".split()
)


def doubts(choice: Choice, candidates: Sequence[Candidate], schema: Schema) -> tuple[str, ...]:
    """Return what speaks against the chosen candidate, gravest first; empty when nothing does."""
    if choice.candidate is None:
        return _nothing_ran(candidates)
    chosen = candidates[choice.candidate]
    found = [
        _disagreement(choice),
        _guess(chosen),
        *_result(chosen, schema.dialect),
        *_cost(chosen),
        *_inferred_joins(chosen, schema),
    ]
    return tuple(text for text in found if text)


def foreign(text: str) -> bool:
    """Whether a question is probably not in English."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return False
    outside = sum(ord(character) > 0x24F for character in letters)
    if outside > 0.3 * len(letters):
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER and word not in _ENGLISH for word in words)
    return other >= 2 and other > english


def _nothing_ran(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    if not candidates:
        return ("No generator wrote SQL for this question.",)
    execution = candidates[0].final.execution
    message = execution.message if isinstance(execution, Failure) else "it did not run"
    return (f"None of {len(candidates)} candidates ran; the first one: {message}",)


def _disagreement(choice: Choice) -> str:
    if len(choice.groups) < 2 or choice.rule == "unanimous":
        return ""
    return (
        f"The generators disagree: {len(choice.groups)} different results, and the one shown "
        f"has {choice.groups[0].votes:.0%} of the vote."
    )


def _guess(chosen: Candidate) -> str:
    if not chosen.guessed:
        return ""
    return "A value in the SQL was guessed: it stands neither in the question nor in the data."


def _result(chosen: Candidate, dialect: str) -> list[str]:
    match chosen.final.execution:
        case Rows(rows=()):
            return [_empty(chosen.sql, dialect)]
        case Rows(rows=rows) if all(value is None for row in rows for value in row):
            return ["The result holds nothing but NULL."]
        case Rows(rows=rows, truncated=True):
            return [f"The result was cut after {len(rows)} row{'' if len(rows) == 1 else 's'}."]
        case _:
            return []


def _empty(sql: str, dialect: str) -> str:
    """Why there may be no row: a condition, or nothing to read."""
    if has_conditions(sql, dialect):
        return "The result is empty; a condition may name a value that does not exist."
    tables = tables_of(sql, dialect)
    return (
        f"The result is empty: {tables[0]} holds no row."
        if len(tables) == 1
        else ("The result is empty, though no row was left out by a condition.")
    )


def _cost(chosen: Candidate) -> list[str]:
    execution = chosen.final.execution
    return [execution.warning] if isinstance(execution, Rows) and execution.warning else []


def _inferred_joins(chosen: Candidate, schema: Schema) -> list[str]:
    if all(key.declared for key in schema.foreign_keys):
        return []
    used = {name.lower() for name in tables_of(chosen.sql, schema.dialect)}
    ties = [k for k in schema.foreign_keys if {k.table.lower(), k.referred_table.lower()} <= used]
    declared = {frozenset((k.table, k.referred_table)) for k in ties if k.declared}
    text = chosen.sql.lower()
    return [
        f"{key.table} and {key.referred_table} were joined by {_named(key)}: the database "
        "declares no such key, their names suggest it."
        for key in ties
        if not key.declared
        and key.table != key.referred_table
        and frozenset((key.table, key.referred_table)) not in declared
        and all(name.lower() in text for name in (*key.columns, *key.referred_columns))
    ]


def _named(key: ForeignKey) -> str:
    own = ", ".join(f"{key.table}.{column}" for column in key.columns)
    referred = ", ".join(f"{key.referred_table}.{column}" for column in key.referred_columns)
    return f"{own} = {referred}"
