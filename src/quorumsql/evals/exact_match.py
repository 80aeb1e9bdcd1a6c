"""Compare two statements clause by clause, as Spider's exact-set match does.

Values do not count, nor does DISTINCT outside subqueries; columns that foreign keys make equal are
the same column. Within a clause order does not count, but for GROUP BY and ORDER BY. Inside
subqueries, which are compared as they are, foreign keys are not followed; DISTINCT counts there,
and in derived tables values do too.

Source: Yu et al. 2018, "Spider: A Large-Scale Human-Labeled Dataset for Complex and Cross-Domain
Semantic Parsing and Text-to-SQL Task", section 6, and its released evaluation.

What is not covered: precision and recall of components, which the official evaluation prints; here
a component matches or does not, from which those follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from quorumsql.evals.exact_parse import (
    Catalog,
    Column,
    Condition,
    Conditions,
    Expression,
    Query,
    Value,
)

__all__ = ["Hardness", "OfficialStops", "components", "hardness", "linked_columns", "prepare"]

Hardness: TypeAlias = Literal["easy", "medium", "hard", "extra"]
Links: TypeAlias = Mapping[str, str]

_CONNECTORS: Final = frozenset({"and", "or"})


class OfficialStops(Exception):
    """The official script ends with an error on this statement, and gives no verdict."""


def linked_columns(schema: Mapping[str, object]) -> Links:
    """Map every column in a foreign key to the first column of those it is equal to.

    Keys are taken one after the other, and one that touches two earlier groups joins only the
    first: the official script does the same.

    Args:
        schema: an entry of Spider's tables.json.

    Raises:
        ValueError: the entry is not of that form.
    """
    try:
        tables, columns = schema["table_names_original"], schema["column_names_original"]
        names = ["*" if t < 0 else f"{tables[t]}.{c}".lower() for t, c in columns]  # type: ignore[index,attr-defined]
        keys = [(int(one), int(other)) for one, other in schema["foreign_keys"]]  # type: ignore[attr-defined]
        groups: list[set[int]] = []
        for key in keys:
            group = next((found for found in groups if not found.isdisjoint(key)), None)
            if group is None:
                groups.append(set(key))
            else:
                group |= set(key)
        links = [(names[i], names[min(group)]) for group in groups for i in sorted(group)]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("not an entry of tables.json") from error
    return MappingProxyType({_identifier(one): _identifier(other) for one, other in links})


def _identifier(name: str) -> str:
    return "__all__" if name == "*" else f"__{name}__"


def prepare(query: Query, catalog: Catalog, links: Links) -> Query:
    """Return `query` without what does not count.

    Columns are replaced by what foreign keys link them to where their table stands in the
    outermost FROM, also for the second part of a UNION and its like.

    Raises:
        OfficialStops: conditions follow each other without AND or OR where the official script
            trips over it.
    """
    tables = {name.removesuffix("__") for name in query.tables if isinstance(name, str)}
    valid = {
        name
        for name in catalog.names.values()
        if "." in name and name.partition(".")[0] in tables and name in links
    }
    known = {name: links[name] for name in valid}
    return _with_links(_without_values(query), known)


def _without_values(query: Query) -> Query:
    return replace(
        query,
        joins=_conditions_without_values(query.joins),
        where=_conditions_without_values(query.where),
        having=_conditions_without_values(query.having),
        intersect=query.intersect and _without_values(query.intersect),
        union=query.union and _without_values(query.union),
        except_=query.except_ and _without_values(query.except_),
    )


def _conditions_without_values(conditions: Conditions) -> Conditions:
    found: list[Condition | str] = list(conditions)
    for i in range(0, len(found), 2):
        condition = found[i]
        if isinstance(condition, str):
            raise OfficialStops("two conditions without AND or OR between them")
        found[i] = condition._replace(
            value=_subquery_without_values(condition.value),
            second=_subquery_without_values(condition.second),
        )
    return tuple(found)


def _subquery_without_values(value: Value) -> Value:
    return _without_values(value) if isinstance(value, Query) else None


def _with_links(query: Query, links: Links) -> Query:
    order = query.order
    return replace(
        query,
        distinct=None,
        select=tuple((agg, _link(found, links)) for agg, found in query.select),
        joins=_link_conditions(query.joins, links),
        where=_link_conditions(query.where, links),
        group=tuple(_link_column(column, links) for column in query.group),
        having=_link_conditions(query.having, links),
        order=order and (order[0], tuple(_link(found, links) for found in order[1])),
        intersect=query.intersect and _with_links(query.intersect, links),
        union=query.union and _with_links(query.union, links),
        except_=query.except_ and _with_links(query.except_, links),
    )


def _link(expression: Expression, links: Links) -> Expression:
    operator, left, right = expression
    return Expression(operator, _link_column(left, links), right and _link_column(right, links))


def _link_column(column: Column, links: Links) -> Column:
    return Column(column.aggregate, links.get(column.name, column.name), None)


def _link_conditions(conditions: Conditions, links: Links) -> Conditions:
    return tuple(
        item
        if i % 2 or isinstance(item, str)
        else item._replace(expression=_link(item.expression, links))
        for i, item in enumerate(conditions)
    )


def components(gold: Query, predicted: Query) -> dict[str, bool]:
    """Return which components of two prepared queries match; the official names are the keys.

    The verdict is that all of them do. `tables` has no official name: it is looked at only when
    the others match.

    Raises:
        OfficialStops: derived tables come into it that the official script cannot sort.
    """
    matches = {
        "select": _same_bag(gold.select, predicted.select),
        "select(no AGG)": _same_bag((e for _, e in gold.select), (e for _, e in predicted.select)),
        "where": _same_bag(gold.where[::2], predicted.where[::2]),
        "where(no OP)": _same_bag(_expressions(gold.where), _expressions(predicted.where)),
        "group(no Having)": _same_bag(_plain_names(gold), _plain_names(predicted)),
        "group": _same_groups(gold, predicted),
        "order": gold.order == predicted.order
        and (gold.order is None or gold.limit == predicted.limit),
        "and/or": set(gold.where[1::2]) == set(predicted.where[1::2]),
        "IUEN": _same_combined(gold, predicted),
        "keywords": _keywords(gold) == _keywords(predicted),
    }
    matches["tables"] = all(matches.values()) and _same_tables(gold, predicted)
    return matches


def _same_bag(one: Iterable[Hashable], other: Iterable[Hashable]) -> bool:
    return Counter(one) == Counter(other)


def _expressions(conditions: Conditions) -> Iterator[Expression]:
    return (item.expression for item in conditions[::2] if isinstance(item, Condition))


def _plain_names(query: Query) -> list[str]:
    return [column.name.partition(".")[2] or column.name for column in query.group]


def _same_groups(gold: Query, predicted: Query) -> bool:
    """Whether columns come in the same order; aggregates and DISTINCT in them do not count."""
    if not gold.group or not predicted.group:
        return not gold.group and not predicted.group
    names = [column.name for column in gold.group]
    return names == [column.name for column in predicted.group] and gold.having == predicted.having


def _same_combined(gold: Query, predicted: Query) -> bool:
    pairs = (
        (gold.intersect, predicted.intersect),
        (gold.except_, predicted.except_),
        (gold.union, predicted.union),
    )
    return all(
        _same(one, other) if one is not None and other is not None else one is other
        for one, other in pairs
    )


def _same(gold: Query, predicted: Query) -> bool:
    return all(components(gold, predicted).values())


def _same_tables(gold: Query, predicted: Query) -> bool:
    if not gold.tables:
        return True
    for query in (gold, predicted):
        if len({table for table in query.tables if isinstance(table, Query)}) > 1:
            raise OfficialStops("two derived tables in one FROM")
    return _same_bag(gold.tables, predicted.tables)


def _keywords(query: Query) -> set[str]:
    conditions = _all_conditions(query)
    found = {name for name, present in _clauses(query).items() if present}
    if query.order is not None:
        found.add(query.order[0])
    if "or" in _all_connectors(query):
        found.add("or")
    if any(condition.negated for condition in conditions):
        found.add("not")
    return found | ({condition.comparison for condition in conditions} & {"in", "like"})


def _clauses(query: Query) -> Mapping[str, bool]:
    return {
        "where": bool(query.where),
        "group": bool(query.group),
        "having": bool(query.having),
        "order": query.order is not None,
        "limit": query.limit,
        "except": query.except_ is not None,
        "union": query.union is not None,
        "intersect": query.intersect is not None,
    }


def _all_conditions(query: Query) -> list[Condition]:
    places = (query.joins, query.where, query.having)
    return [c for place in places for c in place[::2] if isinstance(c, Condition)]


def _all_connectors(query: Query) -> list[object]:
    return [c for place in (query.joins, query.where, query.having) for c in place[1::2]]


def hardness(query: Query) -> Hardness:
    """Return how hard a gold query is, by the clauses and subqueries it has.

    Args:
        query: as parsed, not prepared.
    """
    clauses, others = _count_clauses(query), _count_others(query)
    nested = _count_nested(query)
    if nested == 0:
        if clauses <= 1 and others == 0:
            return "easy"
        if (others <= 2 and clauses <= 1) or (clauses <= 2 and others < 2):
            return "medium"
        if (others > 2 and clauses <= 2) or (clauses == 3 and others <= 2):
            return "hard"
    return "hard" if clauses <= 1 and others == 0 and nested <= 1 else "extra"


def _count_clauses(query: Query) -> int:
    present = (query.where, query.group, query.order is not None, query.limit)
    return (
        sum(map(bool, present))
        + max(0, len(query.tables) - 1)
        + _all_connectors(query).count("or")
        + sum(condition.comparison == "like" for condition in _all_conditions(query))
    )


def _count_nested(query: Query) -> int:
    values = (value for c in _all_conditions(query) for value in (c.value, c.second))
    combined = (query.intersect, query.union, query.except_)
    return sum(isinstance(found, Query) for found in (*values, *combined))


def _count_others(query: Query) -> int:
    """Count what there is more than one of. A negated condition counts as an aggregate."""
    aggregates = sum(aggregate != "none" for aggregate, _ in query.select)
    aggregates += sum(isinstance(c, Condition) and c.negated for c in query.where[::2])
    aggregates += _count_aggregates(query.group)
    if query.order is not None:
        aggregates += sum(
            _count_aggregates([found.left] if found.right is None else [found.left, found.right])
            for found in query.order[1]
        )
    # In HAVING the official script takes AND and OR for aggregates too.
    aggregates += sum(isinstance(c, str) or c.negated for c in query.having)
    many = (query.select, query.where, query.group)
    return (aggregates > 1) + sum(len(clause) > 1 for clause in many)


def _count_aggregates(columns: Sequence[Column]) -> int:
    return sum(column.aggregate != "none" for column in columns)
