"""Set apart what a question says of time that embedded generators cannot write, and add it after.

"How many orders were placed in March 2024?" is asked as "How many orders were placed?", and what
was chosen is then changed by the rule of follow-ups that reads "in March 2024" (`follow.kept`). So
is "older than 65" where only days of birth are known. Generators write a year and a day in numbers
by themselves; these are left to them.

What is not covered: questions that name two such times or compare one with another, and statements
the rule cannot change. Those are asked as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from quorumsql.domain import Candidate, Choice, Execution, Hit, Schema
from quorumsql.follow import Kept, kept
from quorumsql.follow.dates import phrase
from quorumsql.stages.complete import finished

__all__ = ["Apart", "Timed", "set_apart", "timed"]

_AGE = re.compile(
    r"(?:\b(?:who|that|and)\s+)?(?:\b(?:are|is|were)\s+)?\b(?:older|younger)\s+than\s+\d+"
    r"(?:\s+years(?:\s+old)?)?(?![\w.,-]\w)",
    re.IGNORECASE,
)
_BORN = re.compile(r"birth|born|dob", re.IGNORECASE)
_PARTS = re.compile(r"year|month|quarter|week|period|season", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"^(how many (?:\w+ )?(?!\w+ed\b|(?:are|were|is|was|did)\b)\w+)(?: (?:are|were))?$",
    re.IGNORECASE,
)
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


def set_apart(text: str, schema: Schema, hits: Sequence[Hit], *, today: date) -> Apart | None:
    """Return the question in two, or None where generators had better see all of it.

    Args:
        text: the question.
        schema: without a column of dates nothing is set apart.
        hits: stored values that the question mentions: "May 2024" may be one.
        today: the day that "last month" is counted from.
    """
    columns = [column for table in schema.tables for column in table.columns]
    days = [column for column in columns if column.kind == "date"]
    found = phrase(text, today) if days else None
    if found is None and any(_BORN.search(column.name) for column in days):
        found = _age(text, [column.name for column in columns])
    if found is None or _is_stored(found, hits, schema):
        return None
    rest = _without(text, *found)
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
    others = [one.members[0] for one in choice.groups[:_OFFERED]]
    for place in dict.fromkeys((choice.candidate, *others)):
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
    return kept(sql, apart.phrase, schema, about=apart.rest, today=apart.today)


def _warning(made: Kept, apart: Apart) -> str:
    if not made.others:
        return ""
    others = " or ".join(made.others)
    return f"{apart.phrase!r} was taken to mean {made.column}, not {others}."


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


def _without(text: str, start: int, end: int) -> str:
    """The question without its phrase, as one would write it."""
    before, after = text[:start].rstrip(" ,;:("), text[end:].lstrip(" ,;:)")
    if (found := _HOW_MANY.match(before)) and not re.match(r"\w", after):
        before = f"{found[1]} are there"
    gap = "" if not before or not after or not re.match(r"[\w\"'(]", after) else " "
    rest = " ".join(f"{before}{gap}{after}".split())
    return rest[:1].upper() + rest[1:]
