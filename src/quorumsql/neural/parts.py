"""Names that a table keeps in parts: "Astrid Gruber" where one column has Astrid, another Gruber.

Nothing is split that the database does not split itself: every word of the text must be a stored
value, exactly, of another column of one table.

What is not covered: initials, and conditions with OR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from quorumsql.domain import ColumnRef
from quorumsql.forms.tree import Condition, Predicate, Query, SpanRef, map_queries
from quorumsql.neural.spans import Span, parts_of

__all__ = ["by_parts"]


def by_parts(query: Query, spans: Sequence[Span]) -> Query:
    """Return `query` with a whole name beside one column made one comparison per part."""
    hits = [hit for span in spans for hit in span.hits]
    numbers = {(span.start, span.end): number for number, span in enumerate(spans)}

    def parts(predicate: Predicate) -> dict[ColumnRef, SpanRef]:
        value = predicate.right[0] if len(predicate.right) == 1 else None
        if predicate.operator != "=" or predicate.negated or not isinstance(value, SpanRef):
            return {}
        span, column = spans[value.number], predicate.left
        found = {
            ColumnRef(table=hit.table, column=hit.column): SpanRef(numbers[hit.start, hit.end])
            for hit in parts_of(span.start, span.end, hits)
            if (hit.start, hit.end) in numbers
        }
        return found if len(found) > 1 and column in found else {}

    def of_query(query: Query) -> Query:
        where = query.where
        if where is None or "or" in where.connectors:
            return query
        return replace(query, where=_divided(where, [parts(p) for p in where.predicates]))

    return map_queries(query, of_query)


def _divided(condition: Condition, parts: Sequence[Mapping[ColumnRef, SpanRef]]) -> Condition:
    """One predicate per part; what else is said to equal the columns of parts, goes."""
    said: dict[ColumnRef, Predicate] = {}
    for predicate, own in zip(condition.predicates, parts, strict=True):
        for column, ref in own.items():
            said.setdefault(column, replace(predicate, left=column, right=(ref,)))
    if not said:
        return condition
    rest = [p for p in condition.predicates if not (p.operator == "=" and p.left in said)]
    found = (*said.values(), *rest)
    return Condition(found, ("and",) * (len(found) - 1))
