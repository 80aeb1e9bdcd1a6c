"""Count what a query is made of, so that accuracy can be read by it: joins, subqueries, ….

Counts come from the parse tree of the whole statement. A query that does not parse has none,
which is different from zero of each.

Slicing results by features of the gold query follows NL2SQL360 (Li et al. 2024, "The Dawn of
Natural Language to SQL: Are We Fully Ready?").

What is not covered: joins that a list of tables with conditions in WHERE means are counted as
joins, but whether a condition joins or filters is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from quorumsql.dialects import known_dialect

__all__ = ["FEATURES", "features_of", "level_of"]

_KINDS: Final[Mapping[str, tuple[type[exp.Expr], ...]]] = MappingProxyType(
    {
        "tables": (exp.Table,),
        "joins": (exp.Join,),
        "aggregates": (exp.AggFunc,),
        "groupby": (exp.Group,),
        "having": (exp.Having,),
        "orderby": (exp.Order,),
        "limit": (exp.Limit, exp.Fetch),
        "distinct": (exp.Distinct,),
        "conditions": (
            *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
            *(exp.Like, exp.ILike, exp.In, exp.Between, exp.Is, exp.Exists, exp.RegexpLike),
        ),
        "or": (exp.Or,),
        "not": (exp.Not, exp.NEQ),
        "like": (exp.Like, exp.ILike),
        "in": (exp.In,),
        "between": (exp.Between,),
        "null": (exp.Null,),
        "case": (exp.Case,),
        "cast": (exp.Cast, exp.TryCast),
        "arithmetic": (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod),
        "window": (exp.Window,),
        "cte": (exp.CTE,),
        "union": (exp.Union,),
        "intersect": (exp.Intersect,),
        "except": (exp.Except,),
        "values": (exp.Literal,),
    }
)
FEATURES: Final = (*_KINDS, "columns", "setops", "subquery")
"""Every name that `features_of` counts; `columns` are those of the outermost select list."""


def features_of(sql: str, dialect: str) -> dict[str, int] | None:
    """Return the counts that are not zero, or None where `sql` does not parse."""
    tree = _parsed(sql, dialect)
    if tree is None:
        return None
    counts = dict.fromkeys(FEATURES, 0)
    for node in tree.walk(prune=_is_join_condition):
        if _is_join_condition(node):
            continue
        for name, kinds in _KINDS.items():
            if isinstance(node, kinds):
                counts[name] += 1
    counts["setops"] = counts["union"] + counts["intersect"] + counts["except"]
    # Every select but one per arm of a set operation and per CTE stands inside another query.
    selects = sum(1 for _ in tree.find_all(exp.Select))
    counts["subquery"] = max(0, selects - 1 - counts["setops"] - counts["cte"])
    outer = tree.find(exp.Select)
    counts["columns"] = len(outer.expressions) if outer is not None else 0
    return {name: count for name, count in counts.items() if count}


def level_of(sql: str, dialect: str) -> str:
    """Return how hard a query is in the words of Spider: easy, medium, hard or extra.

    The rule is Spider's (Yu et al. 2018, `eval_hardness`), counted on our own parse tree, so
    that it is defined for every query; where Spider's parser errs, the two differ. Empty where
    the query does not parse.
    """
    tree = _parsed(sql, dialect)
    outer = tree.find(exp.Select) if tree is not None else None
    if tree is None or outer is None:
        return ""
    own = [node for node in outer.walk(prune=_is_inner) if not _is_inner(node)]

    def count(*kinds: type[exp.Expr]) -> int:
        return sum(isinstance(node, kinds) for node in own)

    filters = sum(
        isinstance(node, _KINDS["conditions"]) and node.find_ancestor(exp.Where) is not None
        for node in own
    )
    group = outer.args.get("group")
    first = (filters > 0) + min(1, count(exp.Group)) + min(1, count(exp.Order))
    first += min(1, count(exp.Limit)) + count(exp.Join) + count(exp.Or) + count(exp.Like)
    inner = sum(
        _is_inner(node) and node.find_ancestor(exp.Where, exp.Having) is not None
        for node in outer.walk(prune=_is_inner)
    )
    second = inner + isinstance(tree, exp.SetOperation)
    aggregates = sum(
        isinstance(node, exp.AggFunc) and node.find_ancestor(exp.Having) is None for node in own
    )
    aggregates += count(exp.Not)  # the official script counts a NOT as it counts an aggregate
    other = (aggregates > 1) + (len(outer.expressions) > 1) + (filters > 1)
    other += group is not None and len(group.expressions) > 1
    return _level(first, second, other)


def _level(first: int, second: int, other: int) -> str:
    if first <= 1 and other == 0 and second == 0:
        return "easy"
    if second == 0 and ((other <= 2 and first <= 1) or (first <= 2 and other < 2)):
        return "medium"
    hard = (
        (other > 2 and first <= 2 and second == 0)
        or (2 < first <= 3 and other <= 2 and second == 0)
        or (first <= 1 and other == 0 and second <= 1)
    )
    return "hard" if hard else "extra"


def _parsed(sql: str, dialect: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, read=known_dialect(dialect))
    except (SqlglotError, RecursionError):
        return None


def _is_inner(node: exp.Expr) -> bool:
    """Whether a query inside the one that is being walked begins here."""
    return (
        isinstance(node, exp.Query)
        and node.parent is not None
        and node.depth > 0
        and (
            isinstance(node, exp.Subquery)
            or isinstance(node.parent, exp.Subquery | exp.In | exp.Exists)
        )
    )


def _is_join_condition(node: exp.Expr) -> bool:
    """Whether `node` is what a join compares, which is no condition on rows."""
    return isinstance(node.parent, exp.Join) and node.arg_key == "on"
