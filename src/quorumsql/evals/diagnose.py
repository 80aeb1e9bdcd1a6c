"""Say in which way an answer is wrong: by its result, and by the parts of its SQL.

The class of a result is the first that fits, so that every wrong answer has exactly one. The parts
say where to look; an answer can differ in several, and a right one may too.

What is not covered: which of several differing parts made the result wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.dialects import known_dialect
from quorumsql.domain import Execution, Failure, Rows
from quorumsql.results import same_result

__all__ = ["ERRORS", "differs_in", "error_of"]

ERRORS: Final = MappingProxyType(
    {
        "unscored": "no verdict was possible",
        "no SQL": "nobody proposed a statement",
        "unknown name": "names a table, column or function that does not exist",
        "syntax error": "the engine cannot parse it",
        "failed": "the engine refused it for another reason",
        "timeout": "ran out of time",
        "refused": "the guard, or a cap on rows or bytes, stopped it",
        "no rows": "found nothing where there is something",
        "rows for none": "found something where there is nothing",
        "too few columns": "the rows are narrower",
        "too many columns": "the rows are wider",
        "wrong order": "the right rows in another order",
        "duplicates": "the right rows, but not as often",
        "too few rows": "some rows are missing",
        "too many rows": "some rows are too many",
        "other values": "as many rows and columns, with other values",
    }
)
"""Every class of error with what it means, in the order in which they are tried."""

_UNKNOWN = (
    *("no such column", "no such table", "no such function", "unknown column", "unknown table"),
    *("does not exist", "doesn't exist", "not found", "ambiguous column", "is ambiguous"),
)
_SYNTAX = ("syntax", "parse", "unrecognized token", "incomplete input", "not one statement")
_LARGEST = 20_000  # cells; above, order and duplicates are not told from other differences


def error_of(sql: str | None, found: Execution | None, gold: Execution) -> str:
    """Return the class of a wrong answer, a key of `ERRORS`.

    Args:
        sql: the answer.
        found: its result.
        gold: the right result.
    """
    if sql is None:
        return "no SQL"
    if not isinstance(gold, Rows):
        return "unscored"
    match found:
        case Rows():
            return _of_rows(found, gold)
        case Failure(kind="timeout"):
            return "timeout"
        case Failure(kind="refused" | "cap"):
            return "refused"
        case Failure(message=message):
            return _of_message(message.lower())
        case _:
            return "no SQL"


def _of_message(message: str) -> str:
    if any(words in message for words in _UNKNOWN):
        return "unknown name"
    return "syntax error" if any(words in message for words in _SYNTAX) else "failed"


def _of_rows(found: Rows, gold: Rows) -> str:
    if not found.rows and gold.rows:
        return "no rows"
    if found.rows and not gold.rows:
        return "rows for none"
    if len(found.columns) != len(gold.columns):
        return "too few columns" if len(found.columns) < len(gold.columns) else "too many columns"
    if len(found.rows) * len(found.columns) <= _LARGEST >= len(gold.rows) * len(gold.columns):
        if same_result(found, gold):
            return "wrong order"
        if same_result(_distinct(found), _distinct(gold)):
            return "duplicates"
    if len(found.rows) != len(gold.rows):
        return "too few rows" if len(found.rows) < len(gold.rows) else "too many rows"
    return "other values"


def _distinct(rows: Rows) -> Rows:
    try:
        return Rows(columns=rows.columns, rows=tuple(dict.fromkeys(rows.rows)))
    except TypeError:  # a cell is a list
        return rows


def differs_in(sql: str, gold: str, dialect: str) -> tuple[str, ...]:
    """Return the parts in which two statements differ; nothing where one does not parse."""
    known = known_dialect(dialect)
    try:
        one, two = (sqlglot.parse_one(text, read=known) for text in (sql, gold))
    except (SqlglotError, RecursionError):
        return ()
    first, second = _parts(one), _parts(two)
    return tuple(part for part in first if first[part] != second[part])


def _parts(tree: exp.Expr) -> dict[str, Counter[str]]:
    """What each part of a statement holds, without names of aliases and without order."""
    tables = Counter(t.name.lower() for t in tree.find_all(exp.Table))
    clauses = {
        "tables": Counter(tables.keys()),
        "columns": Counter(set(c.name.lower() for c in tree.find_all(exp.Column))),
        "aggregates": Counter(a.key for a in tree.find_all(exp.AggFunc)),
        "values": Counter(str(v.this).lower() for v in tree.find_all(exp.Literal)),
        "comparisons": Counter(_comparisons(tree)),
        "grouping": Counter(_names(tree, exp.Group)),
        "order": Counter(_names(tree, exp.Order)),
        "limit": Counter("limit" for _ in tree.find_all(exp.Limit)),
        "distinct": Counter("distinct" for _ in tree.find_all(exp.Distinct)),
        "set operations": Counter(s.key for s in tree.find_all(exp.SetOperation)),
    }
    selects = sum(1 for _ in tree.find_all(exp.Select))
    return {**clauses, "nesting": Counter({"select": selects})}


def _comparisons(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Predicate):
        if not isinstance(node.parent, exp.Join) and not isinstance(node, exp.SubqueryPredicate):
            yield node.key


def _names(tree: exp.Expr, clause: type[exp.Expr]) -> Iterator[str]:
    for node in tree.find_all(clause):
        for column in node.find_all(exp.Column):
            yield column.name.lower()
        for key in node.find_all(exp.Ordered):
            yield "desc" if key.args.get("desc") else "asc"
