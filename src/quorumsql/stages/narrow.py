"""The schema filter: two nested schemas, a precise one and a safer one, for one question.

Algorithm 1 of XiYan-SQL (arXiv 2507.04701) asks a language model for the needed columns, adds the
keys they imply, sets them aside and asks again, p_s = 2 times. Here cheap generators draft SQL on
what `link` leaves of the schema, and a column is believed in as far as drafts use it (linking
backwards from SQL, as RSL-SQL does: Cao et al. 2024, arXiv 2411.00073), its name and values speak
for it. A set of columns is so judged as a whole, by queries that need all of it. Whatever has
another opinion about columns, a language model say, implements the port `Ranker`.

What is not covered: deciding whether a schema needs to be filtered at all; `link` does that.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from quorumsql.domain import Brief, Candidate, ColumnRef, Ranking, Schema
from quorumsql.errors import ModelError
from quorumsql.joins import JoinGraph
from quorumsql.ports import Generator
from quorumsql.sql import names_in
from quorumsql.stages.link import keys_of, part_of
from quorumsql.stages.relevance import Beliefs, Relevance, features
from quorumsql.stages.together import together

__all__ = ["LARGE", "SMALL", "Drafts", "Nested", "narrow"]

_Name = TypeVar("_Name", bound=Hashable)

SMALL = (0.04, 0.016)
LARGE = (0.008, 0.003)
"""Least probability of a column of the first and of the second schema, for a database that fits
the encoder and for one that had to be cut; from databases held out of the members' training."""

NEEDED_TABLE = 0.2
"""Least belief in a table none of whose columns is needed, as in COUNT(*)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """S1 and S2: every column of `precise` is in `wide`.

    `keys` of the one and `more_keys` of the other were added for joins only.
    """

    precise: Schema
    wide: Schema
    keys: frozenset[ColumnRef] = frozenset()
    more_keys: frozenset[ColumnRef] = frozenset()


class Drafts:
    """A `Ranker` that asks generators for drafts; none of them is run."""

    def __init__(self, generators: Sequence[Generator], relevance: Relevance) -> None:
        self._generators = tuple(generators)
        self._relevance = relevance

    def rank(self, brief: Brief) -> Ranking:
        """Return how likely each column and each table is needed."""
        beliefs = self.beliefs(brief)
        rows = features(brief, beliefs)
        columns = {ref: self._relevance(row) for ref, row in rows.items()}
        return Ranking(columns=columns, tables=beliefs.tables)

    def beliefs(self, brief: Brief) -> Beliefs:
        """Return what the drafts use, by weight, and how sure they are of themselves.

        Raises:
            ModelError: every generator failed.
        """
        drafted = self._drafted(brief)
        texts = {one.sql for drafts in drafted for one in drafts}
        known = {sql: _places(sql, brief.schema) for sql in texts}
        read = [[_Read(one.weight, *known[one.sql]) for one in drafts] for drafts in drafted]
        count = len(self._generators)
        columns: defaultdict[ColumnRef, float] = defaultdict(float)
        tables: defaultdict[str, float] = defaultdict(float)
        some: defaultdict[ColumnRef, float] = defaultdict(float)
        best: dict[ColumnRef, float] = {}
        for drafts in read:
            own: defaultdict[ColumnRef, float] = defaultdict(float)
            for draft in drafts:
                for name in draft.tables:
                    tables[name] += draft.weight / count
                for column in draft.columns:
                    own[column] += draft.weight
            for column, share in own.items():
                columns[column] += share / count
                some[column] += 1.0 / count
                best[column] = max(best.get(column, 0.0), share)
        firsts = [drafts[0] for drafts in read if drafts]
        return Beliefs(
            columns=dict(columns),
            best=best,
            tables=dict(tables),
            some=dict(some),
            first=_shares((c for one in firsts for c in one.columns), count),
            first_tables=_shares((name for one in firsts for name in one.tables), count),
            sure=sum(one.weight for one in firsts) / max(count, 1),
            spread=sum(_entropy(one.weight for one in drafts) for drafts in read) / max(count, 1),
        )

    def _drafted(self, brief: Brief) -> list[tuple[Candidate, ...]]:
        """What each generator drafts, all at once; one that fails has no say."""
        jobs = [partial(generator.generate, brief) for generator in self._generators]
        outcomes = together(jobs, names=[generator.name for generator in self._generators])
        lost = [one for one in outcomes if isinstance(one, ModelError)]
        if lost and len(lost) == len(outcomes):
            raise lost[0]
        return [() if isinstance(one, ModelError) else one for one in outcomes]


def narrow(schema: Schema, ranking: Ranking, *, least: tuple[float, float] = LARGE) -> Nested:
    """Return the two schemas that `ranking` leads to, nested, with the keys that join them.

    Args:
        schema: all there is to choose from.
        ranking: of its columns and tables.
        least: probability of a column of the first schema, and of the second one.
    """
    tables = [name for name, belief in ranking.tables.items() if belief >= NEEDED_TABLE]
    first, second = (
        {ref for ref, likely in ranking.columns.items() if likely >= bound} for bound in least
    )
    if not first and not tables and ranking.columns:
        first = {max(ranking.columns, key=lambda ref: ranking.columns[ref])}
    small, keys = _selected(schema, first, tables)
    large, more = _selected(schema, first | second, tables)
    return Nested(precise=small, wide=large, keys=keys, more_keys=more)


def _selected(
    schema: Schema, columns: Collection[ColumnRef], tables: Collection[str]
) -> tuple[Schema, frozenset[ColumnRef]]:
    """The chosen columns with the keys of their tables, of those chosen, and of bridges."""
    wanted = set(columns)
    position = {table.name: i for i, table in enumerate(schema.tables)}
    chosen = [position[t] for t in {*tables, *(c.table for c in columns)} if t in position]
    touched = _with_bridges(schema, sorted(chosen))
    keys = set(keys_of(schema, touched))
    kept = {
        (t, c)
        for t in touched
        for c, column in enumerate(schema.tables[t].columns)
        if ColumnRef(table=schema.tables[t].name, column=column.name) in wanted
    }
    only = frozenset(
        ColumnRef(table=schema.tables[t].name, column=schema.tables[t].columns[c].name)
        for t, c in keys - kept
    )
    lonely = {t for t in touched if not any(t == place for place, _ in kept | keys)}
    first = {(t, 0) for t in lonely if schema.tables[t].columns}
    return part_of(schema, sorted(kept | keys | first)), only


def _with_bridges(schema: Schema, chosen: Sequence[int]) -> list[int]:
    """`chosen`, and the tables through which they join."""
    graph = JoinGraph(schema)
    position = {table.name: i for i, table in enumerate(schema.tables)}
    touched = dict.fromkeys(chosen)
    for index in chosen[1:]:
        path = graph.path([schema.tables[chosen[0]].name, schema.tables[index].name])
        if path is not None and len(path.tables) <= 4:
            touched |= dict.fromkeys(position[name] for name in path.tables)
    return sorted(touched)


@dataclass(frozen=True, slots=True)
class _Read:
    """A draft: its weight, and what it reads."""

    weight: float
    columns: frozenset[ColumnRef]
    tables: frozenset[str]


def _places(sql: str, schema: Schema) -> tuple[frozenset[ColumnRef], frozenset[str]]:
    """The columns and the tables of the schema that a draft reads."""
    names, columns = names_in(sql, schema.dialect)
    tables = [table for name in names if (table := schema.table(name)) is not None]
    found: set[ColumnRef] = set()
    for ref in columns:
        named = schema.table(ref.table) if ref.table else None
        for table in [named] if named is not None else tables:
            column = table.column(ref.column)
            if column is not None:
                found.add(ColumnRef(table=table.name, column=column.name))
                break
    return frozenset(found), frozenset(table.name for table in tables)


def _shares(names: Iterable[_Name], count: int) -> dict[_Name, float]:
    return {name: times / count for name, times in Counter(names).items()}


def _entropy(weights: Iterable[float]) -> float:
    return -sum(weight * math.log(weight) for weight in weights if weight > 0)
