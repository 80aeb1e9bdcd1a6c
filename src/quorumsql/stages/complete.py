"""Finish what counts or adds up everything, where the question asks for one line per something.

"Total revenue per year" is one number where nothing groups it. Embedded generators cannot write
parts of dates, and sometimes forget the last words of a question. The rules of follow-ups
(`follow`) read those words, as if they had been said afterwards: "and by year?" So they do where
"per month" came out as one row per day.

What is not covered: other statements that show a column, sort or group: what they do with the last
words is theirs; and words that name neither a part of a date nor a column or table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.domain import Attempt, Candidate, Schema
from quorumsql.follow import edited

__all__ = ["completed"]

_DONE = re.compile(
    r"(?!grouped|listed|divided|separated|given)\w+(?:ed|en)|in|made|won|run|held|sold|taught|known|"
    r"built|led|done|bought|shown|seen|lost|paid|born",
    re.IGNORECASE,
)
"""What is done by somebody: "owned by customers" asks for no line per customer."""
_LAST_WORDS = re.compile(
    r"(?P<before>\w*)\W+(?P<how>by|per|(?:for|in|of|at|from) (?:each|every))\s+"
    r"(?P<what>\w+(?:[ -]\w+){0,3})\s*[?.!]*$",
    re.IGNORECASE,
)

_UNIT = re.compile(r"by (?:day|week|month|quarter|year)s?", re.IGNORECASE)


def completed(
    candidates: Sequence[Candidate], question: str, schema: Schema
) -> tuple[Candidate, ...]:
    """Return the candidates, which have not run, those finished that stop short of the question.

    Args:
        candidates: in the SQL of `schema`; they keep order, weight and generator.
        question: where it does not end in "by …", "per …" or "for each …", nothing changes.
        schema: all of the database, since a table that is referred to may have to be joined.
    """
    found = _LAST_WORDS.search(question)
    if found is None or (found["how"].lower() == "by" and _DONE.fullmatch(found["before"])):
        return tuple(candidates)
    words = f"by {found['what']}"
    known = {sql: _grouped(sql, words, schema) for sql in {one.sql for one in candidates}}
    return tuple(
        replace(one, attempts=(*one.attempts[:-1], Attempt(sql=known[one.sql])))
        for one in candidates
    )


def _grouped(sql: str, words: str, schema: Schema) -> str:
    """The statement with one row per what `words` name; as it is where that makes no sense."""
    try:
        tree = sqlglot.parse_one(sql, read=schema.dialect)
    except (SqlglotError, RecursionError):
        return sql
    days = _UNIT.fullmatch(words) is not None and _is_by_day(tree, schema)
    changed = edited(sql, words, schema) if days or _is_total(tree) else None
    return changed if changed and " GROUP BY " in changed else sql


def _is_total(tree: exp.Expr) -> bool:
    """Whether the statement shows aggregates only, over all of its rows."""
    if not _is_plain(tree) or tree.args.get("group"):
        return False
    return all(item.find(exp.AggFunc) for item in tree.expressions)


def _is_by_day(tree: exp.Expr, schema: Schema) -> bool:
    """Whether the statement has one row per value of a column of dates."""
    group = tree.args.get("group") if _is_plain(tree) else None
    keys = [] if group is None else group.expressions
    if len(keys) != 1 or not isinstance(keys[0], exp.Column):
        return False
    read = {table.name.lower() for table in tree.find_all(exp.Table)}
    return any(
        column.name.lower() == keys[0].name.lower() and column.kind == "date"
        for table in schema.tables
        if table.bare_name.lower() in read
        for column in table.columns
    )


def _is_plain(tree: exp.Expr) -> bool:
    parts = ("having", "order", "limit", "distinct")
    return isinstance(tree, exp.Select) and not any(tree.args.get(part) for part in parts)
