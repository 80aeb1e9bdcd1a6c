"""Fill the values of a tree: spans of the question become literals, guesses a stored value.

What is not covered: guesses for numbers, dates and parts of texts; a query with one is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rapidfuzz import fuzz

from quorumsql.domain import Column, Schema
from quorumsql.forms.tree import Predicate, Query, SpanRef, Value, map_predicates, map_values
from quorumsql.naming import readable, stem
from quorumsql.neural.parts import by_parts
from quorumsql.neural.relate import COMMON
from quorumsql.neural.spans import PATTERNS, Span, beside, column_of, literal
from quorumsql.ports import Meaning
from quorumsql.sql import TRUTHS

__all__ = ["Unfilled", "fill", "pointed", "spans_of"]

YEAR = re.compile(r"[12]\d{3}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
EDGES = {">": (True,), "<=": (True,), ">=": (False,), "<": (False,), "between": (False, True)}
"""Whether a year beside this operator means its end."""
BARE = frozenset("is are was has had have flag".split())
"""Words in the name of a column of yes and no that questions leave out."""
_NOT = r"\b(?:not|never|no longer|without|out of|\w+n['’]t)"
DENIAL = re.compile(rf"{_NOT}\b", re.I)
BEFORE = re.compile(rf"{_NOT}(?: \w+){{0,2}} ?$", re.I)
"""A denial of the word behind it: "not active", "never been active"."""
WORD = re.compile(r"[^\W_]+")
ASKING = COMMON | frozenset(
    "me my make makes made many much more most than that there this these those their them they "
    "show list find give tell all any each was were does did can could you your we our us".split()
)
"""Words that ask; what they begin with is no initial of a value."""

RESEMBLES = 37.5
"""Half of a ratio of letters above which a word is the example itself, in another form."""


class Unfilled(ValueError):
    """A value had to be guessed, and the column's examples offer none."""


def pointed(query: Query, *, spans: Sequence[Span], schema: Schema) -> Query:
    """Return `query` with spans for the guesses that need none: the index has one in this column.

    A span that the query has already, or that is only the beginning of a value, is not taken.
    """
    used = spans_of(query)

    def change(predicate: Predicate | None, value: Value | SpanRef) -> Value | SpanRef:
        ref = beside(predicate)
        column = column_of(schema, ref)
        if isinstance(value, SpanRef) or not value.guessed or column is None or predicate is None:
            return value
        if ref is None or predicate.operator in PATTERNS or _pair(column):
            return value
        own = [
            (hit.score, -number)
            for number, span in enumerate(spans)
            for hit in span.hits
            if (hit.table, hit.column) == (ref.table, ref.column)
            and hit.match != "prefix"
            and number not in used
        ]
        if not own:
            return value
        number = -max(own)[1]
        used.add(number)
        return SpanRef(number)

    return map_values(query, change)


def spans_of(query: Query) -> set[int]:
    """Return the numbers of the spans that a query has."""
    found: set[int] = set()

    def look(_: Predicate | None, value: Value | SpanRef) -> Value | SpanRef:
        if isinstance(value, SpanRef):
            found.add(value.number)
        return value

    map_values(query, look)
    return found


def fill(
    query: Query, *, spans: Sequence[Span], schema: Schema, question: str, meaning: Meaning
) -> Query:
    """Return `query` with literals only; `meaning` tells which stored text a guess is.

    Raises:
        Unfilled: a guess has nothing to go by.
    """

    def change(predicate: Predicate | None, value: Value | SpanRef) -> Value:
        ref = beside(predicate)
        column = column_of(schema, ref)
        if isinstance(value, SpanRef):
            pattern = predicate is not None and predicate.operator in PATTERNS
            return literal(spans[value.number], ref, column, pattern)
        return _guess(predicate, schema, question, meaning) if value.guessed else value

    query = by_parts(query, spans)
    return map_predicates(map_values(query, change), partial(_whole_time, schema=schema))


def _whole_time(predicate: Predicate, schema: Schema) -> Predicate:
    """Read a year, or a day, beside dates that say more as all of it.

    "In 2023" are the dates that begin so, since no date equals a bare year; "after 2023" is after
    its last day, "until 2023" ends with it. A day is meant with all of its hours.
    """
    column = column_of(schema, beside(predicate))
    values = [value for value in predicate.right if isinstance(value, Value)]
    if column is None or column.kind != "date" or len(values) < len(predicate.right):
        return predicate
    longest = max((len(str(e)) for e in column.examples if DAY.match(str(e))), default=0)
    if predicate.operator in {"=", "!="}:
        (value,) = values
        bare = YEAR.fullmatch(value.text) or (
            DAY.fullmatch(value.text) and longest > len(value.text)
        )
        if not bare or not longest:
            return predicate
        negated = predicate.negated != (predicate.operator == "!=")
        return replace(predicate, operator="starts", right=(Value(value.text),), negated=negated)
    ends = EDGES.get(predicate.operator)
    if ends is None or not longest:
        return predicate
    pairs = zip(ends, values, strict=True)
    return replace(predicate, right=tuple(_edge(value, end, longest) for end, value in pairs))


def _edge(value: Value, last: bool, longest: int) -> Value:
    """The first day of a year, or its last moment; other values as they are."""
    if not YEAR.fullmatch(value.text):
        return value
    clock = " 23:59:59" * (last and longest > len("2023-12-31"))
    return Value(value.text + ("-12-31" if last else "-01-01") + clock)


def _guess(predicate: Predicate | None, schema: Schema, question: str, meaning: Meaning) -> Value:
    """What a value is that no span of the question says.

    A column of yes and no means yes unless the question denies it. Otherwise it is the example that
    words of the question resemble or mean most, which says nothing about a date, a number or a part
    of a text.
    """
    ref = beside(predicate)
    column = column_of(schema, ref)
    if predicate is None or ref is None or column is None or not column.examples:
        raise Unfilled("nothing to guess from")
    if predicate.operator in PATTERNS:
        raise Unfilled("nobody means the whole of a value by a part of it")
    denied = predicate.negated != (predicate.operator == "!=")
    if (truth := _truth(column, question, denied)) is not None:
        return truth
    if column.kind in {"number", "date"}:
        raise Unfilled("an example of a number or a date is as good as any other")
    return _likest(column, ref.table, question, meaning)


def _pair(column: Column) -> tuple[str, str] | None:
    """The words for yes and no in a column that has nothing else."""
    said = {str(example).lower() for example in column.examples}
    for pair in TRUTHS:
        if said == set(pair) or (column.kind == "boolean" and not said.isdisjoint(pair)):
            return pair
    return None


def _truth(column: Column, question: str, denied: bool) -> Value | None:
    """Yes or no as a column of both writes it; None for other columns.

    `denied` says that the predicate itself denies what the value says. Numbers count as yes and no
    only where the question names their column: 0 and 1 may be counts.
    """
    pair, named = _pair(column), _name_in(column.name, question)
    if pair is None or (named is None and column.kind == "number"):
        return None
    if named is None:
        no = DENIAL.search(question) is not None
    else:
        no = bool(named["un"] or BEFORE.search(question[: named.start()]))
    text = pair[no and not denied]
    example = next(one for one in column.examples if str(one).lower() in pair)
    written = str(example)
    text = text.upper() if written.isupper() else text.title() if written.istitle() else text
    return Value(text, number=type(example) is int, guessed=named is None)


def _name_in(name: str, question: str) -> re.Match[str] | None:
    """Where the question names a column of yes and no: "active", "inactive" for `is_active`."""
    words = [re.escape(word) for word in readable(name).split() if word not in BARE]
    if not words:
        return None
    phrase = r"[\s-]?".join(words)
    return re.search(rf"\b(?P<un>(?:un|in|non)-?|non )?{phrase}s?\b", question, re.I)


def _likest(column: Column, table: str, question: str, meaning: Meaning) -> Value:
    """The example of the column that the question's words resemble or mean most.

    Codes are often initials ("F" for female) and answers often Yes: a shared beginning counts, but
    not that of words which ask, or which name the table or the column. Where no word resembles any
    example, it is the one that is nearest in meaning to two things that the question says.
    """
    names = {stem(word) for name in (table, column.name) for word in readable(name).split()}
    words = [word for word in WORD.findall(question.lower()) if word not in ASKING]
    telling = [word for word in words if stem(word) not in names]

    def likeness(example: str) -> float:
        text = example.lower()
        starts = max((len(text) for word in telling if word.startswith(text)), default=0)
        return 50 + starts if starts else max((fuzz.ratio(text, w) for w in words), default=0.0) / 2

    examples = tuple(map(str, column.examples))
    best = max(examples, key=likeness)
    if likeness(best) < RESEMBLES and telling:
        near = meaning.nearness(_phrases(telling), [readable(e) or e.lower() for e in examples])
        means = [sum(sorted(row, reverse=True)[:2]) for row in zip(*near, strict=True)]
        best = examples[means.index(max(means))]
    return Value(best, guessed=True)


def _phrases(words: Sequence[str]) -> tuple[str, ...]:
    """All runs of up to three words."""
    return tuple(
        " ".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1)
    )
