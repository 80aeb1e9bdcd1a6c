"""What a form should write for a given tree, step by step: for training and for scoring.

What is not covered: reading SQL into a tree; `forms.read` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quorumsql.domain import ColumnRef, Schema
from quorumsql.forms.grammar import COLUMN, KEYWORDS, SPAN, TABLE, Grammar, terminal_of
from quorumsql.forms.linear import ONE_VALUE, TableRef, linearise
from quorumsql.forms.tree import Predicate, Query, SpanRef, Value, map_queries, map_values
from quorumsql.neural.spans import PATTERNS, Span, beside, column_of, literal
from quorumsql.neural.tokenise import Encoded

__all__ = ["GUESSED", "IGNORED", "Targets", "Written", "align", "in_order", "pad", "targets"]

KEYWORD = {word: number for number, word in enumerate(KEYWORDS)}
GUESSED = Value("", guessed=True)
IGNORED = -100
"""Stands where a shorter target has ended."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What one form should write for one encoded example, step by step.

    The right action, the terminals that the grammar allows, the column last written or -1.
    """

    actions: tuple[int, ...]
    allowed: tuple[frozenset[str], ...]
    beside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Targets of one form, padded: inputs and targets (B, L), allowed (B, L, A).

    relation (B, L, S): how each span relates to the column last written (RELATIONS).
    Padded targets are IGNORED.
    """

    inputs: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    relation: npt.NDArray[np.int64]


def align(tree: Query, encoded: Encoded, schema: Schema) -> Query:
    """Return `tree` with its values as spans of the question, 1, or a guess."""

    def change(predicate: Predicate | None, value: Value | SpanRef) -> Value | SpanRef:
        if not isinstance(value, Value) or value == ONE_VALUE:
            return value
        ref = beside(predicate)
        column = column_of(schema, ref)
        pattern = predicate is not None and predicate.operator in PATTERNS
        same = [
            (span.end - span.start, -number)
            for number, span in enumerate(encoded.spans)
            if _says(span, value, literal(span, ref, column, pattern))
        ]
        return SpanRef(-max(same)[1]) if same else GUESSED

    return map_values(tree, change)


def in_order(tree: Query, tables: Sequence[str]) -> Query:
    """Return `tree` with the tables of each FROM in the order in which the input names them.

    People write FROM in any order; what cannot be foreseen should not be learned.
    """
    place = {name: number for number, name in enumerate(tables)}

    def change(query: Query) -> Query:
        ordered = sorted(query.tables, key=lambda table: place.get(table, len(place)))
        return replace(query, tables=tuple(ordered))

    return map_queries(tree, change)


def _says(span: Span, value: Value, read_as: Value) -> bool:
    if value.number and span.number is not None:
        return float(value.text) == float(span.number)
    wanted = value.text.strip().casefold()
    return wanted in {read_as.text.strip().casefold(), span.text.strip().casefold()}


def targets(tree: Query, form: str, grammar: Grammar, encoded: Encoded) -> Targets:
    """Return the steps of the aligned `tree` in `form`.

    Raises:
        KeyError: the tree names what the input does not show.
        ValueError: the form has no words for the tree.
    """
    columns = {ref: i for i, ref in enumerate(encoded.columns)}
    tables = {name: i + len(columns) for i, name in enumerate(encoded.tables)}
    size, state, last = len(KEYWORDS), grammar.start, -1
    actions: list[int] = []
    allowed: list[frozenset[str]] = []
    besides: list[int] = []
    for token in linearise(in_order(tree, encoded.tables), form):
        match token:
            case ColumnRef():
                action = size + columns[token]
            case TableRef():
                action = size + tables[token.table]
            case SpanRef():
                action = size + len(columns) + len(tables) + token.number
            case _:
                action = KEYWORD[terminal_of(token)]
        actions.append(action)
        allowed.append(grammar.allowed(state))
        besides.append(last)
        state = grammar.step(state, terminal_of(token))
        last = columns[token] if isinstance(token, ColumnRef) else last
    return Targets(tuple(actions), tuple(allowed), tuple(besides))


def pad(rows: Sequence[Targets], encoded: Sequence[Encoded], items: int, spans: int) -> Written:
    """Stack the targets of one form; each example has up to `items` items and `spans` spans."""
    size, length = len(rows), -(-max(len(r.actions) for r in rows) // 4) * 4
    words = len(KEYWORDS)
    total = words + items + spans
    inputs = np.full((size, length), total, np.int64)
    wanted = np.full((size, length), IGNORED, np.int64)
    allowed = np.zeros((size, length, total), bool)
    relation = np.zeros((size, length, spans), np.int64)
    for row, (steps, e) in enumerate(zip(rows, encoded, strict=True)):
        own_items = len(e.columns) + len(e.tables)
        count = len(steps.actions)
        # Padding of items stands between an example's own items and its spans.
        actions = [a + items - own_items if a >= words + own_items else a for a in steps.actions]
        wanted[row, :count] = actions
        inputs[row, 1:count] = actions[:-1]
        columns, tables = len(e.columns), len(e.tables)
        for step, names in enumerate(steps.allowed):
            line = allowed[row, step]
            line[[KEYWORD[n] for n in names if n in KEYWORD]] = True
            line[words : words + columns] = COLUMN in names
            line[words + columns : words + columns + tables] = TABLE in names
            line[words + items : words + items + len(e.spans)] = SPAN in names
            if steps.beside[step] >= 0:
                relation[row, step, : len(e.spans)] = e.relation[steps.beside[step]]
        allowed[row, count:, 0] = True  # keeps the softmax of padding finite
    return Written(inputs=inputs, targets=wanted, allowed=allowed, relation=relation)
