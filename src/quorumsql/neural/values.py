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
    return map_predicates(map_values(query, change), partial(_whole_year, schema=schema))


def _whole_year(predicate: Predicate, schema: Schema) -> Predicate:
    """Read "in 2023" beside a date as its beginning: a date never equals a bare year."""
    column = column_of(schema, beside(predicate))
    (value,) = predicate.right if len(predicate.right) == 1 else (None,)
    if column is None or column.kind != "date" or not isinstance(value, Value):
        return predicate
    dated = any(len(str(example)) > len("2023") for example in column.examples)
    if predicate.operator != "=" or not YEAR.fullmatch(value.text) or not dated:
        return predicate
    return replace(predicate, operator="starts", right=(Value(value.text),))


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
