"""The join graph: which tables connect the ones a query needs, and through which keys.

Generators name columns; the tables between them follow from the foreign keys. The path is
a Steiner tree found greedily: each further table joins by the cheapest path to the tree.

What is not covered: joining a table with itself, and join conditions that no foreign key,
declared or inferred from names, stands for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quorumsql.domain import ColumnRef, ForeignKey, Schema

__all__ = ["Join", "JoinGraph", "JoinPath"]

DECLARED, INFERRED = 1.0, 1.6
"""Cost of crossing one key: two declared keys lose against one inferred key."""

VIA_BONUS = 0.9
"""Taken off the cost of a key that the generator asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One step of a path: `table` joins the tables before it by equal column pairs."""

    table: str
    pairs: tuple[tuple[ColumnRef, ColumnRef], ...]
    declared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPath:
    """The first table and the joins that bring in the others, in order."""

    first: str
    joins: tuple[Join, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables of the path, in the order in which they join."""
        return (self.first, *(join.table for join in self.joins))


class JoinGraph:
    """Tables as nodes, foreign keys as edges. Built once per schema, then only read."""

    def __init__(self, schema: Schema) -> None:
        self._edges: dict[str, list[tuple[str, ForeignKey]]] = {t.name: [] for t in schema.tables}
        for key in schema.foreign_keys:
            if key.table == key.referred_table:
                continue
            if key.table in self._edges and key.referred_table in self._edges:
                self._edges[key.table].append((key.referred_table, key))
                self._edges[key.referred_table].append((key.table, key))

    def path(self, tables: Sequence[str], *, via: Iterable[ColumnRef] = ()) -> JoinPath | None:
        """Connect `tables`, adding bridge tables; None when some cannot be reached.

        `via` names key columns to prefer where several keys lead the same way.
        """
        if not tables:
            return None
        wanted = frozenset(via)
        joined = [tables[0]]
        joins: list[Join] = []
        for target in tables[1:]:
            if target in joined:
                continue
            steps = self._shortest(joined, target, wanted)
            if steps is None:
                return None
            joins.extend(steps)
            joined.extend(step.table for step in steps)
        return JoinPath(first=joined[0], joins=tuple(joins))

    def _shortest(
        self, sources: Sequence[str], target: str, via: frozenset[ColumnRef]
    ) -> list[Join] | None:
        """Dijkstra from all of `sources` at once; ties go to the earlier key of the schema."""
        origin: dict[str, tuple[str, ForeignKey]] = {}
        best = dict.fromkeys(sources, 0.0)
        queue: list[tuple[float, int, str]] = []
        for number, source in enumerate(sources):
            heapq.heappush(queue, (0.0, number, source))
        counter = len(sources)
        while queue:
            cost, _, table = heapq.heappop(queue)
            if table == target:
                return _steps(origin, target)
            if cost > best.get(table, float("inf")):
                continue
            for neighbour, key in self._edges.get(table, ()):
                total = cost + _cost(key, via)
                if total < best.get(neighbour, float("inf")) - 1e-9:
                    best[neighbour] = total
                    origin[neighbour] = (table, key)
                    counter += 1
                    heapq.heappush(queue, (total, counter, neighbour))
        return None


def _cost(key: ForeignKey, via: frozenset[ColumnRef]) -> float:
    cost = DECLARED if key.declared else INFERRED
    asked = any(ColumnRef(table=key.table, column=c) in via for c in key.columns)
    return cost - VIA_BONUS if asked else cost


def _steps(origin: Mapping[str, tuple[str, ForeignKey]], target: str) -> list[Join]:
    steps: list[Join] = []
    table = target
    while table in origin:
        before, key = origin[table]
        here = [ColumnRef(table=key.table, column=c) for c in key.columns]
        there = [ColumnRef(table=key.referred_table, column=c) for c in key.referred_columns]
        steps.append(
            Join(table=table, pairs=tuple(zip(here, there, strict=True)), declared=key.declared)
        )
        table = before
    return steps[::-1]
