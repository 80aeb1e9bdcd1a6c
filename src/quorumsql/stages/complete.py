"""Finish what counts or adds up everything, where the question asks for one line per something.

"Total revenue per year" is one number where nothing groups it. Embedded generators cannot write
parts of dates, and sometimes forget the last words of a question. The rules of follow-ups
(`follow`) read those words, as if they had been said afterwards: "and by year?" So they do where
"per month" came out as one row per day, or nothing tells the rows apart.

A result of nothing is looked at again: NULL may have made it so (`nulls`).

What was chosen is finished, not what was written: a selector that reads has never seen parts of
dates, and its odds would say nothing.

What is not covered: other statements that show a column, sort or group: what they do with the last
words is theirs; and words that name neither a part of a date nor a column or table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.domain import Attempt, Candidate, Choice, Execution, Group, Rows, Schema
from quorumsql.follow import edited
from quorumsql.results import same_result
from quorumsql.stages.nulls import without_nulls

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
    candidates: tuple[Candidate, ...],
    choice: Choice,
    *,
    question: str,
    schema: Schema,
    run: Callable[[str], Execution],
) -> tuple[tuple[Candidate, ...], Choice]:
    """Return candidates and choice, the chosen result finished where it stops short.

    Those that reach the same result are finished alike, each with one more attempt. The votes
    stay: they were for what was written, and a selector has judged that.

    Args:
        candidates: those that have run.
        choice: made among them.
        question: where it does not end in "by …", "per …" or "for each …", no row is split.
        schema: all of the database, since a table that is referred to may have to be joined.
        run: runs one statement.

    Raises:
        DatabaseError: the database itself is gone.
    """
    if choice.candidate is None:
        return candidates, choice
    words = _last_words(question)
    ways: list[Callable[[str], str | None]] = []
    if words is not None:
        ways.append(partial(_grouped, words=words, schema=schema))
    if _says_nothing(candidates[choice.candidate].final.execution):
        ways.append(partial(without_nulls, dialect=schema.dialect))
    for way in ways:
        found = _finished(candidates, choice, choice.candidate, way, run)
        if found is not None:
            return found
    return candidates, choice


def _says_nothing(found: Execution | None) -> bool:
    """Whether there is no row, or one of zeros and NULL."""
    if not isinstance(found, Rows) or len(found.rows) > 1:
        return False
    return all(value is None or value == 0 for row in found.rows for value in row)


def _finished(
    candidates: tuple[Candidate, ...],
    choice: Choice,
    chosen: int,
    way: Callable[[str], str | None],
    run: Callable[[str], Execution],
) -> tuple[tuple[Candidate, ...], Choice] | None:
    """Candidates and choice with the chosen result changed in this `way`; None where it is not."""
    place = next(n for n, one in enumerate(choice.groups) if chosen in one.members)
    group = choice.groups[place]
    ran: dict[str, Attempt] = {}
    for before in dict.fromkeys(candidates[i].sql for i in (chosen, *group.members)):
        sql = way(before)
        if sql is not None:
            ran[before] = Attempt(sql=sql, execution=run(sql))
    found = ran.get(candidates[chosen].sql)
    if found is None or _agree(found, candidates[chosen].final) or not _has_rows(found):
        return None
    finished = list(candidates)
    for index in group.members:
        own = ran.get(candidates[index].sql)
        if own is not None and _agree(own, found):
            finished[index] = candidates[index].after(own)
    kept = tuple(i for i in group.members if finished[i] is not candidates[i])
    left = tuple(i for i in group.members if i not in kept)
    groups = list(choice.groups)
    groups[place] = replace(group, members=kept)
    if left:
        groups.append(Group(members=left, votes=0.0))
    return tuple(finished), replace(choice, groups=tuple(groups))


def _has_rows(one: Attempt) -> bool:
    return isinstance(one.execution, Rows) and bool(one.execution.rows)


def _agree(one: Attempt, other: Attempt) -> bool:
    found, wanted = one.execution, other.execution
    return isinstance(found, Rows) and isinstance(wanted, Rows) and same_result(found, wanted)


def _last_words(question: str) -> str | None:
    """What there is to be one row of, as a follow-up says it; None where nothing is said."""
    found = _LAST_WORDS.search(question)
    if found is None or (found["how"].lower() == "by" and _DONE.fullmatch(found["before"])):
        return None
    return f"by {found['what']}"


def _grouped(sql: str, words: str, schema: Schema) -> str | None:
    """The statement with one row per what `words` name, shown; None where that makes no sense."""
    try:
        tree = sqlglot.parse_one(sql, read=schema.dialect)
    except (SqlglotError, RecursionError):
        return None
    days = _UNIT.fullmatch(words) is not None and _is_by_day(tree, schema)
    changed = edited(sql, words, schema) if days or _is_unnamed(tree) else None
    return changed if changed and " GROUP BY " in changed else None


def _is_unnamed(tree: exp.Expr) -> bool:
    """Whether the statement shows aggregates only, and so not what they are of."""
    return _is_plain(tree) and all(item.find(exp.AggFunc) for item in tree.expressions)


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
