"""Small questions about the clauses of a query, for the estimate of its size.

Chains are walked in loops: `a OR b OR …` is a tree as deep as it is long.

What is not covered: what names mean (`expansion` knows).
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from quorumsql.dialects import known_dialect

__all__ = [
    *("alternatives", "arms_of", "betweens", "conjuncts", "is_join", "own_names"),
    *("sorted_by_number", "view_query", "window_text"),
]


def arms_of(node: exp.SetOperation) -> tuple[list[exp.Expr], list[exp.SetOperation]]:
    """The queries that a chain of UNION, EXCEPT and INTERSECT connects, and what connects them."""
    arms: list[exp.Expr] = []
    nodes: list[exp.SetOperation] = []
    inner: exp.Expr = node
    while isinstance(inner, exp.SetOperation) and (inner is node or not inner.args.get("with_")):
        nodes.append(inner)
        arms.append(inner.expression)
        inner = inner.this
    return [inner, *reversed(arms)], nodes


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that AND connects."""
    return _parts(node, exp.And)


def alternatives(node: exp.Expr) -> int:
    """How many conditions OR connects; 0 where there is none."""
    found = len(_parts(node, exp.Or))
    return found if found > 1 else 0


def _parts(node: exp.Expr, kind: type[exp.And | exp.Or]) -> list[exp.Expr]:
    found = []
    stack = [node]
    while stack:
        one = stack.pop()
        while isinstance(one, exp.Paren):
            one = one.this
        if isinstance(one, kind):
            stack += [one.left, one.right]
        else:
            found.append(one)
    return found


def betweens(node: exp.Between) -> int:
    """How many BETWEEN stand inside each other from `node` on; 0 where it stands in one itself."""
    if isinstance(node.parent, exp.Between) and node.arg_key == "this":
        return 0
    count, inner = 0, node.this
    while isinstance(inner, exp.Between):
        count, inner = count + 1, inner.this
    return count


def own_names(node: exp.Expr) -> tuple[str, ...]:
    """The names of columns that a WITH entry or a table gives anew: `AS q(a, b)`."""
    alias = node.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return tuple(column.name.lower() for column in columns or ())


def window_text(node: exp.Window) -> str:
    """A text that is equal for windows that a planner computes together."""
    parts = [node.alias, *(node.args.get("partition_by") or ())]
    parts += [part for part in (node.args.get("order"), node.args.get("spec")) if part]
    return " ".join(
        part if isinstance(part, str) else part.sql(unsupported_level=ErrorLevel.IGNORE)
        for part in parts
    )


def view_query(text: str, dialect: str) -> exp.Expr | None:
    """The query of a view; None where there is none, or where it cannot be read."""
    if not text:
        return None
    try:
        tree = sqlglot.parse_one(text, read=known_dialect(dialect))
    except SqlglotError:
        return None
    query = tree.expression if isinstance(tree, exp.Create) else tree
    return query if isinstance(query, exp.Query) else None


def sorted_by_number(node: exp.Select) -> int:
    """How many columns are sorted or grouped by their number."""
    order, group = node.args.get("order"), node.args.get("group")
    keys = [one.this for one in order.expressions] if order else []
    keys += group.expressions if group else []
    return sum(isinstance(key, exp.Literal) for key in keys)


def is_join(node: exp.Expr) -> bool:
    """Whether what stands in brackets after FROM is a join, or a table, and no query."""
    return isinstance(node, exp.Table) or bool(
        isinstance(node, exp.Subquery) and node.args.get("joins")
    )
