"""Let NOT IN find what is missing, also where the list has an unknown value.

"Which employees lead nobody" is `id NOT IN (SELECT manager_id …)`, and finds nothing at all as soon
as one employee has no manager: SQL cannot say that an id differs from NULL. Nobody who asks means
that.

What is not covered: NULL on the left side, and lists that are no plain column.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from quorumsql.sql import parsed

__all__ = ["without_nulls"]


def without_nulls(sql: str, dialect: str) -> str | None:
    """Return the statement with NULLs left out of what NOT IN compares with.

    None where there is no NOT IN over a column of another SELECT.
    """
    tree = parsed(sql, dialect)
    if tree is None:
        return None
    lists = [found for node in tree.find_all(exp.In) if (found := _list(node)) is not None]
    for select in lists:
        column = select.expressions[0].copy()
        select.where(exp.Not(this=exp.Is(this=column, expression=exp.Null())), copy=False)
    return tree.sql(dialect=dialect, unsupported_level=ErrorLevel.IGNORE) if lists else None


def _list(node: exp.In) -> exp.Select | None:
    """The SELECT of a NOT IN, where it gives one column as it is stored."""
    query = node.args.get("query")
    select = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(node.parent, exp.Not) or not isinstance(select, exp.Select):
        return None
    shown = select.expressions
    plain = len(shown) == 1 and isinstance(shown[0], exp.Column)
    return select if plain and not isinstance(shown[0].this, exp.Star) else None
