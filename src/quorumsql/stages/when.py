"""Set apart what a question says of time that embedded generators cannot write, and add it after.

"How many orders were placed in March 2024?" is asked as "How many orders were placed?", and what
was chosen is then changed by the rule of follow-ups that reads "in March 2024" (`follow.kept`). So
is "older than 65" where only days of birth are known. Generators write a year and a day in numbers
by themselves; these are left to them, but for a year that they wrote beside a key (`keeping`).

What is not covered: questions that name two such times or compare one with another, and statements
the rule cannot change. Those are asked as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import sqlglot
from sqlglot import exp

from quorumsql.domain import Candidate, Choice, Execution, Hit, Schema, Table
from quorumsql.follow import Kept, kept
from quorumsql.follow.dates import period, phrase
from quorumsql.follow.scope import is_dated, is_of_birth, parts_of, plain
from quorumsql.sql import quote
from quorumsql.stages.complete import finished
from quorumsql.stages.demand import naming
from quorumsql.stages.keeping import misread

__all__ = ["Apart", "Timed", "set_apart", "timed", "year_apart"]

_AGE = re.compile(
    r"(?:\b(?:who|that|and)\s+)?(?:\b(?:are|is|were)\s+)?\b(?:older|younger)\s+than\s+\d+"
    r"(?:\s+years(?:\s+old)?)?(?![\w.,-]\w)",
    re.IGNORECASE,
)
_PARTS = re.compile(r"year|month|quarter|week|day|period|season", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"^(how many (?:\w+ )?(?!\w+ed\b|(?:are|were|is|was|did)\b)\w+)(?: (?:are|were))?$",
    re.IGNORECASE,
)
_ONLY_THINGS = re.compile(r"^(?:(?:which|what) )?(\w+s)\W*$", re.IGNORECASE)
"""All that is left of "Which patients are younger than 10?"; generators count or pick one then."""
_DAYS = re.compile(r"(?<![a-z])(?:when|dates?|(?:birth)?days?|times?)(?![a-z])", re.IGNORECASE)
"""Words of who asks for the days themselves."""
_OFFERED = 2
"""Results that a person may be shown: the chosen one, and another reading of the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A question in two: what generators are asked, and what is added to their statement."""

    rest: str
    phrase: str
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Candidates and choice with the phrase added, and what a person should know of that."""

    candidates: tuple[Candidate, ...]
    choice: Choice
    warning: str = ""


def year_apart(
    text: str,
    sql: str,
    schema: Schema,
    hits: Sequence[Hit],
    *,
    today: date,
    run: Callable[[str], Execution],
) -> Apart | None:
    """Return the question in two where `sql`, written for all of it, takes its year for no time.

    Raises:
        DatabaseError: the database itself is gone.
    """
    apart = set_apart(text, schema, hits, today=today, years=True)
    if apart is None or not misread(apart.phrase, apart.rest, sql, schema, run):
        return None
    return apart


def set_apart(
    text: str, schema: Schema, hits: Sequence[Hit], *, today: date, years: bool = False
) -> Apart | None:
    """Return the question in two, or None where generators had better see all of it.

    Args:
        text: the question.
        schema: without a column of dates nothing is set apart.
        hits: stored values that the question mentions: "May 2024" may be one.
        today: the day that "last month" is counted from.
        years: whether a year is set apart too.
    """
    columns = [column for table in schema.tables for column in table.columns]
    days = [column for column in columns if is_dated(column)]
    found = phrase(text, today, _states(schema), years=years) if days else None
    if found is None and any(map(is_of_birth, days)):
        found = _age(text, [column.name for column in columns])
    if found is None or _is_stored(found, hits, schema):
        return None
    rest = _listed(_without(text, *found), schema)
    if not re.search(r"\w", rest):
        return None
    said = text[slice(*found)]
    return Apart(rest=rest, phrase=re.sub(r"['’]s$", "", said), today=today)


def timed(
    candidates: tuple[Candidate, ...],
    choice: Choice,
    apart: Apart,
    *,
    schema: Schema,
    run: Callable[[str], Execution],
) -> Timed | None:
    """Return candidates and choice with the phrase added to what was chosen; None where it can't.

    So it is to a second result, which may be offered beside the first. The votes stay, as in
    `complete`.

    Args:
        candidates: those that have run, written for `apart.rest`.
        choice: made among them.
        apart: the question in two.
        schema: all of the database.
        run: runs one statement.

    Raises:
        DatabaseError: the database itself is gone.
    """
    if choice.candidate is None:
        return None
    first = _kept(candidates[choice.candidate].sql, apart, schema)
    if first is None:
        return None
    # The chosen one's own group is done with it: its others are of the same result.
    others = [
        one.members[0] for one in choice.groups[:_OFFERED] if choice.candidate not in one.members
    ]
    for place in (choice.candidate, *others):
        found = finished(
            candidates,
            choice,
            place,
            lambda sql: made.sql if (made := _kept(sql, apart, schema)) else None,
            run,
            surely=True,
        )
        if found is not None:
            candidates, choice = found
        elif place == choice.candidate:
            return None
    return Timed(candidates=candidates, choice=choice, warning=_warning(first, apart))


def _kept(sql: str, apart: Apart, schema: Schema) -> Kept | None:
    made = kept(sql, apart.phrase, schema, about=apart.rest, today=apart.today)
    if made is None or not made.column or _DAYS.search(apart.rest):
        return made
    own = parts_of(made.column)
    if own and set(own) <= set(parts_of(apart.rest)) and not own[-1].endswith(("ed", "up")):
        return made  # "the deadline" is asked for, unlike "who signed up"
    return replace(made, sql=_told(made.sql, made.column, schema))


def _told(sql: str, day: str, schema: Schema) -> str:
    """The statement with who was hired since June, and not only the days: they are the condition.

    So it counts those who were born in May, and not their birthdays.
    """
    tree = sqlglot.parse_one(sql, read=schema.dialect)
    if not isinstance(tree, exp.Select) or tree.args.get("joins") or tree.args.get("group"):
        return sql
    source = tree.args.get("from_")
    stored = None if source is None else _stored(source.this, schema)
    column = None if stored is None else stored.column(day)
    if stored is None or column is None or len(tree.expressions) != 1:
        return sql
    item = tree.expressions[0].unalias()
    if isinstance(item, exp.Count) and isinstance(item.this, exp.Distinct):
        if [one.name for one in item.this.expressions] != [day]:
            return sql
        item.set("this", exp.Star())
    elif isinstance(item, exp.Column) and item.name == day and not tree.args.get("limit"):
        names = [
            exp.to_identifier(n, quoted=quote(n, schema.dialect) != n)
            for n in naming(stored, column)
        ]
        tree.select(*(exp.Column(this=name) for name in names), append=False, copy=False)
        tree.set("distinct", None)
        tree.set("order", None)
    return tree.sql(dialect=schema.dialect)


def _stored(written: exp.Expr, schema: Schema) -> Table | None:
    if not isinstance(written, exp.Table):
        return None
    full = f"{written.db}.{written.name}" if written.db else written.name
    return schema.table(full) or schema.table(written.name)


def _warning(made: Kept, apart: Apart) -> str:
    when = period(apart.phrase, apart.today)
    again = when is not None and (when.months or when.weekdays)
    every = "" if not again else " of every year" if when and when.months else " in every week"
    if not made.others:
        return f"{apart.phrase!r} was taken to be{every}." if every else ""
    others = " or ".join(made.others)
    return f"{apart.phrase!r} was taken to mean {made.column}{every}, not {others}."


def _age(text: str, names: Sequence[str]) -> tuple[int, int] | None:
    """Where an age is said that no column holds."""
    if any(re.search(r"(?:^|[^a-z])age(?:$|[^a-z])", name, re.IGNORECASE) for name in names):
        return None
    found = list(_AGE.finditer(text))
    return found[0].span() if len(found) == 1 else None


def _is_stored(found: tuple[int, int], hits: Sequence[Hit], schema: Schema) -> bool:
    """Whether the phrase is a value: "May 2024" of a text, "Q1" of a column of quarters."""
    for hit in hits:
        if hit.end <= found[0] or hit.start >= found[1] or hit.match != "exact":
            continue
        table = schema.table(hit.table)
        column = table.column(hit.column) if table is not None else None
        if column is not None and column.kind == "date":
            continue
        whole = hit.start <= found[0] and hit.end >= found[1]  # so that no "in" leads up to it
        if whole or _PARTS.search(hit.column):
            return True
    return False


def _states(schema: Schema) -> frozenset[str]:
    """Words of columns that say how something is, unless a date says since when: "excused"."""
    columns = [column for table in schema.tables for column in table.columns]
    some = {w for c in columns if c.kind != "date" for w in parts_of(c.name)}
    dated = {w[:3] for c in columns if c.kind == "date" for w in parts_of(c.name)}
    return frozenset(word for word in some if word[:3] not in dated)


def _listed(rest: str, schema: Schema) -> str:
    """The rest, told to be a list where only its things are left: "Which patients?", "Students"."""
    found = _ONLY_THINGS.match(rest)
    names = {plain(table.bare_name) for table in schema.tables}
    return f"List all {found[1].lower()}" if found and plain(found[1]) in names else rest


def _without(text: str, start: int, end: int) -> str:
    """The question without its phrase, as one would write it."""
    before, after = text[:start].rstrip(" ,;:("), text[end:].lstrip(" ,;:)")
    if (found := _HOW_MANY.match(before)) and not re.match(r"\w", after):
        before = f"{found[1]} are there"
    gap = "" if not before or not after or not re.match(r"[\w\"'(]", after) else " "
    rest = " ".join(f"{before}{gap}{after}".split())
    return rest[:1].upper() + rest[1:]
