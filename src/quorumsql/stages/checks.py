"""Rules that look at a statement and its result, and speak only when something is wrong.

Each is a function from a case to advice, "" when it has nothing to say; the refiner passes advice
on to the model that wrote the statement. After DeepEye-SQL's rule checkers.

What is not covered: whether the statement answers the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process
from sqlglot import exp

from quorumsql.domain import Column, Execution, Hit, Rows, Schema, Table
from quorumsql.sql import tree_of

__all__ = ["CHECKS", "Case", "advice"]

_NEAR = 80.0
_LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A statement with what is known about it. `values` reads a column's distinct values."""

    sql: str
    schema: Schema
    execution: Execution | None = None
    hits: tuple[Hit, ...] = ()
    values: Callable[[str, str, int], tuple[object, ...]] = field(default=lambda *_: ())
    private: bool = False


def advice(case: Case) -> tuple[str, ...]:
    """Return what the rules have to say, each once; nothing of SQL that does not parse."""
    tree = tree_of(case.sql, case.schema.dialect)
    if tree is None:
        return ()
    found = (text for check in CHECKS for text in check(tree, case))
    return tuple(dict.fromkeys(found))


def join_without_condition(tree: exp.Expr, case: Case) -> Iterator[str]:
    """Two tables that nothing ties together multiply each other's rows."""
    del case
    for join in tree.find_all(exp.Join):
        condition = join.args.get("on")
        bare = isinstance(condition, exp.Boolean) or condition is None  # sqlglot fills in TRUE
        tied = not bare or join.args.get("using") or join.args.get("method")
        if tied or join.kind == "CROSS" or isinstance(join.this, exp.Unnest | exp.Lateral):
            continue
        name = join.this.alias_or_name
        query = join.parent_select
        where = query.args.get("where") if query is not None else None
        tables = {c.table for c in where.find_all(exp.Column)} if where is not None else set()
        if name not in tables:
            yield f"{name} is joined without a condition: every row meets every row."


def aggregate_without_group(tree: exp.Expr, case: Case) -> Iterator[str]:
    """A bare column beside an aggregate is the value of some row."""
    del case
    for query in tree.find_all(exp.Select):
        if query.args.get("group") or query.args.get("distinct"):
            continue
        outputs = [one.unalias() for one in query.expressions]
        aggregates = [
            one for one in outputs if any(not _is_window(a) for a in one.find_all(exp.AggFunc))
        ]
        bare = [one for one in outputs if isinstance(one, exp.Column)]
        if aggregates and bare:
            names = ", ".join(column.name for column in bare)
            yield f"{names} stands beside an aggregate without GROUP BY."


def unlike_types(tree: exp.Expr, case: Case) -> Iterator[str]:
    """A number column compared with text that is no number, or joined with a text column."""
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
        left, right = node.left.unnest(), node.right.unnest()
        for one, other in ((left, right), (right, left)):
            column = _column_of(one, tree, case.schema)
            if column is None or column[1].kind != "number":
                continue
            if isinstance(other, exp.Literal) and other.is_string and not _is_number(other.name):
                yield f"{column[0].name}.{column[1].name} holds numbers; it is compared with text."


def limit_without_order(tree: exp.Expr, case: Case) -> Iterator[str]:
    """The first rows of no order are any rows."""
    del case
    for query in tree.find_all(exp.Select):
        if query.args.get("limit") and not query.args.get("order") and query.args.get("from_"):
            if not any(True for _ in query.find_all(exp.AggFunc)):
                yield "LIMIT without ORDER BY returns any rows."


def value_not_in_column(tree: exp.Expr, case: Case) -> Iterator[str]:
    """A value that a text column does not hold, while it holds one much like it."""
    if isinstance(case.execution, Rows) and case.execution.rows:
        return
    for node in tree.find_all(exp.EQ):
        left, right = node.left.unnest(), node.right.unnest()
        for one, other in ((left, right), (right, left)):
            found = _column_of(one, tree, case.schema)
            if found is None or not isinstance(other, exp.Literal) or not other.is_string:
                continue
            table, column = found
            if column.kind == "number":
                continue
            held = [str(v) for v in case.values(table.name, column.name, _LOOKED_AT)]
            if not held or other.name in held:
                continue
            place = f"{table.name}.{column.name} holds no {other.name!r}"
            near = process.extractOne(
                other.name.casefold(),
                [value.casefold() for value in held],
                scorer=fuzz.WRatio,
                score_cutoff=_NEAR,
            )
            if near is not None and case.private:
                yield f"{place}; it is written otherwise there."
            elif near is not None:
                yield f"{place}, but {held[near[2]]!r}."
            elif elsewhere := _held_elsewhere(other.name, column, case):
                yield f"{place}; {elsewhere} does."


CHECKS: tuple[Callable[[exp.Expr, Case], Iterator[str]], ...] = (
    join_without_condition,
    aggregate_without_group,
    unlike_types,
    limit_without_order,
    value_not_in_column,
)


def _held_elsewhere(value: str, column: Column, case: Case) -> str:
    places = [
        f"{hit.table}.{hit.column}"
        for hit in case.hits
        if str(hit.value).casefold() == value.casefold() and hit.column != column.name
    ]
    return places[0] if places else ""


def _is_window(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Window)


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "", 1).lstrip("+-").isdigit()


def _column_of(
    node: exp.Expr | None, tree: exp.Expr, schema: Schema
) -> tuple[Table, Column] | None:
    """The stored column that a node names, when there is no doubt about it."""
    if not isinstance(node, exp.Column):
        return None
    aliases = {t.alias_or_name.lower(): t.name for t in tree.find_all(exp.Table)}
    if node.table:
        tables = [schema.table(aliases.get(node.table.lower(), node.table))]
    else:
        tables = [schema.table(name) for name in dict.fromkeys(aliases.values())]
    found = [
        (table, column)
        for table in tables
        if table is not None and (column := table.column(node.name)) is not None
    ]
    return found[0] if len(found) == 1 else None
