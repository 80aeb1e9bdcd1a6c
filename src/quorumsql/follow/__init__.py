"""Follow-up questions that change a statement instead of asking anew: no model is needed.

    top 5, bottom 3 by price, all      how many rows
    sort by name descending, reverse   in which order
    and by month? per country          one line per month, where rows are counted or added up
    only in 2024, the last 30 days     a time range
    only those over 30, price below 9  a number above or below
    only Portugal, not Lisbon          a value that is stored
    how many is that?                  the number of rows

A column that the statement's tables do not have is looked for in those that they refer to: orders
"by country" joins the customer and its country. Only such joins are made, since one that goes the
other way would count rows twice.

What is not covered: pronouns, sets of rows joined by UNION, and columns that no words of the
follow-up name; those are asked anew, with the question before them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from quorumsql.domain import Column, Hit, Schema
from quorumsql.follow.conditions import number, period, value
from quorumsql.follow.dates import period as period_of
from quorumsql.follow.scope import Scope
from quorumsql.follow.shape import count, group, limit, sort
from quorumsql.sql import parsed, quote

__all__ = ["Kept", "edited", "kept", "written"]

_OPENING = re.compile(
    r"^(?:(?:and|now|but|then|ok|okay|please|can you|could you|what about|how about|show(?: me)?|"
    r"give me|list|the same|just|also|instead)\b[, ]*)+"
)
_ENDING = re.compile(r"[, ]*\b(?:please|instead|too|as well|then|now)$")
_RULES = (limit, sort, group, count, period, number, value)


def edited(
    sql: str,
    text: str,
    schema: Schema,
    hits: Sequence[Hit] = (),
    *,
    today: date | None = None,
    about: str = "",
) -> str | None:
    """Return `sql` changed as `text` says, or None where no rule understands it.

    Args:
        sql: the statement that was run.
        text: the follow-up, in plain words.
        schema: what the database holds.
        hits: stored values that `text` mentions.
        today: the day that "this year" is counted from.
        about: the question, whose words tell which of several dates is meant.

    >>> from quorumsql.domain import Column, Table
    >>> city = Table(name="city", columns=(Column(name="name"), Column(name="size", kind="number")))
    >>> edited("SELECT name FROM city", "and the top 5 by size?", Schema(name="x", tables=(city,)))
    'SELECT name FROM city ORDER BY city.size DESC LIMIT 5'
    """
    tree = _select(sql, schema.dialect)
    if tree is None:
        return None
    words = _plain_words(text)
    for rule in _RULES:
        scope = Scope(
            tree.copy(),
            schema,
            hits,
            text=text,
            today=today or date.today(),  # noqa: DTZ011
            about=about,
        )
        changed = rule(scope, words)
        if changed is not None:
            return written(changed, schema.dialect)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A statement that keeps fewer rows; `column` says by which date, `others` by which not."""

    sql: str
    column: str = ""
    others: tuple[str, ...] = ()


def kept(sql: str, text: str, schema: Schema, *, about: str, today: date) -> Kept | None:
    """Return `sql` with the time, or the age of somebody, that `text` says; None where unclear.

    The condition stands where the date does that is meant, in a subquery too: of "customers
    without orders" in March, the orders are of March.

    Args:
        sql: the statement.
        text: "in March 2024", "older than 65".
        schema: what the database holds.
        about: the rest of the question, whose words tell which of several dates is meant.
        today: the day that "this year" is counted from.
    """
    tree = _select(sql, schema.dialect)
    if tree is None:
        return None
    words = _plain_words(text)
    scopes = [
        Scope(one, schema, (), text=text, today=today, about=about)
        for one in tree.find_all(exp.Select)
    ]
    rule = number if period_of(words, today) is None else period
    born = rule is number or scopes[0].of_birth
    found = sorted(
        ((scope.days(born=born), scope) for scope in scopes),
        key=lambda item: _likely(item[0]),
        reverse=True,
    )
    best = [days for days, _ in found if days and _likely(days) == _likely(found[0][0])]
    if len(best) > 1 or (not best and len(scopes) > 1):
        return None
    days, scope = found[0]
    if rule(scope, words) is None:
        return None
    return Kept(
        sql=written(tree, schema.dialect),
        column=days[0][1].name if days else "",
        others=tuple(dict.fromkeys(one.name for _, one, _ in days[1:])),
    )


def _likely(days: Sequence[tuple[tuple[int, ...], Column, exp.Column]]) -> tuple[int, ...]:
    """How likely a SELECT is the one that is meant; what it adds up tells only its own dates."""
    return (*days[0][0][:2], *days[0][0][3:]) if days else ()


def _select(sql: str, dialect: str) -> exp.Select | None:
    tree = parsed(sql, dialect)
    return tree if isinstance(tree, exp.Select) else None


def written(tree: exp.Select, dialect: str) -> str:
    """Return the statement for people to read: names are quoted where they have to be."""
    for name in tree.find_all(exp.Identifier):
        if name.args.get("quoted"):
            name.set("quoted", quote(name.name, dialect) != name.name)
    return tree.sql(dialect=dialect)


def _plain_words(text: str) -> str:
    """Small letters, single blanks, without the words that only lead up to the matter."""
    words = _OPENING.sub("", " ".join(text.lower().split()).strip(" ?.!"))
    return _ENDING.sub("", words).strip(" ,?.!")
