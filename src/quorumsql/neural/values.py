"""Fill the values of a tree: spans of the question become literals, guesses a stored value.

What is not covered: guesses for numbers; a query with one is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rapidfuzz import fuzz

from quorumsql.domain import Column, Schema
from quorumsql.forms.tree import Predicate, Query, SpanRef, Value, map_predicates, map_values
from quorumsql.neural.parts import by_parts
from quorumsql.neural.spans import PATTERNS, Span, beside, column_of, literal

__all__ = ["Unfilled", "fill"]

YEAR = re.compile(r"[12]\d{3}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
EDGES = {">": (True,), "<=": (True,), ">=": (False,), "<": (False,), "between": (False, True)}
"""Whether a year beside this operator means its end."""


class Unfilled(ValueError):
    """A value had to be guessed, and the column's examples offer none."""


def fill(query: Query, *, spans: Sequence[Span], schema: Schema, question: str) -> Query:
    """Return `query` with literals only.

    Raises:
        Unfilled: a guess has nothing to go by.
    """

    def change(predicate: Predicate | None, value: Value | SpanRef) -> Value:
        ref = beside(predicate)
        column = column_of(schema, ref)
        if isinstance(value, SpanRef):
            pattern = predicate is not None and predicate.operator in PATTERNS
            return literal(spans[value.number], ref, column, pattern)
        return _guess(column, question) if value.guessed else value

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


def _guess(column: Column | None, question: str) -> Value:
    """The example of the column that the question's words resemble most.

    Codes are often initials ("F" for female) and answers often Yes: a shared beginning counts.
    """
    if column is None or not column.examples or column.kind == "number":
        raise Unfilled("nothing to guess from")
    words = question.lower().replace("?", " ").split()

    def likeness(example: str) -> float:
        text = example.lower()
        starts = max((len(text) for w in words if w.startswith(text)), default=0)
        return 50 + starts if starts else max((fuzz.ratio(text, w) for w in words), default=0.0) / 2

    examples = [str(example) for example in column.examples]
    return Value(max(examples, key=likeness), guessed=True)
