"""Ages, where only days of birth are stored: the oldest was born first, an average is of years.

Embedded generators learned from databases with a column of ages. Over days of birth they sort "the
oldest" as if the day were an age, and average what comes first in the table.

What is not covered: ages in lists, and averages over several tables, where a row may count twice.
"Older than 65" is a time (`when`).
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from quorumsql.domain import Column, Schema, Table
from quorumsql.follow.scope import is_of_birth, parts_of
from quorumsql.sql import parsed

__all__ = ["aged"]

_OLD = {"oldest": False, "eldest": False, "youngest": True}
"""Whether the latest day of birth comes first."""
_OLDEST = re.compile(rf"\b(?:{'|'.join(_OLD)})\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:average|mean|avg) age\b", re.IGNORECASE)
_YEARS = {
    "sqlite": "CAST(STRFTIME('%Y.%m%d', 'now') - STRFTIME('%Y.%m%d', {}) AS INTEGER)",
    "postgres": "EXTRACT(YEAR FROM AGE({}))",
    "duckdb": "DATE_SUB('year', {}, CURRENT_DATE)",
    "mysql": "TIMESTAMPDIFF(YEAR, {}, CURDATE())",
}
"""Whole years from a day until today."""


def aged(sql: str, question: str, schema: Schema) -> str | None:
    """Return the statement with ages as they are meant; None where there is nothing to change."""
    said = {word.lower() for word in _OLDEST.findall(question)}
    if not said and not _AVERAGE.search(question):
        return None
    tree = parsed(sql, schema.dialect)
    if tree is None:
        return None
    read = [t for t in map(schema.table, {x.name for x in tree.find_all(exp.Table)}) if t]
    if any("age" in parts_of(column.name) for table in read for column in table.columns):
        return None
    born = {c.name.lower(): c for t in read for c in t.columns if is_of_birth(c)}
    changed = _sorted(tree, said, born) if len(said) == 1 else False
    if _AVERAGE.search(question):
        changed = _averaged(tree, read, schema.dialect) or changed
    return tree.sql(dialect=schema.dialect) if changed else None


def _sorted(tree: exp.Expr, said: set[str], born: dict[str, Column]) -> bool:
    """Turn the order round where it begins with the others; whether that was so."""
    latest = _OLD[next(iter(said))]
    changed = False
    for one in tree.find_all(exp.Ordered):
        limited = one.find_ancestor(exp.Select)
        first = isinstance(one.this, exp.Column) and one.this.name.lower() in born
        if not first or limited is None or not limited.args.get("limit"):
            continue
        if bool(one.args.get("desc")) != latest:
            one.set("desc", latest)
            one.set("nulls_first", None)
            changed = True
    wrong, right = (exp.Min, exp.Max) if latest else (exp.Max, exp.Min)
    for end in list(tree.find_all(wrong)):
        if isinstance(end.this, exp.Column) and end.this.name.lower() in born:
            end.replace(right(this=end.this))
            changed = True
    return changed


def _averaged(tree: exp.Expr, read: list[Table], dialect: str) -> bool:
    """Average years since birth, whatever was averaged; whether that is clear."""
    found = list(tree.find_all(exp.Avg))
    if len(read) != 1 or len(found) != 1 or dialect not in _YEARS:
        return False
    days = [column.name for column in read[0].columns if is_of_birth(column)]
    if len(days) != 1:
        return False
    day = exp.column(days[0], quoted=not days[0].islower()).sql(dialect=dialect)
    found[0].set("this", sqlglot.parse_one(_YEARS[dialect].format(day), read=dialect))
    return True
